"""The committed YAMNet hears what Google's own test of it says: silence, noise, a sine.

The test signals and the expected classes are those of `yamnet_test.py` in TensorFlow's models.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ssuformer.contract import SAMPLE_RATE
from ssuformer.model import checkpoint

COMMITTED = Path("training/checkpoints/small")
TOP = 10
SECONDS = np.arange(SAMPLE_RATE) / SAMPLE_RATE

SIGNALS = {
    "Silence": (494, np.zeros(SAMPLE_RATE)),
    "Sine wave": (495, np.sin(2 * np.pi * 440 * SECONDS)),
    "White noise": (514, np.random.default_rng(0).uniform(-1, 1, SAMPLE_RATE)),
}
"""The number of a class in YAMNet's map, and a second of it."""


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_among_the_ten_likeliest_classes(name: str) -> None:
    number, signal = SIGNALS[name]

    assert number in heard(signal)


def heard(signal: npt.NDArray[np.float64]) -> list[int]:
    model, _ = checkpoint.load(COMMITTED)
    with torch.no_grad():
        classes = model.audio(torch.from_numpy(signal.astype(np.float32))[None, None]).classes
    assert classes is not None
    return [int(number) for number in classes[0].topk(TOP).indices]
