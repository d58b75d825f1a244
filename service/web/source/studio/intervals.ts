// Changes to the intervals of a track. Times are seconds, in whole milliseconds.

import type { Interval } from "./layer.ts";

const SHORTEST = 0.02;

/** Move an edge; it stops at the other edge, at its neighbours, and at the ends of the film. */
export function moved(all: readonly Interval[], at: number, edge: "start" | "end", time: number, duration: number): Interval[] {
  return all.map((one, i) => {
    if (i !== at) return one;
    const [least, most] = edge === "start" ? [all[i - 1]?.end ?? 0, one.end - SHORTEST] : [one.start + SHORTEST, all[i + 1]?.start ?? duration];
    return { ...one, [edge]: rounded(Math.min(most, Math.max(least, time))) };
  });
}

/** Add an interval from a time, or a little before, to the next one, at most a second; null if one is there. */
export function begun(all: readonly Interval[], time: number, duration: number): Interval[] | null {
  const next = all.find(({ start }) => start > time)?.start ?? duration;
  const start = Math.min(time, next - SHORTEST);
  if (start < 0 || at(all, time) >= 0 || at(all, start) >= 0) return null;
  const end = Math.min(next, start + 1);
  const one = { start: rounded(start), end: rounded(end), sentence: null, inherited: all.some((other) => other.end <= start) };
  return [...all, one].sort((a, b) => a.start - b.start);
}

/** Split the interval at a time; the second half inherits its sentence. */
export function split(all: readonly Interval[], time: number): Interval[] | null {
  const i = at(all, time);
  const one = all[i];
  if (!one || time - one.start < SHORTEST || one.end - time < SHORTEST) return null;
  const halves: Interval[] = [{ ...one, end: rounded(time) }, { start: rounded(time), end: one.end, sentence: null, inherited: true }];
  return [...all.slice(0, i), ...halves, ...all.slice(i + 1)];
}

/** Say something in an interval; without words, what was said before holds on. */
export function told(all: readonly Interval[], index: number, text: string): Interval[] {
  const sentence = text.trim() || null;
  return all.map((one, i) => (i === index ? { ...one, sentence, inherited: sentence === null && i > 0 } : one));
}

export function at(all: readonly Interval[], time: number): number {
  return all.findIndex(({ start, end }) => start <= time && time < end);
}

/** The time of a list that is nearest; null of an empty one. */
export function nearest(times: readonly number[], time: number): number | null {
  return times.reduce<number | null>((best, one) => (best === null || Math.abs(one - time) < Math.abs(best - time) ? one : best), null);
}

function rounded(time: number): number {
  return Math.round(time * 1000) / 1000;
}
