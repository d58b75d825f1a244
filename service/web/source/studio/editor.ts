// A clip in the studio: film, masks, timeline and tools, which show one layer and one time.

import { adviceOn, ProblemError, unreachable } from "../service/problem.ts";
import { PartPlayer } from "../sound/part.ts";
import { soundOf } from "../sound/sound.ts";
import { css, TrackColours } from "../view/colours.ts";
import { Controls } from "../view/controls.ts";
import { fill, h } from "../view/dom.ts";
import { Player } from "../view/player.ts";
import { Timeline } from "../view/timeline.ts";
import { plain } from "../view/words.ts";
import type { Api, Clip, Facts, Project, Prompt } from "./api.ts";
import { askAboutConflicts, Saved } from "./saved.ts";
import { labelOf, LayerFrames, Numbers, seenOf } from "./frames.ts";
import * as intervals from "./intervals.ts";
import { commandOf, helpDialog, type Command } from "./keys.ts";
import { LaneRow } from "./lane_row.ts";
import { maskAt, putTrack, sentencesOf, trackOf, type Edit, type Interval, type Layer, type Track } from "./layer.ts";
import { Panel } from "./panel.ts";
import { blank, covers, pixelsOf, rleOf, type Pixels, type Point } from "./pixels.ts";
import { Review } from "./review.ts";
import { Still, Surface, type Tool } from "./surface.ts";
import { Work } from "./work.ts";

const NUDGE = 0.02;
const OPACITY = 0.4;

export class Editor {
  readonly element: HTMLElement;
  private readonly numbers = new Numbers();
  private readonly frames: LayerFrames;
  private readonly colours: TrackColours;
  private readonly player: Player;
  private readonly controls: Controls;
  private readonly timeline: Timeline;
  private readonly surface: Surface;
  private readonly still: Still;
  private readonly panel: Panel;
  private readonly review: Review;
  private readonly saved = new Saved({ onRetry: () => void this.work?.flush(), onDiscard: () => this.work?.discard() });
  private readonly help = helpDialog();
  private readonly notice = h("p", { class: "notice", role: "alert", hidden: true });
  private readonly banner = h("p", { class: "banner", role: "status" });
  private readonly rows = new Map<string, LaneRow>();
  private readonly hidden = new Set<string>();
  private readonly address: string;
  private readonly part: PartPlayer;
  private work: Work | null = null;
  private shown: Layer | null = null;
  private other: Layer | null = null;
  private track: string | null = null;
  private selected: number | null = null;
  private onsets: readonly number[] = [];
  private prompt: Prompt | null = null;
  private running: { readonly text: string; readonly abort: AbortController } | null = null;
  private opacity = OPACITY;

  constructor(
    private readonly api: Api,
    private readonly facts: Facts,
    project: Project,
    private readonly clip: Clip,
    private readonly film: Blob,
    private readonly askKey: () => void,
  ) {
    this.address = URL.createObjectURL(film);
    this.part = new PartPlayer(this.address);
    this.frames = new LayerFrames(clip.fps, clip.frames, this.numbers);
    this.colours = new TrackColours(this.address, () => this.draw());
    this.surface = this.makeSurface();
    this.still = new Still((frame) => api.picture(clip.id, frame));
    this.player = this.makePlayer();
    this.controls = new Controls(this.player, (opacity) => this.setOpacity(opacity), OPACITY);
    this.timeline = this.makeTimeline();
    this.panel = this.makePanel([...new Set([...project.categories, ...facts.categories])]);
    this.review = new Review(api, project, clip, {
      onSeek: (time, track) => this.visit(time, track),
      onShow: (layer) => this.showOther(layer),
    });
    this.player.masks.before(this.still.element);
    this.player.masks.after(this.surface.element);
    const title = h("div", { class: "title" }, [h("h1", { tabindex: -1 }, clip.name), h("span", { class: "spread" }), this.saved.element]);
    const stage = h("section", { class: "stage card", "aria-label": "Film" }, [this.player.element, this.controls.element]);
    this.element = h("div", { class: "editor" }, [
      h("a", { href: `#project=${project.id}`, class: "up" }, `← ${project.name}`), title, this.notice, this.banner,
      stage, this.panel.element, this.timeline.element, this.review.element, this.help,
    ], { keydown: (event) => this.onKey(event) });
  }

