"""The Mask Collaboration Module (MCM): region tokens from the features under a mask.

Our reconstruction: soft-mask pooling on every level, a position token, and detail tokens whose
attention is biased by the mask, so that the caption loss reaches the mask.

Axes: b frames (of all clips), t frames, q queries, h w pixels, r region tokens, c channels.
"""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.attention import Attention
from ssuformer.model.config import ModelConfig

EMPTY_AREA = 1e-3
"""Share of the frame below which a mask counts as empty."""


class MaskCollaboration(nn.Module):
    """Region tokens of every query: pooled, position, the query itself, and details.

    With prompts by `pyramid` what is pooled at strides 4, 8 and 16 are three tokens.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.channels
        fine, middle, _, _ = config.vision_widths
        self.masked = config.mcm
        self.apart = config.pooled_apart
        self.pools = nn.ModuleList(nn.Linear(width, c) for width in (fine, middle, c))
        self.place = nn.Sequential(nn.Linear(9, c), nn.GELU(), nn.Linear(c, c))
        self.query = nn.Linear(c, c)
        self.details = nn.Parameter(torch.randn(config.detail_tokens, c) * 0.5)
        self.look = Attention(c, config.heads, context_channels=middle)
        self.context = Attention(c, config.heads)
        if config.gate == "concatenation":
            self.join = nn.Linear(2 * c, c)
        else:
            self.gate = nn.Parameter(torch.zeros(1))
        self.joined = config.gate == "concatenation"
        self.nothing = nn.Parameter(torch.randn(config.region_tokens, c) * 0.02)
        self.norm = nn.LayerNorm(c)

    def forward(
        self,
        masks: Float[Tensor, "b t q h w"],
        queries: Float[Tensor, "b t q c"],
        levels: tuple[Tensor, Tensor, Tensor],
        around: Float[Tensor, "bt n c"],
    ) -> Float[Tensor, "b t q r c"]:
        """Return the region tokens under `masks` (probabilities at stride 4).

        `levels` are the features at strides 4, 8 and 16, `around` the fused tokens at stride 32.
        """
        b = masks.shape[0]
        seen = masks if self.masked else torch.ones_like(masks)
        flat = rearrange(seen, "b t q h w -> (b t) q h w")
        asked = rearrange(queries, "b t q c -> (b t) q c")
        tokens = torch.cat(
            [
                self._pooled(flat, levels),
                self.place(self._geometry(seen)).flatten(0, 1).unsqueeze(2),
                self.query(asked).unsqueeze(2),
                self._details(flat, asked, levels[1]),
            ],
            dim=2,
        )
        tokens = self._in_context(tokens, around)
        empty = rearrange(flat.mean(dim=(-2, -1)) < EMPTY_AREA, "b q -> b q 1 1")
        tokens = torch.where(empty, self.nothing, self.norm(tokens))
        return rearrange(tokens, "(b t) q r c -> b t q r c", b=b)

    def _in_context(
        self, tokens: Float[Tensor, "b q r c"], around: Float[Tensor, "b n c"]
    ) -> Float[Tensor, "b q r c"]:
        q = tokens.shape[1]
        found = self.context(rearrange(tokens, "b q r c -> b (q r) c"), around)
        found = rearrange(found, "b (q r) c -> b q r c", q=q)
        if self.joined:
            return self.join(torch.cat([tokens, found], dim=-1))
        return tokens + torch.tanh(self.gate) * found

    def _pooled(
        self, masks: Float[Tensor, "b q h w"], levels: tuple[Tensor, Tensor, Tensor]
    ) -> Float[Tensor, "b q p c"]:
        tokens = []
        for level, (features, project) in enumerate(zip(levels, self.pools, strict=True)):
            mask = rearrange(F.avg_pool2d(masks, 2**level), "b q h w -> b q (h w)")
            total = mask @ rearrange(features, "b d h w -> b (h w) d")
            tokens.append(project(total / (mask.sum(dim=-1, keepdim=True) + 1e-3)))
        fine, middle, coarse = tokens
        return torch.stack(tokens if self.apart else [fine + middle + coarse], dim=2)

    def _geometry(self, masks: Float[Tensor, "b t q h w"]) -> Float[Tensor, "b t q 9"]:
        """Return centre, spread, area, certainty and the steps from and to the next frames."""
        h, w = masks.shape[-2:]
        y = (torch.arange(h, device=masks.device) + 0.5) / h
        x = (torch.arange(w, device=masks.device) + 0.5) / w
        mass = masks.sum(dim=(-2, -1)) + 1e-3
        rows, columns = masks.sum(dim=-1), masks.sum(dim=-2)
        centre = torch.stack([(rows @ y) / mass, (columns @ x) / mass], dim=-1)
        square = torch.stack([(rows @ y.square()) / mass, (columns @ x.square()) / mass], dim=-1)
        spread = (square - centre.square()).clamp(min=0.0).add(1e-6).sqrt()
        area = (mass / (h * w)).sqrt()
        before = centre - torch.cat([centre[:, :1], centre[:, :-1]], dim=1)
        after = torch.cat([centre[:, 1:], centre[:, -1:]], dim=1) - centre
        return torch.cat(
            [4 * centre - 2, 4 * spread, 4 * area[..., None], 4 * before, 4 * after], -1
        )

    def _details(
        self,
        masks: Float[Tensor, "b q h w"],
        queries: Float[Tensor, "b q c"],
        features: Float[Tensor, "b d y x"],
    ) -> Float[Tensor, "b q r c"]:
        count = self.details.shape[0]
        asking = queries.unsqueeze(2) + self.details
        mask = rearrange(F.avg_pool2d(masks, 4), "b q h w -> b q (h w)")
        bias = repeat(mask.clamp(min=1e-4).log(), "b q n -> b 1 (q r) n", r=count)
        context = rearrange(F.avg_pool2d(features, 2), "b d y x -> b (y x) d")
        found = self.look(rearrange(asking, "b q r c -> b (q r) c"), context, bias)
        return rearrange(found, "b (q r) c -> b q r c", r=count)
