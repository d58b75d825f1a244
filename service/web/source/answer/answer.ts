// The answer of the service, as it comes: docs/formats.md, records of a stream.
// Times are seconds of the clip; sizes are height, width in pixels.

export interface Rle {
  readonly size: readonly [number, number];
  readonly counts: string;
}

export interface Region {
  readonly track: number;
  readonly score: number;
  readonly category: string;
  /** x, y, width, height */
  readonly bbox: readonly [number, number, number, number];
  readonly area: number;
  readonly mask: Rle | null;
  readonly description: string | null;
}

export interface Heard {
  readonly category: string;
  readonly score: number;
  readonly region: number | null;
  readonly description: string | null;
}

export interface Frame {
  readonly time: number;
  readonly regions: readonly Region[];
  readonly heard: readonly Heard[];
  readonly between?: boolean;
}

export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface Sentence extends Span {
  readonly text: string;
}

export interface Track {
  readonly id: number;
  readonly category: string;
  readonly intervals: readonly Span[];
  readonly sentences: readonly Sentence[];
}

export interface ClipFacts {
  readonly duration: number;
  readonly width: number;
  readonly height: number;
  readonly audio: boolean;
  readonly fps: number | null;
}

export interface Notice {
  readonly code: string;
  readonly message: string;
}

export interface Head {
  readonly model: { readonly name: string; readonly version: string; readonly digest: string };
  readonly sampled_fps: number;
  readonly start: number;
  readonly end: number | null;
  readonly smooth_fps: number | null;
  readonly mask_size: readonly [number, number];
}

export interface Tail {
  readonly clip: ClipFacts;
  readonly timings_ms: Readonly<Record<string, number>>;
  readonly warnings: readonly Notice[];
  readonly tracks: readonly Track[];
}

export type AnswerRecord =
  | ({ readonly record: "head" } & Head)
  | { readonly record: "window"; readonly frames: readonly Frame[] }
  | { readonly record: "heartbeat"; readonly stage: string; readonly seconds: number }
  | ({ readonly record: "tail"; readonly frames: number } & Tail)
  | { readonly record: "error"; readonly problem: unknown; readonly retry_after?: number | null };

/** Beyond so many steps from a frame there is no answer. */
const REACH = 0.75;
const LEAST_REACH = 0.1;

/** What is known of an answer so far; it grows record by record. */
export class Answer {
  head: Head | null = null;
  tail: Tail | null = null;
  readonly frames: Frame[] = [];

  /** Take a record that holds a part of the answer; others are ignored. */
  add(record: AnswerRecord): void {
    if (record.record === "head") this.head = record;
    else if (record.record === "window") this.frames.push(...record.frames);
    else if (record.record === "tail") this.tail = record;
  }

  /** Seconds from one analysed frame to the next. */
  get analysedStep(): number {
    return 1 / (this.head?.sampled_fps ?? 1);
  }

  /** The frames that a model looked at. */
  get analysed(): Frame[] {
    return this.frames.filter((frame) => !frame.between);
  }

  /** Up to which second there is an answer. */
  get until(): number {
    const [last, analysed] = [this.frames.at(-1), this.analysed.at(-1)];
    const half = analysed ? analysed.time + this.analysedStep / 2 : 0;
    return last ? Math.max(last.time + this.step / 2, half) : 0;
  }

  /** The frame of the answer that is nearest to a time, or null if none is near. */
  frameAt(time: number): Frame | null {
    const after = this.indexAfter(time);
    const [before, next] = [this.frames[after - 1], this.frames[after]];
    const best = !before || (next && next.time - time <= time - before.time) ? next : before;
    if (!best) return null;
    const reach = Math.max(LEAST_REACH, this.step * REACH);
    return Math.abs(best.time - time) <= reach ? best : null;
  }

  /** The answer as one document, as `format=json` without `smooth` would give it. */
  document(): object | null {
    if (!this.head || !this.tail) return null;
    const { model, sampled_fps, start, end, mask_size } = this.head;
    const { clip, timings_ms, warnings, tracks } = this.tail;
    const facts = { clip, timings_ms, warnings, tracks, model, sampled_fps, start, end };
    return { ...facts, smooth_fps: null, mask_size, frames: this.analysed };
  }

  private get step(): number {
    return 1 / (this.head?.smooth_fps ?? this.head?.sampled_fps ?? 1);
  }

  /** The index of the first frame after a time, by bisection. */
  private indexAfter(time: number): number {
    let [low, high] = [0, this.frames.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.frames[middle] as Frame).time <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
