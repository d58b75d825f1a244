"""Onsets of sounds whose beginnings are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from service.studio.tools.onsets import onsets
from ssuformer.errors import OptionError


def hum(seconds: float, rate: int) -> NDArray[np.float32]:
    noise = np.random.default_rng(0).normal(0, 0.001, round(seconds * rate))
    return noise.astype(np.float32)


def add(sound: NDArray[np.float32], rate: int, at: float, pitch: float, *, long: float) -> None:
    time = np.arange(round(long * rate)) / rate
    begin = round(at * rate)
    tone = 0.4 * np.sin(2 * np.pi * pitch * time) * np.minimum(1, (long - time) / 0.1)
    sound[begin : begin + len(time)] += tone.astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_tones_begin_where_they_begin_to_20_ms(rate: int) -> None:
    sound = hum(3, rate)
    truth = [0.5, 1.2, 1.71, 2.313]
    for number, at in enumerate(truth):
        add(sound, rate, at, 400 + 150 * number, long=0.3)

    found = onsets(sound, rate)

    assert len(found) == len(truth)
    assert max(abs(a - b) for a, b in zip(found, truth, strict=True)) <= 0.02


def test_a_second_tone_begins_while_the_first_goes_on() -> None:
    sound = hum(3, 16000)
    add(sound, 16000, 0.5, 440, long=2.2)
    add(sound, 16000, 1.5, 1900, long=1.0)

    found = onsets(sound, 16000)

    assert found == pytest.approx([0.5, 1.5], abs=0.02)


def test_silence_and_steady_noise_have_none() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 16000).astype(np.float32)

    assert onsets(np.zeros(16000, np.float32), 16000) == []
    assert onsets(np.zeros(0, np.float32), 16000) == []
    assert [at for at in onsets(noise, 16000) if 0.1 < at < 0.9] == []


def test_the_end_of_a_tone_is_no_onset() -> None:
    sound = np.zeros(32000, np.float32)
    add(sound, 16000, 0.5, 440, long=1)

    assert onsets(sound, 16000) == pytest.approx([0.5], abs=0.02)


def test_sound_of_two_channels_is_refused() -> None:
    with pytest.raises(OptionError, match="mono"):
        onsets(np.zeros((2, 100), np.float32), 16000)
