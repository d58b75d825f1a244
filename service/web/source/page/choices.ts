// What is asked for a clip, and whether it is within the limits.

import { DEFAULTS, type Options } from "../service/options.ts";
import type { Limits } from "../service/service.ts";
import { h, icon } from "../view/dom.ts";
import { duration, size } from "../view/words.ts";

const RATES = [1, 2, 5, 10];

export interface Sending {
  readonly options: Options;
  readonly asJob: boolean;
}

/** Why a clip would be refused. */
export interface Excess {
  readonly reason: string;
  /** Whether a part of it may be asked for. */
  readonly byPart: boolean;
  /** Whether it may be sent as a job. */
  readonly byJob: boolean;
}

/** Return what is over a limit, or null. Lengths are seconds of the part that is asked for. */
export function excess(limits: Limits, bytes: number, seconds: number, pixels: number): Excess | null {
  const { jobs } = limits;
  const jobTakes = jobs !== null && bytes <= jobs.job_max_bytes && seconds <= jobs.job_max_seconds;
  if (pixels > limits.pixels) {
    const reason = `A picture of it has ${(pixels / 1e6).toFixed(1)} megapixels; the limit is ${(limits.pixels / 1e6).toFixed(1)}.`;
    return { reason, byPart: false, byJob: false };
  }
  if (bytes > limits.bytes) {
    return { reason: `It has ${size(bytes)}; the limit is ${size(limits.bytes)}.`, byPart: false, byJob: jobTakes };
  }
  if (seconds > limits.seconds) {
    return { reason: `It lasts ${duration(seconds)}; the limit is ${duration(limits.seconds)}.`, byPart: true, byJob: jobTakes };
  }
  return null;
}

export class Choices {
  readonly element: HTMLFormElement;
  private readonly fps = h("select", { id: "fps" }, [
    h("option", { value: "" }, "as trained"),
    ...RATES.map((rate) => h("option", { value: rate }, String(rate))),
  ]);
  private readonly smooth = h("input", { type: "checkbox", checked: DEFAULTS.smooth });
  private readonly start = seconds("from");
  private readonly end = seconds("to");
  private readonly asJob = h("input", { type: "checkbox" });
  private readonly told = h("p", { class: "told", role: "status" });
  private readonly send = h("button", { type: "submit", class: "button primary wide" }, [icon("ear"), "Find what sounds"]);
  private readonly jobLabel = h("label", { class: "check", hidden: true }, [this.asJob, "As a job: goes on when this page is closed"]);
  private check: () => Excess | null = () => null;

  constructor(onSend: (sending: Sending) => void) {
    this.element = h("form", { class: "choices card", novalidate: true }, [
      h("h2", {}, "Options"),
      h("div", { class: "field" }, [h("label", { for: "fps" }, "Frames per second"), this.fps]),
      h("fieldset", { class: "field part-field" }, [h("legend", {}, "Only a part (seconds)"), this.start, h("span", { "aria-hidden": "true" }, "–"), this.end]),
      h("label", { class: "check" }, [this.smooth, "Smooth masks between frames"]),
      this.jobLabel, this.told, this.send,
    ]);
    this.element.addEventListener("input", () => this.look());
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.look()) onSend({ options: this.options, asJob: this.asJob.checked });
    });
  }

  get options(): Options {
    const number = (input: HTMLInputElement | HTMLSelectElement) => (input.value === "" ? null : Number(input.value));
    return { fps: number(this.fps), smooth: this.smooth.checked, start: number(this.start), end: number(this.end) };
  }

  /** Hold the clip against the limits, now and whenever something is changed. */
  hold(limits: Limits | null, clip: { bytes: number; seconds: number; pixels: number }): void {
    this.jobLabel.hidden = !limits?.jobs;
    this.check = () => {
      const { start, end } = this.options;
      const part = Math.max(0, Math.min(end ?? Infinity, clip.seconds || 0) - (start ?? 0));
      return limits && excess(limits, clip.bytes, part, clip.pixels);
    };
    const over = this.check();
    if (over?.byJob) this.asJob.checked = true;
    this.look();
  }

  focus(): void {
    this.send.focus();
  }

  /** Tell what is over a limit; return whether the clip may be sent. */
  private look(): boolean {
    const over = this.check();
    const { start, end } = this.options;
    const backwards = end !== null && end <= (start ?? 0);
    const ways = [over?.byPart && "ask for a part", over?.byJob && "send it as a job"].filter(Boolean);
    const mend = ways.length ? ` You can ${ways.join(", or ")}.` : "";
    const stopped = over && !(over.byJob && this.asJob.checked);
    const told = stopped ? over.reason + mend : over ? `${over.reason} So it is sent as a job.` : "";
    this.told.textContent = backwards ? "The part ends before it begins." : told;
    this.send.disabled = backwards || Boolean(stopped);
    return !this.send.disabled;
  }
}

function seconds(label: string): HTMLInputElement {
  return h("input", { type: "number", min: 0, step: "any", inputmode: "decimal", placeholder: label, "aria-label": `${label} second` });
}
