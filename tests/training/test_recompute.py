"""Blocks that are computed again give the same gradients, and count their batch once."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from ssuformer.model.config import ModelConfig
from ssuformer.model.vision import vision_encoder
from training.recompute import recompute_blocks

SMALL = {
    "convolutional": {"vision_widths": (8, 8, 16, 16), "vision_depths": (1, 2, 1, 1)},
    "pvt_v2": {"vision_widths": (16, 32, 40, 64), "vision_depths": (1, 2, 1, 1)},
    "efficientnet_lite0": {"vision_widths": (24, 40, 112, 320)},
}


class Kept(nn.Module):
    """Counts the values that are kept for gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.values = 0

    def pack(self, value: torch.Tensor) -> torch.Tensor:
        self.values += value.numel()
        return value


def gradients(encoder: nn.Module, pixels: torch.Tensor) -> tuple[dict[str, torch.Tensor], int]:
    kept = Kept()
    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda value: value):
        loss = torch.stack([level.square().mean() for level in encoder(pixels)]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    found = {n: w.grad for n, w in encoder.named_parameters() if w.grad is not None}
    return found, kept.values


@pytest.mark.parametrize("vision", SMALL)
def test_gradients_and_statistics_are_the_same_with_less_kept(vision: str) -> None:
    torch.manual_seed(1)
    plain = vision_encoder(ModelConfig.model_validate({"vision": vision, **SMALL[vision]})).train()
    again = copy.deepcopy(plain)
    pixels = torch.randn(2, 3, 64, 64)

    assert recompute_blocks(again) >= 4
    expected, all_kept = gradients(plain, pixels)
    found, kept = gradients(again, pixels)

    assert kept < 0.7 * all_kept
    assert expected.keys() == found.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, msg=name)
    for (name, buffer), same in zip(plain.named_buffers(), again.buffers(), strict=True):
        torch.testing.assert_close(same, buffer, msg=name)
