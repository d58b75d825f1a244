"""Repositories with the engines of small random models, which passed the comparison."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import torch
from rich.console import Console

from model_export.export import export_engines
from model_export.parity import Difference
from ssuformer.manifest import Manifest, Thresholds
from ssuformer.model import checkpoint
from ssuformer.model.family.tpavi import AudioVisualAttention
from ssuformer.model.sound_source_model import SoundSourceModel
from ssuformer.tokenizer import Tokenizer
from tests.ssuformer.model.small_model import small_config, small_model

CATEGORIES = ("dog", "owl", "bell", "rain", "engine", "voice")


def write_repository(
    folder: Path, *, thresholds: Thresholds, **changes: object
) -> tuple[SoundSourceModel, list[Difference]]:
    """Write `folder/repository`; return the model and its largest differences from the engines."""
    vocabulary = Tokenizer.learn([]).vocabulary
    config = small_config(vocabulary=len(vocabulary), **changes)
    model = small_model(vocabulary=len(vocabulary), **changes)
    for module in model.modules():
        if isinstance(module, AudioVisualAttention):  # it begins as if it were not there
            torch.nn.init.constant_(module.begin.weight, 0.5)
    manifest = Manifest(
        name="small", version="1", author="nobody", created=datetime(2026, 1, 1, tzinfo=UTC),
        git_revision="", data_seed=0, steps=0, parameters=0, dimensions=config.dimensions,
        categories=CATEGORIES, nouns=CATEGORIES, verbs=("sounds",) * len(CATEGORIES),
        vocabulary=vocabulary, thresholds=thresholds,
    )  # fmt: skip
    checkpoint.save(folder / "checkpoint", config, model.state_dict(), manifest)
    differences = export_engines(
        folder / "checkpoint", folder / "repository", 1, Console(quiet=True)
    )
    return model.eval(), differences
