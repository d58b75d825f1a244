// Masks as pixels, to be painted on: [height width], row by row, 1 inside.

import type { Rle } from "../answer/answer.ts";
import { bitmapOf, readRuns, writeRuns, type Box } from "../answer/masks.ts";

export interface Pixels {
  readonly height: number;
  readonly width: number;
  readonly data: Uint8Array;
}

export function blank(height: number, width: number): Pixels {
  return { height, width, data: new Uint8Array(height * width) };
}

export function pixelsOf(mask: Rle): Pixels {
  const [height, width] = mask.size;
  return { height, width, data: bitmapOf(mask).data };
}

/** Return the run-lengths of a mask, or null of an empty one. */
export function rleOf({ height, width, data }: Pixels): Rle | null {
  const runs: number[] = [];
  let [value, length, any] = [0, 0, false];
  for (let x = 0; x < width; x += 1) {
    for (let y = 0; y < height; y += 1) {
      const here = data[y * width + x] as number;
      if (here !== value) {
        runs.push(length);
        [value, length, any] = [here, 0, true];
      }
      length += 1;
    }
  }
  runs.push(length);
  return any ? { size: [height, width], counts: writeRuns(runs) } : null;
}

/** Set all pixels within a radius of the line between two points. */
export function paintLine(pixels: Pixels, from: Point, to: Point, radius: number, value: 0 | 1): void {
  const { width, height, data } = pixels;
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const square = dx * dx + dy * dy;
  const [left, right] = [Math.min(from.x, to.x) - radius, Math.max(from.x, to.x) + radius];
  const [top, bottom] = [Math.min(from.y, to.y) - radius, Math.max(from.y, to.y) + radius];
  for (let y = Math.max(0, Math.floor(top)); y < Math.min(height, bottom + 1); y += 1) {
    for (let x = Math.max(0, Math.floor(left)); x < Math.min(width, right + 1); x += 1) {
      const [px, py] = [x + 0.5 - from.x, y + 0.5 - from.y];
      const along = square ? Math.min(1, Math.max(0, (px * dx + py * dy) / square)) : 0;
      if ((px - along * dx) ** 2 + (py - along * dy) ** 2 <= radius * radius) data[y * width + x] = value;
    }
  }
}

/** In pixels of the picture. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Extent {
  readonly box: Box;
  readonly area: number;
}

const extents = new WeakMap<Rle, Extent>();

/** Return the box of a mask and how many pixels it has. */
export function extentOf(mask: Rle): Extent {
  const known = extents.get(mask);
  if (known) return known;
  const found = measure(mask);
  extents.set(mask, found);
  return found;
}

function measure(mask: Rle): Extent {
  const [rows, columns] = mask.size;
  let [left, right, top, bottom, area, at] = [columns, 0, rows, 0, 0, 0];
  readRuns(mask.counts).forEach((length, i) => {
    if (i % 2 && length) {
      const last = at + length - 1;
      const [first, end] = [Math.floor(at / rows), Math.floor(last / rows)];
      area += length;
      [left, right] = [Math.min(left, first), Math.max(right, end)];
      top = Math.min(top, end > first ? 0 : at % rows);
      bottom = Math.max(bottom, end > first ? rows - 1 : last % rows);
    }
    at += length;
  });
  return { box: area ? [left, top, right - left + 1, bottom - top + 1] : [0, 0, 0, 0], area };
}

/** Whether a point lies within a mask. */
export function covers(mask: Rle, { x, y }: Point): boolean {
  const at = Math.floor(x) * mask.size[0] + Math.floor(y);
  let end = 0;
  const run = readRuns(mask.counts).findIndex((length) => at < (end += length));
  return run % 2 === 1;
}
