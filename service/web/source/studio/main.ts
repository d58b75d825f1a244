// The studio: a key, and by the address the list of projects, a project, or a clip.

import { adviceOn, ProblemError, unreachable } from "../service/problem.ts";
import { Service } from "../service/service.ts";
import { KeyField } from "../shared/key_field.ts";
import { fill, h } from "../view/dom.ts";
import { Api, type Facts } from "./api.ts";
import { Editor } from "./editor.ts";
import { ProjectPage, Projects } from "./lists.ts";

interface Shown {
  readonly element: HTMLElement;
  close(): void;
}

class Studio {
  private readonly service = new Service(document.body.dataset["root"] ?? "");
  private readonly api = new Api(this.service);
  private readonly main = document.querySelector("main") as HTMLElement;
  private readonly key = new KeyField(this.service, () => void this.go());
  private shown: Shown | null = null;
  private asked = 0;

  begin(): void {
    document.querySelector("header nav")?.before(this.key.element);
    this.key.show();
    addEventListener("hashchange", () => void this.go());
    void this.go();
  }

  /** Show what the address names. */
  private async go(): Promise<void> {
    const asked = (this.asked += 1);
    this.shown?.close();
    this.shown = null;
    if (!this.service.key) {
      this.key.show("The studio wants a key: its name is who annotates.");
      fill(this.main, h("section", { class: "list" }, h("h1", { tabindex: -1 }, "Studio")));
      return;
    }
    fill(this.main, h("p", { class: "muted loading", role: "status" }, "Loading …"));
    try {
      const facts = await this.api.facts();
      this.key.show(facts.me);
      const shown = await this.open(facts);
      if (asked !== this.asked) return shown.close();
      this.shown = shown;
      fill(this.main, shown.element);
      shown.element.querySelector<HTMLElement>("h1")?.focus();
      if (shown instanceof Editor) await shown.begin();
    } catch (error) {
      if (asked === this.asked) this.fail(error);
    }
  }

  private async open(facts: Facts): Promise<Shown> {
    const [, kind, id] = /^#(project|clip)=([\w-]+)$/.exec(location.hash) ?? [];
    if (kind === "project" && id) return new ProjectPage(this.api, facts, await this.api.project(id));
    if (kind !== "clip" || !id) return new Projects(this.api, facts);
    const clip = await this.api.clip(id);
    const [project, film] = await Promise.all([this.api.project(clip.project), this.api.film(id)]);
    return new Editor(this.api, facts, project, clip, film, () => this.key.ask());
  }

  private fail(error: unknown): void {
    const problem = error instanceof ProblemError ? error.problem : unreachable(String(error));
    if (problem.code === "key_refused") this.key.ask();
    const again = h("button", { type: "button", class: "button small" }, "Try again", { click: () => void this.go() });
    fill(this.main, h("p", { class: "notice", role: "alert" }, [`${problem.title}: ${problem.detail}. ${adviceOn(problem)} `, again, " ", h("a", { href: "#" }, "To all projects")]));
  }
}

new Studio().begin();
