// What the service offers the studio: docs/studio.md, the API.

import type { Rle, Span } from "../answer/answer.ts";
import { ProblemError, unreachable } from "../service/problem.ts";
import type { Service } from "../service/service.ts";
import { send } from "../service/stream.ts";
import type { Edit, Layer, State } from "./layer.ts";
import type { Point } from "./pixels.ts";

export interface Facts {
  readonly fps: number;
  readonly tools: { readonly masks: string; readonly through: string; readonly sentences: string };
  readonly limits: Readonly<Record<string, number>>;
  readonly formats: readonly { readonly name: string; readonly suffix: string; readonly summary: string; readonly imports?: boolean }[];
  readonly categories: readonly string[];
  readonly me: string;
}

export interface Project {
  readonly id: string;
  readonly name: string;
  readonly fps: number;
  readonly categories: readonly string[];
  readonly maker: string;
  readonly clips?: readonly Clip[];
}

export interface LayerFacts {
  readonly annotator: string;
  readonly state: State;
  readonly revision: number;
  readonly updated: string;
}

export interface Clip {
  readonly id: string;
  readonly project: string;
  readonly name: string;
  readonly state: "preparing" | "ready" | "failed";
  readonly progress: number;
  readonly problem?: { readonly code: string; readonly detail: string } | null;
  readonly duration: number;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  /** How many annotation frames it has. */
  readonly frames: number;
  readonly layers: readonly LayerFacts[];
}

export interface Doubt extends Span {
  readonly kind: string;
  readonly track?: string | null;
  readonly score: number;
  readonly why: string;
}

export interface Disagreement extends Span {
  readonly kind: string;
  readonly track_a?: string | null;
  readonly track_b?: string | null;
}

export interface Agreement {
  readonly j: number | null;
  readonly f_intervals: number | null;
  readonly tracks: readonly { readonly a: string | null; readonly b: string | null; readonly j: number | null; readonly f: number | null; readonly category_same: boolean }[];
  readonly disagreements: readonly Disagreement[];
}

export interface Choice {
  readonly track_a: string | null;
  readonly track_b: string | null;
  readonly take: "a" | "b" | "both" | "none";
}

export interface Prompt {
  readonly frame: number;
  readonly points: readonly (Point & { readonly inside: boolean })[];
  /** x, y, width, height */
  readonly box?: readonly [number, number, number, number];
  readonly stroke?: readonly (readonly [number, number])[];
  readonly previous?: Rle;
}

export interface Propagated {
  readonly frame: number;
  readonly mask: Rle | null;
  readonly held: boolean;
}

export type PropagationEnd = { readonly end: "done" | "lost" | "locked" | "cut" | "cancelled"; readonly frame: number };

export class Api {
  constructor(readonly service: Service) {}

  facts = (): Promise<Facts> => this.get("/facts");
  projects = async (): Promise<readonly Project[]> => (await this.get<{ projects: Project[] }>("/projects")).projects;
  project = (id: string): Promise<Project> => this.get(`/projects/${id}`);
  makeProject = (name: string, fps: number): Promise<Project> => this.post("/projects", { name, fps });
  deleteProject = (id: string): Promise<unknown> => this.delete(`/projects/${id}`);
  queue = async (project: string): Promise<readonly { readonly clip: string; readonly doubt: number }[]> =>
    (await this.get<{ clips: { clip: string; doubt: number }[] }>(`/projects/${project}/queue`)).clips;

  /** Send a film; the answer is a clip that is being prepared. */
  async upload(project: string, film: File, onUpload: (share: number) => void, cancel: AbortSignal): Promise<void> {
    await send(this.service, `/studio/api/projects/${project}/clips`, formOf("clip", film), { onUpload }, cancel);
  }

