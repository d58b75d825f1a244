// The intervals of the track that is worked on: edges, new ones, their sentences.

import * as intervals from "./intervals.ts";
import type { Interval } from "./layer.ts";
import type { Place } from "./place.ts";

type Edge = "start" | "end";

const NUDGE = 0.02;
/** An edge that is dragged goes to an onset that is as near as this, in seconds. */
const SNAPS = 0.06;

export class Timing {
  /** Where sounds begin, in seconds. */
  onsets: readonly number[] = [];

  constructor(private readonly place: Place) {}

  get all(): readonly Interval[] {
    return this.place.current?.intervals ?? [];
  }

  put(changed: readonly Interval[] | null): void {
    const { current } = this.place;
    if (changed && current) this.place.edit({ op: "put_intervals", track: current.id, intervals: changed });
  }

  /** Return intervals with an edge where it is dragged to, which may be an onset nearby. */
  dragged(all: readonly Interval[], at: number, edge: Edge, time: number): Interval[] {
    const near = intervals.nearest(this.onsets, time);
    const to = near !== null && Math.abs(near - time) < SNAPS ? near : time;
    return intervals.moved(all, at, edge, to, this.place.clip.duration);
  }

  nudge(edge: Edge, steps: number, byFrame: boolean): void {
    const by = steps * (byFrame ? 1 / this.place.clip.fps : NUDGE);
    this.move(edge, (time) => time + by);
  }

  snap(edge: Edge): void {
    this.move(edge, (time) => intervals.nearest(this.onsets, time) ?? time);
  }

  begin(): void {
    this.put(intervals.begun(this.all, this.now, this.place.clip.duration));
  }

  split(): void {
    this.put(intervals.split(this.all, this.now));
  }

  remove(): void {
    const { selected } = this.place;
    if (selected !== null && this.all[selected]) this.put(this.all.filter((_, i) => i !== selected));
  }

  say(text: string): void {
    const { selected } = this.place;
    if (selected !== null) this.put(intervals.told(this.all, selected, text));
  }

  /** Ask for sentences of the track that is worked on, which has to be saved for it. */
  async propose(saved: () => Promise<boolean> | undefined, show: (sentences: readonly string[]) => void): Promise<void> {
    const { api, clip, current, frame } = this.place;
    if (!current) return;
    await this.place.tell(async () => {
      await saved();
      show((await api.sentences(clip.id, frame, current.id)).sentences);
    });
  }

  private get now(): number {
    return this.place.frame / this.place.clip.fps;
  }

  private move(edge: Edge, to: (time: number) => number): void {
    const { selected, clip } = this.place;
    const one = this.all[selected ?? -1];
    if (one && selected !== null) this.put(intervals.moved(this.all, selected, edge, to(one[edge]), clip.duration));
  }
}
