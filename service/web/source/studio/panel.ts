// Beside the film: tools, the track that is worked on, its frame, its interval.

import { fill, h, icon, setAttribute } from "../view/dom.ts";
import { clock } from "../view/words.ts";
import { keyOf, type Command } from "./keys.ts";
import { sentencesOf, type FrameMask, type State, type Track } from "./layer.ts";
import type { Tool } from "./surface.ts";

export interface PanelEvents {
  onCommand(command: Command): void;
  onTrack(change: { category?: string; instance?: number }): void;
  onDeleteTrack(): void;
  onSentence(text: string): void;
  onPropose(): void;
}

export interface PanelLook {
  readonly tool: Tool;
  readonly track: Track | undefined;
  readonly frame: number;
  readonly frames: number;
  readonly mask: FrameMask | undefined;
  readonly selected: number | null;
  readonly state: State;
  readonly running: string | null;
}

const TOOLS: readonly (readonly [Tool, string])[] = [
  ["look", "Look"], ["click", "Click"], ["box", "Box"], ["stroke", "Stroke"], ["brush", "Brush"], ["eraser", "Eraser"],
];

export class Panel {
  readonly element: HTMLElement;
  readonly sentence = h("textarea", { rows: 2, "aria-label": "Sentence of the interval", placeholder: "inherited from before" }, [], {
    change: () => this.events.onSentence(this.sentence.value),
  });
  private readonly tools = TOOLS.map(([tool, name]) =>
    h("button", { type: "button", class: "button small", "data-tool": tool, title: `${name} (${keyOf(tool)})` }, name, { click: () => this.events.onCommand(tool) }),
  );
  private readonly category = h("input", { id: "category", list: "categories", autocomplete: "off" }, [], {
    change: () => this.events.onTrack({ category: this.category.value.trim() || "thing" }),
  });
  private readonly instance = h("input", { type: "number", min: 1, id: "instance" }, [], {
    change: () => this.events.onTrack({ instance: Math.max(1, Number(this.instance.value) || 1) }),
  });
  private readonly frame = h("p", { class: "frame-told", role: "status" });
  private readonly running = h("p", { class: "running", role: "status" });
  private readonly proposals = h("ul", { class: "proposals", "aria-label": "Proposed sentences" });
  private readonly interval = h("p", { class: "muted" });
  private readonly ofTrack: HTMLElement;
  private readonly state = h("p", { class: "state" });

  constructor(private readonly events: PanelEvents, categories: readonly string[]) {
    const names = h("datalist", { id: "categories" }, categories.map((name) => h("option", { value: name })));
    this.ofTrack = h("div", { class: "of-track" }, [
      h("h2", {}, "Track"),
      h("div", { class: "field" }, [h("label", { for: "category" }, "Category"), this.category]),
      h("div", { class: "field" }, [h("label", { for: "instance" }, "Instance"), this.instance]),
      names, this.frame,
      h("div", { class: "ways" }, [
        this.button("backward", "Carry back"), this.button("forward", "Carry on"), this.button("cancel", "Cancel"),
      ]),
      h("div", { class: "ways" }, [this.button("lock", "Lock"), this.button("remove_mask", "Remove mask")]),
      this.running, h("h3", {}, "Interval"), this.interval,
      h("div", { class: "ways" }, [this.button("new_interval", "Sounds from here"), this.button("split", "Split"), this.button("remove_interval", "Remove")]),
      this.sentence,
      h("div", { class: "ways" }, [h("button", { type: "button", class: "button small" }, "Propose", { click: () => this.events.onPropose() })]),
      this.proposals,
      h("button", { type: "button", class: "button small danger" }, "Delete this track", { click: () => this.events.onDeleteTrack() }),
    ]);
    this.element = h("aside", { class: "panel card", "aria-label": "Tools" }, [
      h("div", { class: "tool-row", role: "group", "aria-label": "Tools" }, this.tools),
      h("div", { class: "ways" }, [this.button("new_track", "New track"), this.button("undo", "Undo"), this.button("redo", "Redo"), this.button("help", "Keys (?)")]),
      this.ofTrack, this.state,
      h("div", { class: "ways" }, [this.button("accept", "Accept", icon("check")), this.button("reject", "Reject", icon("close"))]),
    ]);
  }

  show(look: PanelLook): void {
    for (const one of this.tools) setAttribute(one, "aria-pressed", String(one.dataset["tool"] === look.tool));
    this.state.textContent = `This clip is ${look.state}.`;
    this.running.textContent = look.running ?? "";
    const { track, mask } = look;
    this.ofTrack.hidden = !track;
    if (!track) return;
    if (document.activeElement !== this.category) this.category.value = track.category;
    if (document.activeElement !== this.instance) this.instance.value = String(track.instance);
    const by = mask?.by ? ` by ${mask.by.who || "you"} (${mask.by.tool})` : "";
    this.frame.textContent = `Frame ${look.frame + 1} of ${look.frames}: ${mask ? `mask${by}${mask.locked ? ", locked" : ""}${mask.held === false ? ", not sure" : ""}` : "no mask"}`;
    const one = look.selected === null ? undefined : track.intervals[look.selected];
    this.interval.textContent = one ? `${clock(one.start)} to ${clock(one.end)}` : "None is chosen.";
    this.sentence.disabled = !one;
    if (document.activeElement !== this.sentence) this.sentence.value = one?.sentence ?? "";
    const inherited = look.selected === null ? null : sentencesOf(track.intervals)[look.selected];
    setAttribute(this.sentence, "placeholder", one?.inherited && inherited ? `inherited: ${inherited}` : "what is heard and seen");
  }

  propose(sentences: readonly string[]): void {
    const items = sentences.map((text) => h("li", {}, h("button", { type: "button", class: "button small" }, text, {
      click: () => {
        fill(this.proposals);
        this.events.onSentence(text);
      },
    })));
    fill(this.proposals, ...items);
  }

  private button(command: Command, name: string, before?: SVGSVGElement): HTMLButtonElement {
    const title = `${name} (${keyOf(command)})`;
    return h("button", { type: "button", class: "button small", title, "data-command": command }, [before, name], { click: () => this.events.onCommand(command) });
  }
}
