from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_export import variants
from model_export.variants import Precision
from ssuformer.clip import read_clip

REPOSITORY = Path("triton_repo")
SAMPLES = Path("samples")
FILMS = ("music-solo.mp4", "music-duet.mp4", "lifescene-upright.webm", "lifescene-change.mp4")


@pytest.fixture(scope="session")
def clips_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of four samples, as the engines take them."""
    films = [read_clip(SAMPLES / film) for film in FILMS]
    path = tmp_path_factory.mktemp("clips") / "clips.npz"
    np.savez(
        path,
        frames=np.stack([film.frames[1:3] for film in films]),
        waveform=np.stack([film.waveform[1:3] for film in films]),
    )
    return path


@pytest.fixture(scope="session")
def engines(clips_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Precision, Path]:
    """The committed engines and what is made of them: a model repository for each precision."""
    out = tmp_path_factory.mktemp("engines")
    made = {precision: out / precision for precision in variants.CONVERSIONS}
    for precision, folder in made.items():
        variants.write(REPOSITORY, folder, precision, clips_file)
    return {Precision.FP32: REPOSITORY, **made}
