"""CATR (Li et al., "Combinatorial-Dependence Audio-Queried Transformer", ACM MM 2023).

From its description alone; its code has no licence and was not read. Taken from there: a block that
is stacked, in which space and time are decoupled (pixels of a frame among themselves; then pixels
of all frames hear the audio tokens of all seconds, and these see the pixels), products as gates,
queries that the audio constrains, and matching of queries to sources. Open or chosen here: what one
modality takes from the other is multiplied with its own features and added to them; a learned bias
says how far apart two frames are; keys among pixels are means of 2x2 cells; `fusion_blocks` blocks,
`query_layers` decoder layers, `queries` queries (50 there); masks by this project's pixel decoder.

Axes: b clips, t u frames, h w n visual tokens of a frame, s audio tokens, q queries, c channels.
"""

from __future__ import annotations

from typing import cast

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from ssuformer.model.attention import Attention, FeedForward, PositionCode, TimeBias
from ssuformer.model.config import ModelConfig
from ssuformer.model.family.heads import QueryHead
from ssuformer.model.fusion import halved
from ssuformer.model.segmentation import PixelDecoder
from ssuformer.model.sound_source_model import Features, Fused, SoundSourceModel


class DecoupledBlock(nn.Module):
    """Space within a frame, then sound and sight across a clip, gated by products."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.space = Attention(channels, heads)
        self.hear = Attention(channels, heads)
        self.see = Attention(channels, heads)
        self.when = TimeBias(heads)
        self.visual_mlp = FeedForward(channels)
        self.audio_mlp = FeedForward(channels)
        self.visual_norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))
        self.audio_norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(2))

    def forward(
        self, visual: Float[Tensor, "bt h w c"], audio: Float[Tensor, "b t s c"]
    ) -> tuple[Float[Tensor, "bt h w c"], Float[Tensor, "b t s c"]]:
        """Return both modalities, each gated by what it finds in the other at any time."""
        b, t, s, _ = audio.shape
        height, width = visual.shape[1:3]
        grid = self.visual_norms[0](visual)
        sight = visual + self.space(grid.flatten(1, 2), halved(grid)).unflatten(1, (height, width))
        seen, heard = self.visual_norms[1](sight), self.audio_norms[0](audio)
        pixels = rearrange(seen, "(b t) h w c -> b (t h w) c", b=b)
        around = rearrange(halved(seen), "(b t) n c -> b (t n) c", b=b)
        sounds = rearrange(heard, "b t s c -> b (t s) c")

        apart = self.when(torch.arange(t, device=audio.device))
        bias = repeat(apart, "k t u -> k (t n) (u s)", n=height * width, s=s)
        sound = self.hear(pixels, sounds, bias)
        sight = sight + seen * rearrange(sound, "b (t h w) c -> (b t) h w c", h=height, w=width)
        bias = repeat(apart, "k t u -> k (t s) (u n)", s=s, n=height * width // 4)
        image = self.see(sounds, around, bias)
        audio = audio + heard * rearrange(image, "b (t s) c -> b t s c", s=s)

        sight = sight + self.visual_mlp(self.visual_norms[2](sight))
        return sight, audio + self.audio_mlp(self.audio_norms[1](audio))


class AudioConstrainedQueries(nn.Module):
    """Learned queries that begin with what they hear in their frame."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.learned = nn.Parameter(torch.randn(config.queries, config.channels) * 0.5)
        self.hear = Attention(config.channels, config.heads)

    def forward(self, audio: Float[Tensor, "bt s c"]) -> Float[Tensor, "bt q c"]:
        """Return the queries of every frame."""
        learned = repeat(self.learned, "q c -> bt q c", bt=audio.shape[0])
        return learned + self.hear(learned, audio)


class DecoderLayer(nn.Module):
    """Queries look at their frame and at each other."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.agree = Attention(channels, heads)
        self.look = Attention(channels, heads)
        self.mlp = FeedForward(channels)
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for _ in range(3))

    def forward(
        self, queries: Float[Tensor, "bt q c"], visual: Float[Tensor, "bt n c"]
    ) -> Float[Tensor, "bt q c"]:
        """Return the updated queries."""
        x = queries + self.agree(self.norms[0](queries))
        x = x + self.look.few_ask(self.norms[1](x), visual)
        return x + self.mlp(self.norms[2](x))


class Catr(SoundSourceModel):
    """Decoupled blocks, then queries that the audio constrains."""

    def add_parts(self, config: ModelConfig) -> None:
        """Add the blocks, the queries, their layers and their head."""
        c, heads = config.channels, config.heads
        self.where = PositionCode(c)
        self.encode = nn.ModuleList(DecoupledBlock(c, heads) for _ in range(config.fusion_blocks))
        self.visual_norm = nn.LayerNorm(c)
        self.audio_norm = nn.LayerNorm(c)
        self.pixels = PixelDecoder(config)
        self.ask = AudioConstrainedQueries(config)
        self.decode = nn.ModuleList(DecoderLayer(c, heads) for _ in range(config.query_layers))
        self.masks = QueryHead(config)

    def looking(self) -> Attention:
        """Return the attention with which queries look at the picture last."""
        return cast(Attention, self.decode[-1].get_submodule("look"))

    def fuse(self, features: Features) -> Fused:
        """Return an answer after every layer of the decoder."""
        grid, audio = features.grid, features.audio
        b, height = audio.shape[0], grid.shape[1]
        grid = grid + self.where(*grid.shape[1:3]).unflatten(0, (height, -1))
        for block in self.encode:
            grid, audio = block(grid, audio)
        grid, audio = self.visual_norm(grid), self.audio_norm(audio)
        fused = rearrange(grid, "bt h w c -> bt c h w")
        pixels, details = self.pixels(features.fine, features.middle, fused)
        queries = self.ask(rearrange(audio, "b t s c -> (b t) s c"))
        answers = []
        for layer in self.decode:
            queries = layer(queries, grid.flatten(1, 2))
            found, answer = self.masks(rearrange(queries, "(b t) q c -> b t q c", b=b), pixels)
            answers.append(answer)
        return Fused(answers, found, details, grid, audio)
