// The lists of the studio: projects, and the clips of one.

import { ProblemError } from "../service/problem.ts";
import { Cancelled } from "../service/stream.ts";
import { fill, h, icon, save } from "../view/dom.ts";
import { percent } from "../view/player.ts";
import { duration, sentence } from "../view/words.ts";
import type { Api, Clip, Facts, Project } from "./api.ts";

const LOOK_MS = 1500;

/** What lists share: something that is said, and problems in words. */
class List {
  readonly element = h("section", { class: "list" });
  protected readonly said = h("p", { class: "muted", role: "status" });

  protected async tell(task: () => Promise<void>): Promise<void> {
    fill(this.said, "");
    try {
      await task();
    } catch (error) {
      if (!(error instanceof Cancelled)) fill(this.said, error instanceof ProblemError ? `${error.problem.title}: ${error.problem.detail}.` : String(error));
    }
  }

  close(): void {}
}

export class Projects extends List {
  private readonly list = h("ul", { class: "cards" });
  private readonly name = h("input", { id: "project-name", required: true, maxlength: 100, autocomplete: "off" });
  private readonly fps = h("input", { id: "project-fps", type: "number", min: 1, max: 30 });

  constructor(private readonly api: Api, private readonly facts: Facts) {
    super();
    this.fps.value = String(facts.fps);
    const form = h("form", { class: "card new-project" }, [
      h("h2", {}, "A new project"),
      h("div", { class: "field" }, [h("label", { for: "project-name" }, "Name"), this.name]),
      h("div", { class: "field" }, [h("label", { for: "project-fps" }, "Annotation frames a second"), this.fps]),
      h("button", { type: "submit", class: "button primary" }, "Make it"),
    ]);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.tell(async () => {
        const { id } = await api.makeProject(this.name.value.trim(), Number(this.fps.value) || facts.fps);
        location.hash = `project=${id}`;
      });
    });
    this.element.append(h("h1", { tabindex: -1 }, "Projects"), this.said, this.list, form);
    void this.tell(() => this.learn());
  }

  private async learn(): Promise<void> {
    const projects = await this.api.projects();
    fill(this.list, ...(projects.length ? projects.map((one) => this.item(one)) : [h("li", { class: "muted" }, "There is none yet.")]));
  }

  private item({ id, name, fps, maker }: Project): HTMLElement {
    const remove = h("button", { type: "button", class: "button small", "aria-label": `Delete ${name}` }, "Delete", {
      click: () => {
        if (confirm(`Delete ${name} with all clips and all that was made of them?`)) void this.tell(async () => {
          await this.api.deleteProject(id);
          await this.learn();
        });
      },
    });
    const told = h("span", { class: "muted" }, `${fps} frames a second, made by ${maker}`);
    return h("li", { class: "card" }, [h("a", { href: `#project=${id}` }, name), told, h("span", { class: "spread" }), maker === this.facts.me ? remove : null]);
  }
}

export class ProjectPage extends List {
  private readonly list = h("ul", { class: "cards", "aria-label": "Clips, the most doubtful first" });
  private readonly uploads = h("ul", { class: "uploads" });
  private timer = 0;

  constructor(private readonly api: Api, private readonly facts: Facts, private readonly project: Project) {
    super();
    const file = h("input", { type: "file", id: "clips", multiple: true, accept: "video/*,.mkv", class: "visually-hidden" }, [], {
      change: () => {
        for (const one of file.files ?? []) void this.upload(one);
        file.value = "";
      },
    });
    const choose = h("label", { class: "button primary", for: "clips" }, [icon("upload"), "Add clips"]);
    this.element.append(
      h("a", { href: "#", class: "up" }, "← Projects"),
      h("h1", { tabindex: -1 }, project.name), this.said,
      h("div", { class: "ways" }, [file, choose]), this.uploads, this.list, this.files(),
    );
    void this.tell(() => this.learn());
  }

  override close(): void {
    clearTimeout(this.timer);
  }

