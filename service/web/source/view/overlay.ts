// Draws the masks of a frame on a canvas that lies on the picture.

import type { Frame, Region } from "../answer/answer.ts";
import { bitmapOf, depths } from "../answer/masks.ts";
import type { Colour } from "./colours.ts";

/** A canvas with more pixels is drawn with fewer and stretched, so that it keeps up with a film. */
const MOST_PIXELS = 640_000;
/** The outline's share of the picture's height. */
const OUTLINE = 1 / 240;

export interface Look {
  colourOf(track: number): Colour;
  isShown(track: number): boolean;
  /** What is written at a mask. */
  labelOf(region: Region): string;
  /** Of what lies within the outline, 0 to 1. */
  readonly opacity: number;
}

/** Return how many pixels of a mask become one of the canvas, in each direction. */
export function strideOf([height, width]: readonly [number, number]): number {
  return Math.ceil(Math.sqrt((height * width) / MOST_PIXELS));
}

/** Draw a frame; without one, nothing is left on the canvas. */
export function drawMasks(canvas: HTMLCanvasElement, frame: Frame | null, look: Look): void {
  const context = canvas.getContext("2d");
  const shown = (frame?.regions ?? []).filter(({ track, mask }) => mask && look.isShown(track));
  const size = shown[0]?.mask?.size;
  if (!context || !size) {
    context?.clearRect(0, 0, canvas.width, canvas.height);
    return;
  }
  const stride = strideOf(size);
  const [height, width] = [Math.ceil(size[0] / stride), Math.ceil(size[1] / stride)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const picture = context.createImageData(width, height);
  // Where masks overlap, the smaller is on top.
  for (const region of [...shown].sort((one, other) => other.area - one.area)) {
    paint(region, picture, stride, look);
  }
  context.putImageData(picture, 0, 0);
}

function paint(region: Region, picture: ImageData, stride: number, look: Look): void {
  if (!region.mask) return;
  const pixels = new Uint32Array(picture.data.buffer);
  const bitmap = bitmapOf(region.mask, stride, region.bbox);
  const depth = depths(bitmap);
  const line = Math.max(1.5, picture.height * OUTLINE);
  const colour = look.colourOf(region.track);
  const [edge, shade, inside] = [
    packed(colour, 1),
    // A dark line within the bright one: an outline is seen on any picture.
    packed([10, 12, 16], 0.55),
    packed(colour, Math.max(look.opacity, 1 / 255)),
  ];
  for (let y = 0, i = 0; y < bitmap.height; y += 1) {
    let at = (bitmap.top + y) * picture.width + bitmap.left;
    for (let x = 0; x < bitmap.width; x += 1, i += 1, at += 1) {
      const here = depth[i] as number;
      if (here) pixels[at] = here <= line ? edge : here <= line * 1.8 ? shade : inside;
    }
  }
}

/** A pixel as it lies in memory, on machines with the low byte first: all that browsers run on. */
function packed([red, green, blue]: Colour, opacity: number): number {
  return ((Math.round(opacity * 255) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
