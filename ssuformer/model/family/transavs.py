"""TransAVS (Ling et al., arXiv 2305.07223): the audio, disentangled into queries, finds masks.

Equations are numbered as there. Taken from the paper: equations 1 to 8, 14 and 15 here, 9 to 13 and
18 in `training/losses.py`. Open or chosen here:

- W1 (1) mixes the T seconds of a clip; here clips have any length, so it mixes the tokens of one
  second: every frame has its own queries, as the paper's introduction says ("at each timestamp").
- N1 is `fusion_blocks`; N2 is three times `query_layers`, so that every level has its turns (4).
- (2) to (6) show a layer's attention and residual; norm, heads and feed-forward are those of the
  standard scheme it cites, pixels have a position code.
- f1, f2, f3 are the features at strides 32, 16 and 8; f4 is f3 enlarged to the masks' stride 4.
- (8) has two classes: sounding, and not. The category is a linear layer beside it.

Axes: b clips, t frames, s audio tokens, q queries, h w mask pixels, y x pixels at stride 8,
n pixels of a level, c channels.
"""

from __future__ import annotations

from typing import cast

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from ssuformer.model.attention import Attention, FeedForward, PositionCode
from ssuformer.model.config import ModelConfig
from ssuformer.model.family.heads import enlarged
from ssuformer.model.segmentation import QueryAnswer, products
from ssuformer.model.sound_source_model import Features, Fused, SoundSourceModel

LEVELS = 3
SHARED = 0.05
"""Scores that are nearer share a pixel. A step would give it to one of them by the last bit, which
depends on the order of a sum and so on the engine."""


class Layer(nn.Module):
    """Attention with residual (2, 3; with a context 6), and a feed-forward."""

    def __init__(self, channels: int, heads: int, *, context_channels: int | None = None) -> None:
        super().__init__()
        self.attention = Attention(channels, heads, context_channels=context_channels)
        self.mlp = FeedForward(channels)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))

    def forward(
        self, x: Float[Tensor, "bt q c"], context: Float[Tensor, "bt n d"] | None = None
    ) -> Float[Tensor, "bt q c"]:
        """Return the updated queries."""
        x = x + self.attention(self.norms[0](x), context)
        return x + self.mlp(self.norms[1](x))


class MaskGeneration(nn.Module):
    """Masks and probabilities of the queries (7, 8)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c, middle = config.channels, config.vision_widths[1]
        self.norm = nn.LayerNorm(c)
        self.w2 = nn.Conv2d(middle, c, 1)
        nn.init.normal_(self.w2.weight, std=c**-0.5 * middle**-0.5)  # masks begin near 0.5
        self.sounding = nn.Linear(c, 2)
        self.category = nn.Linear(c, config.categories)

    def forward(
        self, queries: Float[Tensor, "b t q c"], f3: Float[Tensor, "bt d y x"]
    ) -> tuple[Float[Tensor, "b t q c"], QueryAnswer]:
        """Return F_av, and `M = sigmoid(F_av W2 f4)` (7) and `p = softmax(g(F_av))` (8) as logits.

        f4 is f3 enlarged. Products are linear, so they are enlarged instead of f3. The logit of the
        first of two classes is the difference of theirs.
        """
        queries = self.norm(queries)
        silent, sounding = self.sounding(queries).unbind(dim=-1)
        masks = enlarged(products(queries, self.w2(f3)), 2)
        return queries, QueryAnswer(masks, sounding - silent, self.category(queries))


class TransAVS(SoundSourceModel):
    """N1 layers among the audio queries, N2 layers in which they look at the picture."""

    def add_parts(self, config: ModelConfig) -> None:
        """Add W1, the layers, the masks, and the head h of AQDL."""
        c, heads = config.channels, config.heads
        _, middle, _, coarsest = config.vision_widths
        self.w1 = nn.Linear(config.audio_tokens, config.queries, bias=False)
        self.among = nn.ModuleList(Layer(c, heads) for _ in range(config.fusion_blocks))
        self.widths = (coarsest, c, middle)
        self.where = nn.ModuleList(PositionCode(width) for width in self.widths)
        self.look = nn.ModuleList(
            Layer(c, heads, context_channels=self.widths[number % LEVELS])
            for number in range(1, LEVELS * config.query_layers + 1)
        )
        self.masks = MaskGeneration(config)
        self.h = nn.Linear(c, c)

    def looking(self) -> Attention:
        """Return the attention with which queries look at the picture last."""
        return cast(Attention, self.look[-1].get_submodule("attention"))

    def fuse(self, features: Features) -> Fused:
        """Return one answer, of the queries after the last layer."""
        b = features.audio.shape[0]
        queries = self.w1(rearrange(features.audio, "b t s c -> (b t) c s")).mT  # (1)
        for layer in self.among:  # (3)
            queries = layer(queries)
        apart = self.h(queries)
        levels = self._levels(features)
        for number, layer in enumerate(self.look, start=1):  # (5, 6)
            queries = layer(queries, levels[number % LEVELS])  # (4), counted from 0
        found = rearrange(queries, "(b t) q c -> b t q c", b=b)
        found, answer = self.masks(found, features.middle)
        return Fused(
            [answer],
            found,
            features.middle,
            features.grid,
            features.audio,
            apart=rearrange(apart, "(b t) q c -> b t q c", b=b),
        )

    def _levels(self, features: Features) -> list[Float[Tensor, "bt n d"]]:
        """Return f1, f2 and f3 as tokens with their positions."""
        grids = [
            rearrange(features.coarsest, "bt d h w -> bt h w d"),
            features.grid,
            rearrange(features.middle, "bt d h w -> bt h w d"),
        ]
        return [
            grid.flatten(1, 2) + where(*grid.shape[1:3])
            for grid, where in zip(grids, self.where, strict=True)
        ]

    def served(self, answer: QueryAnswer) -> Float[Tensor, "b t q h w"]:
        """Return the masks without the pixels that another query wins (14, 15)."""
        return assigned(answer.sounding, answer.masks.sigmoid())


def assigned(
    sounding: Float[Tensor, "b t q"], masks: Float[Tensor, "b t q h w"]
) -> Float[Tensor, "b t q h w"]:
    """Return the masks after the inference rule, `argmax_i p_i(c_i) m_i(x, y)` (14).

    `c_i = argmax_c p_i(c)` (15): a query whose class is "not sounding" may win a pixel, too, and
    keeps it. Of scores nearer than `SHARED` to the best, each keeps a share.
    """
    p = sounding.sigmoid()
    score = torch.maximum(p, 1.0 - p)[..., None, None] * masks
    behind = score.amax(dim=2, keepdim=True) - score
    return masks * (1.0 - behind / SHARED).clamp(min=0.0)
