// What the player draws of a layer: frames as an answer has them, with tracks by number.

import type { Frame, Heard, Region } from "../answer/answer.ts";
import type { Span } from "../answer/lanes.ts";
import type { Frames } from "../view/player.ts";
import { sentencesOf, type Interval, type Layer, type Track } from "./layer.ts";
import { extentOf } from "./pixels.ts";

/** Gives each track of a layer a number that stays while it is there: its key, and its colour. */
export class Numbers {
  private readonly ids: string[] = [];

  of(id: string): number {
    if (!this.ids.includes(id)) this.ids.push(id);
    return this.ids.indexOf(id) + 1;
  }

  id(number: number): string | undefined {
    return this.ids[number - 1];
  }
}

export class LayerFrames implements Frames {
  private drawn = new Map<number, Frame>();
  private byFrame = new Map<string, ReadonlyMap<number, number>>();
  private layer: Layer | null = null;
  /** The frame that is gone to, even before the film is there: a time near it is its time. Null while it plays. */
  pinned: number | null = null;

  constructor(
    private readonly fps: number,
    private readonly count: number,
    private readonly numbers: Numbers,
  ) {}

  set(layer: Layer): void {
    this.layer = layer;
    this.drawn = new Map();
    this.byFrame = new Map(layer.tracks.map(({ id, masks }) => [id, new Map(masks.map(({ frame }, i) => [frame, i]))]));
  }

  indexAt(time: number): number {
    if (this.pinned !== null && Math.abs(time - this.pinned / this.fps) < 1 / this.fps) return this.pinned;
    return Math.max(0, Math.min(this.count - 1, Math.round(time * this.fps)));
  }

  timeOf(frame: number): number {
    return frame / this.fps;
  }

  frameAt(time: number): Frame | null {
    return this.layer && this.frame(this.indexAt(time), this.layer);
  }

  /** Every frame in which a track is seen, for who wants to look at pictures below masks. */
  all(): Frame[] {
    const { layer } = this;
    if (!layer) return [];
    const seen = new Set(layer.tracks.flatMap(({ masks }) => masks.slice(0, 1).map(({ frame }) => frame)));
    return [...seen].map((frame) => this.frame(frame, layer));
  }

  private frame(index: number, layer: Layer): Frame {
    const known = this.drawn.get(index);
    if (known) return known;
    const time = this.timeOf(index);
    const regions = layer.tracks.map((track) => this.region(track, index, time)).filter((one) => one !== null);
    const frame = { time, regions, heard: heardAt(layer, time) };
    this.drawn.set(index, frame);
    return frame;
  }

  private region(track: Track, index: number, time: number): Region | null {
    const at = this.byFrame.get(track.id)?.get(index);
    const now = at === undefined ? undefined : track.masks[at];
    if (!now) return null;
    const { box, area } = extentOf(now.mask);
    const description = said(track.intervals, time);
    return { track: this.numbers.of(track.id), score: 1, category: labelOf(track), bbox: box, area, mask: now.mask, description };
  }
}

/** A track as people name it: `dog`, `dog 2`. */
export function labelOf({ category, instance }: Pick<Track, "category" | "instance">): string {
  return instance > 1 ? `${category} ${instance}` : category;
}

function said(intervals: readonly Interval[], time: number): string | null {
  const at = intervals.findIndex(({ start, end }) => start <= time && time < end);
  return at < 0 ? null : (sentencesOf(intervals)[at] ?? null);
}

function heardAt(layer: Layer, time: number): Heard[] {
  return layer.heard
    .filter(({ intervals }) => intervals.some(({ start, end }) => start <= time && time < end))
    .map(({ category }) => ({ category, score: 1, region: null, description: null }));
}

/** When a track has masks, as parts of the time. */
export function seenOf(track: Track, fps: number, duration: number): Span[] {
  const spans: { start: number; end: number }[] = [];
  for (const { frame } of track.masks) {
    const [start, end] = [Math.max(0, (frame - 0.5) / fps), Math.min(duration, (frame + 0.5) / fps)];
    const last = spans.at(-1);
    if (last && start - last.end < 1e-3) last.end = end;
    else spans.push({ start, end });
  }
  return spans;
}
