"""Random melodies, written as standard MIDI and played by fluidsynth with sampled instruments."""

from __future__ import annotations

import struct
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Literal

import numpy as np

from ssuformer.errors import ConfigError
from training.packs.recordings import read_sound
from training.packs.synthesis import SAMPLE_RATE, Wave

Manner = Literal["tune", "chords", "broken", "beat", "held"]

SOUNDFONT = Path("/usr/share/sounds/sf2/FluidR3_GM.sf2")
"""Debian's fluid-soundfont-gm, MIT."""
PHRASE_SECONDS = 4.0
REST_SECONDS = 2.0
TICKS_PER_SECOND = 960
DRUM_CHANNEL = 9
SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))
BEATS = (0.2, 0.25, 0.3, 0.36)


@dataclass(frozen=True, slots=True)
class Melody:
    """How an instrument of the General MIDI bank plays: programs, range of notes, manner."""

    programs: tuple[int, ...]
    low: int
    high: int
    manner: Manner = "tune"
    drums: tuple[int, ...] = ()
    """Notes of the drum channel; if given they are struck and the range is not used."""


FILM_MELODIES: Mapping[str, Melody] = {
    "acoustic_guitar": Melody((24, 25), 45, 76, "broken"),
    "bass_guitar": Melody((33, 34), 28, 48),
    "plucked_string": Melody((104, 107, 106), 50, 76),
    "cello": Melody((42,), 36, 64),
    "double_bass": Melody((32, 43), 28, 50),
    "bowed_string": Melody((44, 48, 49), 48, 84, "chords"),
    "harp": Melody((46,), 48, 88, "broken"),
    "electronic_keyboard": Melody((4, 5, 81), 48, 84, "chords"),
    "organ": Melody((16, 19, 20), 43, 79, "chords"),
    "trombone": Melody((57,), 40, 64),
    "french_horn": Melody((60,), 41, 65),
    "clarinet": Melody((71,), 52, 84),
    "woodwind": Melody((68, 70), 46, 76),
    "bagpipes": Melody((109,), 57, 76),
    "harmonica": Melody((22,), 60, 84),
    "cymbal": Melody((0,), 0, 0, "beat", (42, 46, 49, 51)),
    "tambourine": Melody((0,), 0, 0, "beat", (54,)),
    "xylophone": Melody((12, 13), 60, 93),
    "glockenspiel": Melody((9,), 79, 103),
    "person_singing": Melody((52, 53, 54), 50, 76),
    "waves": Melody((122,), 50, 70, "held"),
}
"""What the pack `films` plays: categories of films that the pack `debian` has no sound of."""


@dataclass(frozen=True, slots=True)
class Note:
    """One key pressed, in seconds from the start of the file."""

    at: float
    length: float
    key: int
    velocity: int


def compose(melody: Melody, rng: np.random.Generator) -> list[Note]:
    """Write one phrase of about four seconds: its own key, tempo, register and articulation."""
    if melody.manner == "held":
        key = int(rng.integers(melody.low, melody.high + 1))
        return [Note(0.0, PHRASE_SECONDS, key, 110)]
    if melody.manner == "beat":
        return _beat(melody, rng)
    scale = SCALES[rng.integers(len(SCALES))]
    root = int(rng.integers(melody.low, max(melody.low + 1, melody.high - 12)))
    keys = [root + 12 * o + s for o in range(4) for s in scale]
    keys = [key for key in keys if melody.low <= key <= melody.high]
    beat = float(rng.choice(BEATS))
    legato = float(rng.uniform(0.75, 1.1))
    place = int(rng.integers(len(keys)))
    notes: list[Note] = []
    at = 0.0
    while at < PHRASE_SECONDS - 0.1:
        length = beat * int(rng.choice((1, 1, 1, 2, 2, 3)))
        place = int(np.clip(place + rng.integers(-3, 4), 0, len(keys) - 1))
        notes += _strike(melody.manner, keys, place, at, length * legato, rng)
        at += length
    return notes


