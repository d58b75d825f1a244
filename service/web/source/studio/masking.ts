// Masks made by hand: prompts to the service's tools, brush, locks.

import type { Rle } from "../answer/answer.ts";
import type { Prompt } from "./api.ts";
import { maskEdit } from "./layer.ts";
import { blank, pixelsOf, rleOf, type Pixels } from "./pixels.ts";
import { maskHere, type Place } from "./place.ts";

export class Masking {
  private prompt: Prompt | null = null;

  constructor(private readonly place: Place) {}

  /** Clicks that come next begin anew. */
  forget(): void {
    this.prompt = null;
  }

  /** Ask for a mask by a prompt; clicks in one frame add up. */
  async ask(more: Omit<Prompt, "frame">, tool: string): Promise<void> {
    const { place } = this;
    place.pause();
    const { frame } = place;
    const track = place.current?.id;
    const before = this.prompt?.frame === frame && tool === "click" ? this.prompt : null;
    const known = maskHere(place)?.mask;
    const points = [...(before?.points ?? []), ...more.points];
    const refines = known && (before !== null || points.some(({ inside }) => !inside));
    const prompt: Prompt = { ...more, frame, points, ...(refines ? { previous: known } : {}) };
    this.prompt = prompt;
    await place.tell(async () => {
      const { mask } = await place.api.mask(place.clip.id, prompt);
      if (place.frame === frame && place.current?.id === track && this.prompt === prompt) this.put(mask, tool);
    });
  }

  /** Return what is painted on; null where nothing may be changed. */
  paintable(): Pixels | null {
    const { place } = this;
    if (place.locked) return null;
    place.pause();
    const known = maskHere(place);
    return known ? pixelsOf(known.mask) : blank(place.clip.height, place.clip.width);
  }

  painted(pixels: Pixels): void {
    this.put(rleOf(pixels), "brush");
  }

  lock(): void {
    const { shown, current, frame } = this.place;
    const known = maskHere(this.place);
    if (shown && current && known) this.place.edit({ ...maskEdit(shown, current.id, frame), locked: !known.locked });
  }

  remove(): void {
    const { current, frame } = this.place;
    if (maskHere(this.place) && current) this.place.edit({ op: "put_mask", track: current.id, frame, mask: null, locked: false, tool: "brush" });
  }

  private put(mask: Rle | null, tool: string): void {
    const { frame } = this.place;
    const wasLocked = maskHere(this.place)?.locked ?? false;
    const track = this.place.ensureTrack();
    const locked = mask !== null && (tool === "brush" || wasLocked);
    this.place.edit({ op: "put_mask", track, frame, mask, locked, tool });
  }
}
