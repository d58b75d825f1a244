// Sound, tracks and sentences along the time of a film. Times are seconds.

import type { Lane, Span, Unseen } from "../answer/lanes.ts";
import type { Sound } from "../sound/sound.ts";
import { iconButton } from "./controls.ts";
import { fill, h, setAttribute, style } from "./dom.ts";
import { drawMel, drawRuler, drawWave } from "./graphs.ts";
import type { Loop } from "./player.ts";
import { Row, type RowEvents } from "./rows.ts";
import { clock } from "./words.ts";

export interface TimelineEvents {
  onSeek(time: number): void;
  onLoop(loop: Loop | null): void;
  onToggle(track: number): void;
  /** Let a part be heard alone; null stops it. */
  onHear(part: Span | null): void;
}

export interface TrackLook {
  colour: string;
  shown: boolean;
}

/** A row below the sound: its name on the left, what it shows along the time. */
export interface TimelineRow {
  readonly head: HTMLElement;
  readonly body: HTMLElement;
  draw(seconds: number): void;
}

const ZOOMS = [1, 2, 4, 8, 16];
/** A press that moves by fewer pixels is a click. */
const CLICK_PIXELS = 5;
const SHORTEST_LOOP = 0.1;

export class Timeline {
  readonly element: HTMLElement;
  private readonly ruler = h("canvas", { "aria-hidden": "true" });
  private readonly wave = h("canvas", { class: "wave", role: "img", "aria-label": "Waveform of the sound" });
  private readonly mel = h("canvas", { class: "mel", role: "img", "aria-label": "Log-mel of the sound" });
  private readonly soundNote = h("p", { class: "sound-note" }, "decoding the sound …");
  private readonly slider = h("div", { class: "ruler", role: "slider", tabindex: 0, "aria-label": "Time", "aria-valuemin": 0 });
  private readonly heads = h("div", { class: "heads" });
  private readonly lanes = h("div", { class: "lanes" });
  private readonly beyond = h("div", { class: "until" });
  private readonly repeated = h("div", { class: "loop" });
  private readonly playhead = h("div", { class: "playhead" });
  private readonly content = h("div", { class: "content" });
  private readonly scroll = h("div", { class: "scroll" });
  private readonly loopTold = h("span", { class: "loop-told", role: "status" });
  private readonly clearLoop = h("button", { type: "button", class: "small", hidden: true }, "Stop repeating", {
    click: () => this.setLoop(null),
  });
  private readonly hear = h("input", { type: "checkbox", id: "hear" }, [], { change: () => this.events.onHear(null) });
  private readonly rows = new Map<string, Row>();
  private shown: readonly (TimelineRow | null)[] = [];
  private seconds = 0;
  private time = 0;
  private zoom = 0;
  private loop: Loop | null = null;
  private sound: Sound | null = null;
  private pressed: { x: number; time: number } | null = null;

  constructor(private readonly events: TimelineEvents) {
    const soundHeads = [h("div", { class: "head ruler-head" }), h("div", { class: "head wave-head" }, "Waveform"), h("div", { class: "head mel-head" }, "Log-mel")];
    this.slider.append(this.ruler);
    const waveRow = h("div", { class: "wave-row" }, [this.wave, this.soundNote]);
    this.content.append(this.slider, waveRow, h("div", { class: "mel-row" }, this.mel), this.lanes, this.beyond, this.repeated, this.playhead);
    this.scroll.append(this.content);
    const grid = h("div", { class: "grid" }, [h("div", { class: "side" }, [...soundHeads, this.heads]), this.scroll]);
    this.element = h("section", { class: "timeline card", "aria-label": "Timeline" }, [this.tools(), grid]);
    this.listen();
  }

  /** Whether parts are to be heard when they are pointed at. */
  get hears(): boolean {
    return this.hear.checked;
  }

  setSeconds(seconds: number): void {
    if (seconds === this.seconds) return;
    this.seconds = seconds;
    setAttribute(this.slider, "aria-valuemax", seconds.toFixed(1));
    this.setTime(this.time);
    this.draw();
  }

  /** Show the sound; null says that there is none to be shown. */
  setSound(sound: Sound | null): void {
    this.sound = sound;
    this.soundNote.textContent = sound ? "" : "no sound that this browser can show";
    this.draw();
  }

  setTime(time: number): void {
    this.time = time;
    style(this.playhead, { "--time": this.seconds ? Math.min(1, time / this.seconds) : 0 });
    setAttribute(this.slider, "aria-valuenow", time.toFixed(1));
    setAttribute(this.slider, "aria-valuetext", `${clock(time)} of ${clock(this.seconds)}`);
    this.follow();
  }

  /** Up to where there is an answer; what is beyond is shaded. */
  setUntil(time: number): void {
    style(this.beyond, { "--until": this.seconds ? Math.min(1, time / this.seconds) : 0 });
  }

  setLoop(loop: Loop | null): void {
    this.loop = loop;
    this.content.classList.toggle("looping", loop !== null);
    if (loop) style(this.repeated, { "--loop-start": loop.start / this.seconds, "--loop-end": loop.end / this.seconds });
    this.loopTold.textContent = loop ? `Repeats ${clock(loop.start)} to ${clock(loop.end)}` : "";
    this.clearLoop.hidden = loop === null;
    this.events.onLoop(loop);
  }

  setLanes(lanes: readonly Lane[], unseen: readonly Unseen[], look: (track: number) => TrackLook): void {
    for (const lane of lanes) {
      const { colour, shown } = look(lane.track);
      this.row(`track-${lane.track}`, lane.category).showLane(lane, colour, shown, this.seconds);
    }
    for (const one of unseen) this.row(`unseen-${one.category}`, one.category).showUnseen(one, this.seconds);
    const names = [...lanes.map(({ track }) => `track-${track}`), "", ...unseen.map(({ category }) => `unseen-${category}`)];
    this.arrange(names.filter((name) => name || unseen.length));
  }

