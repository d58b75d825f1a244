"""AVESFormer (Wang et al., "Efficient Transformer Design for Real-Time AVS", arXiv 2408.01708).

From its description alone; its code has no licence and was not read. Taken from there: attention
of pixels to the one audio token of a frame has nothing to choose from, its softmax is always 1
("attention dissipation"); a prompt query generator puts learned prompts, told by the audio, in its
place; the decoder has convolutions in its early stages, where transformers only look nearby, and
attention at the end (ELF). No frame knows of another. Open or chosen here: prompts and audio are
added, then transformed; there are as many prompts as queries, and they go on as queries; pixels at
stride 16 attend to them; `query_layers` residual blocks, then this project's pixel decoder, then
one transformer layer.

Axes: b clips, t frames, h w visual tokens at stride 16, n all of them, q queries, c channels.
"""

from __future__ import annotations

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor, nn

from ssuformer.model.attention import Attention, FeedForward, PositionCode
from ssuformer.model.config import ModelConfig
from ssuformer.model.family.heads import QueryHead, tokens
from ssuformer.model.segmentation import PixelDecoder
from ssuformer.model.sound_source_model import Features, Fused, SoundSourceModel
from ssuformer.model.vision import ResidualBlock


class PromptQueryGenerator(nn.Module):
    """Learned prompts, each told what is heard in the frame."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.channels
        self.prompts = nn.Parameter(torch.randn(config.queries, c) * 0.5)
        self.tell = nn.Linear(c, c)
        self.mlp = FeedForward(c)
        self.norm = nn.LayerNorm(c)

    def forward(self, audio: Float[Tensor, "b t c"]) -> Float[Tensor, "b t q c"]:
        """Return the prompts of every frame."""
        told = self.prompts + repeat(self.tell(audio), "b t c -> b t 1 c")
        return self.norm(told + self.mlp(told))


class EarlyFocusDecoder(nn.Module):
    """ELF (early focus): convolutions first, on pixels; a transformer layer last, on queries."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c = config.channels
        self.early = nn.Sequential(*(ResidualBlock(c, c, 1) for _ in range(config.query_layers)))
        self.pixels = PixelDecoder(config)
        self.where = PositionCode(c)
        self.look = Attention(c, config.heads)
        self.agree = Attention(c, config.heads)
        self.mlp = FeedForward(c)
        self.norms = nn.ModuleList(nn.LayerNorm(c) for _ in range(4))

    def local(
        self, features: Features, grid: Float[Tensor, "bt c h w"]
    ) -> tuple[
        Float[Tensor, "bt m h4 w4"], Float[Tensor, "bt c8 h8 w8"], Float[Tensor, "bt c h w"]
    ]:
        """Return the pixel embedding, and the features at strides 8 and 16: convolutions alone."""
        grid = self.early(grid)
        pixels, details = self.pixels(features.fine, features.middle, grid)
        return pixels, details, grid

    def late(
        self, queries: Float[Tensor, "bt q c"], grid: Float[Tensor, "bt c h w"]
    ) -> Float[Tensor, "bt q c"]:
        """Return the queries after they looked at their frame and at each other."""
        visual = self.norms[0](tokens(grid) + self.where(*grid.shape[-2:]))
        x = queries + self.look.few_ask(self.norms[1](queries), visual)
        x = x + self.agree(self.norms[2](x))
        return x + self.mlp(self.norms[3](x))


class AvesFormer(SoundSourceModel):
    """Prompts in place of the one audio token, and a decoder that is local early."""

    def add_parts(self, config: ModelConfig) -> None:
        """Add the generator, the attention of pixels to prompts, the decoder and the head."""
        c = config.channels
        self.prompt = PromptQueryGenerator(config)
        self.norm = nn.LayerNorm(c)
        self.hear = Attention(c, config.heads)
        self.decoder = EarlyFocusDecoder(config)
        self.masks = QueryHead(config)

    def looking(self) -> Attention:
        """Return the attention with which queries look at the picture last."""
        return self.decoder.look

    def fuse(self, features: Features) -> Fused:
        """Return the answer of the prompts after the last layer."""
        b = features.audio.shape[0]
        prompts = rearrange(self.prompt(features.audio.mean(dim=2)), "b t q c -> (b t) q c")
        visual = features.grid.flatten(1, 2)
        visual = visual + self.hear.ask_few(self.norm(visual), prompts)
        grid = rearrange(visual, "bt (h w) c -> bt c h w", h=features.grid.shape[1])
        pixels, details, grid = self.decoder.local(features, grid)
        queries = rearrange(self.decoder.late(prompts, grid), "(b t) q c -> b t q c", b=b)
        queries, answer = self.masks(queries, pixels)
        grid = rearrange(grid, "bt c h w -> bt h w c")
        return Fused([answer], queries, details, grid, features.audio)
