"""The mask decoder: audio-conditioned queries find the sound sources.

Axes: b clips, t frames, n visual tokens, s audio tokens, q queries, k categories, h w mask pixels,
c channels, m pixel channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.attention import Attention, FeedForward, TimeBias
from ssuformer.model.config import ModelConfig
from ssuformer.model.vision import ResidualBlock


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """Output of the queries after one decoder layer; logits, not probabilities."""

    masks: Float[Tensor, "b t q h w"]
    sounding: Float[Tensor, "b t q"]
    categories: Float[Tensor, "b t q k"]


def products(
    queries: Float[Tensor, "b t q m"], pixels: Float[Tensor, "bt m h w"]
) -> Float[Tensor, "b t q h w"]:
    """Return the dot product of every query with every pixel of its frame."""
    b, (h, w) = queries.shape[0], pixels.shape[-2:]
    masks = queries.flatten(0, 1) @ rearrange(pixels, "bt m h w -> bt m (h w)")
    return rearrange(masks, "(b t) q (h w) -> b t q h w", b=b, h=h, w=w)


class PixelDecoder(nn.Module):
    """Top-down pyramid: fused features at stride 16 refined by the encoder's at 8 and 4."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        fine, middle, _, _ = config.vision_widths
        self.middle_lateral = nn.Conv2d(middle, middle, 1)
        self.middle_down = nn.Conv2d(config.channels, middle, 1)
        self.middle_smooth = nn.Conv2d(middle, middle, 3, padding=1)
        self.middle_refine = ResidualBlock(middle, middle, 1, dilation=2)
        self.fine_lateral = nn.Conv2d(fine, config.pixel_channels, 1)
        self.fine_down = nn.Conv2d(middle, config.pixel_channels, 1)
        self.fine_smooth = nn.Conv2d(config.pixel_channels, config.pixel_channels, 3, padding=1)
        self.fine_refine = ResidualBlock(config.pixel_channels, config.pixel_channels, 1)
        self.embed = nn.Conv2d(config.pixel_channels, config.pixel_channels, 1)

    def forward(
        self,
        fine: Float[Tensor, "b c1 h4 w4"],
        middle: Float[Tensor, "b c2 h8 w8"],
        fused: Float[Tensor, "b c h16 w16"],
    ) -> tuple[Float[Tensor, "b m h4 w4"], Float[Tensor, "b c2 h8 w8"]]:
        """Return the pixel embedding at stride 4 and the features at stride 8."""
        x = self.middle_lateral(middle) + _twice(self.middle_down(fused))
        x = self.middle_refine(F.relu(self.middle_smooth(F.relu(x))))
        y = self.fine_lateral(fine) + _twice(self.fine_down(x))
        return self.embed(self.fine_refine(F.relu(self.fine_smooth(F.relu(y))))), x


def _twice(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c y x"]:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class QueryLayer(nn.Module):
    """Queries attend to the audio, the frame, each other, and across time."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.hear = Attention(channels, heads)
        self.look = Attention(channels, heads)
        self.agree = Attention(channels, heads)
        self.remember = Attention(channels, heads)
        self.when = TimeBias(heads)
        self.mlp = FeedForward(channels)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(5))

    def forward(
        self,
        queries: Float[Tensor, "b t q c"],
        audio: Float[Tensor, "bt s c"],
        visual: Float[Tensor, "bt n c"],
    ) -> Float[Tensor, "b t q c"]:
        """Return the updated queries."""
        b, t = queries.shape[:2]
        x = rearrange(queries, "b t q c -> (b t) q c")
        x = x + self.hear(self.norms[0](x), audio)
        x = x + self.look.few_ask(self.norms[1](x), visual)
        x = x + self.agree(self.norms[2](x))
        x = rearrange(x, "(b t) q c -> (b q) t c", b=b)
        bias = self.when(torch.arange(t, device=x.device))
        x = x + self.remember(self.norms[3](x), bias=bias)
        x = x + self.mlp(self.norms[4](x))
        return rearrange(x, "(b q) t c -> b t q c", b=b)


class MaskDecoder(nn.Module):
    """Audio-conditioned queries, each with a mask, a sounding logit and category logits."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.channels
        self.seeds = nn.Parameter(torch.randn(config.queries, c) * 0.5)
        self.from_audio = nn.Linear(c, c)
        self.layers = nn.ModuleList(QueryLayer(c, config.heads) for _ in range(config.query_layers))
        self.norm = nn.LayerNorm(c)
        self.mask = nn.Sequential(nn.Linear(c, c), nn.GELU(), nn.Linear(c, config.pixel_channels))
        self.mask_bias = nn.Linear(c, 1)
        self.sounding = nn.Linear(c, 1)
        self.category = nn.Linear(c, config.categories)

    def forward(
        self,
        audio: Float[Tensor, "b t s c"],
        visual: Float[Tensor, "bt n c"],
        pixels: Float[Tensor, "bt m h w"],
    ) -> tuple[Float[Tensor, "b t q c"], list[QueryAnswer]]:
        """Return the queries and their output after every layer, the last one last."""
        queries = self.seeds + repeat(self.from_audio(audio.mean(dim=2)), "b t c -> b t 1 c")
        sound = rearrange(audio, "b t s c -> (b t) s c")
        answers = []
        for layer in self.layers:
            queries = layer(queries, sound, visual)
            answers.append(self._answer(self.norm(queries), pixels))
        return self.norm(queries), answers

    def _answer(
        self, queries: Float[Tensor, "b t q c"], pixels: Float[Tensor, "bt m h w"]
    ) -> QueryAnswer:
        masks = products(self.mask(queries), pixels)
        return QueryAnswer(
            masks=masks + self.mask_bias(queries).unsqueeze(-1),
            sounding=self.sounding(queries).squeeze(-1),
            categories=self.category(queries),
        )
