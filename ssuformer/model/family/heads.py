"""Heads that several families share: from queries, or from a dense map, to the contract's answer.

Axes: b clips, t frames, q queries, h w mask pixels, y x cells of a map, c channels, d m others.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.config import ModelConfig
from ssuformer.model.evidence import under
from ssuformer.model.segmentation import QueryAnswer, products


class QueryHead(nn.Module):
    """A mask (query x pixel), a sounding logit and category logits for every query."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.channels
        self.norm = nn.LayerNorm(c)
        self.mask = nn.Sequential(nn.Linear(c, c), nn.GELU(), nn.Linear(c, config.pixel_channels))
        self.mask_bias = nn.Linear(c, 1)
        self.sounding = nn.Linear(c, 1)
        self.category = nn.Linear(c, config.categories)

    def forward(
        self, queries: Float[Tensor, "b t q c"], pixels: Float[Tensor, "bt m h w"]
    ) -> tuple[Float[Tensor, "b t q c"], QueryAnswer]:
        """Return the normalised queries and their answer."""
        queries = self.norm(queries)
        return queries, QueryAnswer(
            masks=products(self.mask(queries), pixels) + self.mask_bias(queries).unsqueeze(-1),
            sounding=self.sounding(queries).squeeze(-1),
            categories=self.category(queries),
        )


class DenseHead(nn.Module):
    """As many mask channels as the contract has queries, from a dense map that heard the audio.

    AVSBench-like models have one mask for all that sounds. The simplest reading with the contract's
    queries: each is a channel of the last convolution. Its vector is the mean of the map under its
    mask, with an embedding of the channel and the frame's audio; from that vector its sounding and
    its category are told, and MCM and captions take it for the query.
    """

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        c = config.channels
        self.mask = nn.Conv2d(width, config.queries, 1)
        self.pooled = nn.Linear(width, c)
        self.channel = nn.Parameter(torch.randn(config.queries, c) * 0.5)
        self.from_audio = nn.Linear(c, c)
        self.norm = nn.LayerNorm(c)
        self.sounding = nn.Linear(c, 1)
        self.category = nn.Linear(c, config.categories)

    def forward(
        self, features: Float[Tensor, "bt d y x"], audio: Float[Tensor, "b t s c"]
    ) -> tuple[Float[Tensor, "b t q c"], QueryAnswer]:
        """Return the queries and their answer, with masks of the map's size."""
        cells = rearrange(self.mask(features), "(b t) q y x -> b t q y x", b=audio.shape[0])
        seen = under(cells, rearrange(features, "bt d y x -> bt y x d"))
        heard = self.from_audio(audio.mean(dim=2)).unsqueeze(2)
        queries = self.norm(F.gelu(self.pooled(seen) + heard + self.channel))
        return queries, QueryAnswer(
            masks=cells,
            sounding=self.sounding(queries).squeeze(-1),
            categories=self.category(queries),
        )


def enlarged(masks: Float[Tensor, "b t q y x"], scale: int) -> Float[Tensor, "b t q h w"]:
    """Return the logits of masks with `scale` times the height and width."""
    large = F.interpolate(
        masks.flatten(0, 1), scale_factor=float(scale), mode="bilinear", align_corners=False
    )
    return rearrange(large, "(b t) q h w -> b t q h w", b=masks.shape[0])


def tokens(grid: Float[Tensor, "bt d h w"]) -> Float[Tensor, "bt n d"]:
    """Return the pixels of a map as tokens, row by row."""
    return rearrange(grid, "bt d h w -> bt (h w) d")