  async begin(): Promise<void> {
    await this.tell(async () => {
      this.work = await Work.open(this.api, this.clip, this.facts.me, {
        onLayer: (layer) => this.onLayer(layer),
        onStatus: (status) => this.saved.show(status),
        onConflict: (conflicts) => askAboutConflicts(this.element, conflicts),
        onKeyRefused: this.askKey,
        onRecovered: (edits) => this.say(`${edits} changes that were not saved have been found in this browser, and are saved now.`),
      });
      this.onLayer(this.work.layer);
      this.onsets = await this.api.onsets(this.clip.id).catch(() => []);
    });
    void soundOf(this.film, this.clip.duration).then((sound) => this.timeline.setSound(sound));
    void this.review.learn(this.shown?.annotator ?? "model");
    this.goTo(0);
  }

  focus(): void {
    this.element.querySelector<HTMLElement>("h1")?.focus();
  }

  close(): void {
    this.running?.abort.abort();
    this.work?.close();
    this.player.close();
    this.part.close();
    this.colours.close();
    URL.revokeObjectURL(this.address);
  }

  private makePlayer(): Player {
    const editor = this;
    const look = {
      colourOf: (track: number) => editor.colours.of(track),
      isShown: (track: number) => !editor.hidden.has(editor.numbers.id(track) ?? ""),
      labelOf: ({ category }: { category: string }) => plain(category),
      get opacity() {
        return editor.opacity;
      },
    };
    return new Player(this.address, this.frames, look, {
      onTime: (time) => this.onTime(time),
      onPlaying: (playing) => this.onPlaying(playing),
      onReady: () => this.controls.showPlayable(this.player.playable),
    });
  }

  private makeTimeline(): Timeline {
    const timeline = new Timeline({
      onSeek: (time) => this.goTo(Math.round(time * this.clip.fps)),
      onLoop: (loop) => (this.player.loop = loop),
      onToggle: () => undefined,
      onHear: (part) => void (part ? this.part.play(part.start, part.end) : this.part.stop()),
    });
    timeline.setSeconds(this.clip.duration);
    return timeline;
  }

  private makeSurface(): Surface {
    return new Surface(this.clip.width, this.clip.height, {
      onPick: (at) => this.pick(at),
      onClick: (at, inside) => void this.ask({ points: [{ ...at, inside }] }, "click"),
      onBox: (box) => void this.ask({ points: [], box }, "box"),
      onStroke: (stroke) => void this.ask({ points: [], stroke }, "stroke"),
      onPaintBegin: () => this.paintable(),
      onPainted: (pixels) => this.putMask(rleOf(pixels), "brush"),
    });
  }

  private makePanel(categories: readonly string[]): Panel {
    return new Panel({
      onCommand: (command) => this.do(command),
      onTrack: (change) => this.current && this.edit({ op: "put_track", track: { ...this.bare(this.current), ...change } }),
      onDeleteTrack: () => this.current && this.edit({ op: "delete_track", track: this.current.id }),
      onSentence: (text) => this.selected !== null && this.putIntervals(intervals.told(this.intervals, this.selected, text)),
      onPropose: () => void this.propose(),
    }, categories);
  }

  private get current(): Track | undefined {
    return this.shown && this.track ? trackOf(this.shown, this.track) : undefined;
  }

  private get intervals(): readonly Interval[] {
    return this.current?.intervals ?? [];
  }

  private get frame(): number {
    return this.frames.indexAt(this.player.time);
  }

  private bare(track: Track): Pick<Track, "id" | "category" | "instance"> {
    const edit = putTrack(track);
    return edit.op === "put_track" ? edit.track : track;
  }

  private onLayer(layer: Layer): void {
    if (this.other) return;
    this.shown = layer;
    if (!this.current) [this.track, this.selected] = [layer.tracks[0]?.id ?? null, null];
    this.frames.set(layer);
    for (const { id } of layer.tracks) this.numbers.of(id);
    this.colours.learn({ frames: this.frames.all() });
    this.draw();
  }

  private showOther(layer: Layer | null): void {
    this.other = null;
    this.onLayer(layer ?? (this.work as Work).layer);
    this.other = layer;
    this.draw();
  }

