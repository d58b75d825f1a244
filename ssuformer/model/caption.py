"""The caption decoder: region tokens in, one sentence per region out, with a key-value cache.

Axes: n regions, r region tokens, l caption tokens, c channels, k heads, e channels of a head,
i layers, v vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.attention import Attention, FeedForward
from ssuformer.model.config import ModelConfig
from ssuformer.model.experts import PromptedExperts, WordPrompts
from ssuformer.tokenizer import BEGIN, END, PAD

MASKED = -1e4


@dataclass(frozen=True, slots=True)
class Regions:
    """Inputs of the caption decoder for each region."""

    tokens: Float[Tensor, "n r c"]
    scene: Float[Tensor, "n c"]
    source: Float[Tensor, "n c"]


class Memory(NamedTuple):
    """Keys and values of the regions for every layer, and the prompts of the experts."""

    keys: Float[Tensor, "i n k r e"]
    values: Float[Tensor, "i n k r e"]
    levels: Float[Tensor, "n 3 c"]


class Sentences(NamedTuple):
    """Decoding state of the sentences: a fixed-size cache, which exports as one ONNX Loop."""

    step: Int[Tensor, ""]
    last: Int[Tensor, " n"]
    done: Bool[Tensor, " n"]
    ids: Int[Tensor, "n l"]
    scores: Float[Tensor, "n l"]
    keys: Float[Tensor, "i n k l e"]
    values: Float[Tensor, "i n k l e"]


class CaptionLayer(nn.Module):
    """Causal self-attention, cross-attention on the region, and the experts (or a plain FFN)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.channels
        self.past = Attention(c, config.heads)
        self.region = Attention(c, config.heads)
        self.think = PromptedExperts(config) if config.mohe else FeedForward(c)
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _ in range(3))

    def finish(
        self, x: Tensor, region: tuple[Tensor, Tensor], levels: Float[Tensor, "n 3 c"]
    ) -> tuple[Float[Tensor, "n l c"], Float[Tensor, "2 e"]]:
        """Return the tokens after cross-attention and experts, and how many each expert got."""
        x = x + self.region.attend(self.norms[1](x), *region)
        if isinstance(self.think, PromptedExperts):
            answer, usage = self.think(self.norms[2](x), levels)
            return x + answer, usage
        return x + self.think(self.norms[2](x)), x.new_zeros(2, 0)


