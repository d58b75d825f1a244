"""The truth about what is heard is taken from what was mixed."""

from __future__ import annotations

import numpy as np
import pytest

from ssuformer.contract import SAMPLE_RATE
from training.collage.sound import LOUDEST_DB, PEAK, QUIETEST_DB, Part, dense, mix, plan

TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
TONE = (0.3 * np.sin(2 * np.pi * 440 * TIME)).astype(np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def played(*seconds: int) -> np.ndarray:
    return np.isin(np.arange(5), seconds)


def test_a_part_is_heard_in_its_seconds_and_nowhere_else() -> None:
    for seed in range(10):
        mixture = mix(rng(seed), [Part(TONE, played(1, 2, 4))], 5)

        power = np.square(mixture.samples).reshape(5, -1).mean(axis=1)
        assert mixture.heard[0].tolist() == [False, True, True, False, True]
        assert power[[1, 2, 4]].min() > 100 * power[[0, 3]].max()


def test_a_recording_that_dies_away_is_not_said_to_be_heard() -> None:
    dying = np.concatenate([TONE[:SAMPLE_RATE], 0.02 * TONE, TONE[:SAMPLE_RATE]])

    mixture = mix(rng(), [Part(dying.astype(np.float32), played(0, 1, 2, 3))], 5)

    power = np.square(mixture.samples).reshape(5, -1).mean(axis=1)
    heard = mixture.heard[0]
    assert not heard.all()
    assert power[heard].min() > 50 * power[~heard].max()


def test_levels_lie_between_the_quietest_and_the_loudest() -> None:
    levels = [
        10
        * np.log10(np.square(mix(rng(seed), [Part(TONE, played(0, 1, 2, 3, 4))], 5).samples).mean())
        for seed in range(30)
    ]

    assert QUIETEST_DB - 0.5 < min(levels) < -28
    assert -15 < max(levels) < LOUDEST_DB + 0.5


def test_nothing_exceeds_the_peak() -> None:
    clicks = np.zeros_like(TONE)
    clicks[::4000] = 1.0

    for seed in range(10):
        assert np.abs(mix(rng(seed), [Part(clicks, played(0, 1))], 5).samples).max() <= PEAK + 1e-4


def test_a_scene_without_a_sound_is_a_quiet_room() -> None:
    mixture = mix(rng(), [Part(TONE, played())], 5)

    assert not mixture.heard[0].any()
    assert 0 < np.abs(mixture.samples).max() < 0.05


def test_pauses_are_shortened_and_ends_are_trimmed() -> None:
    silence = np.zeros(2 * SAMPLE_RATE, np.float32)
    recording = np.concatenate([silence, TONE, silence, TONE, silence])

    length = len(dense(recording))

    assert 4 * SAMPLE_RATE < length < 4.8 * SAMPLE_RATE


@pytest.mark.parametrize("samples", [0, 5, 700])
def test_a_recording_may_be_very_short(samples: int) -> None:
    mixture = mix(rng(), [Part(TONE[:samples], played(0, 1))], 5)

    assert np.isfinite(mixture.samples).all()


def test_mostly_one_thing_sounds_sometimes_two_and_sometimes_none() -> None:
    counts = np.concatenate(
        [plan(rng(seed), visible=3, hidden=1, seconds=5).sum(axis=0) for seed in range(400)]
    )

    shares = np.bincount(counts, minlength=3) / len(counts)
    assert len(shares) == 3
    assert 0.05 < shares[0] < 0.2
    assert 0.55 < shares[1] < 0.8
    assert 0.1 < shares[2] < 0.3
