// A clip in the studio: film, masks, timeline and tools, which show one layer and one time.

import { PartPlayer } from "../sound/part.ts";
import { soundOf } from "../sound/sound.ts";
import { TrackColours } from "../view/colours.ts";
import { Controls } from "../view/controls.ts";
import { h } from "../view/dom.ts";
import { Player } from "../view/player.ts";
import { Timeline } from "../view/timeline.ts";
import { plain } from "../view/words.ts";
import type { Api, Clip, Facts, Project } from "./api.ts";
import { Carrying } from "./carrying.ts";
import { askAboutConflicts, Saved } from "./saved.ts";
import { LayerFrames, Numbers } from "./frames.ts";
import * as intervals from "./intervals.ts";
import { commandOf, helpDialog, type Command } from "./keys.ts";
import type { LaneEvents } from "./lane_row.ts";
import { Lanes } from "./lanes.ts";
import { freeTrack, named, trackOf, trackUnder, type Edit, type Layer, type Track } from "./layer.ts";
import { Masking } from "./masking.ts";
import { Notice } from "./notice.ts";
import { Panel } from "./panel.ts";
import type { Point } from "./pixels.ts";
import { maskHere, type Place } from "./place.ts";
import { Review } from "./review.ts";
import { Still, Surface, type Tool } from "./surface.ts";
import { Timing } from "./timing.ts";
import { Work } from "./work.ts";

const OPACITY = 0.4;

export class Editor implements Place {
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
  private readonly notice: Notice;
  private readonly banner = h("p", { class: "banner", role: "status" });
  private readonly lanes: Lanes;
  private readonly masking = new Masking(this);
  private readonly timing = new Timing(this);
  private readonly carrying: Carrying;
  private readonly hidden = new Set<string>();
  private readonly address: string;
  private readonly part: PartPlayer;
  private work: Work | null = null;
  shown: Layer | null = null;
  private other: Layer | null = null;
  private track: string | null = null;
  selected: number | null = null;
  private opacity = OPACITY;