class CaptionDecoder(nn.Module):
    """A small causal transformer over the sentence's tokens."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.channels
        self.length = config.caption_tokens
        self.heads = config.heads
        self.words = nn.Embedding(config.vocabulary, c)
        nn.init.normal_(self.words.weight, std=c**-0.5)
        self.places = nn.Parameter(torch.randn(config.caption_tokens, c) * 0.02)
        self.layers = nn.ModuleList(CaptionLayer(config) for _ in range(config.caption_layers))
        self.norm = nn.LayerNorm(c)
        self.pooled_apart = config.pooled_apart
        self.word_prompts = WordPrompts(c) if config.mohe and config.prompts == "words" else None

    @property
    def _stack(self) -> list[CaptionLayer]:
        return cast(list[CaptionLayer], list(self.layers))

    def forward(
        self, regions: Regions, tokens: Int[Tensor, "n l"]
    ) -> tuple[Float[Tensor, "n l v"], Float[Tensor, "i 2 e"]]:
        """Return logits for the token after each of `tokens` (teacher forcing), and use of experts.

        For every layer: how many tokens each expert got, and its summed shares by the router.
        """
        length = tokens.shape[1]
        x = self.words(tokens) + self.places[:length]
        ahead = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        causal = torch.zeros(length, length, device=x.device).masked_fill(ahead, MASKED)
        usage, levels = [], self._levels(regions)
        for layer in self._stack:
            x = x + layer.past(layer.norms[0](x), bias=causal)
            x, used = layer.finish(x, layer.region.keys_values(regions.tokens), levels)
            usage.append(used)
        return self._logits(x), torch.stack(usage)

    def _levels(self, regions: Regions) -> Float[Tensor, "n 3 c"]:
        """Return the vectors that prompt the experts."""
        if self.pooled_apart:
            return regions.tokens[:, :3]
        levels = torch.stack([regions.scene, regions.source, regions.tokens[:, 0]], dim=1)
        return levels if self.word_prompts is None else self.word_prompts(levels, self.words.weight)

    def unused(self) -> Float[Tensor, "i 2 e"]:
        """Return the experts' use of no token."""
        layer = self._stack[0].think
        experts = len(layer.experts) if isinstance(layer, PromptedExperts) else 0
        return self.places.new_zeros(len(self.layers), 2, experts)

    def _logits(self, x: Float[Tensor, "*n c"]) -> Float[Tensor, "*n v"]:
        return F.linear(self.norm(x), self.words.weight)

    @torch.no_grad()
    def greedy(self, regions: Regions) -> tuple[Int[Tensor, "n l"], Float[Tensor, "n l"]]:
        """Return the most likely token at every step and its log-probability."""
        memory = self.remember(regions)
        state = self.begin(regions)
        while self.unfinished(state):
            state = self.advance(state, memory)
        return state.ids, state.scores

    def remember(self, regions: Regions) -> Memory:
        """Return the values that are constant over the steps of a sentence."""
        pairs = [layer.region.keys_values(regions.tokens) for layer in self._stack]
        return Memory(
            keys=torch.stack([keys for keys, _ in pairs]),
            values=torch.stack([values for _, values in pairs]),
            levels=self._levels(regions),
        )

    def begin(self, regions: Regions) -> Sentences:
        """Return empty sentences, with an empty cache of fixed size."""
        n, device = regions.tokens.shape[0], regions.tokens.device
        width = self.places.shape[1] // self.heads
        cache = (len(self.layers), n, self.heads, self.length, width)
        return Sentences(
            step=torch.zeros((), dtype=torch.int64, device=device),
            last=torch.full((n,), BEGIN, dtype=torch.int64, device=device),
            done=torch.zeros(n, dtype=torch.bool, device=device),
            ids=torch.full((n, self.length), PAD, dtype=torch.int64, device=device),
            scores=torch.zeros(n, self.length, device=device),
            keys=torch.zeros(cache, device=device),
            values=torch.zeros(cache, device=device),
        )

    def unfinished(self, state: Sentences) -> Tensor:
        """Return whether any sentence is unfinished."""
        return (state.step < self.length) & ~state.done.all()

    def advance(self, state: Sentences, memory: Memory) -> Sentences:
        """Return the sentences with one more token each; the cache is updated in place."""
        here = F.one_hot(state.step, self.length).to(state.scores.dtype)
        now = torch.arange(self.length, device=here.device)
        ahead = torch.where(now > state.step, MASKED, 0.0).unsqueeze(0)
        x = (self.words(state.last) + here @ self.places).unsqueeze(1)
        keys, values = [], []
        for number, layer in enumerate(self._stack):
            asked = layer.norms[0](x)
            key, value = layer.past.keys_values(asked)
            keys.append(state.keys[number] + key * here[:, None])
            values.append(state.values[number] + value * here[:, None])
            x = x + layer.past.attend(asked, keys[-1], values[-1], ahead)
            x, _ = layer.finish(x, (memory.keys[number], memory.values[number]), memory.levels)
        score, token = self._logits(x[:, 0]).log_softmax(dim=-1).max(dim=-1)
        token = torch.where(state.done, PAD, token)
        score = torch.where(state.done, 0.0, score)
        return Sentences(
            step=state.step + 1,
            last=token,
            done=state.done | (token == END),
            ids=state.ids + token[:, None] * here.to(torch.int64),
            scores=state.scores + score[:, None] * here,
            keys=torch.stack(keys),
            values=torch.stack(values),
        )
