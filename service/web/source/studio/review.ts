// Review of a clip: doubts to go through, another film's sound, two annotators.

import { ProblemError } from "../service/problem.ts";
import { percent } from "../view/player.ts";
import { fill, h } from "../view/dom.ts";
import { clock, sentence } from "../view/words.ts";
import type { Agreement, Api, Choice, Clip, Doubt, Project } from "./api.ts";
import { labelOf } from "./frames.ts";
import { trackOf, type Layer } from "./layer.ts";

export interface ReviewEvents {
  onSeek(time: number, track: string | null): void;
  /** Show another layer; null goes back. */
  onShow(layer: Layer | null): void;
}

const DIFFERS: Readonly<Record<string, string>> = {
  track: "in one layer alone", category: "called otherwise", mask: "another mask", interval: "sounds at another time", sentence: "another sentence",
};

export class Review {
  readonly element: HTMLElement;
  private readonly list = h("ol", { class: "doubts" });
  private readonly said = h("div", { role: "status" });
  private readonly result = h("div", { class: "agreement" });
  private readonly layerChoice: HTMLSelectElement;
  private doubts: readonly Doubt[] = [];
  private now = -1;
  private asked = 0;

  constructor(
    private readonly api: Api,
    private readonly project: Project,
    private readonly clip: Clip,
    private readonly events: ReviewEvents,
  ) {
    this.layerChoice = this.choice("Layer to show", [["", "my own"], ...this.names]);
    this.element = h("section", { class: "review card", "aria-labelledby": "review-title" }, [
      h("h2", { id: "review-title" }, "Review"),
      h("h3", {}, "Doubts"), this.list, this.layers(), this.swap(), this.compare(), this.said, this.result,
    ]);
  }

  async learn(layer: string): Promise<void> {
    const asked = (this.asked += 1);
    const doubts = await this.api.doubts(this.clip.id, layer).catch(() => []);
    if (asked !== this.asked) return;
    const last = this.doubts[this.now];
    const same = doubts.findIndex((one) => one.kind === last?.kind && one.track === last.track && one.start === last.start);
    [this.doubts, this.now] = [doubts, same >= 0 ? same : Math.max(-1, this.now - 1)];
    const items = this.doubts.map((one, i) => h("li", i === this.now ? { class: "now" } : {}, h("button", { type: "button", class: "seek" }, `${clock(one.start)} ${sentence(one.why)}`, { click: () => this.go(i) })));
    fill(this.list, ...(items.length ? items : [h("li", { class: "muted" }, "None.")]));
  }

  /** Go to the next doubt, or the one before. */
  step(by: number): void {
    if (this.doubts.length) this.go((this.now + by + this.doubts.length) % this.doubts.length);
  }

  private go(i: number): void {
    this.now = i;
    [...this.list.children].forEach((item, at) => item.classList.toggle("now", at === i));
    const doubt = this.doubts[i];
    if (doubt) this.events.onSeek(doubt.start, doubt.track ?? null);
  }

  private choice(label: string, names: readonly (readonly [string, string])[]): HTMLSelectElement {
    return h("select", { "aria-label": label }, names.map(([value, text]) => h("option", { value }, text)));
  }

  private get names(): (readonly [string, string])[] {
    return this.clip.layers.map(({ annotator, state }) => [annotator, `${annotator} (${state})`]);
  }

  private layers(): HTMLElement {
    const choice = this.layerChoice;
    choice.addEventListener("change", () => void this.tell(async () => this.events.onShow(choice.value ? await this.api.layer(this.clip.id, choice.value) : null)));
    return h("div", { class: "field" }, [h("span", {}, "Show the layer of"), choice]);
  }

