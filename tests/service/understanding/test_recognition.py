"""A clip full of sound in which nothing is known gets a warning."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from service.understanding.recognition import Recognition
from ssuformer.contract import SAMPLE_RATE


def seconds(loud: int, silent: int) -> NDArray[np.float32]:
    waveform = np.zeros((loud + silent, SAMPLE_RATE), np.float32)
    waveform[:loud] = 0.1
    return waveform


def codes(loud: int, silent: int, known: int) -> list[str]:
    """Judge a clip whose first seconds are loud, and the first of these recognised."""
    found = Recognition()
    found.add(seconds(loud, silent), [i < known for i in range(loud + silent)])
    return [warning.code for warning in found.warnings()]


@pytest.mark.parametrize(
    ("loud", "silent", "known", "expected"),
    [
        (10, 0, 0, ["out_of_domain"]),
        (10, 0, 1, ["out_of_domain"]),
        (10, 0, 2, []),
        (6, 4, 0, ["out_of_domain"]),
        (5, 5, 0, []),
        (0, 10, 0, []),
        (0, 0, 0, []),
        (1, 0, 0, ["out_of_domain"]),
    ],
)
def test_sound_in_most_seconds_of_which_few_are_known_is_out_of_domain(
    loud: int, silent: int, known: int, expected: list[str]
) -> None:
    assert codes(loud, silent, known) == expected


def test_windows_are_counted_together_and_the_message_says_how_many() -> None:
    found = Recognition()
    for _ in range(5):
        found.add(seconds(3, 1), [False, False, False, True])

    (warning,) = found.warnings()

    assert "15 of 20" in warning.message
    assert "in 0 of them" in warning.message
