// The rows of the studio's timeline: one for each track of a layer, then what is only heard.

import { css, type TrackColours } from "../view/colours.ts";
import type { Timeline } from "../view/timeline.ts";
import type { Clip } from "./api.ts";
import { labelOf, seenOf, type Numbers } from "./frames.ts";
import { LaneRow, type LaneEvents, type LaneLook } from "./lane_row.ts";
import { sentencesOf, type HeardAlone, type Layer, type Track } from "./layer.ts";

/** What of a layer is chosen, and what is not drawn. */
export interface Chosen {
  readonly track: string | null;
  readonly selected: number | null;
  readonly hidden: ReadonlySet<string>;
}

const NOTHING: LaneEvents = { onChoose: () => undefined, onToggle: () => undefined, onSelect: () => undefined, onEdge: () => undefined, onNudge: () => undefined };

export class Lanes {
  private readonly rows = new Map<string, LaneRow>();

  constructor(
    private readonly timeline: Timeline,
    private readonly clip: Clip,
    private readonly numbers: Numbers,
    private readonly colours: TrackColours,
    private readonly eventsOf: (track: string) => LaneEvents,
  ) {}

  show(layer: Layer, chosen: Chosen): void {
    const tracks = layer.tracks.map((track) => this.showTrack(track, chosen));
    const heard = layer.heard.map((one) => this.showHeard(one));
    const order = [...layer.tracks.map(({ id }) => id), "", ...layer.heard.map(({ category }) => category)].join();
    this.timeline.setRows(order, heard.length ? [...tracks, null, ...heard] : tracks);
  }

  showTrack(track: Track, { track: current, selected, hidden }: Chosen): LaneRow {
    const texts = sentencesOf(track.intervals);
    const row = this.row(track.id, () => this.eventsOf(track.id));
    row.show({
      name: labelOf(track), colour: css(this.colours.of(this.numbers.of(track.id))), chosen: track.id === current,
      shown: !hidden.has(track.id), seen: seenOf(track, this.clip.fps, this.clip.duration),
      intervals: track.intervals.map((one, i) => ({ ...one, text: texts[i] ?? "no sentence" })),
      selected: track.id === current ? selected : null,
    }, this.clip.duration);
    return row;
  }

  private showHeard({ category, intervals }: HeardAlone): LaneRow {
    const row = this.row(`heard:${category}`, () => NOTHING);
    const look: LaneLook = {
      name: category, colour: "", chosen: false, shown: true, seen: [], selected: null,
      intervals: intervals.map((one) => ({ ...one, text: category, inherited: false })),
    };
    row.show(look, this.clip.duration);
    return row;
  }

  private row(key: string, events: () => LaneEvents): LaneRow {
    const row = this.rows.get(key) ?? new LaneRow(events());
    this.rows.set(key, row);
    return row;
  }
}
