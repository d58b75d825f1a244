// What a timeline draws: ruler, waveform, log-mel, and bars. Widths are the whole of the time.

import { BANDS, logMel } from "../sound/mel.ts";
import { extremes, type Sound } from "../sound/sound.ts";
import type { Level, Span } from "../answer/lanes.ts";
import { clock } from "./words.ts";

const MOST_COLUMNS = 8192;
const MOST_MEL_COLUMNS = 3000;
const TICK_PIXELS = 90;
const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];

interface Area {
  readonly context: CanvasRenderingContext2D;
  /** In pixels of the canvas. */
  readonly width: number;
  readonly height: number;
  /** Pixels of the canvas in one of the page. */
  readonly scale: number;
  colour(variable: string): string;
}

/** Fit a canvas to its place on the page, and clear it. */
function area(canvas: HTMLCanvasElement): Area | null {
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  const context = canvas.getContext("2d");
  if (!wide || !high || !context) return null;
  const scale = Math.min(devicePixelRatio || 1, MOST_COLUMNS / wide);
  canvas.width = Math.round(wide * scale);
  canvas.height = Math.round(high * scale);
  const styles = getComputedStyle(canvas);
  const colour = (variable: string) => styles.getPropertyValue(variable).trim();
  return { context, width: canvas.width, height: canvas.height, scale, colour };
}

export function drawRuler(canvas: HTMLCanvasElement, seconds: number): void {
  const place = area(canvas);
  if (!place || !seconds) return;
  const { context, width, height, scale, colour } = place;
  const room = (TICK_PIXELS * scale * seconds) / width;
  const step = STEPS.find((one) => one >= room) ?? 7200;
  context.font = `${11 * scale}px system-ui, sans-serif`;
  context.textBaseline = "middle";
  for (let i = 0; i * step <= seconds; i += 1) {
    const x = Math.round((i * step * width) / seconds);
    context.fillStyle = colour("--line-strong");
    context.fillRect(x, height * 0.25, scale, height);
    context.fillStyle = colour("--muted");
    const text = clock(i * step).replace(/\.0$/, "");
    if (x + context.measureText(text).width + 6 * scale < width) {
      context.fillText(text, x + 5 * scale, height / 2);
    }
  }
}

export function drawWave(canvas: HTMLCanvasElement, sound: Sound, seconds: number): void {
  const place = area(canvas);
  if (!place) return;
  const { context, width, height, scale, colour } = place;
  const found = extremes(sound, seconds, width);
  const loudest = Math.max(0.05, ...strongest(found));
  const middle = height / 2;
  context.fillStyle = colour("--wave");
  for (let x = 0; x < width; x += 1) {
    const top = middle - ((found[2 * x + 1] as number) / loudest) * middle * 0.94;
    const bottom = middle - ((found[2 * x] as number) / loudest) * middle * 0.94;
    context.fillRect(x, top, 1, Math.max(scale, bottom - top));
  }
}

/** Return the greatest of every thousand values: few enough for `Math.max`. */
function strongest(values: Float32Array): number[] {
  const most: number[] = [];
  values.forEach((value, i) => {
    const at = Math.floor(i / 1000);
    most[at] = Math.max(most[at] ?? 0, Math.abs(value));
  });
  return most;
}

export function drawMel(canvas: HTMLCanvasElement, sound: Sound, seconds: number): void {
  const place = area(canvas);
  if (!place) return;
  const columns = Math.min(MOST_MEL_COLUMNS, place.width);
  const loudness = logMel(sound, seconds, columns);
  const ramp = rampOf(place.colour("--mel").split(/\s*,\s*/));
  const picture = new ImageData(columns, BANDS);
  const pixels = new Uint32Array(picture.data.buffer);
  loudness.forEach((value, i) => {
    const [column, band] = [Math.floor(i / BANDS), i % BANDS];
    pixels[(BANDS - 1 - band) * columns + column] = ramp[Math.round(value * 255)] as number;
  });
  const small = new OffscreenCanvas(columns, BANDS);
  small.getContext("2d")?.putImageData(picture, 0, 0);
  place.context.drawImage(small, 0, 0, place.width, place.height);
}

/** Return 256 pixels between some colours, which are written `#rrggbb`. */
function rampOf(colours: readonly string[]): Uint32Array {
  const stops = colours.map((text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)));
  return Uint32Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1);
    const [one, other] = [stops[Math.floor(at)], stops[Math.ceil(at)]];
    const mixed = [0, 1, 2].map((c) => {
      const [a, b] = [one?.[c] ?? 0, other?.[c] ?? 0];
      return Math.round(a + (b - a) * (at % 1));
    });
    return ((255 << 24) | ((mixed[2] ?? 0) << 16) | ((mixed[1] ?? 0) << 8) | (mixed[0] ?? 0)) >>> 0;
  });
}

export interface Bars {
  readonly seen: readonly Span[];
  readonly sounding: readonly Level[];
  readonly colour: string;
}

/** A line while it is seen; below it bars as high as the probability that it sounds. */
export function drawBars(canvas: HTMLCanvasElement, bars: Bars, seconds: number): void {
  const place = area(canvas);
  if (!place || !seconds) return;
  const { context, width, height, scale, colour } = place;
  const x = (time: number) => (time * width) / seconds;
  const thick = bars.seen.length ? 5 * scale : 0;
  const room = height - thick - (thick ? 3 * scale : 0);
  context.fillStyle = bars.colour || colour("--muted");
  for (const { start, end } of bars.seen) {
    context.beginPath();
    context.roundRect(x(start), 0, Math.max(scale, x(end) - x(start)), thick, thick / 2);
    context.fill();
  }
  for (const { start, end, score } of bars.sounding) {
    const high = Math.max(scale, score * room);
    const [left, wide] = [x(start), Math.max(scale, x(end) - x(start))];
    context.globalAlpha = 0.45;
    context.fillRect(left, height - high, wide, high);
    context.globalAlpha = 1;
    context.fillRect(left, height - high, wide, 1.5 * scale);
  }
}
