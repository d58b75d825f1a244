"""A short run of a small model, for tests that start it in several processes with torchrun.

    torchrun --nproc-per-node 2 tests/training/joint_run.py OUT UNTIL [FIELD=VALUE ...]

Plain steps instead of AdamW's: those are as large for a gradient that is a rounding error.
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn
from torch.optim import Optimizer

from tests.training.small_pack import SmallPack
from training import fit as fitting
from training.experiment import Experiment, _merged, _parsed
from training.fit import Run, fit, start

FIELDS = {
    "name": "small",
    "published": False,
    "model": {
        "channels": 32, "heads": 2, "queries": 4, "caption_layers": 1, "detail_tokens": 2,
        "dropout": 0.3,
    },
    "losses": {"balance": 0.5, "queries_apart": 0.1, "masks_apart": 0.1},
    "stages": [
        {"size": 64, "seconds": 2, "batch": 4, "steps": 3},
        {"size": 96, "seconds": 2, "batch": 4, "steps": 2},
    ],
    "learning_rate": 0.02,
    "warmup_steps": 2,
    "validation_scenes": 1,
    "workers": 0,
    "seed": 5,
}  # fmt: skip


class FixedNorm(nn.BatchNorm2d):
    """A BatchNorm that keeps its running statistics, also while the model is trained."""

    def train(self, mode: bool = True) -> FixedNorm:  # noqa: ARG002, FBT001, FBT002
        return super().train(mode=False)


def without_statistics(model: nn.Module) -> None:
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = FixedNorm


def plain_steps(model: nn.Module, *, learning_rate: float, **_: object) -> tuple[Optimizer, ...]:
    return (torch.optim.SGD(model.parameters(), lr=learning_rate),)


def small_run(folder: Path, *changes: str, statistics: bool = True) -> Run:
    fields = dict(FIELDS)
    for change in changes:
        fields = _merged(fields, _parsed(change))
    with patch.object(fitting, "optimizers", plain_steps):
        run = start(
            Experiment.model_validate(fields), SmallPack(), folder, torch.device("cpu"),  # type: ignore[arg-type]
            precision="float32",
        )  # fmt: skip
    if not statistics:
        without_statistics(run.model)
    return run


if __name__ == "__main__":
    torch.set_num_threads(1)
    fit(small_run(Path(sys.argv[1]), *sys.argv[3:]), until=int(sys.argv[2]))