  private async learn(): Promise<void> {
    clearTimeout(this.timer);
    const { clips = [] } = await this.api.project(this.project.id);
    const queue = await this.api.queue(this.project.id).catch(() => []);
    const doubt = new Map(queue.map((one) => [one.clip, one.doubt]));
    const sorted = [...clips].sort((one, other) => (doubt.get(other.id) ?? 0) - (doubt.get(one.id) ?? 0));
    fill(this.list, ...(sorted.length ? sorted.map((clip) => this.item(clip)) : [h("li", { class: "muted" }, "There is no clip yet.")]));
    clearTimeout(this.timer);
    if (clips.some(({ state }) => state === "preparing")) this.timer = setTimeout(() => void this.tell(() => this.learn()), LOOK_MS);
  }

  private item(clip: Clip): HTMLElement {
    const remove = h("button", { type: "button", class: "button small", "aria-label": `Delete ${clip.name}` }, "Delete", {
      click: () => {
        if (confirm(`Delete ${clip.name} and all that was made of it?`)) void this.tell(async () => {
          await this.api.deleteClip(clip.id);
          await this.learn();
        });
      },
    });
    const name = clip.state === "ready" ? h("a", { href: `#clip=${clip.id}` }, clip.name) : h("span", {}, clip.name);
    return h("li", { class: "card", "data-clip": clip.id }, [name, this.stateOf(clip), h("span", { class: "spread" }), remove]);
  }

  private stateOf(clip: Clip): HTMLElement {
    if (clip.state === "preparing") {
      const bar = h("progress", { max: 1, value: clip.progress, "aria-label": `Preparing ${clip.name}` });
      return h("span", { class: "muted preparing" }, [bar, clip.progress ? `Being prepared, ${percent(clip.progress)}` : "Waits to be prepared"]);
    }
    if (clip.state === "failed") return h("span", { class: "bad" }, `${sentence(clip.problem?.detail ?? "failed")}.`);
    const layers = clip.layers.map(({ annotator, state }) => `${annotator}: ${state}`).join(", ");
    return h("span", { class: "muted" }, `${duration(clip.duration)}; ${layers}`);
  }

  private async upload(film: File): Promise<void> {
    const bar = h("progress", { max: 1, value: 0, "aria-label": `Sending ${film.name}` });
    const abort = new AbortController();
    const stop = h("button", { type: "button", class: "button small" }, "Cancel", { click: () => abort.abort() });
    const item = h("li", {}, [film.name, bar, stop]);
    this.uploads.append(item);
    await this.tell(async () => {
      await this.api.upload(this.project.id, film, (share) => (bar.value = share), abort.signal);
      await this.learn();
    });
    item.remove();
  }

  private files(): HTMLElement {
    const options = () => this.facts.formats.map(({ name, summary }) => h("option", { value: name, title: summary }, name));
    const format = h("select", { "aria-label": "Format" }, options());
    const layer = h("select", { "aria-label": "Layer" }, [["best", "the best of each clip"], ["agreed", "agreed"], [this.facts.me, "mine"], ["model", "the model's"]].map(([value, text]) => h("option", { value }, text)));
    const take = h("button", { type: "button", class: "button" }, [icon("download"), "Export"], {
      click: () => void this.tell(async () => save(await this.api.export(this.project.id, format.value, layer.value), `${this.project.name}-${format.value}.zip`)),
    });
    const who = h("button", { type: "button", class: "button" }, [icon("download"), "Who made what"], {
      click: () => void this.tell(async () => save(await this.api.provenance(this.project.id), `${this.project.name}-provenance.jsonl`)),
    });
    const file = h("input", { type: "file", id: "import", class: "visually-hidden" }, [], {
      change: () => {
        const chosen = file.files?.[0];
        file.value = "";
        const known = this.facts.formats.find(({ name }) => name === format.value);
        if (chosen && known?.imports === false) fill(this.said, `${known.name} goes out alone, and is not read.`);
        else if (chosen) void this.tell(async () => {
          await this.api.import(this.project.id, format.value, chosen, (share) => fill(this.said, `Sending ${Math.round(share * 100)} %`));
          await this.learn();
          fill(this.said, "Imported into your layers.");
        });
      },
    });
    return h("section", { class: "card files", "aria-labelledby": "files-title" }, [
      h("h2", { id: "files-title" }, "Out and in"),
      h("div", { class: "ways" }, [format, layer, take, file, h("label", { class: "button", for: "import" }, [icon("upload"), "Import"]), who]),
    ]);
  }
}
