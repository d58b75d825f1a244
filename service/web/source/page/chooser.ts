// The first thing that is seen: what can be sent, and the ways to choose it.

import type { Limits, PageFacts } from "../service/service.ts";
import { fill, h, icon } from "../view/dom.ts";
import { duration, size } from "../view/words.ts";

export interface ChooserEvents {
  onFile(file: File): void;
  onSample(name: string): void;
  onRecord(): void;
}

export class Chooser {
  readonly element: HTMLElement;
  private readonly limits = h("p", { class: "limits", role: "status" });
  private readonly samples = h("div", { class: "samples" });
  private readonly input: HTMLInputElement;

  constructor(private readonly events: ChooserEvents) {
    this.input = h("input", { type: "file", accept: "video/*,.mkv", id: "file", class: "visually-hidden" }, [], {
      change: () => this.take(this.input.files),
    });
    const choose = h("label", { class: "button primary", for: "file" }, [icon("upload"), "Choose a film"]);
    const record = h("button", { type: "button", class: "button" }, [icon("record"), "Record"], {
      click: () => this.events.onRecord(),
    });
    const zone = h("div", { class: "dropzone" }, [
      icon("film"),
      h("p", { class: "lead" }, "Drop a film here"),
      h("div", { class: "ways" }, [this.input, choose, record]),
      this.limits,
    ]);
    this.element = h("section", { class: "start", "aria-labelledby": "title" }, [
      h("h1", { id: "title", tabindex: -1 }, "See what sounds"),
      h("p", { class: "intro" }, "Send a film. For every second of it you get the outline of what sounds, and a sentence about it. The film goes to this service and nowhere else."),
      zone,
      this.samples,
    ]);
    this.takeDrops();
  }

  showLimits(limits: Limits | null): void {
    if (!limits) {
      fill(this.limits, "");
      return;
    }
    const most = `Up to ${size(limits.bytes)} and ${duration(limits.seconds)}, at most ${megapixels(limits.pixels)} a picture.`;
    const longer = limits.jobs ? ` Up to ${size(limits.jobs.job_max_bytes)} and ${duration(limits.jobs.job_max_seconds)} as a job.` : "";
    const kinds = limits.formats.map((name) => name.trim()).join(", ");
    fill(this.limits, most + longer, h("br"), h("span", { class: "kinds" }, `Read are ${kinds}.`));
  }

  showSamples(samples: PageFacts["samples"]): void {
    if (!samples.length) return;
    const buttons = samples.map(({ name, bytes }) =>
      h("button", { type: "button", class: "chip", "data-sample": name }, [titleOf(name), h("small", {}, size(bytes))], {
        click: () => this.events.onSample(name),
      }),
    );
    fill(this.samples, h("h2", {}, "Or try a sample"), h("div", { class: "chips" }, buttons));
  }

  focus(): void {
    this.element.querySelector<HTMLElement>("h1")?.focus();
  }

  /** A film may be dropped anywhere on the page, at any time. */
  private takeDrops(): void {
    const lit = (on: boolean) => document.body.classList.toggle("dropping", on);
    addEventListener("dragover", (event) => {
      event.preventDefault();
      lit(true);
    });
    addEventListener("dragleave", (event) => lit(event.relatedTarget !== null));
    addEventListener("drop", (event) => {
      event.preventDefault();
      lit(false);
      this.take(event.dataTransfer?.files);
    });
  }

  private take(files: FileList | null | undefined): void {
    const file = files?.[0];
    this.input.value = ""; // so that the same file can be chosen again
    if (file) this.events.onFile(file);
  }
}

function megapixels(pixels: number): string {
  return `${(pixels / 1e6).toFixed(1)} megapixels`;
}

function titleOf(name: string): string {
  return name.replace(/\.\w+$/, "").replaceAll(/[-_]/g, " ");
}
