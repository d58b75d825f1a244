// What a timeline shows of an answer: a lane per track, and what is heard but not seen.

import type { Answer, Frame, Sentence, Span } from "./answer.ts";

export type { Span };

/** A time with the probability that something sounds then. */
export interface Level extends Span {
  readonly score: number;
}

export interface Lane {
  readonly track: number;
  readonly category: string;
  /** When it has a mask. */
  readonly seen: readonly Span[];
  readonly sounding: readonly Level[];
  readonly sentences: readonly Sentence[];
}

/** A category that is heard while nothing seen is its source. */
export interface Unseen {
  readonly category: string;
  readonly levels: readonly Level[];
  readonly sentences: readonly Sentence[];
}

interface Growing {
  category: string;
  seen: Span[];
  levels: Level[];
  sentences: Sentence[];
}

/** Return the lane of each track, in the order of their numbers. */
export function lanesOf(answer: Answer): Lane[] {
  const found = new Map<number, Growing>();
  for (const [frame, span] of spans(answer)) {
    for (const region of frame.regions) {
      const lane = entry(found, region.track, region.category);
      if (region.area > 0) extend(lane.seen, span);
      lane.levels.push({ ...span, score: region.score });
      if (region.description) tell(lane.sentences, span, region.description);
    }
  }
  addHeardAlone(answer, found);
  for (const track of answer.tail?.tracks ?? []) {
    Object.assign(entry(found, track.id, track.category), { sentences: track.sentences });
  }
  return [...found]
    .sort(([one], [other]) => one - other)
    .map(([track, { category, seen, levels, sentences }]) => {
      return { track, category, seen, sounding: levels, sentences };
    });
}

/** Return what is heard but not seen, the most often heard first. */
export function unseenOf(answer: Answer): Unseen[] {
  const found = new Map<string, Growing>();
  for (const [frame, span] of spans(answer)) {
    for (const heard of frame.heard) {
      if (heard.region !== null) continue;
      const row = entry(found, heard.category, heard.category);
      row.levels.push({ ...span, score: heard.score });
      tell(row.sentences, span, heard.description ?? heard.category);
    }
  }
  return [...found.values()].sort((one, other) => other.levels.length - one.levels.length);
}

/** A track sounds on while it is not seen, if what is heard can only be it. */
function addHeardAlone(answer: Answer, lanes: Map<number, Growing>): void {
  const all = [...lanes.values()];
  for (const lane of all) {
    if (all.filter((other) => other.category === lane.category).length > 1) continue;
    for (const [frame, span] of spans(answer)) {
      const heard = frame.heard.find((one) => one.category === lane.category);
      if (heard?.region === null) lane.levels.push({ ...span, score: heard.score });
    }
    lane.levels.sort((one, other) => one.start - other.start);
  }
}

/** Yield each analysed frame with the time that it stands for. */
function* spans(answer: Answer): Generator<[Frame, Span]> {
  const half = answer.analysedStep / 2;
  const end = answer.tail?.clip.duration ?? Infinity;
  for (const frame of answer.analysed) {
    const span = { start: Math.max(0, frame.time - half), end: Math.min(end, frame.time + half) };
    yield [frame, span];
  }
}

function entry<Key>(found: Map<Key, Growing>, key: Key, category: string): Growing {
  let lane = found.get(key);
  if (!lane) {
    lane = { category, seen: [], levels: [], sentences: [] };
    found.set(key, lane);
  }
  lane.category = category;
  return lane;
}

const TOUCHING = 1e-3;

function extend(list: Span[], span: Span): void {
  const last = list.at(-1);
  if (last && span.start - last.end < TOUCHING) list[list.length - 1] = { ...last, end: span.end };
  else list.push(span);
}

function tell(list: Sentence[], span: Span, text: string): void {
  const last = list.at(-1);
  if (last?.text === text && span.start - last.end < TOUCHING) {
    list[list.length - 1] = { ...last, end: span.end };
  } else list.push({ ...span, text });
}
