// Saves edits by themselves, a moment after they are made; loses none, whatever breaks.

import { ProblemError, unreachable, type Problem } from "../service/problem.ts";
import type { Api } from "./api.ts";
import { EMPTY, freshId, type Draft, type Drafts } from "./drafts.ts";
import { applyAll, holding, putTrack, subjectOf, trackOf, type Edit, type Layer } from "./layer.ts";

/** Something that was changed here, and since then by somebody else, otherwise. */
export interface Conflict {
  readonly subject: string;
  readonly mine: Layer;
  readonly theirs: Layer;
}

export type Status =
  | { readonly kind: "saved" }
  | { readonly kind: "saving"; readonly changes: number }
  /** There is no connection: tried again, in so many seconds. */
  | { readonly kind: "waiting"; readonly changes: number; readonly seconds: number; readonly problem: Problem }
  /** The service does not take them: somebody has to decide. */
  | { readonly kind: "refused"; readonly changes: number; readonly problem: Problem };

export interface SaverEvents {
  onStatus(status: Status): void;
  /** What the layer is now, with the edits that are not saved yet. */
  onLayer(layer: Layer): void;
  /** Return the subjects that are to be as they are here; others become as the service has them. */
  onConflict(conflicts: readonly Conflict[]): Promise<ReadonlySet<string>>;
  onKeyRefused(): void;
}

const PAUSE_MS = 500;
const MOST_EDITS = 100;
const FIRST_WAIT = 1;
const LONGEST_WAIT = 20;

export class Saver {
  private draft: Draft = EMPTY;
  private wait = FIRST_WAIT;
  private timer = 0;
  private running: Promise<boolean> | null = null;
  private stopped = false;

  /** `known` is what the service has. */
  constructor(
    private readonly api: Api,
    private readonly drafts: Drafts,
    private known: Layer,
    private readonly events: SaverEvents,
  ) {}

  /** Take over what tabs that are gone have not saved; return how many edits that are. */
  async recover(): Promise<number> {
    const left = await this.drafts.left().catch(() => new Map<string, Draft>());
    let edits = 0;
    for (const [key, draft] of left) {
      edits += draft.waiting.length + (draft.sent?.edits.length ?? 0);
      await this.adopt(draft);
      await this.drafts.forget(key);
    }
    if (edits) void this.flush();
    return edits;
  }

  get layer(): Layer {
    return applyAll(this.known, [...(this.draft.sent?.edits ?? []), ...this.draft.waiting]);
  }

  get changes(): number {
    return this.draft.waiting.length + (this.draft.sent?.edits.length ?? 0);
  }

  /** Take edits; they are kept at once, and saved soon. */
  add(edits: readonly Edit[]): void {
    const before = { ...this.draft.before };
    for (const edit of edits) before[subjectOf(edit)] ??= holding(this.layer, subjectOf(edit));
    this.set({ ...this.draft, waiting: [...this.draft.waiting, ...edits], before });
    this.tell({ kind: "saving", changes: this.changes });
    this.later(PAUSE_MS);
  }

  /** The service has another layer now, by what was asked of it. */
  learn(known: Layer): void {
    this.known = known;
    this.events.onLayer(this.layer);
  }

  /** Save all now; return whether nothing is left. */
  async flush(): Promise<boolean> {
    clearTimeout(this.timer);
    this.running ??= this.run().finally(() => (this.running = null));
    return this.running;
  }

  /** Give up what the service does not take. */
  discard(): void {
    this.set(EMPTY);
    this.events.onLayer(this.layer);
    this.tell({ kind: "saved" });
  }

  close(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.drafts.close();
  }

  private later(milliseconds: number): void {
    clearTimeout(this.timer);
    if (!this.stopped) this.timer = setTimeout(() => void this.flush(), milliseconds);
  }

  private async run(): Promise<boolean> {
    try {
      while (this.changes && !this.stopped) await this.sendBatch();
      this.wait = FIRST_WAIT;
      if (!this.stopped) this.tell({ kind: "saved" });
      return true;
    } catch (error) {
      this.onFailure(error instanceof ProblemError ? error.problem : unreachable(String(error)));
      return false;
    }
  }

