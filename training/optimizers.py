"""Optimizers: Muon for the inner matrices, AdamW for everything else.

Muon (Keller Jordan, 2024) gives every matrix a step with equal singular values. torch's
implementation supports matrices only; most of this model's compute is in convolutions. The many
small matrices of the caption decoder use AdamW: Muon would cost a tenth of a step for little gain.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

OUTSIDE = (
    *("caption", "heard", "seen", "vision.stem", "details.stem"),
    *("masks.sounding", "masks.category"),
)
"""Beside the caption decoder, the layers that meet pixels or labels: there one direction may
matter more than the others."""

ROUNDS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Coefficients of the quintic iteration; chosen by Muon's author to raise small values fast."""


def optimizers(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    pretrained: tuple[str, ...] = (),
    pretrained_rate: float = 1.0,
    muon: bool = True,
) -> tuple[Optimizer, ...]:
    """Return Muon for the model's inner matrices and convolutions, and AdamW for the rest.

    Without `muon`, AdamW has everything.

    Weights that need no gradient are left out; those whose names begin with `pretrained` are
    AdamW's, at `pretrained_rate` times the learning rate.
    """
    inner: list[Tensor] = []
    outer: list[Tensor] = []
    plain: list[Tensor] = []
    known: list[Tensor] = []
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        if pretrained and name.startswith(pretrained):
            known.append(weight)
        elif not name.endswith(".weight") or weight.ndim < 2:
            plain.append(weight)
        else:
            (outer if name.startswith(OUTSIDE) or not muon else inner).append(weight)
    groups = [
        {"params": outer, "weight_decay": weight_decay},
        {"params": plain, "weight_decay": 0.0},
        {"params": known, "weight_decay": 0.0, "rate_share": pretrained_rate},
    ]
    adamw = AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=True)
    if not muon:
        return (adamw,)
    return Muon(inner, lr=learning_rate, weight_decay=weight_decay), adamw


class Muon(Optimizer):
    """Momentum, then orthogonalisation; weights of one shape are computed together.

    The step has the root mean square of a typical AdamW step (Moonshot's factor), so that both use
    the same learning rate.
    """

    def __init__(
        self, weights: Iterable[Tensor], *, lr: float, weight_decay: float, momentum: float = 0.95
    ) -> None:
        super().__init__(weights, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, _closure: object = None) -> None:  # type: ignore[override]
        """Update every weight that has a gradient."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, ...], list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape.setdefault(tuple(weight.shape), []).append(weight)
            for weights in by_shape.values():
                self._move(weights, group)

    def _move(self, weights: list[Tensor], group: dict[str, Any]) -> None:
        ahead = []
        for weight in weights:
            state = self.state[weight]
            if not state:
                state["momentum"] = torch.zeros_like(weight)
            state["momentum"].lerp_(weight.grad, 1.0 - group["momentum"])
            ahead.append(weight.grad.lerp(state["momentum"], group["momentum"]).flatten(1))  # type: ignore[union-attr]
        steps = orthogonal(torch.stack(ahead))
        size = 0.2 * max(steps.shape[1:]) ** 0.5
        for weight, step in zip(weights, steps, strict=True):
            weight.mul_(1.0 - group["lr"] * group["weight_decay"])
            weight.add_(step.view(weight.shape), alpha=-group["lr"] * size)


def orthogonal(matrices: Tensor) -> Tensor:
    """Return `matrices [n r c]` with all singular values near 1, by Newton-Schulz iterations."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonal(matrices.transpose(1, 2)).transpose(1, 2)
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ROUNDS):
        square = x @ x.transpose(1, 2)
        x = a * x + torch.baddbmm(square, square, square, beta=b, alpha=c) @ x
    return x