  private draw(): void {
    const { shown } = this;
    if (!shown) return;
    const mine = this.work?.mine && !this.other;
    this.banner.hidden = Boolean(mine);
    this.banner.textContent = this.other ? `You look at the layer of ${shown.annotator}; it cannot be changed.` : "You look at what the model found. Your first change, or A to accept, begins your own copy.";
    for (const track of shown.tracks) this.row(track.id).show(this.laneLook(track), this.clip.duration);
    const heard = shown.heard.map(({ category, intervals: parts }) => {
      const row = this.row(`heard:${category}`);
      row.show({ name: category, colour: "", chosen: false, shown: true, seen: [], intervals: parts.map((one) => ({ ...one, text: category, inherited: false })), selected: null }, this.clip.duration);
      return row;
    });
    const rows = shown.tracks.map(({ id }) => this.row(id));
    const order = [...shown.tracks.map(({ id }) => id), "", ...shown.heard.map(({ category }) => category)].join();
    this.timeline.setRows(order, heard.length ? [...rows, null, ...heard] : rows);
    this.player.refresh();
  }

  private laneLook(track: Track) {
    const texts = sentencesOf(track.intervals);
    return {
      name: labelOf(track), colour: css(this.colours.of(this.numbers.of(track.id))), chosen: track.id === this.track,
      shown: !this.hidden.has(track.id), seen: seenOf(track, this.clip.fps, this.clip.duration),
      intervals: track.intervals.map((one, i) => ({ ...one, text: texts[i] ?? "no sentence" })),
      selected: track.id === this.track ? this.selected : null,
    };
  }

  private row(key: string): LaneRow {
    const known = this.rows.get(key);
    if (known) return known;
    const row = new LaneRow({
      onChoose: () => this.choose(key),
      onToggle: () => this.toggle(key),
      onSelect: (interval) => this.choose(key, interval),
      onEdge: (i, edge, time, done) => this.drag(key, i, edge, time, done),
      onNudge: (i, edge, steps, byFrame) => {
        this.choose(key, i);
        this.nudge(edge, steps, byFrame);
      },
    });
    this.rows.set(key, row);
    return row;
  }

  private choose(track: string, interval: number | null = null): void {
    if (track.startsWith("heard:")) return;
    [this.track, this.selected, this.prompt] = [track, interval, null];
    this.draw();
  }

  private toggle(track: string | null): void {
    if (track && !this.hidden.delete(track)) this.hidden.add(track);
    this.draw();
  }

  private onTime(time: number): void {
    this.controls.show(time, this.clip.duration);
    this.timeline.setTime(time);
    if (!this.player.playing) void this.still.show(this.frame);
    const mask = this.shown && this.track ? maskAt(this.shown, this.track, this.frame) : undefined;
    this.panel.show({
      tool: this.surface.tool, track: this.current, frame: this.frame, frames: this.clip.frames, mask,
      selected: this.selected, state: this.shown?.state ?? "open", running: this.running?.text ?? null,
    });
  }

  private onPlaying(playing: boolean): void {
    this.frames.pinned = null;
    if (playing) this.still.hide();
    this.controls.showPlaying(playing);
  }

  private goTo(frame: number): void {
    this.player.pause();
    const within = Math.max(0, Math.min(this.clip.frames - 1, frame));
    this.frames.pinned = within;
    this.prompt = null;
    this.player.seek(Math.max(1e-3, this.frames.timeOf(within)));
  }

  private visit(time: number, track: string | null): void {
    this.goTo(Math.round(time * this.clip.fps));
    if (track && this.shown && trackOf(this.shown, track)) this.choose(track);
  }

  private setOpacity(opacity: number): void {
    this.opacity = opacity;
    this.player.refresh();
  }

  private pick(at: Point): void {
    const found = this.shown?.tracks.find(({ id }) => {
      const mask = this.shown && maskAt(this.shown, id, this.frame);
      return mask && !this.hidden.has(id) && covers(mask.mask, at);
    });
    if (found) this.choose(found.id, intervals.at(found.intervals, this.player.time) >= 0 ? intervals.at(found.intervals, this.player.time) : null);
    this.player.element.focus({ preventScroll: true });
  }

  private edit(...edits: Edit[]): void {
    if (this.other) {
      this.say("This layer cannot be changed. Go back to yours first.");
      return;
    }
    void this.tell(async () => this.work?.edit(edits));
  }

  /** Return the track to work on; one is made if there is none. */
  private ensureTrack(): string {
    if (this.current) return this.current.id;
    return this.newTrack();
  }

  private newTrack(): string {
    const ids = new Set(this.shown?.tracks.map(({ id }) => id));
    let n = ids.size + 1;
    while (ids.has(`t${n}`)) n += 1;
    const id = `t${n}`;
    this.track = id;
    this.edit({ op: "put_track", track: { id, category: "thing", instance: 1 } });
    return id;
  }