def _strike(
    manner: Manner, keys: list[int], place: int, at: float, length: float, rng: np.random.Generator
) -> list[Note]:
    velocity = int(rng.integers(85, 115))
    chord = [keys[min(place + step, len(keys) - 1)] for step in (0, 2, 4)]
    if manner == "chords" and rng.uniform() < 0.6:
        return [Note(at, length, key, velocity) for key in sorted(set(chord))]
    if manner == "broken":
        third = length / 3
        return [Note(at + i * third, third, key, velocity) for i, key in enumerate(chord)]
    return [Note(at, length, keys[place], velocity)]


def _beat(melody: Melody, rng: np.random.Generator) -> list[Note]:
    step = float(rng.uniform(0.11, 0.2))
    pattern = [
        [int(key) for key in melody.drums if rng.uniform() < 0.85 / len(melody.drums) + 0.15]
        for _ in range(8)
    ]
    notes: list[Note] = []
    for index in range(int(PHRASE_SECONDS / step)):
        hit = pattern[index % 8] or [melody.drums[index % len(melody.drums)]] * (index % 2)
        notes += [Note(index * step, step, key, int(rng.integers(80, 118))) for key in hit]
    return notes


def midi_file(phrases: list[tuple[int, list[Note]]], *, drums: bool) -> bytes:
    """Return a MIDI file that plays (program, notes) one after another with rests between."""
    channel = DRUM_CHANNEL if drums else 0
    timed: list[tuple[int, int, bytes]] = []
    for index, (program, notes) in enumerate(phrases):
        start = index * (PHRASE_SECONDS + REST_SECONDS)
        timed.append((round(start * TICKS_PER_SECOND), 0, bytes((0xC0 | channel, program))))
        for note in notes:
            on = round((start + note.at) * TICKS_PER_SECOND)
            off = on + max(1, round(note.length * TICKS_PER_SECOND))
            timed.append((on, 2, bytes((0x90 | channel, note.key, note.velocity))))
            timed.append((off, 1, bytes((0x80 | channel, note.key, 0))))
    track, now = bytearray(), 0
    for at, _, message in sorted(timed):
        track += _variable_length(at - now) + message
        now = at
    track += _variable_length(TICKS_PER_SECOND * 2) + b"\xff\x2f\x00"
    ticks_per_quarter = TICKS_PER_SECOND // 2  # the default tempo is 120 quarters a minute
    header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, ticks_per_quarter)
    return header + b"MTrk" + struct.pack(">I", len(track)) + bytes(track)


def _variable_length(number: int) -> bytes:
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append((number & 0x7F) | 0x80)
    return bytes(reversed(groups))


def play(melody: Melody, count: int, seed: int, soundfont: Path) -> list[Wave]:
    """Return `count` phrases, each one composed anew, rendered in one run of fluidsynth."""
    rng = np.random.default_rng(seed)
    programs = islice(cycle(melody.programs), count)
    phrases = [(program, compose(melody, rng)) for program in programs]
    with tempfile.TemporaryDirectory() as folder:
        score, sound = Path(folder) / "score.mid", Path(folder) / "sound.wav"
        score.write_bytes(midi_file(phrases, drums=bool(melody.drums)))
        _render(score, sound, soundfont)
        whole = read_sound(sound)
    step = round((PHRASE_SECONDS + REST_SECONDS) * SAMPLE_RATE)
    length = round((PHRASE_SECONDS + 0.4) * SAMPLE_RATE)
    return [whole[index * step : index * step + length] for index in range(count)]


def _render(score: Path, sound: Path, soundfont: Path) -> None:
    command = ["fluidsynth", "-niq", "-g", "0.6", "-R", "0", "-C", "0", "-r", str(SAMPLE_RATE)]
    done = subprocess.run(
        [*command, "-F", str(sound), str(soundfont), str(score)], capture_output=True, check=False
    )
    if done.returncode or not sound.exists():
        tail = done.stderr.decode(errors="replace")[-300:]
        raise ConfigError(f"fluidsynth could not play with {soundfont}: {tail}")
