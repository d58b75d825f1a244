"""SSUFormer: fusion by self- and cross-attention, then audio-conditioned queries (reconstruction).

What its authors say, and what is ours, is in `docs/model.md`. Its parts are in
`ssuformer/model/fusion.py` and `ssuformer/model/segmentation.py`.

Axes: b clips, t frames, h w visual tokens at stride 16, c channels.
"""

from __future__ import annotations

from typing import cast

from einops import rearrange
from torch import nn

from ssuformer.model.attention import Attention, PositionCode
from ssuformer.model.config import ModelConfig
from ssuformer.model.fusion import FusionBlock
from ssuformer.model.segmentation import MaskDecoder, PixelDecoder
from ssuformer.model.sound_source_model import Features, Fused, SoundSourceModel


class SSUFormer(SoundSourceModel):
    """Both modalities inform each other; then queries find the sources."""

    def add_parts(self, config: ModelConfig) -> None:
        """Add position code, fusion blocks, pixel decoder and mask decoder."""
        c = config.channels
        self.where = PositionCode(c)
        self.fusion = nn.ModuleList(
            FusionBlock(c, config.heads) for _ in range(config.fusion_blocks)
        )
        self.visual_norm = nn.LayerNorm(c)
        self.audio_norm = nn.LayerNorm(c)
        self.pixels = PixelDecoder(config)
        self.masks = MaskDecoder(config)

    def looking(self) -> Attention:
        """Return the attention with which queries look at the picture last."""
        return cast(Attention, self.masks.layers[-1].get_submodule("look"))

    def fuse(self, features: Features) -> Fused:
        """Return the answer of the queries after every layer of the mask decoder."""
        grid, audio = features.grid, features.audio
        height, width = grid.shape[1:3]
        grid = grid + rearrange(self.where(height, width), "(h w) c -> h w c", h=height)
        for block in self.fusion:
            grid, audio = block(grid, audio)
        grid, audio = self.visual_norm(grid), self.audio_norm(audio)
        fused = rearrange(grid, "b h w c -> b c h w")
        pixels, details = self.pixels(features.fine, features.middle, fused)
        queries, answers = self.masks(audio, grid.flatten(1, 2), pixels)
        return Fused(answers, queries, details, grid, audio)