  private putMask(mask: ReturnType<typeof rleOf>, tool: string): void {
    const track = this.ensureTrack();
    const locked = tool === "brush" || Boolean(this.shown && maskAt(this.shown, track, this.frame)?.locked);
    this.edit({ op: "put_mask", track, frame: this.frame, mask, locked: mask ? locked : false, tool });
  }

  private paintable(): Pixels | null {
    if (this.other) return null;
    this.player.pause();
    const known = this.shown && this.track ? maskAt(this.shown, this.track, this.frame) : undefined;
    return known ? pixelsOf(known.mask) : blank(this.clip.height, this.clip.width);
  }

  /** Ask for a mask by a prompt; clicks in one frame add up. */
  private async ask(more: Omit<Prompt, "frame">, tool: string): Promise<void> {
    this.player.pause();
    const { frame } = this;
    const before = this.prompt?.frame === frame && tool === "click" ? this.prompt : null;
    const known = this.shown && this.track ? maskAt(this.shown, this.track, frame)?.mask : undefined;
    const points = [...(before?.points ?? []), ...more.points];
    const refines = known && (before !== null || points.some(({ inside }) => !inside));
    const prompt: Prompt = { ...more, frame, points, ...(refines ? { previous: known } : {}) };
    this.prompt = prompt;
    await this.tell(async () => {
      const { mask } = await this.api.mask(this.clip.id, prompt);
      if (this.frame === frame) this.putMask(mask, tool);
    });
  }

  private putIntervals(changed: readonly Interval[] | null): void {
    if (changed && this.current) this.edit({ op: "put_intervals", track: this.current.id, intervals: changed });
  }

  private drag(track: string, i: number, edge: "start" | "end", time: number, done: boolean): void {
    const known = this.shown && trackOf(this.shown, track);
    if (!known) return;
    const near = intervals.nearest(this.onsets, time);
    const snapped = near !== null && Math.abs(near - time) < 0.06 ? near : time;
    const changed = intervals.moved(known.intervals, i, edge, snapped, this.clip.duration);
    if (done) this.putIntervals(changed);
    else this.row(track).show(this.laneLook({ ...known, intervals: changed }), this.clip.duration);
  }

  private nudge(edge: "start" | "end", steps: number, byFrame: boolean): void {
    const one = this.intervals[this.selected ?? -1];
    if (!one || this.selected === null) return;
    const by = steps * (byFrame ? 1 / this.clip.fps : NUDGE);
    this.putIntervals(intervals.moved(this.intervals, this.selected, edge, one[edge] + by, this.clip.duration));
  }

  private snap(edge: "start" | "end"): void {
    const one = this.intervals[this.selected ?? -1];
    const near = one && intervals.nearest(this.onsets, one[edge]);
    if (one && this.selected !== null && near !== null && near !== undefined) {
      this.putIntervals(intervals.moved(this.intervals, this.selected, edge, near, this.clip.duration));
    }
  }

  private async propose(): Promise<void> {
    const { current } = this;
    if (!current) return;
    await this.tell(async () => {
      await this.work?.flush();
      this.panel.propose((await this.api.sentences(this.clip.id, this.frame, current.id)).sentences);
    });
  }

  /** Carry the mask of this frame on, up to an end of the clip; the service saves each. */
  private async propagate(to: number): Promise<void> {
    const { current, frame } = this;
    if (!current || this.running || !this.work) return;
    const { work } = this;
    const abort = new AbortController();
    const shown: Edit[] = [];
    const say = (text: string) => {
      this.running = { text, abort };
      this.onTime(this.player.time);
    };
    say("Carrying on …");
    await this.tell(async () => {
      await work.begin();
      if (!(await work.flush())) return;
      const before = work.layer;
      let ended = "cancelled";
      try {
        const { end } = await this.api.propagate(this.clip.id, { track: current.id, frame, to }, (one) => {
          const edit: Edit = { op: "put_mask", track: current.id, frame: one.frame, mask: one.mask, locked: false, tool: "propagate" };
          shown.push(edit);
          work.show([edit]);
          say(`Frame ${one.frame + 1} of ${this.clip.frames}${one.held ? "" : ", not sure"}`);
          this.frames.pinned = one.frame;
          this.player.seek(this.frames.timeOf(one.frame));
        }, abort.signal);
        ended = end;
      } catch (error) {
        if (!abort.signal.aborted) throw error;
      } finally {
        await work.learn(before, shown);
      }
      this.say(ENDS[ended] ?? "");
    });
    this.running = null;
    this.onTime(this.player.time);
  }

