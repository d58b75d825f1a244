"""Sounds that no thing makes have the level and the spectrum that their names state."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.sounds import (
    MEANINGLESS,
    SILENCE_DB,
    Colour,
    amplified,
    coloured,
    decibels,
    hum,
    wind,
    with_noise,
)
from ssuformer.contract import SAMPLE_RATE

SECONDS = 4
COUNT = SECONDS * SAMPLE_RATE
TONE = (0.1 * np.sin(np.arange(COUNT) * 0.3)).astype(np.float32)


def power(samples: npt.NDArray[np.float64], low: float, high: float) -> float:
    """Return the power between two frequencies."""
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    return float(spectrum[(hertz >= low) & (hertz < high)].sum())


@pytest.mark.parametrize(("colour", "fall_db"), [("white", -3.0), ("pink", 0.0), ("brown", 3.0)])
def test_noise_falls_with_frequency_as_its_colour_says(colour: Colour, fall_db: float) -> None:
    noise = coloured(colour, COUNT)

    octave = power(noise, 500, 1000) / power(noise, 1000, 2000)
    assert 10 * np.log10(octave) == pytest.approx(fall_db, abs=0.7)
    assert noise.std() == pytest.approx(1)


@pytest.mark.parametrize("name", [name for name in MEANINGLESS if ", " in name])
def test_a_sound_has_the_level_in_its_name(name: str) -> None:
    samples = MEANINGLESS[name](COUNT)

    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1
    assert 10 ** (decibels(samples) / 20) == pytest.approx(float(name.split(", ")[1]), rel=0.03)


def test_hum_has_50_hz_and_its_multiples_only() -> None:
    assert power(hum(COUNT, harmonics=1), 49, 51) / power(hum(COUNT, harmonics=1), 0, 8000) > 0.99
    assert power(hum(COUNT), 49, 201) / power(hum(COUNT), 0, 8000) > 0.99


def test_wind_is_low_and_comes_in_gusts() -> None:
    gusty = wind(10 * SAMPLE_RATE)

    seconds = np.square(gusty).reshape(10, -1).mean(axis=1)
    assert power(gusty, 0, 400) > 0.8 * power(gusty, 0, 8000)
    assert seconds.max() > 3 * seconds.min()


def test_a_gain_is_cut_off_at_full_scale() -> None:
    assert decibels(amplified(TONE, -20)) == pytest.approx(decibels(TONE) - 20)
    assert np.abs(amplified(TONE, 40)).max() == 1


def test_noise_is_added_at_its_ratio_to_the_sound() -> None:
    added = with_noise(TONE, coloured("white", COUNT), 10) - TONE

    assert decibels(added) == pytest.approx(decibels(TONE) - 10, abs=0.05)


def test_silence_has_a_level_and_stays_silent() -> None:
    silence = MEANINGLESS["silence"](100)

    assert decibels(silence) == SILENCE_DB
    assert np.abs(with_noise(silence, coloured("white", 100), 0)).max() < 1e-5
