"""The committed checkpoints keep their names and their answers, whatever families join."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from einops import rearrange
from safetensors import safe_open
from torch import Tensor, nn

from ssuformer.model import checkpoint
from ssuformer.model.family.ssuformer import SSUFormer
from ssuformer.repository import WEIGHTS
from tests.ssuformer.model.small_model import clips

CHECKPOINTS = Path("training/checkpoints")
OWN = ("where", "fusion", "visual_norm", "audio_norm", "pixels", "masks")
"""The parts of SSUFormer that lie between encoders and region tokens, in their order."""


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_a_committed_checkpoint_has_the_weights_of_an_ssuformer(name: str) -> None:
    model, _ = checkpoint.load(CHECKPOINTS / name)

    with safe_open(CHECKPOINTS / name / WEIGHTS, "pt") as file:
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    parts = [part for part, _ in model.named_children()]

    assert isinstance(model, SSUFormer)
    assert shapes == {key: tuple(value.shape) for key, value in model.state_dict().items()}
    assert tuple(parts[parts.index("dropout") + 1 : parts.index("mcm")]) == OWN


def test_a_committed_checkpoint_computes_to_the_bit_what_its_parts_compute_one_by_one() -> None:
    model, _ = checkpoint.load(CHECKPOINTS / "tiny")
    frames, waveform = clips(2, 2)

    with torch.no_grad():
        found = model.segment(frames, waveform)
        queries, answer = one_by_one(model, frames, waveform)

    assert torch.equal(found.queries, queries)
    assert torch.equal(found.answers[-1].masks, answer[0])
    assert torch.equal(found.answers[-1].sounding, answer[1])
    assert torch.equal(found.answers[-1].categories, answer[2])


def one_by_one(
    model: nn.Module, frames: Tensor, waveform: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
    """Return the queries and their answer as the model computed them before it had a family."""
    part = dict(model.named_children())
    fine, middle, coarse, coarsest = part["vision"](part["pixel_norm"](frames))
    audio = rearrange(part["audio"](waveform).tokens, "(b t) s c -> b t s c", b=len(frames))
    context = nn.functional.interpolate(part["coarsest"](coarsest), scale_factor=2.0)
    grid = rearrange(part["coarse"](coarse) + context, "b c h w -> b h w c")
    height, width = coarse.shape[-2:]
    grid = grid + rearrange(part["where"](height, width), "(h w) c -> h w c", h=height)
    for block in part["fusion"].children():
        grid, audio = block(grid, audio)
    grid, audio = part["visual_norm"](grid), part["audio_norm"](audio)
    pixels, _ = part["pixels"](fine, middle, rearrange(grid, "b h w c -> b c h w"))
    queries, answers = part["masks"](audio, grid.flatten(1, 2), pixels)
    return queries, (answers[-1].masks, answers[-1].sounding, answers[-1].categories)
