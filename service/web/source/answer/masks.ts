// Masks from COCO's compressed run-lengths, which go down the columns.

import type { Rle } from "./answer.ts";

/** A mask [height width], row by row: 1 inside, 0 outside. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** Undo COCO's packing: signed base-32 numbers, differences to the run two places before. */
export function readRuns(counts: string): number[] {
  const runs: number[] = [];
  let [value, shift] = [0, 0];
  for (let i = 0; i < counts.length; i += 1) {
    const digit = counts.charCodeAt(i) - 48;
    value |= (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    if (digit & 16) value -= 2 ** shift;
    runs.push(value + (runs.length > 2 ? (runs[runs.length - 2] as number) : 0));
    [value, shift] = [0, 0];
  }
  return runs;
}

/** Return every `stride`th pixel of a mask in both directions, taken from the middle of each cell. */
export function bitmapOf(mask: Rle, stride = 1): Bitmap {
  const [rows, columns] = mask.size;
  const [width, height] = [Math.ceil(columns / stride), Math.ceil(rows / stride)];
  const data = new Uint8Array(width * height);
  const offset = stride >> 1;
  let at = 0;
  readRuns(mask.counts).forEach((length, i) => {
    if (i % 2) fill(at, at + length);
    at += length;
  });
  return { width, height, data };

  function fill(start: number, end: number): void {
    for (let column = Math.floor(start / rows); column * rows < end; column += 1) {
      const x = (column - offset) / stride;
      if (!Number.isInteger(x)) continue;
      const top = Math.max(0, start - column * rows);
      const bottom = Math.min(rows, end - column * rows);
      const last = Math.ceil((bottom - offset) / stride);
      for (let y = Math.max(0, Math.ceil((top - offset) / stride)); y < last; y += 1) {
        data[y * width + x] = 1;
      }
    }
  }
}

/**
 * Return for each pixel the steps to the nearest pixel outside, at most 255; 0 outside.
 * Beyond the edges of the picture a mask goes on.
 */
export function depths({ width, data }: Bitmap): Uint8Array {
  const depth = new Uint8Array(data);
  for (let i = 0; i < depth.length; i += 1) {
    if (!depth[i]) continue;
    const left = i % width ? (depth[i - 1] as number) : 255;
    const above = i < width ? 255 : (depth[i - width] as number);
    depth[i] = Math.min(254, left, above) + 1;
  }
  for (let i = depth.length - 1; i >= 0; i -= 1) {
    const here = depth[i] as number;
    if (here < 2) continue;
    const right = (i + 1) % width ? (depth[i + 1] as number) : 255;
    const below = i >= depth.length - width ? 255 : (depth[i + width] as number);
    depth[i] = Math.min(here, Math.min(254, right, below) + 1);
  }
  return depth;
}
