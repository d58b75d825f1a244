"""A sound is as loud in mono as a player plays it, in however many channels it comes."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from ssuformer.clip import read_clip
from ssuformer.contract import SAMPLE_RATE
from ssuformer.media.mono_mix import MonoMix
from tests.ssuformer.footage import Footage

STEREO = ("FL", "FR")
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")
BLOCK = 371
TONE = 0.5 / np.sqrt(2)
"""Level of the tone of `Footage`."""


def decibels(footage: Footage) -> NDArray[np.float64]:
    """Return the level of each whole second against that of the tone."""
    waveform = read_clip(footage.make()).waveform
    level = np.sqrt(np.square(waveform[1:3], dtype=np.float64).mean(1))
    found: NDArray[np.float64] = 20 * np.log10(level / TONE)
    return found


KINDS = {
    "aac": Footage(rate=48_000),
    "ac3": Footage(rate=48_000, audio="ac3", container="matroska"),
    "opus": Footage(rate=48_000, audio="libopus", container="matroska"),
    "flac": Footage(rate=44_100, audio="flac", container="matroska"),
    "pcm": Footage(rate=16_000, audio="pcm_f32le", container="matroska"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("layout", "gains"),
    [
        ("mono", ()),
        ("stereo", ()),
        ("5.1", ()),
        ("5.1", (0, 0, 1, 0, 0, 0)),
        ("5.1", (1, 0, 0, 0, 0, 0)),
        ("5.1", (1, 1, 0, 0, 0, 0)),
        ("stereo", (1, 0)),
        ("stereo", (0, 1)),
        ("stereo", (1, 0.25)),
        ("stereo", (1, -1)),
    ],
)
def test_a_tone_has_its_level_in_any_layout(
    kind: str, layout: str, gains: tuple[float, ...]
) -> None:
    recipe = KINDS[kind]
    footage = Footage(
        container=recipe.container, audio=recipe.audio, rate=recipe.rate, layout=layout,
        gains=gains, beep=(0.0, 4.0),
    )  # fmt: skip

    found = decibels(footage)

    assert found == pytest.approx([0.0, 0.0], abs=0.2)


def mixed(channels: NDArray[np.float64], names: tuple[str, ...]) -> NDArray[np.float32]:
    """Mix whole channels [c n] block by block."""
    mix = MonoMix(names)
    blocks = range(0, channels.shape[1], BLOCK)
    pieces = [mix.mix(channels[:, i : i + BLOCK].astype(np.float32)) for i in blocks]
    return np.concatenate(pieces)


def tone(seconds: float = 2.0, pitch: float = 440.0) -> NDArray[np.float64]:
    wave: NDArray[np.float64] = 0.5 * np.sin(
        2 * np.pi * pitch * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    )
    return wave


def test_one_channel_stays_as_it_is() -> None:
    wave = tone()[None]

    assert np.array_equal(mixed(wave, ("FC",)), wave[0].astype(np.float32))


def test_the_bass_channel_is_left_out_unless_it_is_the_only_one() -> None:
    channels = np.zeros((6, SAMPLE_RATE))
    channels[3] = 0.9
    channels[2] = tone(1.0)

    assert mixed(channels, SURROUND) == pytest.approx(channels[2], abs=1e-6)
    assert mixed(channels[3:4], ("LFE",)) == pytest.approx(channels[3])


def test_unrelated_channels_are_all_heard() -> None:
    low, high = tone(), tone(pitch=1000.0)

    spectrum = np.abs(np.fft.rfft(mixed(np.stack([low, high]), STEREO)[-SAMPLE_RATE:]))

    assert spectrum[440] == pytest.approx(spectrum[1000], rel=0.05)
    assert spectrum[440] > 0.4 * np.abs(np.fft.rfft(low[-SAMPLE_RATE:]))[440]


def test_a_stream_that_turns_to_antiphase_never_vanishes_and_never_clicks() -> None:
    wave = tone(6.0)
    other = wave.copy()
    other[2 * SAMPLE_RATE : 4 * SAMPLE_RATE] *= -1

    out = mixed(np.stack([wave, other]), STEREO)

    level = np.sqrt(np.square(out.reshape(-1, SAMPLE_RATE // 2)).mean(1))
    assert level[[0, 1, 2, 3, 5, 6, 7, 9, 10, 11]] == pytest.approx(TONE, rel=0.02)
    assert level.min() > TONE / 3
    assert np.abs(np.diff(out)).max() < 1.2 * np.abs(np.diff(wave)).max()


def test_a_voice_that_joins_in_another_channel_does_not_click() -> None:
    voice = tone(3.0)
    joined = np.where(np.arange(len(voice)) < SAMPLE_RATE, 0, tone(3.0, 300.0))

    out = mixed(np.stack([voice, joined]), STEREO)

    steepest = np.abs(np.diff([voice, joined])).max(1).sum()
    assert np.abs(np.diff(out)).max() < steepest


def test_equal_channels_in_antiphase_do_not_alternate() -> None:
    rng = np.random.default_rng(0)
    wave = tone(3.0)
    noise = rng.normal(0, 0.005, (2, len(wave)))

    out = mixed(np.stack([wave, -wave]) + noise, STEREO)

    assert out == pytest.approx(wave, abs=0.03)


def test_silence_full_scale_and_empty_blocks_stay_in_range() -> None:
    mix = MonoMix(STEREO)
    square = np.sign(tone(1.0)).astype(np.float32)

    silent = mix.mix(np.zeros((2, BLOCK), np.float32))
    empty = mix.mix(np.zeros((2, 0), np.float32))
    loud = mix.mix(np.stack([square, 0.1 * np.roll(square, 5)]))

    assert not silent.any()
    assert empty.shape == (0,)
    assert np.abs(loud).max() <= 1
    assert np.isfinite(loud).all()


def test_memory_does_not_grow_with_the_stream() -> None:
    mix = MonoMix(SURROUND)
    block = np.ones((6, BLOCK), np.float32)
    mix.mix(block)

    tracemalloc.start()
    for _ in range(500):
        mix.mix(block)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert held < 10_000
