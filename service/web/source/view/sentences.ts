// All sentences of an answer as a list, in the order of time: for reading, and for those who do not see.

import type { Lane, Span, Unseen } from "../answer/lanes.ts";
import { fill, h, icon, style } from "./dom.ts";
import { iconButton } from "./controls.ts";
import { keyboardHelp } from "./keys.ts";
import { clock, sentence } from "./words.ts";

export interface SentencesEvents {
  onSeek(time: number): void;
  onLoop(part: Span): void;
}

interface Line extends Span {
  readonly text: string;
  /** Empty if it is not seen. */
  readonly colour: string;
}

export class Sentences {
  readonly element: HTMLElement;
  private readonly list = h("ol", { class: "lines" });
  private lines: readonly Line[] = [];
  private told = "";

  constructor(private readonly events: SentencesEvents) {
    this.element = h("section", { class: "sentences card", "aria-labelledby": "sentences-title" }, [h("h2", { id: "sentences-title" }, "Sentences"), this.list, keyboardHelp()]);
  }

  show(lanes: readonly Lane[], unseen: readonly Unseen[], colourOf: (track: number) => string): void {
    const seen = lanes.flatMap((lane) => lane.sentences.map((one) => ({ ...one, colour: colourOf(lane.track) })));
    const heard = unseen.flatMap((row) => row.sentences.map((one) => ({ ...one, colour: "" })));
    this.lines = [...seen, ...heard].sort((one, other) => one.start - other.start);
    const told = JSON.stringify(this.lines);
    if (told === this.told) return;
    this.told = told;
    if (this.lines.length) fill(this.list, ...this.lines.map((one) => this.item(one)));
    else fill(this.list, h("li", { class: "muted" }, "Nothing was found that sounds."));
  }

  /** Mark what is said of a time. */
  mark(time: number): void {
    this.lines.forEach(({ start, end }, i) => {
      this.list.children[i]?.classList.toggle("now", start <= time && time < end);
    });
  }

  private item(one: Line): HTMLElement {
    const mark = one.colour ? h("span", { class: "swatch" }) : icon("ear");
    if (one.colour) style(mark as HTMLElement, { "--colour": one.colour });
    const text = sentence(one.text);
    const seek = h("button", { type: "button", class: "seek" }, [mark, h("time", {}, `${clock(one.start)} – ${clock(one.end)}`), h("span", {}, text)], {
      click: () => this.events.onSeek(one.start + 1e-3),
    });
    return h("li", {}, [seek, iconButton("loop", `Repeat: ${text}`, () => this.events.onLoop(one))]);
  }
}
