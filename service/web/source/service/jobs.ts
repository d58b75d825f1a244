// Clips that are understood in the background: docs/jobs.md.

import { queryOf, forFiles, type Options } from "./options.ts";
import { ProblemError, type Problem } from "./problem.ts";
import type { Service } from "./service.ts";
import { Cancelled, send, type Listener } from "./stream.ts";

export interface Job {
  readonly id: string;
  readonly state: "waiting" | "working" | "done" | "failed";
  readonly progress: { readonly seconds_done: number; readonly seconds_in_all: number | null };
  readonly error: { readonly code: string; readonly detail: string } | null;
}

const LOOK_MS = 1000;

/** Send a clip as a job. */
export async function sendJob(
  service: Service,
  clip: Blob,
  options: Options,
  listener: Pick<Listener, "onUpload">,
  cancel: AbortSignal,
): Promise<Job> {
  const path = `/jobs${queryOf(forFiles(options))}`;
  return JSON.parse(await send(service, path, clip, listener, cancel)) as Job;
}

/** Wait for the end of a job; raise ProblemError if it fails. */
export async function followJob(
  service: Service,
  id: string,
  onProgress: (job: Job) => void,
  cancel: AbortSignal,
): Promise<void> {
  for (;;) {
    if (cancel.aborted) throw new Cancelled("cancelled");
    const job = await service.json<Job>(pathOf(id), { signal: cancel });
    onProgress(job);
    if (job.error) throw new ProblemError(problemOfJob(job.error));
    if (job.state === "done") return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

export async function deleteJob(service: Service, id: string): Promise<void> {
  await service.answer(pathOf(id), { method: "DELETE" });
}

/** Return the path of a job's result in a format. */
export function resultOf(id: string, format: string): string {
  return `${pathOf(id)}/result?format=${encodeURIComponent(format)}`;
}

function pathOf(id: string): string {
  return `/jobs/${encodeURIComponent(id)}`;
}

function problemOfJob(error: { code: string; detail: string }): Problem {
  return { title: "The job failed", status: 422, ...error };
}
