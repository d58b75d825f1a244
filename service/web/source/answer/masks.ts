// Masks from COCO's compressed run-lengths, which go down the columns.

import type { Rle } from "./answer.ts";

/** A part of a mask [height width], row by row: 1 inside, 0 outside; and where it lies. */
export interface Bitmap {
  readonly left: number;
  readonly top: number;
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

/** Do COCO's packing: what `readRuns` undoes. */
export function writeRuns(runs: readonly number[]): string {
  let counts = "";
  runs.forEach((run, i) => {
    let rest = i > 2 ? run - (runs[i - 2] as number) : run;
    for (;;) {
      const digit = rest & 31;
      rest >>= 5;
      const last = digit & 16 ? rest === -1 : rest === 0;
      counts += String.fromCharCode((last ? digit : digit | 32) + 48);
      if (last) return;
    }
  });
  return counts;
}

/** The part of a picture that a mask lies in: x, y, width, height in its pixels. */
export type Box = readonly [number, number, number, number];

/**
 * Return every `stride`th pixel of a mask in both directions, taken from the middle of each cell:
 * of all the picture, or of a box with a margin of a cell.
 */
export function bitmapOf(mask: Rle, stride = 1, box?: Box): Bitmap {
  const [rows, columns] = mask.size;
  const [whole, high] = [Math.ceil(columns / stride), Math.ceil(rows / stride)];
  const [x, y, w, h] = box ?? [0, 0, columns, rows];
  const [left, top] = [Math.max(0, Math.floor(x / stride) - 1), Math.max(0, Math.floor(y / stride) - 1)];
  const width = Math.min(whole, Math.ceil((x + w) / stride) + 1) - left;
  const height = Math.min(high, Math.ceil((y + h) / stride) + 1) - top;
  const data = new Uint8Array(Math.max(0, width * height));
  const offset = stride >> 1;
  let at = 0;
  readRuns(mask.counts).forEach((length, i) => {
    if (i % 2) fill(at, at + length);
    at += length;
  });
  return { left, top, width, height, data };

  function fill(start: number, end: number): void {
    for (let column = Math.floor(start / rows); column * rows < end; column += 1) {
      const across = (column - offset) / stride - left;
      if (!Number.isInteger(across) || across < 0 || across >= width) continue;
      const first = Math.max(0, start - column * rows) - offset;
      const last = Math.min(rows, end - column * rows) - offset;
      const until = Math.min(height, Math.ceil(last / stride) - top);
      for (let down = Math.max(0, Math.ceil(first / stride) - top); down < until; down += 1) {
        data[down * width + across] = 1;
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
