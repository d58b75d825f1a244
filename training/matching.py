"""Match queries to sources: one assignment for a whole clip (Hungarian matching).

Axes: q queries, s sources, t frames, n mask pixels, k categories.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment
from torch import Tensor

HOME_BONUS = 0.3
"""Cost reduction of a source for the preferred query of its category.

Early in training all queries are alike, so the assignment flips from step to step and nothing is
learned. A small fixed preference always breaks the tie in the same way.
"""


@torch.no_grad()
def match(
    masks: Float[Tensor, "t q n"],
    sounding: Float[Tensor, "t q"],
    categories: Float[Tensor, "t q k"],
    true_masks: Float[Tensor, "s t n"],
    true_sounding: Float[Tensor, "s t"],
    true_categories: Int[Tensor, " s"],
) -> tuple[list[int], list[int]]:
    """Return the queries and the sources they are matched to; the tensors hold logits and truth."""
    weight = true_sounding / true_sounding.sum(dim=1, keepdim=True).clamp(min=1.0)
    probability = masks.sigmoid()
    overlap = torch.einsum("tqn,stn->tqs", probability, true_masks)
    total = probability.sum(-1)[:, :, None] + true_masks.sum(-1).T[:, None, :]
    dice = 1.0 - (2.0 * overlap + 1.0) / (total + 1.0)
    wrong = 1.0 - categories.softmax(dim=-1)[:, :, true_categories]
    silent = (sounding.sigmoid()[:, :, None] - true_sounding.T[:, None, :]).abs().mean(dim=0)
    cost = torch.einsum("tqs,st->qs", 2.0 * dice + wrong, weight) + silent
    home = true_categories % masks.shape[1]
    cost[home, torch.arange(len(home))] -= HOME_BONUS
    queries, sources = linear_sum_assignment(cost.cpu().numpy())
    return queries.tolist(), sources.tolist()
