// The sound of a film, decoded by the browser: what the waveform and the log-mel are drawn from.

/** Samples per second; as many as the model hears. */
export const RATE = 16_000;
const MOST_BYTES = 512 * 2 ** 20;
const MOST_SECONDS = 1800;

/** Mono samples, at RATE. */
export interface Sound {
  readonly samples: Float32Array;
  readonly duration: number;
}

/** Decode the sound of a film; null if there is none, or too much of it to be held here. */
export async function soundOf(film: Blob, seconds: number): Promise<Sound | null> {
  if (film.size > MOST_BYTES || seconds > MOST_SECONDS) return null;
  try {
    const context = new OfflineAudioContext(1, 1, RATE);
    const decoded = await context.decodeAudioData(await film.arrayBuffer());
    return { samples: mono(decoded), duration: decoded.duration };
  } catch {
    return null; // no sound, or none that this browser decodes
  }
}

function mono(decoded: AudioBuffer): Float32Array {
  const samples = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel += 1) {
    decoded.getChannelData(channel).forEach((value, i) => {
      samples[i] = (samples[i] as number) + value / decoded.numberOfChannels;
    });
  }
  return samples;
}

/** Return the least and the greatest sample in each of so many columns of a time. */
export function extremes(sound: Sound, seconds: number, columns: number): Float32Array {
  const found = new Float32Array(columns * 2);
  const width = (seconds * RATE) / columns;
  for (let column = 0; column < columns; column += 1) {
    const end = Math.min(sound.samples.length, Math.max(column * width + 1, (column + 1) * width));
    let [least, greatest] = [0, 0];
    for (let i = Math.floor(column * width); i < end; i += 1) {
      const value = sound.samples[i] as number;
      if (value < least) least = value;
      if (value > greatest) greatest = value;
    }
    found[2 * column] = least;
    found[2 * column + 1] = greatest;
  }
  return found;
}