  private async sendBatch(): Promise<void> {
    const sent = this.draft.sent ?? {
      id: freshId(),
      base_revision: this.known.revision,
      edits: this.draft.waiting.slice(0, MOST_EDITS),
    };
    if (!this.draft.sent) {
      this.set({ ...this.draft, sent, waiting: this.draft.waiting.slice(sent.edits.length) });
      await this.kept; // an id that was sent must be found again
    }
    try {
      const { revision } = await this.api.save(this.known.clip, sent);
      // An old batch that had been saved before is in what is known.
      if (revision >= this.known.revision) this.known = { ...applyAll(this.known, sent.edits), revision };
      this.settle();
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem.code !== "revision_conflict") throw error;
      await this.reconcile();
    }
  }

  private settle(): void {
    const left = new Set(this.draft.waiting.map(subjectOf));
    const before = Object.fromEntries(Object.entries(this.draft.before).filter(([name]) => left.has(name)));
    this.set({ sent: null, waiting: this.draft.waiting, before });
  }

  /** The service has another revision: bring edits and what it has together. */
  private async reconcile(): Promise<void> {
    const theirs = await this.api.layer(this.known.clip, this.known.annotator);
    const mine = this.layer;
    const edits = [...(this.draft.sent?.edits ?? []), ...this.draft.waiting];
    const subjects = new Set(edits.map(subjectOf));
    const conflicts = [...subjects].filter((subject) => {
      const now = holding(theirs, subject);
      return now !== holding(mine, subject) && now !== this.draft.before[subject];
    });
    const asked = conflicts.map((subject) => ({ subject, mine, theirs }));
    const kept = asked.length ? await this.events.onConflict(asked) : new Set<string>();
    const given = new Set(conflicts.filter((subject) => !kept.has(subject)));
    // Edits that were made while somebody decided are there, too.
    const all = [...(this.draft.sent?.edits ?? []), ...this.draft.waiting];
    const waiting = revived(all.filter((edit) => !given.has(subjectOf(edit))), mine, theirs);
    const before = Object.fromEntries(waiting.map((edit) => [subjectOf(edit), holding(theirs, subjectOf(edit))]));
    this.known = theirs;
    this.set({ sent: null, waiting, before });
    this.events.onLayer(this.layer);
  }

  private async adopt(draft: Draft): Promise<void> {
    const waiting = [...this.draft.waiting, ...(this.draft.sent?.edits ?? []), ...draft.waiting];
    this.set({ sent: draft.sent, waiting, before: { ...draft.before, ...this.draft.before } });
    this.events.onLayer(this.layer);
    await this.kept;
  }

  private onFailure(problem: Problem): void {
    const changes = this.changes;
    if (problem.code === "key_refused") this.events.onKeyRefused();
    const again = problem.status === 0 || problem.status >= 500 || problem.status === 429 || problem.code === "key_refused";
    if (!again) {
      this.tell({ kind: "refused", changes, problem });
      return;
    }
    const seconds = Math.max(this.wait, problem.retryAfter ?? 0);
    this.wait = Math.min(LONGEST_WAIT, this.wait * 2);
    this.tell({ kind: "waiting", changes, seconds, problem });
    this.later(seconds * 1000);
  }

  private kept: Promise<void> = Promise.resolve();

  private set(draft: Draft): void {
    this.draft = draft;
    this.kept = this.drafts.keep(draft);
  }

  private tell(status: Status): void {
    this.events.onStatus(status);
  }
}

/** Put tracks back that edits are about and that are no longer there. */
function revived(edits: readonly Edit[], mine: Layer, theirs: Layer): Edit[] {
  const missing = new Set<string>();
  for (const edit of edits) {
    const id = "track" in edit ? (typeof edit.track === "string" ? edit.track : "") : "";
    if (id && edit.op !== "delete_track" && !trackOf(theirs, id)) missing.add(id);
  }
  const back = [...missing].map((id) => trackOf(mine, id)).filter((track) => track !== undefined);
  return [...back.map(putTrack), ...edits];
}

