// How far the work is, and the button that ends it.

import { h, setAttribute } from "../view/dom.ts";
import { duration } from "../view/words.ts";

const STAGES: Readonly<Record<string, string>> = {
  upload: "Sending the film",
  queue: "Waiting for a place",
  probe: "Opening the film",
  decode: "Reading pictures and sound",
  segmentation: "Looking and listening",
  postprocess: "Drawing outlines",
  caption: "Finding words",
  encode: "Writing the answer",
};

export class Progress {
  readonly element: HTMLElement;
  private readonly told = h("p", { class: "stage", role: "status" });
  private readonly bar = h("progress", { max: 1, "aria-label": "Progress" });
  private windows = false;
  private readonly more = h("p", { class: "muted" });

  constructor(onCancel: () => void) {
    const cancel = h("button", { type: "button", class: "button wide" }, "Cancel", { click: onCancel });
    this.element = h("section", { class: "progress card", "aria-label": "Work" }, [this.told, this.bar, this.more, cancel]);
  }

  /** Show what is done, and which share of it; null if nobody knows. */
  show(told: string, share: number | null, more = ""): void {
    if (this.told.textContent !== told) this.told.textContent = told;
    if (share === null) this.bar.removeAttribute("value");
    else setAttribute(this.bar, "value", Math.min(1, share).toFixed(3));
    this.more.textContent = more;
  }

  /** Begin anew. */
  showUpload(share: number): void {
    this.windows = false;
    if (share < 1) this.show("Sending the film", share, `${Math.round(share * 100)} % sent`);
    else this.show("Reading pictures and sound", null);
  }

  /** Show what is done while nothing comes; how far it is stays, if that is known. */
  showStage(stage: string, seconds: number): void {
    if (!this.windows) this.show(STAGES[stage] ?? stage, null, `for ${duration(Math.round(seconds))} so far`);
  }

  showWindows(until: number, whole: number): void {
    this.windows = true;
    this.show("Looking and listening", whole ? until / whole : null, `${duration(until)} of ${duration(whole)} understood`);
  }

  focus(): void {
    this.element.querySelector("button")?.focus();
  }
}

export { STAGES };
