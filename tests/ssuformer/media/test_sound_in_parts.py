"""Sound that is read in parts is, sample by sample, what is read at once."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ssuformer.clip import ClipReader, Limits, Sampling, read_clip
from ssuformer.media import audio_reader
from ssuformer.media.audio_reader import AudioReader, Waveform
from tests.ssuformer.footage import Footage

FILM = Footage(
    seconds=25, fps=2, base=Fraction(1, 1000), beep=(3.0, 22.0), hiss=0.1, layout="stereo",
    audio_options=(("b", "64000"),),
)  # fmt: skip
OPUS = {"container": "webm", "video": "libvpx", "rate": 48_000, "audio": "libopus"}
KINDS: dict[str, dict[str, Any]] = {
    "AAC": {},
    "AAC in Matroska": {"container": "matroska"},
    "AAC in a transport stream": {"container": "mpegts"},
    "AAC, 5.1": {"layout": "5.1", "rate": 48_000},
    "MP3": {"audio": "libmp3lame"},
    "MP3 in AVI": {"audio": "libmp3lame", "container": "avi", "video": "mpeg4"},
    "MP3 in FLV": {"audio": "libmp3lame", "container": "flv", "video": "flv"},
    "Opus": OPUS,
    "Vorbis": {**OPUS, "audio": "vorbis", "rate": 44_100, "audio_options": (("strict", "-2"),)},
    "Vorbis in Ogg": {
        "container": "ogg",
        "video": "libvpx",
        "audio": "vorbis",
        "audio_options": (("strict", "-2"),),
    },
    "AC-3": {"audio": "ac3", "rate": 48_000},
    "AC-3 in a transport stream": {"audio": "ac3", "rate": 48_000, "container": "mpegts"},
    "FLAC": {"audio": "flac", "container": "matroska"},
    "PCM": {"audio": "pcm_s16le", "container": "mov"},
    "film without key frames": {"options": (("g", "100000"),)},
    "sound that begins late": {"audio_start": 13.0, "audio_seconds": 9.0},
    "sound that ends early": {"audio_seconds": 6.0},
}
LIMITS = Limits(threads=1)
STRETCH = 10 * 16_000


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio_reader, "_STRETCH", STRETCH)


def made(kind: str, **more: Any) -> bytes:  # noqa: ANN401
    return replace(FILM, **{**KINDS[kind], **more}).make()


def heard(media: bytes, start: int = 0) -> Waveform:
    """Return the seconds of a film's sound from one on: [t 16000]."""
    reader = AudioReader(media, limits=LIMITS, zero=0.0, start=float(start))
    try:
        return np.stack([reader.around(second + 0.5) for second in range(start, 25)])
    finally:
        reader.close()


@pytest.mark.parametrize("kind", KINDS)
def test_sound_is_the_same_sample_by_sample_wherever_reading_begins(kind: str) -> None:
    media = made(kind)
    whole = heard(media)

    assert np.abs(whole).max() > 0.1
    for start in (3, 11, 15, 22):
        np.testing.assert_array_equal(heard(media, start), whole[start:])


def test_the_parts_of_a_film_are_those_of_the_whole() -> None:
    media = made("AAC")
    whole = read_clip(media, limits=LIMITS)

    parts = []
    for skip in (0, 9, 18):
        sampling = Sampling(start=3.0, skip=skip, most=9)
        with ClipReader(media, sampling=sampling, limits=LIMITS) as reader:
            parts += list(reader.chunks(32))

    waveform = np.concatenate([chunk.waveform for chunk in parts])
    frames = np.concatenate([chunk.frames for chunk in parts])
    np.testing.assert_array_equal(waveform, whole.waveform[3:])
    np.testing.assert_array_equal(frames, whole.frames[3:])


@pytest.mark.parametrize("kind", ["AAC", "MP3", "AC-3", "AAC in Matroska", "Opus"])
def test_nothing_is_heard_of_where_a_stretch_begins(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tone goes on, no more than two milliseconds beside where it was, and without a click."""
    media = made(kind, hiss=0.0, beep=(0.0, 25.0))
    stretched = heard(media)

    monkeypatch.setattr(audio_reader, "_STRETCH", 2**40)
    at_once = heard(media)

    tone, same = (sound[8:13].ravel() for sound in (stretched, at_once))
    apart = [np.abs(tone[48:-48] - same[48 + by : len(same) - 48 + by]) for by in range(-32, 33)]
    assert min(one[STRETCH // 4 :].max() for one in apart) < 0.08
    assert np.abs(np.diff(tone)).max() < 1.3 * np.abs(np.diff(same)).max()


def test_noise_that_decoders_make_up_would_differ_without_stretches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    media = made("AAC")
    monkeypatch.setattr(audio_reader, "_STRETCH", 2**40)
    at_once = heard(media)
    monkeypatch.setattr(audio_reader, "_STRETCH", STRETCH)

    assert not np.array_equal(heard(media), at_once)
