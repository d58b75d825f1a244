// The service that this page came from: its root, the key for it, what it tells of itself.

import { problemOf, ProblemError, unreachable } from "./problem.ts";

export interface OfferedFormat {
  readonly name: string;
  readonly summary: string;
  readonly suffix: string;
  readonly drawn: boolean;
}

export interface PageFacts {
  readonly keys: boolean;
  readonly formats: readonly OfferedFormat[];
  readonly samples: readonly { readonly name: string; readonly bytes: number }[];
}

export interface Limits {
  readonly bytes: number;
  readonly pixels: number;
  readonly seconds: number;
  readonly samples: number;
  readonly deadline_seconds: number;
  readonly formats: readonly string[];
  readonly video_codecs: readonly string[];
  readonly jobs: { readonly job_max_bytes: number; readonly job_max_seconds: number } | null;
}

const KEPT = "ssu-key";

export class Service {
  /** The address of the service, without a slash at the end; empty at the root of its host. */
  constructor(readonly root: string) {}

  /** The key, kept until the tab is closed. */
  get key(): string {
    return sessionStorage.getItem(KEPT) ?? "";
  }

  set key(value: string) {
    if (value) sessionStorage.setItem(KEPT, value);
    else sessionStorage.removeItem(KEPT);
  }

  get headers(): Record<string, string> {
    return this.key ? { Authorization: `Bearer ${this.key}` } : {};
  }

  /** The whole address of a path. */
  address(path: string): string {
    return location.origin + this.root + path;
  }

  facts(): Promise<PageFacts> {
    return this.json("/page/facts.json");
  }

  limits(): Promise<Limits> {
    return this.json("/limits");
  }

  async sample(name: string): Promise<File> {
    const answer = await this.answer(`/page/samples/${encodeURIComponent(name)}`);
    const blob = await answer.blob();
    return new File([blob], name, { type: blob.type });
  }

  async json<Told>(path: string, request: RequestInit = {}): Promise<Told> {
    return (await this.answer(path, request)).json() as Promise<Told>;
  }

  /** Return a response; raise ProblemError if it is none of success, or there is none. */
  async answer(path: string, request: RequestInit = {}): Promise<Response> {
    let answer: Response;
    try {
      answer = await fetch(this.address(path), { ...request, headers: this.headers });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new ProblemError(unreachable("the service does not answer"));
    }
    if (answer.ok) return answer;
    const after = Number(answer.headers.get("Retry-After")) || undefined;
    throw new ProblemError(problemOf(answer.status, await answer.text(), after));
  }
}
