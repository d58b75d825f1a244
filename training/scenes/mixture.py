"""Scenes from several sources, each by its weight."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.batch import SceneSource
from training.scene import Scene


class Mixture:
    """Scenes of several sources by number; the same number gives the same scene."""

    def __init__(self, parts: Sequence[tuple[SceneSource, float]], *, seed: int = 0) -> None:
        self._sources = [source for source, _ in parts]
        self._upto = np.cumsum([weight for _, weight in parts])
        self._seed = seed

    def compose(self, index: int) -> Scene:
        """Return scene `index` of the source that this number falls to."""
        # Drawn, not dealt out in turn: a source then shows all its scenes, whatever their number.
        draw = np.random.default_rng([self._seed, 13, index]).random() * self._upto[-1]
        chosen = int(np.searchsorted(self._upto, draw, side="right"))
        return self._sources[chosen].compose(index)
