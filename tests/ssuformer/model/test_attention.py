"""The same attention by fewer sums is still the same attention."""

from __future__ import annotations

import torch

from ssuformer.model.attention import Attention
from ssuformer.model.fusion import halved


def test_asking_few_tokens_gives_what_the_usual_order_gives() -> None:
    attention = Attention(32, 4)
    x, context = torch.randn(2, 50, 32), torch.randn(2, 3, 32)

    torch.testing.assert_close(attention.ask_few(x, context), attention(x, context))


def test_few_tokens_that_ask_are_told_what_the_usual_order_tells() -> None:
    attention = Attention(32, 4, context_channels=12)
    x, context = torch.randn(2, 3, 32), torch.randn(2, 50, 12)

    torch.testing.assert_close(attention.few_ask(x, context), attention(x, context))


def test_halved_cells_are_the_means_of_four() -> None:
    grid = torch.randn(2, 6, 4, 5)

    cells = halved(grid)

    assert cells.shape == (2, 6, 5)
    torch.testing.assert_close(cells[1, 3], grid[1, 2:4, 2:4].mean(dim=(0, 1)))
