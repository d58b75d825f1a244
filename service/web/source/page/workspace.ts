// One clip: shown, sent, and answered.

import { Answer, type AnswerRecord } from "../answer/answer.ts";
import { curlLine } from "../service/curl.ts";
import { deleteJob, followJob, resultOf, sendJob } from "../service/jobs.ts";
import { DEFAULTS, forFiles, queryOf, type Options } from "../service/options.ts";
import { adviceOn, ProblemError, unreachable, type Problem } from "../service/problem.ts";
import type { Limits, OfferedFormat, PageFacts, Service } from "../service/service.ts";
import { Cancelled, stream } from "../service/stream.ts";
import { fill, h, icon, save } from "../view/dom.ts";
import { Viewer } from "../view/viewer.ts";
import { size } from "../view/words.ts";
import { Choices, type Sending } from "./choices.ts";
import { Progress } from "./progress.ts";
import { Result } from "./result.ts";

export interface World {
  readonly service: Service;
  facts(): PageFacts | null;
  limits(): Limits | null;
  /** Ask for a key. */
  askKey(): void;
  onAnother(): void;
}

export class Workspace {
  readonly element: HTMLElement;
  private readonly viewer: Viewer;
  private readonly choices = new Choices((sending) => void this.send(sending));
  private readonly progress = new Progress(() => this.cancel());
  private readonly result = new Result({ onDownload: (format, button) => void this.download(format, button) });
  private readonly trouble = h("div", { class: "trouble", role: "alert" });
  private readonly said = h("p", { class: "visually-hidden", role: "status" });
  private readonly side = h("aside", { class: "side-panel", "aria-label": "Request and answer" });
  private answer = new Answer();
  private options: Options = DEFAULTS;
  private abort = new AbortController();
  private ready = false;

  /** Of a job that was sent before, there may be no film. */
  constructor(
    private readonly world: World,
    private readonly film: File | null,
    private job: string | null = null,
  ) {
    this.viewer = new Viewer(film, () => this.onFilm());
    const title = h("h1", { tabindex: -1 }, film?.name ?? "A job sent before");
    const another = h("button", { type: "button", class: "button small" }, film ? "Another film" : "Start again", { click: () => world.onAnother() });
    this.element = h("div", { class: "workspace" }, [
      h("div", { class: "title" }, [title, h("span", { class: "muted" }, film ? size(film.size) : ""), h("span", { class: "spread" }), this.said, another]),
      this.viewer.stage, this.side, this.viewer.timeline.element, this.viewer.sentences.element,
    ], { keydown: (event) => this.viewer.onKey(event) });
    this.viewer.sentences.element.hidden = true;
    if (job) void this.work((cancel) => this.followed(job as string, cancel));
    else fill(this.side, this.choices.element);
  }

  /** Hold the clip against limits that have become known. */
  onLimits(): void {
    const { video } = this.viewer.player;
    const pixels = video.videoWidth * video.videoHeight;
    const clip = { bytes: this.film?.size ?? 0, seconds: this.viewer.player.duration, pixels };
    this.choices.hold(this.world.limits(), clip);
  }

  focus(): void {
    this.element.querySelector<HTMLElement>("h1")?.focus();
  }

  close(): void {
    this.abort.abort();
    this.viewer.close();
  }

  private onFilm(): void {
    if (this.ready) return;
    this.ready = true;
    this.onLimits();
  }

  private async send({ options, asJob }: Sending): Promise<void> {
    this.options = options;
    const { service } = this.world;
    await this.work(async (cancel) => {
      const listener = { onUpload: (share: number) => this.progress.showUpload(share) };
      if (!asJob) {
        const path = `/understand${queryOf(options, { format: "ndjson" })}`;
        await stream(service, path, this.film, { ...listener, onRecord: (record) => this.onRecord(record) }, cancel);
        return;
      }
      const { id } = await sendJob(service, this.film as File, options, listener, cancel);
      this.job = id;
      history.replaceState(null, "", `#job=${id}`);
      await this.followed(id, cancel);
    });
  }

  /** Wait for a job, then read its answer. */
  private async followed(id: string, cancel: AbortSignal): Promise<void> {
    const { service } = this.world;
    await followJob(service, id, ({ state, progress }) => {
      const { seconds_done: done, seconds_in_all: whole } = progress;
      if (state === "waiting") this.progress.show("Waiting for a place", null, "You may close this page; the link to the job stays.");
      else this.progress.showWindows(done, whole ?? 0);
    }, cancel);
    await stream(service, resultOf(id, "ndjson"), null, { onRecord: (record) => this.onRecord(record) }, cancel);
  }

