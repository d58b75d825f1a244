"""Every synthesiser gives an audible sound that its seed determines."""

from __future__ import annotations

import numpy as np
import pytest

from training.packs.categories import CATEGORIES, Synthesised
from training.packs.recordings import finish, loudness
from training.packs.synthesis import SAMPLE_RATE, Synthesiser, noise, ring, tone

SYNTHESISERS = [r.make for c in CATEGORIES for r in c.sounds if isinstance(r, Synthesised)]


@pytest.mark.parametrize("make", SYNTHESISERS, ids=lambda make: make.__name__)
def test_a_seed_determines_a_sound_that_is_audible_all_along(make: Synthesiser) -> None:
    first, again, other = (make(np.random.default_rng(seed), 2.0) for seed in (1, 1, 2))

    stored = finish(first)

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.float32
    assert len(first) == 2 * SAMPLE_RATE
    assert (loudness(stored, 0.05) > 0.1 * np.sqrt(np.mean(stored**2))).mean() > 0.5


def test_partials_above_the_band_are_silent() -> None:
    wave = tone(np.full(SAMPLE_RATE, 5000.0), [1, 1])

    strength = np.abs(np.fft.rfft(wave))

    assert strength.argmax() == 5000
    assert strength[6100:].max() < 1


def test_noise_stays_in_its_band_at_unit_level() -> None:
    wave = noise(np.random.default_rng(0), 1.0, 1000, 2000)

    strength = np.abs(np.fft.rfft(wave))

    assert np.sqrt(np.mean(wave**2)) == pytest.approx(1.0)
    assert strength[:999].max() < 1e-6 < strength[1000:2001].min()


def test_a_struck_body_dies_away() -> None:
    wave = np.abs(ring(1.0, [(440, 1.0, 0.1)]))

    assert wave[-1600:].max() < 0.01 < wave[:1600].max()
