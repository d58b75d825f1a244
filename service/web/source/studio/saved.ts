// Says what is saved, and asks about what was changed in two places.

import { adviceOn } from "../service/problem.ts";
import { fill, h } from "../view/dom.ts";
import { sentence } from "../view/words.ts";
import { trackOf, type Layer } from "./layer.ts";
import type { Conflict, Status } from "./saver.ts";

export interface SavedEvents {
  onRetry(): void;
  onDiscard(): void;
}

export class Saved {
  readonly element = h("p", { class: "saved", role: "status" });

  constructor(private readonly events: SavedEvents) {}

  show(status: Status): void {
    this.element.dataset["kind"] = status.kind;
    if (status.kind === "saved") {
      fill(this.element, "All changes are saved");
      return;
    }
    const told = `${status.changes} ${status.changes === 1 ? "change" : "changes"} not yet saved`;
    const button = (text: string, onClick: () => void) => h("button", { type: "button", class: "button small" }, text, { click: onClick });
    if (status.kind === "saving") fill(this.element, told);
    else if (status.kind === "waiting") fill(this.element, `${told}; kept in this browser. ${sentence(status.problem.detail)}: tried again in ${status.seconds} s. `, button("Now", () => this.events.onRetry()));
    else {
      const why = `${told}: ${status.problem.detail}. ${adviceOn(status.problem)} `;
      fill(this.element, why, button("Try again", () => this.events.onRetry()), button("Discard", () => this.events.onDiscard()));
    }
  }
}

/** Ask which of two changes holds; return the subjects that are to be as they are here. */
export function askAboutConflicts(place: HTMLElement, conflicts: readonly Conflict[]): Promise<ReadonlySet<string>> {
  const rows = conflicts.map((one, i) => {
    const choice = (value: string, text: string, checked: boolean) => h("label", { class: "check" }, [h("input", { type: "radio", name: `conflict-${i}`, value, checked }), text]);
    return h("fieldset", {}, [h("legend", {}, nameOf(one)), choice("mine", "what I have done here", true), choice("theirs", "what is on the service now", false)]);
  });
  const form = h("form", { method: "dialog" }, [
    h("h2", { id: "conflict-title" }, "Changed here and elsewhere"),
    h("p", {}, "This layer was changed in another tab since. All else has been brought together; choose what holds. The other stays in the history of the layer."),
    ...rows,
    h("button", { type: "submit", class: "button primary" }, "Go on"),
  ]);
  const dialog = h("dialog", { class: "conflict", "aria-labelledby": "conflict-title" }, form);
  place.append(dialog);
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      const answers = new FormData(form);
      dialog.remove();
      resolve(new Set(conflicts.filter((_, i) => answers.get(`conflict-${i}`) === "mine").map(({ subject }) => subject)));
    });
  });
}

function nameOf({ subject, mine, theirs }: Conflict): string {
  const [kind, track = "", frame] = subject.split(":");
  const name = labelIn(mine, track) ?? labelIn(theirs, track) ?? track;
  if (kind === "mask") return `Mask of ${name} in frame ${Number(frame) + 1}`;
  if (kind === "intervals") return `Intervals and sentences of ${name}`;
  if (kind === "track") return `Name of ${name}`;
  return kind === "heard" ? "What is heard and not seen" : "Accepted or rejected";
}

function labelIn(layer: Layer, track: string): string | undefined {
  return trackOf(layer, track)?.category;
}