  /** Do work that fills the answer, and show how it goes and ends. */
  private async work(task: (cancel: AbortSignal) => Promise<void>): Promise<void> {
    this.abort = new AbortController();
    this.answer = new Answer();
    this.viewer.show(this.answer);
    this.progress.showUpload(0);
    fill(this.trouble);
    fill(this.side, this.progress.element);
    this.progress.focus();
    try {
      await task(this.abort.signal);
      this.finish();
    } catch (error) {
      if (error instanceof Cancelled || this.abort.signal.aborted) this.onCancelled();
      else this.fail(error instanceof ProblemError ? error.problem : unreachable(String(error)));
    }
  }

  private onRecord(record: AnswerRecord): void {
    this.answer.add(record);
    if (record.record === "heartbeat") this.progress.showStage(record.stage, record.seconds);
    if (record.record === "window") this.progress.showWindows(this.answer.until, this.viewer.seconds);
    this.viewer.sentences.element.hidden = !this.answer.head;
    this.viewer.refresh();
  }

  private finish(): void {
    this.said.textContent = `Done. ${this.answer.tail?.tracks.length ?? 0} tracks.`;
    // The button that had the focus goes.
    const focused = this.side.contains(document.activeElement);
    this.viewer.sentences.element.hidden = false;
    this.viewer.refresh();
    const keys = this.world.facts()?.keys ?? false;
    const address = this.world.service.address(this.job ? "/jobs" : "/understand");
    const curl = curlLine(address, this.film?.name ?? "film.mp4", this.options, keys);
    const link = this.job && location.href;
    this.result.show(this.answer, this.world.facts()?.formats ?? [], curl, link);
    fill(this.side, this.trouble, this.result.element, this.film && this.again());
    if (focused) this.viewer.player.element.focus({ preventScroll: true });
  }

  private onCancelled(): void {
    const kept = this.answer.frames.length ? " What had come is kept." : "";
    fill(this.trouble, h("p", { class: "notice" }, `Cancelled.${kept}`));
    fill(this.side, this.trouble, this.choices.element);
    this.choices.focus();
  }

  private cancel(): void {
    this.abort.abort();
    const { job } = this;
    if (!job) return;
    this.job = null;
    history.replaceState(null, "", location.pathname + location.search);
    void deleteJob(this.world.service, job).catch(() => undefined);
  }

  private fail(problem: Problem): void {
    const got = this.answer.frames.length ? h("p", {}, "What had come before is kept.") : null;
    fill(this.trouble, problemCard(problem, got));
    fill(this.side, this.trouble, this.film && this.choices.element);
    if (problem.code === "key_refused") this.world.askKey();
  }

  /** Ask the same clip anew, otherwise. */
  private again(): HTMLElement {
    const summary = h("summary", {}, "Ask again with other options");
    return h("details", { class: "again card" }, [summary, this.choices.element]);
  }

  private async download(format: OfferedFormat, button: HTMLButtonElement): Promise<void> {
    button.disabled = true;
    button.classList.add("busy");
    try {
      save(await this.file(format), `${this.stem}${format.suffix}`);
      fill(this.trouble);
    } catch (error) {
      const problem = error instanceof ProblemError ? error.problem : unreachable(String(error));
      fill(this.trouble, problemCard(problem, null));
    } finally {
      button.disabled = false;
      button.classList.remove("busy");
    }
  }

  /** Return the answer in a format: the one at hand, or from the service. */
  private async file(format: OfferedFormat): Promise<Blob> {
    const { service } = this.world;
    if (format.name === "json") {
      return new Blob([JSON.stringify(this.answer.document())], { type: "application/json" });
    }
    if (this.job) return (await service.answer(resultOf(this.job, format.name))).blob();
    const query = queryOf(forFiles(this.options), { format: format.name });
    const answer = await service.answer(`/understand${query}`, { method: "POST", body: this.film });
    return answer.blob();
  }

  private get stem(): string {
    return this.film?.name.replace(/\.\w+$/, "") ?? "answer";
  }
}

function problemCard(problem: Problem, more: HTMLElement | null): HTMLElement {
  return h("div", { class: "problem card", "data-code": problem.code }, [
    h("h2", {}, [icon("warning"), h("span", {}, sentenceOf(problem.detail))]),
    h("p", { class: "advice" }, adviceOn(problem)),
    more,
    h("p", { class: "muted" }, [`${problem.status || ""} ${problem.title} `, h("code", {}, problem.code)]),
  ]);
}

function sentenceOf(detail: string): string {
  const text = detail.charAt(0).toUpperCase() + detail.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