  private swap(): HTMLElement {
    const others = (this.project.clips ?? []).filter(({ id, state }) => id !== this.clip.id && state === "ready");
    const choice = this.choice("Clip whose sound is taken", others.map(({ id, name }) => [id, name]));
    const ask = h("button", { type: "button", class: "button small", disabled: !others.length }, "What does the model say?", {
      click: () => void this.tell(async () => {
        fill(this.said, "Asking the model …");
        const layer = await this.api.swap(this.clip.id, choice.value);
        const found = [...layer.tracks, ...layer.heard].map(({ category }) => category);
        fill(this.said, `With that sound the model says: ${found.join(", ") || "nothing sounds"}.`);
        this.events.onShow({ ...layer, annotator: "the model with another sound" });
      }),
    });
    return h("div", { class: "field" }, [h("span", {}, "With the sound of"), choice, ask]);
  }

  private compare(): HTMLElement {
    const [one, other] = [this.choice("First annotator", this.names), this.choice("Second annotator", this.names)];
    other.selectedIndex = Math.min(1, this.names.length - 1);
    const ask = h("button", { type: "button", class: "button small", disabled: this.names.length < 2 }, "Compare", {
      click: () => void this.tell(async () => {
        const { id } = this.clip;
        const [told, ...layers] = await Promise.all([this.api.agreement(id, one.value, other.value), this.api.layer(id, one.value), this.api.layer(id, other.value)]);
        this.show(told, layers);
      }),
    });
    return h("div", { class: "field" }, [h("span", {}, "Compare"), one, other, ask]);
  }

  private show(agreement: Agreement, layers: readonly Layer[]): void {
    const [a = "", b = ""] = layers.map(({ annotator }) => annotator);
    const [nameA, nameB] = layers.map((layer) => (id: string | null | undefined) => nameIn(layer, id));
    const share = (value: number | null) => (value === null ? "none" : percent(value));
    const choices = agreement.tracks.map((pair) => {
      const take = this.choice(`What holds of ${nameA?.(pair.a)} and ${nameB?.(pair.b)}`, [["a", a], ["b", b], ["both", "both"], ["none", "neither"]]);
      if (!pair.a) take.value = "b";
      return { pair, take };
    });
    const rows = choices.map(({ pair, take }) => h("tr", {}, [`${nameA?.(pair.a)}`, `${nameB?.(pair.b)}`, share(pair.j), share(pair.f)].map((text) => h("td", {}, text)).concat(h("td", {}, take))));
    const places = agreement.disagreements.map((one) => h("li", {}, h("button", { type: "button", class: "seek" }, `${clock(one.start)} – ${clock(one.end)} ${sentence(one.track_a ? `${nameA?.(one.track_a)}` : `${nameB?.(one.track_b)}`)}: ${DIFFERS[one.kind] ?? one.kind}`, { click: () => this.events.onSeek(one.start, one.track_a ?? null) })));
    const decide = h("button", { type: "button", class: "button primary" }, "Write the agreed layer", {
      click: () => void this.tell(async () => {
        const taken = choices.map(({ pair, take }) => ({ track_a: pair.a, track_b: pair.b, take: take.value as Choice["take"] }));
        await this.api.adjudicate(this.clip.id, a, b, taken);
        const known = [...this.layerChoice.options].some((option) => option.value === "agreed");
        if (!known) this.layerChoice.append(h("option", { value: "agreed" }, "agreed (open)"));
        fill(this.said, "The agreed layer is written.");
      }),
    });
    const head = h("tr", {}, [a, b, "J", "F", "takes"].map((text) => h("th", {}, text)));
    fill(this.result, h("p", {}, `J ${share(agreement.j)}, intervals F ${share(agreement.f_intervals)}`), h("table", {}, [head, ...rows]), h("ol", { class: "doubts" }, places), decide);
  }

  private async tell(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      fill(this.said, error instanceof ProblemError ? `${error.problem.title}: ${error.problem.detail}.` : String(error));
    }
  }
}

/** Name a track of a layer as its label in the film does. */
function nameIn(layer: Layer, id: string | null | undefined): string {
  const track = id ? trackOf(layer, id) : undefined;
  return track ? labelOf(track) : "nothing";
}