  clip = (id: string): Promise<Clip> => this.get(`/clips/${id}`);
  deleteClip = (id: string): Promise<unknown> => this.delete(`/clips/${id}`);
  film = (id: string): Promise<Blob> => this.blob(`/clips/${id}/film`);
  picture = (id: string, frame: number): Promise<Blob> => this.blob(`/clips/${id}/frames/${frame}`);
  onsets = async (id: string): Promise<readonly number[]> => (await this.get<{ onsets: number[] }>(`/clips/${id}/onsets`)).onsets;
  layer = (id: string, name: string): Promise<Layer> => this.get(`/clips/${id}/layers/${encodeURIComponent(name)}`);
  startLayer = (id: string, from: string | null): Promise<Layer> => this.post(`/clips/${id}/layers`, { from });
  doubts = async (id: string, layer: string): Promise<readonly Doubt[]> =>
    (await this.get<{ doubts: Doubt[] }>(`/clips/${id}/doubts?layer=${encodeURIComponent(layer)}`)).doubts;
  swap = (id: string, other: string): Promise<Layer> => this.post(`/clips/${id}/swap`, { other });
  agreement = (id: string, a: string, b: string): Promise<Agreement> =>
    this.get(`/clips/${id}/agreement?a=${encodeURIComponent(a)}&b=${encodeURIComponent(b)}`);
  adjudicate = (id: string, a: string, b: string, choices: readonly Choice[]): Promise<unknown> =>
    this.post(`/clips/${id}/adjudicate`, { a, b, choices });
  mask = (id: string, prompt: Prompt): Promise<{ readonly mask: Rle | null; readonly tool: string; readonly milliseconds: number }> =>
    this.post(`/clips/${id}/masks`, prompt);
  sentences = (id: string, frame: number, track: string): Promise<{ readonly sentences: readonly string[]; readonly tool: string }> =>
    this.post(`/clips/${id}/sentences`, { frame, track });

  /** Save edits; the same id again is answered as the first time. */
  save = (id: string, batch: { readonly id: string; readonly base_revision: number; readonly edits: readonly Edit[] }): Promise<{ readonly revision: number }> =>
    this.send("PATCH", `/clips/${id}/layers/mine`, batch);

  export = (project: string, format: string, layer: string): Promise<Blob> =>
    this.blob(`/projects/${project}/export?format=${encodeURIComponent(format)}&layer=${encodeURIComponent(layer)}`);
  provenance = (project: string): Promise<Blob> => this.blob(`/projects/${project}/provenance.jsonl`);

  async import(project: string, format: string, file: File, onUpload: (share: number) => void): Promise<void> {
    const path = `/studio/api/projects/${project}/import?format=${encodeURIComponent(format)}`;
    await send(this.service, path, formOf("file", file), { onUpload }, new AbortController().signal);
  }

  /** Carry a mask on through frames; each is saved before it is told of. */
  async propagate(
    id: string,
    asked: { readonly track: string; readonly frame: number; readonly to: number },
    onFrame: (one: Propagated) => void,
    signal: AbortSignal,
  ): Promise<PropagationEnd> {
    const answer = await this.answer("POST", `/clips/${id}/propagate`, asked, signal);
    for await (const line of lines(answer)) {
      const told = JSON.parse(line) as Propagated | PropagationEnd | { readonly problem: { detail: string } };
      if ("problem" in told) throw new ProblemError(unreachable(told.problem.detail));
      if ("end" in told) return told;
      onFrame(told);
    }
    throw new ProblemError(unreachable("the masks ended before their last line"));
  }

  private get<Told>(path: string): Promise<Told> {
    return this.service.json(`/studio/api${path}`);
  }

  private post<Told>(path: string, body: unknown): Promise<Told> {
    return this.send("POST", path, body);
  }

  private async send<Told>(method: string, path: string, body: unknown): Promise<Told> {
    return (await this.answer(method, path, body)).json() as Promise<Told>;
  }

  private answer(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
    const content = new Blob([JSON.stringify(body)], { type: "application/json" });
    return this.service.answer(`/studio/api${path}`, { method, body: content, ...(signal ? { signal } : {}) });
  }

  private delete(path: string): Promise<unknown> {
    return this.service.answer(`/studio/api${path}`, { method: "DELETE" });
  }

  private async blob(path: string): Promise<Blob> {
    return (await this.service.answer(`/studio/api${path}`)).blob();
  }
}

function formOf(name: string, file: File): FormData {
  const form = new FormData();
  form.append(name, file);
  return form;
}

async function* lines(answer: Response): AsyncGenerator<string> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const read = await reader?.read();
      if (!read || read.done) break;
      const parts = (rest + read.value).split("\n");
      rest = parts.pop() ?? "";
      yield* parts.filter((line) => line.trim());
    }
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ProblemError(unreachable("the connection was lost"));
  }
}
