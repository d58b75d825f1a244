// The work on a layer: edits with undo, saved as they are made; and who may make them.

import { ProblemError } from "../service/problem.ts";
import type { Api, Clip } from "./api.ts";
import { Drafts } from "./drafts.ts";
import { applyAll, undoing, type Edit, type Layer } from "./layer.ts";
import { Saver, type Conflict, type Status } from "./saver.ts";

interface Step {
  readonly does: readonly Edit[];
  readonly undoes: readonly Edit[];
}

export interface WorkEvents {
  onLayer(layer: Layer): void;
  onStatus(status: Status): void;
  onConflict(conflicts: readonly Conflict[]): Promise<ReadonlySet<string>>;
  onKeyRefused(): void;
  /** Edits of a tab that is gone have been found. */
  onRecovered(edits: number): void;
}

export class Work {
  layer: Layer;
  private saver: Saver | null = null;
  private readonly done: Step[] = [];
  private readonly undone: Step[] = [];
  /** Made before my layer is there. */
  private readonly early: Edit[] = [];
  private beginning: Promise<void> | null = null;

  private constructor(
    private readonly api: Api,
    private readonly clip: Clip,
    private readonly me: string,
    /** What is shown first. */
    private readonly base: Layer,
    private readonly events: WorkEvents,
  ) {
    this.layer = base;
  }

  /** Begin with my layer if there is one, otherwise with what the model found. */
  static async open(api: Api, clip: Clip, me: string, events: WorkEvents): Promise<Work> {
    const named = (name: string) => clip.layers.some(({ annotator }) => annotator === name);
    const name = named(me) ? me : named("model") ? "model" : null;
    const empty: Layer = { clip: clip.id, annotator: "model", revision: 0, state: "open", tracks: [], heard: [] };
    const work = new Work(api, clip, me, name ? await api.layer(clip.id, name) : empty, events);
    if (name === me) await work.save(work.layer);
    return work;
  }

  /** Whether it is my layer that is shown. */
  get mine(): boolean {
    return this.saver !== null;
  }

  get unsaved(): number {
    return this.saver?.changes ?? 0;
  }

  /** Make edits, which show at once; a layer of mine is begun, from what is shown, if there is none. */
  async edit(edits: readonly Edit[]): Promise<void> {
    this.done.push({ does: edits, undoes: undoing(this.layer, edits) });
    this.undone.length = 0;
    this.change(edits);
    await this.begin();
  }

  /** Begin my layer as a copy of what is shown, once. */
  begin(): Promise<void> {
    if (this.saver) return Promise.resolve();
    return (this.beginning ??= this.start().finally(() => (this.beginning = null)));
  }

  undo(): boolean {
    const step = this.done.pop();
    if (!step) return false;
    this.undone.push(step);
    this.change(step.undoes);
    return true;
  }

  redo(): boolean {
    const step = this.undone.pop();
    if (!step) return false;
    this.done.push(step);
    this.change(step.does);
    return true;
  }

  flush(): Promise<boolean> {
    return this.saver?.flush() ?? Promise.resolve(true);
  }

  discard(): void {
    this.saver?.discard();
  }

  /** Show what the service has done to my layer, such as masks carried on; `undoes` takes it back. */
  show(edits: readonly Edit[]): void {
    this.layer = applyAll(this.layer, edits);
    this.events.onLayer(this.layer);
  }

  /** Learn the layer that the service has now; what was shown since `before` becomes a step. */
  async learn(before: Layer, shown: readonly Edit[]): Promise<void> {
    const layer = await this.api.layer(this.clip.id, this.me);
    if (shown.length) this.done.push({ does: shown, undoes: undoing(before, shown) });
    this.saver?.learn(layer);
  }

  close(): void {
    void this.flush();
    this.saver?.close();
  }

  private async start(): Promise<void> {
    const { base } = this;
    const from = base.revision || base.tracks.length ? base.annotator : null;
    try {
      const layer = await this.api.startLayer(this.clip.id, from);
      await this.save(layer.tracks ? layer : await this.api.layer(this.clip.id, this.me));
    } catch (error) {
      if (error instanceof ProblemError && error.problem.code === "layer_exists") return this.save(await this.api.layer(this.clip.id, this.me));
      this.takeBack();
      throw error;
    }
  }

  /** My layer could not be begun: what was done to it is not there. */
  private takeBack(): void {
    for (const list of [this.early, this.done, this.undone]) list.length = 0;
    this.layer = this.base;
    this.events.onLayer(this.layer);
  }

  private async save(layer: Layer): Promise<void> {
    const place = `${this.api.service.address("")}|${this.clip.id}|${this.me}`;
    const saver = new Saver(this.api, new Drafts(place), layer, {
      ...this.events,
      onStatus: (status) => this.events.onStatus(status),
      onConflict: (conflicts) => this.events.onConflict(conflicts),
      onKeyRefused: () => this.events.onKeyRefused(),
      onLayer: (now) => {
        this.layer = now;
        this.events.onLayer(now);
      },
    });
    this.saver = saver;
    if (this.early.length) saver.add(this.early.splice(0));
    this.layer = saver.layer;
    const edits = await saver.recover();
    if (edits) this.events.onRecovered(edits);
    this.events.onLayer(this.layer);
  }

  private change(edits: readonly Edit[]): void {
    if (this.saver) this.saver.add(edits);
    else this.early.push(...edits);
    this.layer = applyAll(this.layer, edits);
    this.events.onLayer(this.layer);
  }
}
