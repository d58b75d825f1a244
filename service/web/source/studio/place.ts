// What is worked on in the editor: a clip, a layer of it, a track, an interval, a frame.

import type { Api, Clip } from "./api.ts";
import { maskAt, type Edit, type FrameMask, type Layer, type Track } from "./layer.ts";

export interface Place {
  readonly api: Api;
  readonly clip: Clip;
  readonly shown: Layer | null;
  readonly current: Track | undefined;
  /** Which interval of the track is chosen. */
  readonly selected: number | null;
  readonly frame: number;
  /** Whether the layer that is shown may not be changed. */
  readonly locked: boolean;
  edit(...edits: Edit[]): void;
  /** Return the track to work on; one is made if there is none. */
  ensureTrack(): string;
  pause(): void;
  /** Do something that may fail; what went wrong is told in words. */
  tell(task: () => Promise<unknown>): Promise<void>;
}

/** Return the mask of the track and the frame that are worked on. */
export function maskHere({ shown, current, frame }: Place): FrameMask | undefined {
  return shown && current ? maskAt(shown, current.id, frame) : undefined;
}
