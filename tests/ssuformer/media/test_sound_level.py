"""Quiet and clipped sound is pointed out with its numbers, from a few numbers per clip."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from ssuformer.clip import read_clip
from ssuformer.contract import SAMPLE_RATE
from ssuformer.media.sound_level import SoundLevel, level
from tests.ssuformer.footage import Footage


def sine(amplitude: float, *, seconds: float = 3.0) -> NDArray[np.float32]:
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave: NDArray[np.float32] = (amplitude * np.sin(2 * np.pi * 440 * times)).astype(np.float32)
    return wave


def heard(wave: NDArray[np.float32], *, block: int = 371) -> SoundLevel:
    found = SoundLevel()
    for i in range(0, len(wave), block):
        found.add(wave[None, i : i + block], wave[i : i + block])
    return found


def codes(found: SoundLevel) -> list[str]:
    return [warning.code for warning in found.warnings()]


def test_a_full_scale_sine_has_minus_three_and_silence_minus_infinity() -> None:
    seconds = np.stack([sine(1.0, seconds=1.0), np.zeros(SAMPLE_RATE, np.float32)])

    assert level(seconds) == pytest.approx([-3.01, -math.inf], abs=0.01)


@pytest.mark.parametrize("block", [100, 371, SAMPLE_RATE, 40_000])
def test_the_loudest_second_is_found_whatever_the_blocks(block: int) -> None:
    wave = np.concatenate([sine(0.01), sine(0.1, seconds=1.0), sine(0.01, seconds=1.5)])

    assert heard(wave, block=block).loudest == pytest.approx(-23.01, abs=0.05)


def test_sound_that_is_shorter_than_a_second_has_a_level_too() -> None:
    assert heard(sine(0.1, seconds=0.3)).loudest == pytest.approx(-23.01, abs=0.05)


@pytest.mark.parametrize(
    ("amplitude", "expected"),
    [(0.0, ["silent_audio"]), (5e-5, ["silent_audio"]), (1e-3, ["quiet_audio"]), (0.01, [])],
)
def test_quiet_is_more_than_silent_and_less_than_loud(
    amplitude: float, expected: list[str]
) -> None:
    assert codes(heard(sine(amplitude))) == expected


def test_a_single_loud_second_makes_a_clip_loud() -> None:
    wave = np.concatenate([sine(1e-3, seconds=9.0), sine(0.1, seconds=1.0)])

    assert codes(heard(wave)) == []


def test_clipped_samples_of_any_channel_count() -> None:
    found = SoundLevel()
    square = np.sign(sine(1.0)).astype(np.float32)

    found.add(np.stack([square, 0 * square]), square / np.float32(2))

    assert found.clipped == pytest.approx(0.5, abs=0.01)
    (warning,) = found.warnings()
    assert warning.code == "clipped_audio"
    assert f"{found.clipped:.1%}" in warning.message


def test_a_few_samples_at_full_scale_are_no_distortion() -> None:
    wave = sine(0.5)
    wave[::100] = 1.0

    assert codes(heard(wave)) == []


def test_no_sound_at_all_is_silent() -> None:
    assert codes(SoundLevel()) == ["silent_audio"]


def test_it_holds_no_more_for_a_longer_stream() -> None:
    found, block = SoundLevel(), sine(0.1, seconds=0.1)
    found.add(block[None], block)

    tracemalloc.start()
    for _ in range(2000):
        found.add(block[None], block)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert held < 10_000


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1"])
@pytest.mark.parametrize("audio", ["aac", "flac"])
@pytest.mark.parametrize(
    ("gain", "expected"),
    [(0.002, ["quiet_audio"]), (1.0, []), (1.5, []), (8.0, ["clipped_audio"])],
)
def test_real_clips_are_judged_by_their_sound(
    layout: str, audio: str, gain: float, expected: list[str]
) -> None:
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    footage = Footage(
        container="matroska", audio=audio, layout=layout, rate=48_000, gains=(gain,) * channels,
        beep=(0.0, 3.0),
    )  # fmt: skip

    clip = read_clip(footage.make())

    assert [warning.code for warning in clip.warnings] == expected
