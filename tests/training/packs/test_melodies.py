"""Melodies are composed from a seed and written as MIDI that a reader understands."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from training.packs.categories import CATEGORIES
from training.packs.melodies import (
    PHRASE_SECONDS,
    REST_SECONDS,
    TICKS_PER_SECOND,
    Manner,
    Melody,
    Note,
    compose,
    midi_file,
)

MELODIES = {c.name: r for c in CATEGORIES for r in c.sounds if isinstance(r, Melody)}


def read_track(data: bytes) -> list[tuple[int, bytes]]:
    """Return (tick, message) of every event; enough of MIDI to read what is written here."""
    size = struct.unpack(">I", data[18:22])[0]
    track, place, now, found = data[22 : 22 + size], 0, 0, []
    while place < len(track):
        delta = 0
        while track[place] & 0x80:
            delta, place = (delta << 7) | (track[place] & 0x7F), place + 1
        delta, place = (delta << 7) | track[place], place + 1
        length = 2 if track[place] & 0xF0 == 0xC0 else 3
        now += delta
        found.append((now, track[place : place + length]))
        place += length
    return found


@pytest.mark.parametrize("name", MELODIES)
def test_a_phrase_stays_in_its_range_and_ends_before_the_next(name: str) -> None:
    melody = MELODIES[name]

    notes = compose(melody, np.random.default_rng(5))

    assert notes
    assert max(note.at + note.length for note in notes) > PHRASE_SECONDS - 1
    for note in notes:
        assert 0 <= note.at < note.at + note.length < PHRASE_SECONDS + REST_SECONDS
        assert 0 < note.velocity < 128
        assert note.key in melody.drums or melody.low <= note.key <= melody.high


@pytest.mark.parametrize("manner", ["tune", "chords", "broken"])
def test_two_seeds_compose_two_melodies(manner: Manner) -> None:
    melody = Melody((0,), 60, 84, manner)

    one, same, other = (compose(melody, np.random.default_rng(seed)) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_notes_are_written_at_their_times_on_their_channel() -> None:
    phrases = [(40, [Note(0.5, 1.0, 60, 100)]), (41, [Note(0.0, 0.25, 62, 90)])]

    events = read_track(midi_file(phrases, drums=False))

    second = 6 * TICKS_PER_SECOND
    assert events == [
        (0, bytes((0xC0, 40))),
        (TICKS_PER_SECOND // 2, bytes((0x90, 60, 100))),
        (TICKS_PER_SECOND * 3 // 2, bytes((0x80, 60, 0))),
        (second, bytes((0xC0, 41))),
        (second, bytes((0x90, 62, 90))),
        (second + TICKS_PER_SECOND // 4, bytes((0x80, 62, 0))),
        (second + TICKS_PER_SECOND // 4 + 2 * TICKS_PER_SECOND, bytes((0xFF, 0x2F, 0x00))),
    ]


def test_drums_are_written_on_the_drum_channel() -> None:
    events = read_track(midi_file([(0, [Note(0.0, 0.1, 38, 100)])], drums=True))

    assert events[1][1] == bytes((0x99, 38, 100))


def test_a_repeated_note_ends_before_it_begins_again() -> None:
    notes = [Note(0.0, 1.0, 60, 100), Note(1.0, 1.0, 60, 100)]

    kinds = [message[0] & 0xF0 for _, message in read_track(midi_file([(0, notes)], drums=False))]

    assert kinds == [0xC0, 0x90, 0x80, 0x90, 0x80, 0xF0]
