// Colours of tracks: far, to the eye, from what they cover and from each other.

import type { Answer, Region } from "../answer/answer.ts";
import { bitmapOf } from "../answer/masks.ts";

/** Red, green, blue, 0 to 255. */
export type Colour = readonly [number, number, number];

export const PALETTE: readonly Colour[] = [
  [255, 92, 87],
  [45, 185, 255],
  [255, 205, 50],
  [70, 215, 110],
  [200, 110, 255],
  [255, 130, 200],
  [0, 220, 200],
  [255, 150, 40],
  [130, 140, 255],
  [190, 225, 60],
];

export function css([red, green, blue]: Colour): string {
  return `rgb(${red} ${green} ${blue})`;
}

/** A colour in OKLab, where distances are as the eye sees them. */
export function oklab([red, green, blue]: Colour): Colour {
  const [r, g, b] = [linear(red), linear(green), linear(blue)];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

export function distance(one: Colour, other: Colour): number {
  const [a, b] = [oklab(one), oklab(other)];
  return Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/** Return the colour of the palette that is farthest from what it covers and from those in use. */
export function choose(covered: readonly Colour[], used: readonly Colour[]): Colour {
  const worst = (colour: Colour) =>
    Math.min(
      ...covered.map((other) => distance(colour, other)),
      ...used.map((other) => distance(colour, other)),
    );
  return PALETTE.reduce((best, colour) => (worst(colour) > worst(best) ? colour : best));
}

function linear(value: number): number {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
}

const SIDE = 64;
const SEEK_MS = 3000;

/** Gives each track a colour, from the picture under its first mask; keeps it. */
export class TrackColours {
  private readonly colours = new Map<number, Colour>();
  private readonly video = document.createElement("video");
  private readonly canvas = new OffscreenCanvas(SIDE, SIDE);
  private queue: Promise<void> = Promise.resolve();

  constructor(
    film: string | null,
    private readonly onChange: () => void,
  ) {
    this.video.muted = true;
    this.video.preload = "auto";
    if (film) this.video.src = film;
  }

  of(track: number): Colour {
    return this.colours.get(track) ?? (PALETTE[(track - 1) % PALETTE.length] as Colour);
  }

  /** Look at the tracks that are new in the answer. */
  learn(answer: Pick<Answer, "frames">): void {
    const seen = new Set(this.colours.keys());
    for (const { time, regions } of answer.frames) {
      for (const region of regions) {
        if (seen.has(region.track) || !region.mask) continue;
        seen.add(region.track);
        this.colours.set(region.track, this.of(region.track));
        this.queue = this.queue.then(() => this.settle(time, region));
      }
    }
  }

  close(): void {
    this.video.removeAttribute("src");
    this.video.load();
  }

  private async settle(time: number, region: Region): Promise<void> {
    const covered = await this.covered(time, region).catch(() => []);
    const used = [...this.colours].filter(([track]) => track < region.track).map(([, one]) => one);
    this.colours.set(region.track, choose(covered, used));
    this.onChange();
  }

  /** Return some colours of the picture under a mask. */
  private async covered(time: number, region: Region): Promise<Colour[]> {
    if (!this.video.src || !region.mask) return [];
    await seeked(this.video, time);
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    if (!context) return [];
    context.drawImage(this.video, 0, 0, SIDE, SIDE);
    const pixels = context.getImageData(0, 0, SIDE, SIDE).data;
    const mask = bitmapOf(region.mask);
    const inside: Colour[] = [];
    for (let i = 0; i < SIDE * SIDE; i += 1) {
      const [x, y] = [(i % SIDE) + 0.5, Math.floor(i / SIDE) + 0.5];
      const at = Math.floor((y * mask.height) / SIDE) * mask.width + Math.floor((x * mask.width) / SIDE);
      if (!mask.data[at]) continue;
      inside.push([pixels[4 * i] ?? 0, pixels[4 * i + 1] ?? 0, pixels[4 * i + 2] ?? 0]);
    }
    return typical(inside);
  }
}

/** Return the mean colours of the dark, the middle and the bright third. */
function typical(colours: readonly Colour[]): Colour[] {
  const sorted = [...colours].sort((one, other) => oklab(one)[0] - oklab(other)[0]);
  const third = Math.ceil(sorted.length / 3);
  return [0, 1, 2]
    .map((i) => sorted.slice(i * third, (i + 1) * third))
    .filter((some) => some.length)
    .map((some) => {
      const mean = (i: 0 | 1 | 2) => some.reduce((sum, colour) => sum + colour[i], 0) / some.length;
      return [mean(0), mean(1), mean(2)];
    });
}

function seeked(video: HTMLVideoElement, time: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("no picture")), SEEK_MS);
    video.onerror = () => reject(new Error("no picture"));
    video.onseeked = () => {
      clearTimeout(late);
      resolve();
    };
    video.currentTime = time;
  });
}
