"""Mixtures show every source by its weight, and every scene of each."""

from __future__ import annotations

from collections import Counter

import numpy as np

from training.scene import Scene
from training.scenes.mixture import Mixture


class Marked:
    """Scenes whose pictures say which source and scene they are; begins again after `length`."""

    def __init__(self, mark: int, length: int) -> None:
        self._mark, self._length = mark, length

    def compose(self, index: int) -> Scene:
        picture = np.full((1, 8, 8, 3), (self._mark, index % self._length, 0), np.uint8)
        return Scene(picture, np.zeros((1, 16_000), np.float32), ())


def marks(mixture: Mixture, count: int) -> list[tuple[int, int]]:
    scenes = [mixture.compose(index) for index in range(count)]
    return [(int(s.frames[0, 0, 0, 0]), int(s.frames[0, 0, 0, 1])) for s in scenes]


def test_sources_are_shown_by_their_weights_and_all_of_their_scenes() -> None:
    seen = marks(Mixture([(Marked(1, 4), 3.0), (Marked(2, 2), 1.0)]), 400)

    share = Counter(mark for mark, _ in seen)[1] / len(seen)
    assert 0.68 < share < 0.82
    assert set(seen) == {(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)}


def test_the_same_number_gives_the_same_scene_and_another_seed_another_order() -> None:
    parts = [(Marked(1, 50), 1.0), (Marked(2, 50), 1.0)]

    first, again, other = (marks(Mixture(parts, seed=seed), 40) for seed in (0, 0, 1))

    assert first == again
    assert first != other
