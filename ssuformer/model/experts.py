"""The Mixture of Hierarchical-prompted Experts (MoHE), in place of a caption layer's FFN.

Our reconstruction: three levels of prompts. The experts of a level read its prompt; a router picks
two experts for every caption token. What a hierarchy of prompts is, the authors leave open: here
from the scene over the source to the region, or one of two rival readings (`LEVELS`).

Axes: n sequences, l caption tokens, c channels, p prompt tokens, e experts, v vocabulary.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.attention import Attention, FeedForward
from ssuformer.model.config import ModelConfig

LEVELS = {
    "scope": ("scene", "source", "region"),
    "pyramid": ("stride 4", "stride 8", "stride 16"),
    "words": ("scene's words", "source's words", "region's words"),
}
"""For each value of the config's `prompts`, the levels."""
CHOSEN = 2
"""Experts per token."""


class Expert(nn.Module):
    """Reads its level's prompt, then transforms the token."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.read = Attention(channels, heads)
        self.norm = nn.LayerNorm(channels)
        self.mlp = FeedForward(channels)

    def forward(
        self, x: Float[Tensor, "n l c"], prompt: Float[Tensor, "n p c"]
    ) -> Float[Tensor, "n l c"]:
        """Return the expert's contribution."""
        read = self.read(x, prompt)
        return read + self.mlp(self.norm(x + read))


class PromptedExperts(nn.Module):
    """Prompts, experts and their router."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.channels
        self.per_level = config.experts_per_level
        self.levels = LEVELS[config.prompts]
        self.learned = nn.Parameter(torch.randn(len(self.levels), config.prompt_tokens, c) * 0.02)
        self.project = nn.ModuleList(nn.Linear(c, c) for _ in self.levels)
        self.experts = nn.ModuleList(
            Expert(c, config.heads) for _ in self.levels for _ in range(self.per_level)
        )
        self.router = nn.Linear(2 * c, len(self.experts))

    def forward(
        self, x: Float[Tensor, "n l c"], levels: Float[Tensor, "n 3 c"]
    ) -> tuple[Float[Tensor, "n l c"], Float[Tensor, "2 e"]]:
        """Return the experts' output, and for the balance loss how many tokens each got.

        Tokens are counted, and then their shares by the router are added up.
        """
        about = levels.mean(dim=1, keepdim=True).expand(-1, x.shape[1], -1)
        share = self.router(torch.cat([x, about], dim=-1)).softmax(dim=-1)
        best, chosen = share.topk(CHOSEN, dim=-1)
        picked = F.one_hot(chosen, len(self.experts)).to(share.dtype)
        weight = (picked * (best / best.sum(dim=-1, keepdim=True)).unsqueeze(-1)).sum(dim=-2)
        answer = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            level = number // self.per_level
            vector = self.project[level](levels[:, level]).unsqueeze(1)
            answer = answer + weight[..., number, None] * expert(x, self.learned[level] + vector)
        counted = picked.sum(dim=(0, 1, 2)) / CHOSEN
        return answer, torch.stack([counted, share.sum(dim=(0, 1))])


class WordPrompts(nn.Module):
    """Prompts of text: each level is a mean of word vectors, chosen knowing the level before."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.choose = nn.ModuleList(nn.Linear(2 * channels, channels) for _ in LEVELS["words"])

    def forward(
        self, levels: Float[Tensor, "n 3 c"], words: Float[Tensor, "v c"]
    ) -> Float[Tensor, "n 3 c"]:
        """Return the words for the vectors of scene, source and region."""
        said = [torch.zeros_like(levels[:, 0])]
        for choose, level in zip(self.choose, levels.unbind(dim=1), strict=True):
            asked = choose(torch.cat([level, said[-1]], dim=-1))
            said.append(F.linear(asked, words).softmax(dim=-1) @ words)
        return torch.stack(said[1:], dim=1)