  private onKey(event: KeyboardEvent): void {
    const target = event.target as HTMLElement;
    if (target.matches("input, select, textarea") || this.help.open) return;
    const pressed = event.key === " " || event.key === "Enter";
    if (pressed && target.matches("button, a, summary")) return;
    const number = event.ctrlKey || event.altKey ? 0 : Number.parseInt(event.key, 10);
    const track = number ? this.shown?.tracks[number - 1] : undefined;
    const command = commandOf(event);
    if (track) this.choose(track.id);
    else if (command) this.do(command, event.shiftKey);
    else return;
    event.preventDefault();
  }

  private do(command: Command, shift = false): void {
    const { frame, player } = this;
    const use = (tool: Tool) => () => {
      this.surface.use(tool);
      this.prompt = null;
      this.onTime(player.time);
    };
    const actions: Readonly<Record<Command, () => void>> = {
      look: use("look"), click: use("click"), box: use("box"), stroke: use("stroke"), brush: use("brush"), eraser: use("eraser"),
      smaller: () => this.surface.resize(0.8), larger: () => this.surface.resize(1.25),
      new_track: () => void this.newTrack(), hide: () => this.toggle(this.track),
      remove_mask: () => this.current && this.edit({ op: "put_mask", track: this.current.id, frame, mask: null, locked: false, tool: "brush" }),
      lock: () => this.lock(),
      forward: () => void this.propagate(this.clip.frames - 1), backward: () => void this.propagate(0),
      cancel: () => {
        this.running?.abort.abort();
        this.surface.cancel();
        this.timeline.setLoop(null);
      },
      new_interval: () => {
        this.putIntervals(intervals.begun(this.intervals, this.frames.timeOf(frame), this.clip.duration));
        this.selected = null;
      },
      split: () => this.putIntervals(intervals.split(this.intervals, this.frames.timeOf(frame))),
      remove_interval: () => this.putIntervals(this.intervals.filter((_, i) => i !== this.selected)),
      write: () => {
        const here = intervals.at(this.intervals, this.frames.timeOf(frame));
        if (this.selected === null && here >= 0) this.choose(this.track as string, here);
        this.panel.sentence.focus();
      },
      start_earlier: () => this.nudge("start", -1, shift), start_later: () => this.nudge("start", 1, shift),
      end_earlier: () => this.nudge("end", -1, shift), end_later: () => this.nudge("end", 1, shift),
      snap_start: () => this.snap("start"), snap_end: () => this.snap("end"),
      accept: () => this.edit({ op: "state", state: "accepted" }), reject: () => this.edit({ op: "state", state: "rejected" }),
      next_doubt: () => this.review.step(1), last_doubt: () => this.review.step(-1),
      undo: () => this.work?.undo(), redo: () => this.work?.redo(), help: () => this.help.showModal(),
      play: () => player.toggle(), frame_back: () => this.goTo(frame - 1), frame_on: () => this.goTo(frame + 1),
      second_back: () => this.goTo(frame - Math.round(this.clip.fps)), second_on: () => this.goTo(frame + Math.round(this.clip.fps)),
      first: () => this.goTo(0), last: () => this.goTo(this.clip.frames - 1), mute: () => (player.video.muted = !player.video.muted),
    };
    actions[command]();
  }

  private lock(): void {
    const known = this.shown && this.track ? maskAt(this.shown, this.track, this.frame) : undefined;
    if (known && this.track) this.edit({ op: "put_mask", track: this.track, frame: this.frame, mask: known.mask, locked: !known.locked, tool: known.by?.tool ?? "brush" });
  }

  private say(text: string): void {
    this.notice.hidden = !text;
    fill(this.notice, text);
  }

  private async tell(task: () => Promise<unknown>): Promise<void> {
    this.say("");
    try {
      await task();
    } catch (error) {
      const problem = error instanceof ProblemError ? error.problem : unreachable(String(error));
      if (problem.code === "key_refused") this.askKey();
      this.say(`${problem.title}: ${problem.detail}. ${adviceOn(problem)}`);
    }
  }
}

const ENDS: Readonly<Record<string, string>> = {
  done: "The mask has been carried on to the end.",
  lost: "The thing was lost; the last masks may need a look.",
  locked: "Stopped before a locked frame.",
  cut: "Stopped at a cut of the film.",
  cancelled: "Cancelled. What had been done stays; undo takes it back.",
};
