// Sends a clip and reads the records of the answer as they come, with the progress of both.
// XMLHttpRequest, as fetch does not tell how much of an upload is done.

import type { AnswerRecord } from "../answer/answer.ts";
import { isProblem, problemOf, ProblemError, unreachable } from "./problem.ts";
import type { Service } from "./service.ts";

export interface Listener {
  /** The share of the clip that has been sent, 0 to 1. */
  onUpload?(share: number): void;
  onRecord(record: AnswerRecord): void;
}

export class Cancelled extends Error {}

/** Send a clip, if there is one, and read records until the last; raise ProblemError or Cancelled. */
export function stream(
  service: Service,
  path: string,
  clip: Blob | null,
  listener: Listener,
  cancel: AbortSignal,
): Promise<void> {
  const reader = new RecordReader(listener);
  return send(service, path, clip, listener, cancel, (text) => reader.read(text)).then(() =>
    reader.end(),
  );
}

/** Send a clip, or a form with one, and return the text of the answer. */
export function send(
  service: Service,
  path: string,
  clip: Blob | FormData | null,
  listener: Pick<Listener, "onUpload">,
  cancel: AbortSignal,
  onText: (text: string) => void = () => {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const fail = (detail: string) => reject(new ProblemError(unreachable(detail)));
    const read = () => {
      try {
        if (request.status === 200) onText(request.responseText);
      } catch (error) {
        reject(error as Error);
        request.abort();
      }
    };
    request.open(clip ? "POST" : "GET", service.address(path));
    for (const [name, value] of Object.entries(service.headers)) request.setRequestHeader(name, value);
    if (clip instanceof Blob) request.setRequestHeader("Content-Type", clip.type || "application/octet-stream");
    request.upload.onprogress = ({ loaded, total }) => listener.onUpload?.(loaded / (total || 1));
    request.upload.onload = () => listener.onUpload?.(1);
    request.onprogress = read;
    request.onerror = () => fail("the connection was lost before the end of the answer");
    request.onabort = () => reject(new Cancelled("cancelled"));
    request.onload = () => {
      read();
      if (request.status < 300) resolve(request.responseText);
      else {
        const after = Number(request.getResponseHeader("Retry-After")) || undefined;
        reject(new ProblemError(problemOf(request.status, request.responseText, after)));
      }
    };
    cancel.addEventListener("abort", () => request.abort());
    if (cancel.aborted) reject(new Cancelled("cancelled"));
    else request.send(clip);
  });
}

/** Finds the records in a text that grows. */
class RecordReader {
  private done = 0;
  private ended = false;

  constructor(private readonly listener: Listener) {}

  read(text: string): void {
    for (;;) {
      const end = text.indexOf("\n", this.done);
      if (end < 0) return;
      const line = text.slice(this.done, end);
      this.done = end + 1;
      if (line.trim()) this.take(JSON.parse(line) as AnswerRecord);
    }
  }

  end(): void {
    if (!this.ended) throw new ProblemError(unreachable("the answer ends before its last record"));
  }

  private take(record: AnswerRecord): void {
    this.ended = record.record === "tail";
    if (record.record === "error") {
      const after = record.retry_after ?? undefined;
      const { problem } = record;
      if (!isProblem(problem)) throw new ProblemError(unreachable("the answer broke off"));
      throw new ProblemError(after === undefined ? problem : { ...problem, retryAfter: after });
    }
    this.listener.onRecord(record);
  }
}
