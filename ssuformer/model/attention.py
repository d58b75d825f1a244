"""Building blocks of all stages: attention, feed-forward, temporal bias, position code.

Axes: b batch, n query tokens, m context tokens, c channels, k heads, h w positions.
"""

from __future__ import annotations

import math

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

TIME_REACH = 4
"""Larger frame distances share one temporal bias."""


class Attention(nn.Module):
    """Multi-head attention of `x` on `context` (self-attention if there is none).

    Keys and values have no bias: a key's cancels in the softmax, a value's is the output's.
    """

    def __init__(self, channels: int, heads: int, *, context_channels: int | None = None) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(context_channels or channels, 2 * channels, bias=False)
        self.out = nn.Linear(channels, channels)

    def forward(
        self,
        x: Float[Tensor, "b n c"],
        context: Float[Tensor, "b m d"] | None = None,
        bias: Float[Tensor, ...] | None = None,
    ) -> Float[Tensor, "b n c"]:
        """Return the attention output; `bias` is added to the scores, shaped like `[b k n m]`."""
        keys, values = self.keys_values(x if context is None else context)
        return self.attend(x, keys, values, bias)

    def ask_few(
        self, x: Float[Tensor, "b n c"], context: Float[Tensor, "b m d"]
    ) -> Float[Tensor, "b n c"]:
        """Return the same as `forward`, with fewer operations when `m` is small.

        A score is `(Wq x) . key = x . (Wq' key)`, and `out` is linear: the few keys and values are
        projected instead of the many query tokens. Worth it while `m` is under a head's width.
        """
        keys, values = self.keys_values(context)
        ask = rearrange(self.query.weight, "(k e) c -> k e c", k=self.heads)
        tell = rearrange(self.out.weight, "c (k e) -> k e c", k=self.heads)
        bias = rearrange(self.query.bias, "(k e) -> k e 1", k=self.heads)
        asked = rearrange(keys @ ask, "b k m c -> b c (k m)")
        scores = x @ asked + rearrange(keys @ bias, "b k m 1 -> b 1 (k m)")
        scores = rearrange(scores, "b n (k m) -> b n k m", k=self.heads) * self.scale
        weights = rearrange(scores.softmax(dim=-1), "b n k m -> b n (k m)")
        return weights @ rearrange(values @ tell, "b k m c -> b (k m) c") + self.out.bias

    def few_ask(
        self, x: Float[Tensor, "b n c"], context: Float[Tensor, "b m d"]
    ) -> Float[Tensor, "b n c"]:
        """Return the same as `forward`, with fewer operations when `n` is small.

        The attention output of the few queries is projected after summation, not the values of the
        context's many tokens. (Keys could be treated likewise, but TensorRT for RTX 1.7 fails to
        compile a product with the transposed context itself.) Worth it while `n` is under a head's
        width.
        """
        to_key, to_value = self.key_value.weight.chunk(2)
        query = rearrange(self.query(x) * self.scale, "b n (k e) -> b k n e", k=self.heads)
        keys = rearrange(F.linear(context, to_key), "b m (k e) -> b k m e", k=self.heads)
        weights = (query @ keys.transpose(2, 3)).softmax(dim=-1)
        seen = rearrange(weights, "b k n m -> b (k n) m") @ context
        tell = rearrange(to_value, "(k e) d -> k d e", k=self.heads)
        heard = rearrange(seen, "b (k n) d -> b k n d", k=self.heads) @ tell
        return self.out(rearrange(heard, "b k n e -> b n (k e)"))

    def weights(
        self, x: Float[Tensor, "b n c"], context: Float[Tensor, "b m d"]
    ) -> Float[Tensor, "b k n m"]:
        """Return how much of each context token every token of `x` takes, summing to 1: to see."""
        keys, _ = self.keys_values(context)
        query = rearrange(self.query(x) * self.scale, "b n (k e) -> b k n e", k=self.heads)
        return (query @ keys.transpose(2, 3)).softmax(dim=-1)

    def keys_values(
        self, context: Float[Tensor, "b m d"]
    ) -> tuple[Float[Tensor, "b k m e"], Float[Tensor, "b k m e"]]:
        """Return keys and values of a context, for reuse with many queries."""
        keys, values = rearrange(
            self.key_value(context), "b m (two k e) -> two b k m e", two=2, k=self.heads
        ).unbind(0)
        return keys, values

    def attend(
        self,
        x: Float[Tensor, "b n c"],
        keys: Float[Tensor, "b k m e"],
        values: Float[Tensor, "b k m e"],
        bias: Float[Tensor, ...] | None = None,
    ) -> Float[Tensor, "b n c"]:
        """Return the attention output of `x` on precomputed keys and values."""
        query = rearrange(self.query(x), "b n (k e) -> b k n e", k=self.heads)
        heard = F.scaled_dot_product_attention(query, keys, values, attn_mask=bias)
        return self.out(rearrange(heard, "b k n e -> b n (k e)"))


class FeedForward(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, channels: int, *, expansion: int = 2) -> None:
        super().__init__()
        self.widen = nn.Linear(channels, expansion * channels)
        self.narrow = nn.Linear(expansion * channels, channels)

    def forward(self, x: Float[Tensor, "... c"]) -> Float[Tensor, "... c"]:
        """Return the transformed tokens."""
        return self.narrow(F.gelu(self.widen(x)))


class TimeBias(nn.Module):
    """A learned score for every distance in frames, which encodes temporal order."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(heads, 2 * TIME_REACH + 1))

    def forward(self, times: Tensor) -> Float[Tensor, "k n n"]:
        """Return the bias between tokens at the frame numbers `times [n]`."""
        distance = (times[None, :] - times[:, None]).clamp(-TIME_REACH, TIME_REACH) + TIME_REACH
        return self.table[:, distance]


class PositionCode(nn.Module):
    """Position encoding: Fourier features of a pixel's position, mapped to channels."""

    def __init__(self, channels: int, octaves: int = 4) -> None:
        super().__init__()
        self.octaves = octaves
        self.project = nn.Linear(4 * octaves, channels)

    def forward(self, height: int, width: int) -> Float[Tensor, "hw c"]:
        """Return the code of every position of an `height x width` grid, row by row."""
        weight = self.project.weight
        y = (torch.arange(height, device=weight.device, dtype=weight.dtype) + 0.5) / height
        x = (torch.arange(width, device=weight.device, dtype=weight.dtype) + 0.5) / width
        place = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(-1, 2, 1)
        octave = math.pi * 2.0 ** torch.arange(self.octaves, device=weight.device)
        angle = (place * octave).flatten(1)
        return self.project(torch.cat([angle.sin(), angle.cos()], dim=-1))
