// The page: what is chosen, what the service allows, and one clip at a time.

import { adviceOn, ProblemError, unreachable } from "../service/problem.ts";
import { Service, type Limits, type PageFacts } from "../service/service.ts";
import { fill, h } from "../view/dom.ts";
import { Chooser } from "./chooser.ts";
import { KeyField } from "../shared/key_field.ts";
import { Recorder } from "./recorder.ts";
import { Workspace, type World } from "./workspace.ts";

class Page implements World {
  readonly service = new Service(document.body.dataset["root"] ?? "");
  private readonly main = document.querySelector("main") as HTMLElement;
  private readonly notice = h("p", { class: "notice", role: "alert", hidden: true });
  private readonly key = new KeyField(this.service, () => void this.learnLimits());
  private readonly recorder = new Recorder((film) => this.open(film));
  private readonly chooser = new Chooser({
    onFile: (file) => this.open(file),
    onSample: (name) => void this.tell(async () => this.open(await this.service.sample(name))),
    onRecord: () => void this.recorder.open(),
  });
  private workspace: Workspace | null = null;
  private known: { facts: PageFacts | null; limits: Limits | null } = { facts: null, limits: null };

  async begin(): Promise<void> {
    document.querySelector("header nav")?.before(this.key.element);
    document.body.append(this.recorder.element);
    const job = /^#job=([\w-]+)$/.exec(location.hash)?.[1];
    this.place();
    await this.tell(() => this.learnFacts());
    await this.learnLimits();
    if (job) this.work(new Workspace(this, null, job));
  }

  facts(): PageFacts | null {
    return this.known.facts;
  }

  limits(): Limits | null {
    return this.known.limits;
  }

  askKey(): void {
    this.key.ask();
  }

  onAnother(): void {
    this.leave();
    history.replaceState(null, "", location.pathname + location.search);
    this.place();
    this.chooser.focus();
  }

  private open(film: File): void {
    this.work(new Workspace(this, film));
  }

  private work(workspace: Workspace): void {
    this.leave();
    this.workspace = workspace;
    workspace.onLimits();
    this.place();
    workspace.focus();
  }

  private leave(): void {
    this.workspace?.close();
    this.workspace = null;
  }

  private place(): void {
    fill(this.main, this.notice, this.workspace?.element ?? this.chooser.element);
  }

  private async learnFacts(): Promise<void> {
    this.known.facts = await this.service.facts();
    this.chooser.showSamples(this.known.facts.samples);
    if (this.known.facts.keys) this.key.show();
  }

  private async learnLimits(): Promise<void> {
    if (this.known.facts?.keys && !this.service.key) {
      this.key.show("This service wants a key.");
      return;
    }
    await this.tell(async () => {
      this.known.limits = await this.service.limits();
      if (this.known.facts?.keys) this.key.show("The key is right.");
    });
    this.chooser.showLimits(this.known.limits);
    this.workspace?.onLimits();
  }

  /** Do something, and say what went wrong with it. */
  private async tell(task: () => Promise<void>): Promise<void> {
    this.notice.hidden = true;
    try {
      await task();
    } catch (error) {
      const problem = error instanceof ProblemError ? error.problem : unreachable(String(error));
      if (problem.code === "key_refused") {
        this.key.ask();
        return;
      }
      this.notice.hidden = false;
      this.notice.textContent = `${problem.title}: ${problem.detail}. ${adviceOn(problem)}`;
    }
  }
}

void new Page().begin();
