// Errors as the service tells them (RFC 9457), and what a person can do about each.

export interface Problem {
  readonly title: string;
  readonly code: string;
  readonly detail: string;
  readonly status: number;
  readonly limit?: number | string;
  readonly actual?: number | string;
  readonly retryAfter?: number;
}

export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
  }
}

/** What the page itself met: the service said nothing. */
export function unreachable(detail: string): Problem {
  return { title: "No connection", code: "connection_lost", detail, status: 0 };
}

/** Return the problem of a response's text; one without a problem document gets one here. */
export function problemOf(status: number, text: string, retryAfter?: number): Problem {
  const more = retryAfter === undefined ? {} : { retryAfter };
  try {
    const told: unknown = JSON.parse(text);
    if (isProblem(told)) return { ...told, ...more };
  } catch {
    // It is of something between here and the service.
  }
  const detail = `something between this page and the service answered with status ${status}`;
  return { title: "No answer of the service", code: "not_the_service", detail, status, ...more };
}

export function isProblem(told: unknown): told is Problem {
  return typeof told === "object" && told !== null && "code" in told && "detail" in told;
}

const ADVICE: Readonly<Record<string, string>> = {
  answer_incomplete: "Send the clip again.",
  body_too_large: "Send less at once.",
  clip_empty: "The file has no bytes. Choose another one.",
  clip_encrypted: "Protected films cannot be read. Choose one without copy protection.",
  clip_has_no_video: "Only films can be understood, not sound or pictures alone.",
  clip_invalid: "Choose another film, or save this one anew as MP4.",
  clip_not_ready: "Wait until it is prepared.",
  clip_too_large: "Choose a part of it below, or a smaller version.",
  clip_truncated: "The file is damaged or was not copied to its end. Copy it again.",
  clip_unreadable: "This may be no film, or a damaged one. Save it anew as MP4 (H.264 and AAC).",
  clip_unsupported: "Save it as MP4 (H.264 and AAC) or WebM.",
  connection_lost: "Look whether the network and the service are there, then try again.",
  deadline_exceeded: "Choose a part of the clip, or fewer frames a second.",
  decode_failed: "Try once more. If it fails again, save the film anew as MP4.",
  decode_timeout: "Choose a part of the clip, or a version with a smaller picture.",
  edit_invalid: "Load this page again; what is not saved stays in this browser.",
  engine_failed: "Try again. If it goes on, whoever runs the service should look at its log.",
  engine_mismatch: "The models do not fit each other. Whoever runs the service has to mend that.",
  engine_unavailable: "The models are not there at the moment. Try again soon.",
  idempotency_key_reused: "Send the clip again.",
  import_invalid: "Nothing was changed. Mend the file, or choose its format.",
  internal: "Try again. If it goes on, whoever runs the service should look at its log.",
  job_given_up: "Send the clip again, or a part of it.",
  job_not_found: "The job was removed or belongs to another key. Send the clip again.",
  job_unfinished: "Wait until the job is done.",
  jobs_unavailable: "The store of jobs does not answer. Try again soon.",
  key_refused: "Enter a key of this service, at the top of the page.",
  layer_exists: "Load this page again to go on with it.",
  not_the_service: "Look whether the service runs, then try again.",
  option_invalid: "Change the option that is named.",
  overloaded: "The service is busy. Try again soon.",
  rate_exceeded: "Your key has used what it may. Try again later.",
  request_too_slow: "The connection was too slow for this clip. Try a smaller one.",
  revision_conflict: "Load this page again to see what is there now.",
  storage_full: "The service has no room for the clip. Try again later.",
  studio_forbidden: "Ask who made it.",
  studio_full: "Delete what is not needed, or ask whoever runs the service for more.",
  studio_not_found: "It may have been deleted.",
  too_many_connections: "Close other pages of this service, or wait a moment.",
  too_many_jobs: "Wait until one of your jobs is done.",
  tool_failed: "Try again. If it goes on, whoever runs the service should look at its log.",
  tool_timeout: "Try again, or another tool.",
};

/** Return what to do about a problem, in a sentence. */
export function adviceOn(problem: Problem): string {
  const known = ADVICE[problem.code];
  const again = problem.status >= 500 || problem.status === 429;
  const advice = known ?? (again ? "Try again soon." : "Change what was sent.");
  const seconds = problem.retryAfter;
  return seconds ? `${advice} (In ${Math.ceil(seconds)} s at the earliest.)` : advice;
}
