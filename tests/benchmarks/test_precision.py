"""A variant is scored as a model is, and drawn where it belongs."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.onnx_predictor import OnnxPredictor
from benchmarks.precision import BATCHES, on_front, time_all
from ssuformer.clip import read_clip
from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.model import checkpoint
from training.predictor import TorchPredictor

REPOSITORY = Path("triton_repo")


def test_the_exported_engines_answer_about_films_as_the_torch_model_does() -> None:
    model, manifest = checkpoint.load(Path("training/checkpoints/small"))
    torch_predictor = TorchPredictor.of(model, manifest)
    films = [read_clip(Path("samples") / f"{name}.mp4") for name in ("music-solo", "music-duet")]
    frames = np.stack([film.frames[1:3] for film in films])
    waveform = np.stack([film.waveform[1:3] for film in films])

    answers = [
        predictor.regions(predictor.segment(frames, waveform), (224, 224))
        for predictor in (torch_predictor, OnnxPredictor(REPOSITORY))
    ]

    told = [
        [(r.category, r.sentence) for clip in answer for frame in clip for r in frame]
        for answer in answers
    ]
    masks = [
        np.array([r.mask for clip in answer for frame in clip for r in frame]) for answer in answers
    ]
    assert told[0]
    assert told[0] == told[1]
    assert np.mean(masks[0] != masks[1]) < 1e-4


def test_every_engine_is_timed_at_every_batch() -> None:
    predictors = {"exact": OnnxPredictor(REPOSITORY)}

    found = time_all(predictors, Path("samples/music-solo.mp4"), frames=1, runs=1)

    assert set(found) == {
        ("exact", engine, batch) for engine in (SEGMENTATION, CAPTION) for batch in BATCHES
    }
    assert all(milliseconds > 0 for milliseconds in found.values())


def test_the_front_holds_what_nothing_beats() -> None:
    slow, quick, useless = (9.0, 0.7), (3.0, 0.6), (9.0, 0.6)

    front = on_front(*zip(slow, quick, useless, strict=True))

    assert front == [0, 1]
