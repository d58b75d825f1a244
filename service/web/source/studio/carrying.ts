// Carrying a mask on through the frames: the service tracks and saves, the page shows.

import type { Edit } from "./layer.ts";
import type { Place } from "./place.ts";
import type { Work } from "./work.ts";

export interface CarryingEvents {
  /** It has come to a frame; the text says which. */
  onStep(frame: number): void;
  /** What is told of it has changed. */
  onTold(): void;
  onEnd(text: string): void;
}

const ENDS: Readonly<Record<string, string>> = {
  done: "The mask has been carried on to the end.",
  lost: "The thing was lost; the last masks may need a look.",
  locked: "Stopped before a locked frame.",
  cut: "Stopped at a cut of the film.",
  cancelled: "Cancelled. What had been done stays; undo takes it back.",
};

export class Carrying {
  /** What runs, in words; null if nothing does. */
  told: string | null = null;
  private abort = new AbortController();

  constructor(
    private readonly place: Place,
    private readonly events: CarryingEvents,
  ) {}

  cancel(): void {
    this.abort.abort();
  }

  /** Carry the mask of this frame on, up to another; the service saves each. */
  async go(work: Work, to: number): Promise<void> {
    const { current, frame } = this.place;
    if (!current || this.told !== null) return;
    this.abort = new AbortController();
    this.say("Carrying on …");
    await this.place.tell(async () => {
      await work.begin();
      if (await work.flush()) this.events.onEnd(ENDS[await this.follow(work, { track: current.id, frame, to })] ?? "");
    });
    this.say(null);
  }

  /** Return how it ended. */
  private async follow(work: Work, asked: { track: string; frame: number; to: number }): Promise<string> {
    const { signal } = this.abort;
    const { api, clip } = this.place;
    const before = work.layer;
    const shown: Edit[] = [];
    try {
      const { end } = await api.propagate(clip.id, asked, ({ frame, mask, held }) => {
        const edit: Edit = { op: "put_mask", track: asked.track, frame, mask, locked: false, tool: "propagate" };
        shown.push(edit);
        work.show([edit]);
        this.say(`Frame ${frame + 1} of ${clip.frames}${held ? "" : ", not sure"}`);
        this.events.onStep(frame);
      }, signal);
      return end;
    } catch (error) {
      if (!signal.aborted) throw error;
      return "cancelled";
    } finally {
      await work.learn(before, shown);
    }
  }

  private say(text: string | null): void {
    this.told = text;
    this.events.onTold();
  }
}