  /** Draw all that depends on the size of the page and its colours. */
  draw(): void {
    drawRuler(this.ruler, this.seconds);
    if (this.sound && this.seconds) {
      drawWave(this.wave, this.sound, this.seconds);
      drawMel(this.mel, this.sound, this.seconds);
    }
    for (const row of this.shown) row?.draw(this.seconds);
  }

  /** Do what a key stands for; return whether it stands for anything. */
  onKey(event: KeyboardEvent): boolean {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    const { start, end } = this.loop ?? { start: 0, end: this.seconds };
    if (event.key === "[") this.offerLoop(this.time, end > this.time ? end : this.seconds);
    else if (event.key === "]") this.offerLoop(start < this.time ? start : 0, this.time);
    else if (event.key === "Escape" && this.loop) this.setLoop(null);
    else if (event.key === "+" || event.key === "-") this.zoomBy(event.key === "+" ? 1 : -1);
    else return false;
    return true;
  }

  private tools(): HTMLElement {
    const zoomOut = iconButton("minus", "Show more of the time (-)", () => this.zoomBy(-1));
    const zoomIn = iconButton("plus", "Show less of the time (+)", () => this.zoomBy(1));
    const legend = h("span", { class: "legend" }, [
      h("span", { class: "legend-seen" }), "seen", h("span", { class: "legend-sounding" }), "sounding (height: score)",
    ]);
    const hear = h("label", { class: "check" }, [this.hear, "Listen on hover"]);
    return h("div", { class: "tools" }, [h("h2", {}, "Timeline"), legend, h("span", { class: "spread" }), this.loopTold, this.clearLoop, hear, zoomOut, zoomIn]);
  }

  /** Show rows below the sound that are not of an answer; null is the heading of what is not seen. */
  setRows(order: string, rows: readonly (TimelineRow | null)[]): void {
    this.shown = rows;
    if (this.lanes.dataset["order"] === order) return;
    this.lanes.dataset["order"] = order;
    const heading = () => h("div", { class: "head heading" }, "Heard, not seen");
    fill(this.heads, ...rows.map((row) => row?.head ?? heading()));
    fill(this.lanes, ...rows.map((row) => row?.body ?? h("div", { class: "heading" })));
    this.draw();
  }

  private row(key: string, name: string): Row {
    let row = this.rows.get(key);
    if (!row) {
      row = new Row(name, this.rowEvents);
      this.rows.set(key, row);
    }
    return row;
  }

  private readonly rowEvents: RowEvents = {
    onPart: (part) => {
      if (this.loop) this.offerLoop(part.start, part.end);
      this.events.onSeek(part.start + 1e-3);
    },
    onPoint: (part) => {
      if (this.hears) this.events.onHear(part);
    },
    onToggle: (track) => this.events.onToggle(track),
  };

  /** Put rows in their order; an empty name is the heading of what is not seen. */
  private arrange(names: readonly string[]): void {
    this.setRows(names.join(), names.map((name) => this.rows.get(name) ?? null));
  }

  private listen(): void {
    new ResizeObserver(() => this.draw()).observe(this.content);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.content.addEventListener("pointerdown", (event) => this.onPress(event));
    this.content.addEventListener("pointermove", (event) => this.onDrag(event));
    this.content.addEventListener("pointerup", (event) => this.onRelease(event));
    this.content.addEventListener("pointercancel", () => (this.pressed = null));
  }

  private timeAt(x: number): number {
    const { left, width } = this.content.getBoundingClientRect();
    return Math.min(1, Math.max(0, (x - left) / width)) * this.seconds;
  }

  private onPress(event: PointerEvent): void {
    if (event.button || (event.target as Element).closest("button")) return;
    this.pressed = { x: event.clientX, time: this.timeAt(event.clientX) };
    if (event.pointerType === "mouse") this.content.setPointerCapture(event.pointerId);
  }

  private onDrag(event: PointerEvent): void {
    // A finger that moves scrolls.
    if (!this.pressed || event.pointerType !== "mouse" || this.isClick(event)) return;
    const [one, other] = [this.pressed.time, this.timeAt(event.clientX)];
    this.offerLoop(Math.min(one, other), Math.max(one, other));
  }

  private onRelease(event: PointerEvent): void {
    if (this.pressed && this.isClick(event)) this.events.onSeek(this.pressed.time);
    else if (this.pressed && this.loop) this.events.onSeek(this.loop.start);
    this.pressed = null;
  }

  private isClick(event: PointerEvent): boolean {
    return Math.abs(event.clientX - (this.pressed?.x ?? 0)) < CLICK_PIXELS;
  }

  private offerLoop(start: number, end: number): void {
    if (end - start >= SHORTEST_LOOP) this.setLoop({ start, end });
  }

  private zoomBy(steps: number): void {
    this.zoom = Math.min(ZOOMS.length - 1, Math.max(0, this.zoom + steps));
    style(this.content, { "--zoom": ZOOMS[this.zoom] as number });
    const middle = (this.time / (this.seconds || 1)) * this.content.clientWidth;
    this.scroll.scrollLeft = middle - this.scroll.clientWidth / 2;
  }

  /** Keep the playhead in sight. */
  private follow(): void {
    if (!this.zoom || this.pressed) return;
    const x = (this.time / (this.seconds || 1)) * this.content.clientWidth;
    const { scrollLeft, clientWidth } = this.scroll;
    if (x < scrollLeft || x > scrollLeft + clientWidth) this.scroll.scrollLeft = x - clientWidth / 5;
  }
}