  constructor(
    readonly api: Api,
    private readonly facts: Facts,
    project: Project,
    readonly clip: Clip,
    private readonly film: Blob,
    private readonly askKey: () => void,
  ) {
    this.notice = new Notice(askKey);
    this.address = URL.createObjectURL(film);
    this.part = new PartPlayer(this.address);
    this.frames = new LayerFrames(clip.fps, clip.frames, this.numbers);
    this.colours = new TrackColours(this.address, () => this.draw());
    this.surface = this.makeSurface();
    this.still = new Still((frame) => api.picture(clip.id, frame));
    this.player = this.makePlayer();
    this.controls = new Controls(this.player, (opacity) => {
      this.opacity = opacity;
      this.player.refresh();
    }, OPACITY);
    this.timeline = this.makeTimeline();
    this.lanes = new Lanes(this.timeline, clip, this.numbers, this.colours, (track) => this.laneEvents(track));
    this.carrying = this.makeCarrying();
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
      h("a", { href: `#project=${project.id}`, class: "up" }, `← ${project.name}`), title, this.notice.element, this.banner,
      stage, this.panel.element, this.timeline.element, this.review.element, this.help,
    ], { keydown: (event) => this.onKey(event) });
  }

  async begin(): Promise<void> {
    await this.tell(async () => {
      this.work = await Work.open(this.api, this.clip, this.facts.me, {
        onLayer: (layer) => this.onLayer(layer),
        onStatus: (status) => {
          this.saved.show(status);
          if (status.kind === "saved") void this.review.learn(this.facts.me);
        },
        onConflict: (conflicts) => askAboutConflicts(this.element, conflicts),
        onKeyRefused: this.askKey,
        onRecovered: (edits) => this.notice.say(`${edits} changes that were not saved have been found in this browser, and are saved now.`),
      });
      this.onLayer(this.work.layer);
    });
    this.goTo(0);
    void this.api.onsets(this.clip.id).then((onsets) => (this.timing.onsets = onsets), () => undefined);
    void soundOf(this.film, this.clip.duration).then((sound) => this.timeline.setSound(sound));
    void this.review.learn(this.shown?.annotator ?? "model");
  }

  close(): void {
    this.carrying.cancel();
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
      onPress: () => this.player.element.focus({ preventScroll: true }),
      onPick: (at) => this.pick(at),
      onClick: (at, inside) => void this.masking.ask({ points: [{ ...at, inside }] }, "click"),
      onBox: (box) => void this.masking.ask({ points: [], box }, "box"),
      onStroke: (stroke) => void this.masking.ask({ points: [], stroke }, "stroke"),
      onPaintBegin: () => this.masking.paintable(),
      onPainted: (pixels) => this.masking.painted(pixels),
    });
  }

  private makePanel(categories: readonly string[]): Panel {
    return new Panel({
      onCommand: (command) => this.do(command),
      onTrack: (change) => this.current && this.edit({ op: "put_track", track: { ...named(this.current), ...change } }),
      onDeleteTrack: () => this.current && this.edit({ op: "delete_track", track: this.current.id }),
      onSentence: (text) => this.timing.say(text),
      onPropose: () => void this.timing.propose(() => this.work?.flush(), (sentences) => this.panel.propose(sentences)),
    }, categories);
  }

  private makeCarrying(): Carrying {
    return new Carrying(this, {
      onStep: (frame) => {
        this.frames.pinned = frame;
        this.player.seek(this.frames.timeOf(frame));
      },
      onTold: () => this.onTime(this.player.time),
      onEnd: (text) => this.notice.say(text),
    });
  }

  get current(): Track | undefined {
    return this.shown && this.track ? trackOf(this.shown, this.track) : undefined;
  }

  get frame(): number {
    return this.frames.pinned ?? this.frames.indexAt(this.player.time);
  }

  get locked(): boolean {
    return this.other !== null;
  }

  pause(): void {
    this.player.pause();
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
    this.lanes.show(shown, this.chosen);
    this.player.refresh();
    this.showPanel();
  }

  private get chosen() {
    return { track: this.track, selected: this.selected, hidden: this.hidden };
  }

  private laneEvents(track: string): LaneEvents {
    return {
      onChoose: () => this.choose(track),
      onToggle: () => this.toggle(track),
      onSelect: (interval) => this.choose(track, interval),
      onEdge: (i, edge, time, done) => this.drag(track, i, edge, time, done),
      onNudge: (i, edge, steps, byFrame) => {
        this.choose(track, i);
        this.timing.nudge(edge, steps, byFrame);
      },
    };
  }

  private choose(track: string, interval: number | null = null): void {
    [this.track, this.selected] = [track, interval];
    this.masking.forget();
    this.draw();
  }

  /** Choose the interval in which it sounds now, if it does. */
  private chooseHere(): void {
    const here = intervals.at(this.timing.all, this.frames.timeOf(this.frame));
    if (this.track && here >= 0) this.choose(this.track, here);
  }

  private toggle(track: string | null): void {
    if (track && !this.hidden.delete(track)) this.hidden.add(track);
    this.draw();
  }

  private onTime(time: number): void {
    this.controls.show(time, this.clip.duration);
    this.timeline.setTime(time);
    if (!this.player.playing) void this.still.show(this.frame);
    this.showPanel();
  }

  private showPanel(): void {
    this.panel.show({
      tool: this.surface.tool, track: this.current, frame: this.frame, frames: this.clip.frames, mask: maskHere(this),
      selected: this.selected, state: this.shown?.state ?? "open", running: this.carrying.told,
    });
  }

  private onPlaying(playing: boolean): void {
    if (playing) {
      this.frames.pinned = null;
      this.still.hide();
    }
    this.controls.showPlaying(playing);
  }

  private goTo(frame: number): void {
    this.player.pause();
    const within = Math.max(0, Math.min(this.clip.frames - 1, frame));
    this.frames.pinned = within;
    this.masking.forget();
    this.player.seek(Math.max(1e-3, this.frames.timeOf(within)));
  }

  private visit(time: number, track: string | null): void {
    this.goTo(Math.round(time * this.clip.fps));
    if (track && this.shown && trackOf(this.shown, track)) this.choose(track);
  }

  private pick(at: Point): void {
    const found = this.shown && trackUnder(this.shown, this.frame, at, this.hidden);
    if (!found) return;
    this.choose(found.id);
    this.chooseHere();
  }

  edit(...edits: Edit[]): void {
    if (this.other) {
      this.notice.say("This layer cannot be changed. Go back to yours first.");
      return;
    }
    void this.tell(async () => this.work?.edit(edits));
  }

  ensureTrack(): string {
    return this.current?.id ?? this.newTrack();
  }

  private newTrack(): string {
    const id = freeTrack(this.shown?.tracks ?? []);
    this.track = id;
    this.edit({ op: "put_track", track: { id, category: "thing", instance: 1 } });
    return id;
  }

  private drag(track: string, i: number, edge: "start" | "end", time: number, done: boolean): void {
    const known = this.shown && trackOf(this.shown, track);
    if (!known) return;
    const changed = this.timing.dragged(known.intervals, i, edge, time);
    if (done) this.timing.put(changed);
    else this.lanes.showTrack({ ...known, intervals: changed }, this.chosen);
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
      this.masking.forget();
      this.onTime(player.time);
    };
    const actions: Readonly<Record<Command, () => void>> = {
      look: use("look"), click: use("click"), box: use("box"), stroke: use("stroke"), brush: use("brush"), eraser: use("eraser"),
      smaller: () => this.surface.resize(0.8), larger: () => this.surface.resize(1.25),
      new_track: () => void this.newTrack(), hide: () => this.toggle(this.track),
      remove_mask: () => this.masking.remove(), lock: () => this.masking.lock(),
      forward: () => this.work && void this.carrying.go(this.work, this.clip.frames - 1), backward: () => this.work && void this.carrying.go(this.work, 0),
      cancel: () => {
        this.carrying.cancel();
        this.surface.cancel();
        this.timeline.setLoop(null);
      },
      new_interval: () => {
        this.timing.begin();
        this.chooseHere();
      },
      split: () => this.timing.split(),
      remove_interval: () => {
        this.timing.remove();
        this.selected = null;
      },
      write: () => {
        if (this.selected === null) this.chooseHere();
        this.panel.sentence.focus();
      },
      start_earlier: () => this.timing.nudge("start", -1, shift), start_later: () => this.timing.nudge("start", 1, shift),
      end_earlier: () => this.timing.nudge("end", -1, shift), end_later: () => this.timing.nudge("end", 1, shift),
      snap_start: () => this.timing.snap("start"), snap_end: () => this.timing.snap("end"),
      accept: () => this.edit({ op: "state", state: "accepted" }), reject: () => this.edit({ op: "state", state: "rejected" }),
      next_doubt: () => this.review.step(1), last_doubt: () => this.review.step(-1),
      undo: () => this.work?.undo(), redo: () => this.work?.redo(), help: () => this.help.showModal(),
      play: () => player.toggle(), frame_back: () => this.goTo(frame - 1), frame_on: () => this.goTo(frame + 1),
      second_back: () => this.goTo(frame - Math.round(this.clip.fps)), second_on: () => this.goTo(frame + Math.round(this.clip.fps)),
      first: () => this.goTo(0), last: () => this.goTo(this.clip.frames - 1), mute: () => (player.video.muted = !player.video.muted),
    };
    actions[command]();
  }

  tell(task: () => Promise<unknown>): Promise<void> {
    return this.notice.tell(task);
  }
}
