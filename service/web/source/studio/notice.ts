// What the editor says above the film: how something ended, or what went wrong.

import { adviceOn, ProblemError, unreachable } from "../service/problem.ts";
import { fill, h } from "../view/dom.ts";

export class Notice {
  readonly element = h("p", { class: "notice", role: "alert", hidden: true });

  constructor(private readonly onKeyRefused: () => void) {}

  say(text: string): void {
    this.element.hidden = !text;
    fill(this.element, text);
  }

  /** Do something that may fail; what went wrong is told in words. */
  async tell(task: () => Promise<unknown>): Promise<void> {
    this.say("");
    try {
      await task();
    } catch (error) {
      const problem = error instanceof ProblemError ? error.problem : unreachable(String(error));
      if (problem.code === "key_refused") this.onKeyRefused();
      this.say(`${problem.title}: ${problem.detail}. ${adviceOn(problem)}`);
    }
  }
}
