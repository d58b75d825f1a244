"""PCMANet (Wang et al., "Progressive Confident Masking Attention Network", arXiv 2406.02345).

From its description alone; its code has no licence and was not read. Taken from there: a 3x3
convolution to one width on four scales, cosines of pixels and audio in groups of channels as gates,
a prediction on every scale, all of them supervised, and cross-attention from coarse to fine only of
pixels that the coarser prediction is not yet sure of (0.01 <= p <= 0.99). Open or chosen here:

- A gate is `(1 + cosine) / 2`; there are as many groups as attention heads.
- Pixels attend to the frame's audio tokens and to the coarser scale at stride 32.
- Pixels are masked, not gathered: shapes stay fixed, so that the graph exports, and nothing is cut
  from the gradient. The price is that no multiplication is saved.
- Certainty rises over one unit of the logit, not in a step, which would hang on a sum's last bit.
- The contract's queries are the channels of `DenseHead`, shared by the scales; a pixel is sure if
  all its channels are.

Axes: b clips, t frames, q queries, h w pixels of a scale, n context tokens, c channels, g groups.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.attention import Attention
from ssuformer.model.config import ModelConfig
from ssuformer.model.family.heads import DenseHead, enlarged, tokens
from ssuformer.model.segmentation import QueryAnswer
from ssuformer.model.sound_source_model import Features, Fused, SoundSourceModel
from ssuformer.model.vision import ResidualBlock

SURE = math.log(0.99 / 0.01)
"""Logits beyond it, on either side, are sure."""


class CosineGate(nn.Module):
    """Lets through what of a pixel is like the sound, group by group of its channels."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.hear = nn.Linear(channels, channels)

    def forward(
        self, visual: Float[Tensor, "bt c h w"], audio: Float[Tensor, "bt c"]
    ) -> Float[Tensor, "bt c h w"]:
        """Return the gated pixels."""
        x = rearrange(visual, "bt (g e) h w -> bt g e h w", g=self.groups)
        heard = rearrange(self.hear(audio), "bt (g e) -> bt g e 1 1", g=self.groups)
        alike = (F.normalize(x, dim=2) * F.normalize(heard, dim=2)).sum(dim=2, keepdim=True)
        return (x * (1.0 + alike) / 2.0).flatten(1, 2)


class ConfidentAttention(nn.Module):
    """Cross-attention of the pixels that are still open."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.merge = ResidualBlock(channels, channels, 1)
        self.norm = nn.LayerNorm(channels)
        self.context_norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, heads)

    def forward(
        self,
        visual: Float[Tensor, "bt c h w"],
        context: Float[Tensor, "bt n c"],
        unsure: Float[Tensor, "bt 1 h w"],
    ) -> Float[Tensor, "bt c h w"]:
        """Return the pixels; `unsure` is 1 where they attend to the context, 0 where not."""
        x = self.merge(visual)
        found = self.attention(self.norm(tokens(x)), self.context_norm(context))
        return x + unsure * rearrange(found, "bt (h w) c -> bt c h w", h=x.shape[-2])


def open_pixels(masks: Float[Tensor, "b t q y x"]) -> Float[Tensor, "bt 1 h w"]:
    """Return, on the next finer scale, 1 where a mask (logits) is not sure and 0 where all are."""
    unsure = (SURE + 0.5 - masks.abs()).clamp(0.0, 1.0).amax(dim=2)
    return F.interpolate(unsure.flatten(0, 1).unsqueeze(1), scale_factor=2.0, mode="nearest")


class PcmaNet(SoundSourceModel):
    """Gates on four scales, then answers from coarse to fine."""

    def add_parts(self, config: ModelConfig) -> None:
        """Add convolutions and gates per scale, the attention between scales, and the head."""
        c = config.channels
        fine, middle, _, coarsest = config.vision_widths
        widths = (coarsest, c, middle, fine)
        self.reduce = nn.ModuleList(nn.Conv2d(width, c, 3, padding=1) for width in widths)
        self.gates = nn.ModuleList(CosineGate(c, config.heads) for _ in widths)
        self.attend = nn.ModuleList(ConfidentAttention(c, config.heads) for _ in widths)
        self.describe = nn.Conv2d(c, middle, 1)
        self.masks = DenseHead(config, c)

    def fuse(self, features: Features) -> Fused:
        """Return an answer for every scale, the finest last."""
        grid = rearrange(features.grid, "bt h w c -> bt c h w")
        sound = rearrange(features.audio.mean(dim=2), "b t c -> (b t) c")
        levels = (features.coarsest, grid, features.middle, features.fine)
        scales = [
            gate(reduce(level), sound)
            for level, reduce, gate in zip(levels, self.reduce, self.gates, strict=True)
        ]
        pyramid, queries, answers = self._refined(scales, features.audio)
        coarse = [
            replace(answer, masks=enlarged(answer.masks, scale))
            for answer, scale in zip(answers[:-1], (8, 4, 2), strict=True)
        ]
        return Fused(
            [*coarse, answers[-1]],
            queries,
            self.describe(pyramid[2]),
            rearrange(pyramid[1], "bt c h w -> bt h w c"),
            features.audio,
        )

    def _refined(
        self, scales: list[Tensor], audio: Float[Tensor, "b t s c"]
    ) -> tuple[list[Tensor], Float[Tensor, "b t q c"], list[QueryAnswer]]:
        """Return features and answer of every scale, each guided by the one before; queries."""
        sounds = audio.flatten(0, 1)
        found = self.attend[0](scales[0], sounds, torch.ones_like(scales[0][:, :1]))
        queries, answer = self.masks(found, audio)
        pyramid, answers = [found], [answer]
        for number, (scale, attend) in enumerate(zip(scales[1:], self.attend[1:], strict=True)):
            context = torch.cat([sounds, tokens(F.avg_pool2d(found, 2**number))], dim=1)
            above = F.interpolate(found, scale_factor=2.0, mode="bilinear")
            found = attend(scale + above, context, open_pixels(answer.masks))
            queries, answer = self.masks(found, audio)
            pyramid.append(found)
            answers.append(answer)
        return pyramid, queries, answers
