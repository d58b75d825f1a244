"""Learning curves: what `fit` wrote for TensorBoard."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

Curve = list[tuple[int, float]]
"""Steps and values."""


def read_curves(run: Path) -> Mapping[str, Curve]:
    """Return the curves of a run by name, such as `loss/total`; none if it has no events."""
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    if not (run / "tensorboard").is_dir():
        return {}
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }
