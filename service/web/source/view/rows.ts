// The rows of a timeline below the sound: a lane per track, and what is heard but not seen.

import type { Lane, Span, Unseen } from "../answer/lanes.ts";
import type { Sentence } from "../answer/answer.ts";
import { fill, h, icon, setAttribute, style } from "./dom.ts";
import { drawBars, type Bars } from "./graphs.ts";
import { clock, plain, sentence } from "./words.ts";

export interface RowEvents {
  /** A part is chosen: by a click, or Enter. */
  onPart(part: Span): void;
  /** A part is pointed at or focused; null no more. */
  onPoint(part: Span | null): void;
  onToggle(track: number): void;
}

/** A row: its name on the left, its bars and sentences along the time. */
export class Row {
  readonly head = h("div", { class: "head" });
  readonly body = h("div", { class: "row" });
  private readonly canvas = h("canvas", { class: "bars", "aria-hidden": "true" });
  private readonly list = h("ul", { class: "parts" });
  private bars: Bars = { seen: [], sounding: [], colour: "" };
  private told = "";

  constructor(
    private readonly name: string,
    private readonly events: RowEvents,
  ) {
    this.body.append(this.canvas, this.list);
    this.list.addEventListener("keydown", (event) => this.onKey(event));
  }

  showLane(lane: Lane, colour: string, shown: boolean, seconds: number): void {
    const toggle = this.head.querySelector("button") ?? this.addToggle(lane.track);
    setAttribute(toggle, "aria-pressed", String(shown));
    setAttribute(toggle, "aria-label", `Show ${plain(lane.category)}, track ${lane.track}`);
    setAttribute(toggle, "title", `${shown ? "Hide" : "Show"} ${plain(lane.category)} (${lane.track})`);
    fill(toggle, h("span", { class: "swatch" }), h("span", {}, plain(lane.category)), icon(shown ? "eye" : "hidden"));
    style(toggle, { "--colour": colour });
    this.body.classList.toggle("off", !shown);
    const { seen, sounding } = lane;
    this.show({ seen, sounding, colour }, lane.sentences, seconds);
  }

  showUnseen(row: Unseen, seconds: number): void {
    fill(this.head, h("span", { class: "name" }, [icon("ear"), h("span", {}, plain(row.category))]));
    this.body.classList.add("unseen");
    this.show({ seen: [], sounding: row.levels, colour: "" }, row.sentences, seconds);
  }

  draw(seconds: number): void {
    drawBars(this.canvas, this.bars, seconds);
  }

  private addToggle(track: number): HTMLButtonElement {
    const attributes = { type: "button", class: "toggle" };
    const toggle = h("button", attributes, [], { click: () => this.events.onToggle(track) });
    this.head.append(toggle);
    return toggle;
  }

  private show(bars: Bars, sentences: readonly Sentence[], seconds: number): void {
    this.bars = bars;
    style(this.list, { "--colour": bars.colour || "var(--muted)" });
    const told = JSON.stringify([sentences, seconds]);
    if (told !== this.told) {
      this.told = told;
      setAttribute(this.list, "aria-label", `Sentences about ${this.name}`);
      fill(this.list, ...sentences.map((one, i) => this.part(one, i, seconds)));
    }
    this.draw(seconds);
  }

  private part(one: Sentence, i: number, seconds: number): HTMLElement {
    const label = `${sentence(one.text)}, ${clock(one.start)} to ${clock(one.end)}`;
    const attributes = {
      type: "button", class: "part", title: sentence(one.text), "aria-label": label,
      tabindex: i ? -1 : 0, "data-start": one.start, "data-end": one.end,
    };
    const button = h("button", attributes, h("span", {}, sentence(one.text)), {
      click: () => this.events.onPart(one),
      pointerenter: ({ pointerType }) => pointerType === "mouse" && this.events.onPoint(one),
      pointerleave: () => this.events.onPoint(null),
      focus: () => button.matches(":focus-visible") && this.events.onPoint(one),
      blur: () => this.events.onPoint(null),
    });
    const item = h("li", {}, button);
    style(item, { "--start": one.start / seconds, "--length": (one.end - one.start) / seconds });
    return item;
  }

  /** The list is one stop of the Tab key; arrows go through it. */
  private onKey(event: KeyboardEvent): void {
    const buttons = [...this.list.querySelectorAll("button")];
    const now = buttons.indexOf(event.target as HTMLButtonElement);
    const to = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: buttons.length - 1 }[event.key];
    const next = to === undefined ? undefined : buttons[to];
    if (to === undefined || now < 0) return;
    event.preventDefault();
    event.stopPropagation();
    if (!next) return;
    for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }
}
