// A layer: one annotator's work on one clip, and the edits that change it. Nothing here is changed in place.
// Times are seconds; frames are annotation frames.

import type { Rle, Span } from "../answer/answer.ts";
import { covers, type Point } from "./pixels.ts";

/** Who made something, with what, when. */
export interface Provenance {
  readonly who: string;
  readonly tool: string;
  readonly model: string | null;
  readonly at: string;
}

export interface FrameMask {
  readonly frame: number;
  readonly mask: Rle;
  readonly locked: boolean;
  /** False if it was carried here and the tracker was not sure. */
  readonly held?: boolean;
  readonly by?: Provenance;
}

export interface Interval extends Span {
  /** Null if the sentence of the interval before holds on. */
  readonly sentence: string | null;
  readonly inherited: boolean;
  readonly by?: Provenance;
}

export interface Track {
  readonly id: string;
  readonly category: string;
  readonly instance: number;
  readonly masks: readonly FrameMask[];
  readonly intervals: readonly Interval[];
}

/** What is heard and never seen. */
export interface HeardAlone {
  readonly category: string;
  readonly intervals: readonly (Span & { readonly by?: Provenance })[];
}

export type State = "open" | "accepted" | "rejected";

export interface Layer {
  readonly clip: string;
  readonly annotator: string;
  readonly revision: number;
  readonly state: State;
  readonly tracks: readonly Track[];
  readonly heard: readonly HeardAlone[];
}

export interface PutMask {
  readonly op: "put_mask";
  readonly track: string;
  readonly frame: number;
  readonly mask: Rle | null;
  readonly locked: boolean;
  readonly tool: string;
}

export type Edit =
  | { readonly op: "put_track"; readonly track: Pick<Track, "id" | "category" | "instance"> }
  | { readonly op: "delete_track"; readonly track: string }
  | PutMask
  | { readonly op: "put_intervals"; readonly track: string; readonly intervals: readonly Interval[] }
  | { readonly op: "put_heard"; readonly heard: readonly HeardAlone[] }
  | { readonly op: "state"; readonly state: State };

/** Return a layer with an edit made in it. */
export function apply(layer: Layer, edit: Edit): Layer {
  switch (edit.op) {
    case "put_track": {
      const { id, category, instance } = edit.track;
      const known = trackOf(layer, id);
      if (known) return withTrack(layer, { ...known, category, instance });
      return { ...layer, tracks: [...layer.tracks, { id, category, instance, masks: [], intervals: [] }] };
    }
    case "delete_track":
      return { ...layer, tracks: layer.tracks.filter(({ id }) => id !== edit.track) };
    case "put_mask": {
      const track = trackOf(layer, edit.track);
      return track ? withTrack(layer, { ...track, masks: withMask(track.masks, edit) }) : layer;
    }
    case "put_intervals": {
      const track = trackOf(layer, edit.track);
      return track ? withTrack(layer, { ...track, intervals: edit.intervals }) : layer;
    }
    case "put_heard":
      return { ...layer, heard: edit.heard };
    case "state":
      return { ...layer, state: edit.state };
  }
}

export function applyAll(layer: Layer, edits: readonly Edit[]): Layer {
  return edits.reduce(apply, layer);
}

/** Return the edits that bring a layer back to what it was before some others. */
export function undoing(layer: Layer, edits: readonly Edit[]): Edit[] {
  const back: Edit[][] = [];
  let now = layer;
  for (const edit of edits) {
    back.unshift(inverse(now, edit));
    now = apply(now, edit);
  }
  return back.flat();
}

function inverse(layer: Layer, edit: Edit): Edit[] {
  switch (edit.op) {
    case "put_track": {
      const { id } = edit.track;
      const known = trackOf(layer, id);
      return known ? [putTrack(known)] : [{ op: "delete_track", track: id }];
    }
    case "delete_track": {
      const track = trackOf(layer, edit.track);
      return track ? whole(track) : [];
    }
    case "put_mask":
      return [maskEdit(layer, edit.track, edit.frame)];
    case "put_intervals":
      return [{ op: "put_intervals", track: edit.track, intervals: trackOf(layer, edit.track)?.intervals ?? [] }];
    case "put_heard":
      return [{ op: "put_heard", heard: layer.heard }];
    case "state":
      return [{ op: "state", state: layer.state }];
  }
}

