// Log-mel of a sound: 64 bands from 50 Hz to 8 kHz, in decibels below the loudest.

import { RATE, type Sound } from "./sound.ts";

const WINDOW = 512;
const BINS = WINDOW / 2 + 1;
export const BANDS = 64;
const LOWEST = 50;
const HIGHEST = RATE / 2;
/** What is quieter by so many decibels is shown as silence. */
const RANGE = 70;
/** How many windows a column is the loudest of, if it is longer than one. */
const MOST_WINDOWS = 4;

/** Return the loudness [columns bands] of a time, 0 to 1. */
export function logMel(sound: Sound, seconds: number, columns: number): Float32Array {
  const power = new Float32Array(columns * BANDS);
  const width = (seconds * RATE) / columns;
  const windows = Math.min(MOST_WINDOWS, Math.max(1, Math.round(width / WINDOW)));
  for (let column = 0; column < columns; column += 1) {
    for (let i = 0; i < windows; i += 1) {
      const middle = (column + (i + 0.5) / windows) * width;
      addBands(sound.samples, Math.round(middle - WINDOW / 2), power, column * BANDS);
    }
  }
  return decibels(power);
}

function decibels(power: Float32Array): Float32Array {
  const loudest = power.reduce((most, value) => Math.max(most, value), 1e-9);
  return power.map((value) => Math.max(0, 1 + (10 * Math.log10(value / loudest + 1e-12)) / RANGE));
}

const taper = Float32Array.from({ length: WINDOW }, (_, i) => {
  return 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW);
});
const real = new Float32Array(WINDOW);
const imaginary = new Float32Array(WINDOW);

function addBands(samples: Float32Array, start: number, power: Float32Array, at: number): void {
  for (let i = 0; i < WINDOW; i += 1) {
    real[i] = (samples[start + i] ?? 0) * (taper[i] as number);
    imaginary[i] = 0;
  }
  transform(real, imaginary);
  FILTERS.forEach(({ first, weights }, band) => {
    let sum = 0;
    weights.forEach((weight, i) => {
      const bin = first + i;
      sum += weight * ((real[bin] as number) ** 2 + (imaginary[bin] as number) ** 2);
    });
    power[at + band] = Math.max(power[at + band] as number, sum);
  });
}

interface Filter {
  readonly first: number;
  readonly weights: readonly number[];
}

/** Triangles, evenly spaced in mel; where they are narrower than a bin, that bin alone. */
const FILTERS: readonly Filter[] = Array.from({ length: BANDS }, (_, band) => {
  const edge = (i: number) => (hertz(mel(LOWEST) + (i * (mel(HIGHEST) - mel(LOWEST))) / (BANDS + 1)) * WINDOW) / RATE;
  const [low, middle, high] = [edge(band), edge(band + 1), edge(band + 2)];
  const first = Math.ceil(low);
  const weights = [];
  for (let bin = first; bin < high && bin < BINS; bin += 1) {
    weights.push(bin < middle ? (bin - low) / (middle - low) : (high - bin) / (high - middle));
  }
  return weights.some((weight) => weight > 0.1) ? { first, weights } : { first: Math.round(middle), weights: [1] };
});

function mel(frequency: number): number {
  return 2595 * Math.log10(1 + frequency / 700);
}

function hertz(value: number): number {
  return 700 * (10 ** (value / 2595) - 1);
}

const cosines = Float32Array.from({ length: WINDOW / 2 }, (_, i) => Math.cos((2 * Math.PI * i) / WINDOW));
const sines = Float32Array.from({ length: WINDOW / 2 }, (_, i) => -Math.sin((2 * Math.PI * i) / WINDOW));

/** The discrete Fourier transform in place, radix 2. */
function transform(re: Float32Array, im: Float32Array): void {
  for (let i = 1, j = 0; i < WINDOW; i += 1) {
    let bit = WINDOW >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j] as number, re[i] as number];
      [im[i], im[j]] = [im[j] as number, im[i] as number];
    }
  }
  for (let size = 2; size <= WINDOW; size *= 2) {
    const [half, step] = [size / 2, WINDOW / size];
    for (let start = 0; start < WINDOW; start += size) {
      for (let k = 0; k < half; k += 1) {
        const [a, b] = [start + k, start + k + half];
        const [c, s] = [cosines[k * step] as number, sines[k * step] as number];
        const x = (re[b] as number) * c - (im[b] as number) * s;
        const y = (re[b] as number) * s + (im[b] as number) * c;
        re[b] = (re[a] as number) - x;
        im[b] = (im[a] as number) - y;
        re[a] = (re[a] as number) + x;
        im[a] = (im[a] as number) + y;
      }
    }
  }
}
