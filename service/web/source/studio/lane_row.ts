// A lane of the studio's timeline: when a track is seen, and its intervals, whose edges can be moved.

import type { Span } from "../answer/lanes.ts";
import { fill, h, icon, setAttribute, style } from "../view/dom.ts";
import { drawBars } from "../view/graphs.ts";
import type { TimelineRow } from "../view/timeline.ts";
import { clock, plain } from "../view/words.ts";

export interface LaneLook {
  readonly name: string;
  readonly colour: string;
  readonly chosen: boolean;
  readonly shown: boolean;
  readonly seen: readonly Span[];
  readonly intervals: readonly (Span & { readonly text: string; readonly inherited: boolean })[];
  readonly selected: number | null;
}

export interface LaneEvents {
  onChoose(): void;
  onToggle(): void;
  onSelect(interval: number): void;
  /** An edge is put elsewhere; `done` is false while it is dragged. */
  onEdge(interval: number, edge: "start" | "end", time: number, done: boolean): void;
  /** An edge is moved by so many steps of 20 ms, or of a frame. */
  onNudge(interval: number, edge: "start" | "end", steps: number, byFrame: boolean): void;
}

export class LaneRow implements TimelineRow {
  readonly head = h("div", { class: "head lane-head" });
  readonly body = h("div", { class: "row lane-row" });
  private readonly canvas = h("canvas", { class: "bars", "aria-hidden": "true" });
  private readonly list = h("ul", { class: "parts" });
  private readonly choose = h("button", { type: "button", class: "toggle lane-name" }, [], { click: () => this.events.onChoose() });
  private readonly eye = h("button", { type: "button", class: "icon-button" }, [], { click: () => this.events.onToggle() });
  private look: LaneLook | null = null;
  private seconds = 0;

  constructor(private readonly events: LaneEvents) {
    this.head.append(this.choose, this.eye);
    this.body.append(this.canvas, this.list);
  }

  show(look: LaneLook, seconds: number): void {
    const same = JSON.stringify([look, seconds]) === JSON.stringify([this.look, this.seconds]);
    [this.look, this.seconds] = [look, seconds];
    if (same) return;
    fill(this.choose, h("span", { class: "swatch" }), h("span", {}, plain(look.name)));
    setAttribute(this.choose, "aria-pressed", String(look.chosen));
    setAttribute(this.choose, "title", `Work on ${plain(look.name)}`);
    fill(this.eye, icon(look.shown ? "eye" : "hidden"));
    setAttribute(this.eye, "aria-label", `${look.shown ? "Hide" : "Show"} ${plain(look.name)}`);
    for (const place of [this.head, this.list]) style(place, { "--colour": look.colour });
    this.body.classList.toggle("chosen", look.chosen);
    this.head.classList.toggle("chosen", look.chosen);
    setAttribute(this.list, "aria-label", `Intervals of ${plain(look.name)}`);
    this.place(look);
    this.draw(seconds);
  }

  draw(seconds: number): void {
    const { look } = this;
    if (!look) return;
    const sounding = look.intervals.map(({ start, end }) => ({ start, end, score: 1 }));
    drawBars(this.canvas, { seen: look.seen, sounding, colour: look.colour }, seconds);
  }

  /** Elements stay while they are moved, so that none loses the pointer or the focus. */
  private place(look: LaneLook): void {
    while (this.list.childElementCount > look.intervals.length) this.list.lastElementChild?.remove();
    look.intervals.forEach((one, i) => {
      const item = (this.list.children[i] as HTMLElement | undefined) ?? this.item(i);
      const [start, part, end] = [...item.children] as [HTMLElement, HTMLElement, HTMLElement];
      style(item, { "--start": one.start / this.seconds, "--length": (one.end - one.start) / this.seconds });
      item.classList.toggle("selected", look.selected === i);
      part.classList.toggle("inherited", one.inherited);
      if (part.textContent !== one.text) fill(part, h("span", {}, one.text));
      setAttribute(part, "aria-label", `${one.text || "no sentence"}, ${clock(one.start)} to ${clock(one.end)}${one.inherited ? ", inherited" : ""}`);
      setAttribute(part, "aria-pressed", String(look.selected === i));
      setAttribute(part, "title", one.text);
      this.tell(start, "Begin", one.start);
      this.tell(end, "End", one.end);
    });
  }

  private item(i: number): HTMLElement {
    const part = h("button", { type: "button", class: "part" }, [], { click: () => this.events.onSelect(i) });
    const item = h("li", {}, [this.handle(i, "start"), part, this.handle(i, "end")]);
    this.list.append(item);
    return item;
  }

  private handle(i: number, edge: "start" | "end"): HTMLElement {
    const handle = h("div", { class: `edge edge-${edge}`, role: "slider", tabindex: 0 }, [], {
      pointerdown: (event) => {
        event.stopPropagation();
        this.events.onSelect(i);
        handle.setPointerCapture(event.pointerId);
      },
      pointermove: (event) => handle.hasPointerCapture(event.pointerId) && this.events.onEdge(i, edge, this.timeAt(event.clientX), false),
      pointerup: (event) => {
        event.stopPropagation();
        if (handle.hasPointerCapture(event.pointerId)) this.events.onEdge(i, edge, this.timeAt(event.clientX), true);
      },
      keydown: (event) => {
        const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        if (!steps) return;
        event.preventDefault();
        event.stopPropagation();
        this.events.onNudge(i, edge, steps, event.shiftKey);
      },
      focus: () => this.events.onSelect(i),
    });
    return handle;
  }

  private tell(handle: HTMLElement, name: string, time: number): void {
    setAttribute(handle, "aria-label", `${name} of the interval`);
    setAttribute(handle, "aria-valuemin", 0);
    setAttribute(handle, "aria-valuemax", this.seconds.toFixed(2));
    setAttribute(handle, "aria-valuenow", time.toFixed(2));
    setAttribute(handle, "aria-valuetext", `${time.toFixed(2)} seconds`);
  }

  private timeAt(x: number): number {
    const { left, width } = this.body.getBoundingClientRect();
    return Math.min(1, Math.max(0, (x - left) / width)) * this.seconds;
  }
}
