"""Write scenes as a file of engine inputs, for calibrating and comparing exported engines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from training.scene import Scene


def write_clips(path: Path, scenes: Iterable[Scene]) -> None:
    """Write .npz: `frames` uint8 [b t h w 3], `waveform` float32 [b t 16000], a scene per clip."""
    frames, waveform = zip(*((scene.frames, scene.waveform) for scene in scenes), strict=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, frames=np.stack(frames), waveform=np.stack(waveform))
