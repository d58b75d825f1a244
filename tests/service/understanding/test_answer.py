"""How an answer is written."""

from __future__ import annotations

import numpy as np
import pytest

from service.understanding.answer import written
from service.understanding.schemas import Understanding
from tests.service.made_answer import answer, region

MASK = np.eye(48, 64, dtype=bool)


@pytest.mark.parametrize(
    "given",
    [
        answer([]),
        answer([[], [region(MASK)], [region(MASK, text='"frames":[] "frames":[{}]')] * 3]),
    ],
)
def test_an_answer_is_written_as_if_at_once(given: Understanding) -> None:
    assert written(given) == given.model_dump_json().encode()
