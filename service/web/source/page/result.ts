// What there is besides the film: model, warnings, times, files, the line for a shell.

import type { Answer } from "../answer/answer.ts";
import type { OfferedFormat } from "../service/service.ts";
import { fill, h, icon, style } from "../view/dom.ts";
import { milliseconds } from "../view/words.ts";
import { STAGES } from "./progress.ts";

export interface ResultEvents {
  /** Fetch the answer as a file; the button is told how it goes. */
  onDownload(format: OfferedFormat, button: HTMLButtonElement): void;
}

export class Result {
  readonly element = h("section", { class: "result card", "aria-label": "About the answer" });

  constructor(private readonly events: ResultEvents) {}

  show(answer: Answer, formats: readonly OfferedFormat[], curl: string, link: string | null): void {
    fill(this.element, this.warnings(answer), this.model(answer), timings(answer), this.files(formats), line("The same request with curl", curl), link && line("Link to this job", link));
  }

  private warnings(answer: Answer): HTMLElement {
    const warnings = answer.tail?.warnings ?? [];
    const items = warnings.map(({ code, message }) => h("li", { "data-code": code }, [icon("warning"), h("span", {}, message)]));
    return h("ul", { class: "warnings", "aria-label": "Warnings", hidden: !warnings.length }, items);
  }

  private model(answer: Answer): HTMLElement | null {
    if (!answer.head) return null;
    const { name, version, digest } = answer.head.model;
    return h("p", { class: "model" }, [h("strong", {}, name), ` ${version} `, h("code", { title: digest }, digest.slice(0, 8))]);
  }

  private files(formats: readonly OfferedFormat[]): HTMLElement {
    const items = formats.map((format) => {
      const button: HTMLButtonElement = h("button", { type: "button", class: "file", title: format.summary, "data-format": format.name }, [icon("download"), format.name], {
        click: () => this.events.onDownload(format, button),
      });
      return h("li", {}, button);
    });
    return h("details", { class: "files" }, [h("summary", {}, "Download"), h("p", { class: "muted" }, "JSON is at hand; for the others the service analyses the film again."), h("ul", {}, items)]);
  }
}

function timings(answer: Answer): HTMLElement | null {
  const { total, ...stages } = answer.tail?.timings_ms ?? {};
  if (total === undefined) return null;
  const shown = Object.entries(stages).filter(([, value]) => value >= 1);
  const rows = shown.map(([name, value], i) => {
    const row = h("li", {}, [h("span", { class: "dot" }), h("span", {}, STAGES[name] ?? name), h("span", { class: "number" }, milliseconds(value))]);
    style(row, { "--hue": i });
    return row;
  });
  const bars = shown.map(([, value], i) => {
    const bar = h("span");
    style(bar, { "--share": value, "--hue": i });
    return bar;
  });
  return h("details", { class: "timings" }, [
    h("summary", {}, ["Processing time", h("span", { class: "number" }, milliseconds(total))]),
    h("div", { class: "stack", "aria-hidden": "true" }, bars),
    h("ul", {}, rows),
  ]);
}

function line(title: string, text: string): HTMLElement {
  const button = h("button", { type: "button", class: "icon-button", "aria-label": `Copy: ${title}`, title: "Copy" }, icon("copy"), {
    click: async () => {
      await navigator.clipboard.writeText(text).catch(() => undefined);
      fill(button, icon("check"));
      setTimeout(() => fill(button, icon("copy")), 1500);
    },
  });
  const id = `line-${title.replaceAll(" ", "-")}`;
  return h("div", { class: "line" }, [h("h3", { id }, title), h("pre", { tabindex: 0, "aria-labelledby": id }, text), button]);
}