/** Return the edits that make a track anew. */
export function whole(track: Track): Edit[] {
  const masks = track.masks.map(({ frame, mask, locked, by }): Edit => {
    return { op: "put_mask", track: track.id, frame, mask, locked, tool: toolOf(by) };
  });
  return [putTrack(track), ...masks, { op: "put_intervals", track: track.id, intervals: track.intervals }];
}

/** Return the edit that puts what a layer has in a frame of a track. */
export function maskEdit(layer: Layer, track: string, frame: number): PutMask {
  const known = maskAt(layer, track, frame);
  return { op: "put_mask", track, frame, mask: known?.mask ?? null, locked: known?.locked ?? false, tool: toolOf(known?.by) };
}

/** The tool that may be named in an edit: what a model did is taken over by hand. */
function toolOf(by: Provenance | undefined): string {
  return by && by.tool !== "model" && by.tool !== "text" ? by.tool : "brush";
}

export function putTrack(track: Track): Edit {
  return { op: "put_track", track: named(track) };
}

/** What names a track, without what it holds. */
export function named({ id, category, instance }: Track): Pick<Track, "id" | "category" | "instance"> {
  return { id, category, instance };
}

/** Return an id that none of some tracks has. */
export function freeTrack(tracks: readonly Track[]): string {
  const ids = new Set(tracks.map(({ id }) => id));
  let n = ids.size + 1;
  while (ids.has(`t${n}`)) n += 1;
  return `t${n}`;
}

export function trackOf(layer: Layer, id: string): Track | undefined {
  return layer.tracks.find((track) => track.id === id);
}

/** Return the track whose mask, if it is not hidden, has a place in it. */
export function trackUnder(layer: Layer, frame: number, at: Point, hidden: ReadonlySet<string>): Track | undefined {
  return layer.tracks.find(({ id }) => {
    const known = maskAt(layer, id, frame);
    return known && !hidden.has(id) && covers(known.mask, at);
  });
}

export function maskAt(layer: Layer, track: string, frame: number): FrameMask | undefined {
  return trackOf(layer, track)?.masks.find((one) => one.frame === frame);
}

/** The sentence that holds in each interval, inherited ones included; null where none was ever said. */
export function sentencesOf(intervals: readonly Interval[]): (string | null)[] {
  let said: string | null = null;
  return intervals.map((one) => (said = one.sentence ?? (one.inherited ? said : null)));
}

/** The name of what an edit changes: two edits with one name are about the same thing. */
export function subjectOf(edit: Edit): string {
  switch (edit.op) {
    case "put_track":
      return `track:${edit.track.id}`;
    case "delete_track":
      return `track:${edit.track}`;
    case "put_mask":
      return `mask:${edit.track}:${edit.frame}`;
    case "put_intervals":
      return `intervals:${edit.track}`;
    case "put_heard":
      return "heard";
    case "state":
      return "state";
  }
}

/** What a layer holds of a subject, as text that can be compared; `by` is left out. */
export function holding(layer: Layer, subject: string): string {
  const [kind, track = "", frame] = subject.split(":");
  const known = trackOf(layer, track);
  if (kind === "track") return JSON.stringify(known ? [known.category, known.instance] : null);
  if (kind === "intervals") return JSON.stringify((known?.intervals ?? []).map(bare));
  if (kind === "heard") return JSON.stringify(layer.heard.map((one) => [one.category, one.intervals.map(({ start, end }) => [start, end])]));
  if (kind === "state") return layer.state;
  const mask = maskAt(layer, track, Number(frame));
  return JSON.stringify(mask ? [mask.mask.counts, mask.locked] : null);
}

function bare({ start, end, sentence, inherited }: Interval): unknown[] {
  return [start, end, sentence, inherited];
}

function withTrack(layer: Layer, track: Track): Layer {
  return { ...layer, tracks: layer.tracks.map((one) => (one.id === track.id ? track : one)) };
}

function withMask(masks: readonly FrameMask[], edit: PutMask): FrameMask[] {
  const { frame, mask, locked, tool } = edit;
  const others = masks.filter((one) => one.frame !== frame);
  if (!mask) return others;
  const by = { who: "", tool, model: null, at: "" };
  return [...others, { frame, mask, locked, by }].sort((one, other) => one.frame - other.frame);
}
