// What is asked of the service for a clip.

export interface Options {
  /** Frames to analyse per second; null for the model's own rate. */
  readonly fps: number | null;
  /** Whether masks glide between the analysed frames. */
  readonly smooth: boolean;
  readonly start: number | null;
  readonly end: number | null;
}

export const DEFAULTS: Options = { fps: null, smooth: true, start: null, end: null };

/** Return the query of a request, with its question mark; empty without any option. */
export function queryOf(options: Options, more: Readonly<Record<string, string>> = {}): string {
  const query = new URLSearchParams(more);
  for (const [name, value] of Object.entries(options)) {
    if (value !== null && value !== false) query.set(name, String(value));
  }
  const text = query.toString();
  return text && `?${text}`;
}

/** Return the options without what only the page wants. */
export function forFiles(options: Options): Options {
  return { ...options, smooth: false };
}
