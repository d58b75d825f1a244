"""Muon and AdamW together."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from training.optimizers import Muon, optimizers, orthogonal


@pytest.mark.parametrize("shape", [(2, 16, 40), (1, 40, 16)])
def test_singular_values_end_near_one(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)

    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))

    assert values.min() > 0.5
    assert values.max() < 1.3


def test_a_step_has_the_size_of_a_usual_step_of_adam() -> None:
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(32, 8, 3, 3))
    weight.grad = torch.randn_like(weight)

    Muon([weight], lr=1.0, weight_decay=0.0).step()

    assert weight.detach().square().mean().sqrt() == pytest.approx(0.2, rel=0.3)


def test_weights_of_one_shape_move_as_they_would_alone() -> None:
    torch.manual_seed(0)
    together = [nn.Parameter(torch.randn(4, 6)) for _ in range(2)]
    alone = [nn.Parameter(weight.detach().clone()) for weight in together]
    for weights in (together, alone):
        torch.manual_seed(1)
        for weight in weights:
            weight.grad = torch.randn_like(weight)

    Muon(together, lr=0.1, weight_decay=0.1).step()
    for weight in alone:
        Muon([weight], lr=0.1, weight_decay=0.1).step()

    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other)


def test_every_parameter_has_one_optimizer() -> None:
    model = nn.ModuleDict({"inner": nn.Conv2d(3, 4, 3), "heard": nn.Linear(4, 2)})

    muon, adam = optimizers(model, learning_rate=1e-3, weight_decay=0.1)

    moved = [[w for g in o.param_groups for w in g["params"]] for o in (muon, adam)]
    assert [tuple(w.shape) for w in moved[0]] == [(4, 3, 3, 3)]
    assert {id(w) for part in moved for w in part} == {id(w) for w in model.parameters()}
    assert sum(map(len, moved)) == 4
