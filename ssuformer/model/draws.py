"""Random numbers of a training step that do not depend on how its batch is split.

A batch may be computed in equal parts, by several processes or one after another. Every part draws
the numbers of the whole batch and takes its own, so that all parts together get the same ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Part:
    """Number `index` of the `count` equal parts of a batch."""

    index: int = 0
    count: int = 1


class Draws(nn.Module):
    """A module that draws numbers for every clip while it is trained."""

    part = Part()

    def uniform(self, like: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Return numbers from 0 to 1 in float32, one for each value of `like`."""
        here, size = self.part, like.shape[0]
        drawn = torch.rand((here.count * size, *like.shape[1:]), device=like.device)
        return drawn[here.index * size : (here.index + 1) * size]


class Dropout(Draws):
    """Leaves out a share of the values while it is trained."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Return the values, some of them 0 and the others scaled up."""
        if not (self.training and self.share):
            return x
        return x * ((self.uniform(x) >= self.share) / (1.0 - self.share)).to(x.dtype)


def take_part(model: nn.Module, part: Part) -> None:
    """Tell all modules that draw which part of a batch comes next."""
    for module in model.modules():
        if isinstance(module, Draws):
            module.part = part
