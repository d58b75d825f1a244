"""SSUFormer: the sound sources of every frame, their masks, and a sentence about each.

Axes: b clips, t frames, h w pixels, q queries, k categories, r region tokens, n visual tokens,
c channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from ssuformer.model.attention import PositionCode
from ssuformer.model.audio import AudioEncoder
from ssuformer.model.caption import CaptionDecoder
from ssuformer.model.config import ModelConfig
from ssuformer.model.frontend import LogMel, PixelNorm
from ssuformer.model.fusion import FusionBlock, halved
from ssuformer.model.mask_collaboration import MaskCollaboration
from ssuformer.model.segmentation import MaskDecoder, PixelDecoder, QueryAnswer
from ssuformer.model.vision import vision_encoder


@dataclass(frozen=True, slots=True)
class Segmented:
    """Output of the segmentation half, and intermediate values for captions and losses."""

    answers: list[QueryAnswer]
    queries: Float[Tensor, "b t q c"]
    levels: tuple[Tensor, Tensor, Tensor]
    around: Float[Tensor, "bt n c"]
    scene: Float[Tensor, "b t c"]
    source: Float[Tensor, "b t c"]
    heard: Float[Tensor, "b t k"]
    """Category logits from the audio alone; for training only."""
    seen: Float[Tensor, "bt k1 y x"]
    """Category logits of every pixel at stride 8, the last one is background; for training only."""


class SegmentationOutputs(NamedTuple):
    """The outputs of the segmentation engine, in the contract's order."""

    mask_probability: Float[Tensor, "b t q h w"]
    sounding_probability: Float[Tensor, "b t q"]
    category_logits: Float[Tensor, "b t q k"]
    region_tokens: Float[Tensor, "b t q r c"]
    scene_prompt: Float[Tensor, "b t c"]
    source_prompt: Float[Tensor, "b t c"]


class SSUFormer(nn.Module):
    """Encoders, fusion, mask decoder, mask collaboration and caption decoder."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        c = config.channels
        _, middle, coarse, coarsest = config.vision_widths
        self.pixel_norm = PixelNorm()
        self.log_mel = LogMel()
        self.vision = vision_encoder(config)
        self.audio = AudioEncoder(config)
        self.coarse = nn.Conv2d(coarse, c, 1)
        self.coarsest = nn.Conv2d(coarsest, c, 1)
        self.where = PositionCode(c)
        self.fusion = nn.ModuleList(
            FusionBlock(c, config.heads) for _ in range(config.fusion_blocks)
        )
        self.visual_norm = nn.LayerNorm(c)
        self.audio_norm = nn.LayerNorm(c)
        self.pixels = PixelDecoder(config)
        self.masks = MaskDecoder(config)
        self.mcm = MaskCollaboration(config)
        self.caption = CaptionDecoder(config)
        self.heard = nn.Linear(c, config.categories)
        self.seen = nn.Conv2d(middle, config.categories + 1, 1)

    def forward(
        self,
        frames: UInt8[Tensor, "b t h w 3"] | Float[Tensor, "b t h w 3"],
        waveform: Float[Tensor, "b t samples"],
    ) -> SegmentationOutputs:
        """Return the served and evaluated outputs of a clip; frames hold 0..255, of any type."""
        found = self.segment(frames, waveform)
        answer = found.answers[-1]
        masks = answer.masks.sigmoid()
        return SegmentationOutputs(
            mask_probability=masks,
            sounding_probability=answer.sounding.sigmoid(),
            category_logits=answer.categories,
            region_tokens=self.regions(found, masks),
            scene_prompt=found.scene,
            source_prompt=found.source,
        )

    def segment(
        self,
        frames: UInt8[Tensor, "b t h w 3"] | Float[Tensor, "b t h w 3"],
        waveform: Float[Tensor, "b t samples"],
    ) -> Segmented:
        """Segment every frame; height and width are multiples of 32."""
        b = frames.shape[0]
        fine, middle, coarse, coarsest = self.vision(self.pixel_norm(frames))
        audio = rearrange(self.audio(self.log_mel(waveform)), "(b t) s c -> b t s c", b=b)
        heard = self.heard(audio.mean(dim=2))

        height, width = coarse.shape[-2:]
        context = F.interpolate(self.coarsest(coarsest), scale_factor=2.0, mode="nearest")
        grid = rearrange(self.coarse(coarse) + context, "b c h w -> b h w c")
        grid = grid + rearrange(self.where(height, width), "(h w) c -> h w c", h=height)
        for block in self.fusion:
            grid, audio = block(grid, audio)
        grid, audio = self.visual_norm(grid), self.audio_norm(audio)

        fused = rearrange(grid, "b h w c -> b c h w")
        pixels, details = self.pixels(fine, middle, fused)
        queries, answers = self.masks(audio, grid.flatten(1, 2), pixels)
        around = halved(grid)
        return Segmented(
            answers=answers,
            queries=queries,
            levels=(fine, details, fused),
            around=around,
            scene=rearrange(around.mean(dim=1), "(b t) c -> b t c", b=b),
            source=audio.mean(dim=2),
            heard=heard,
            seen=self.seen(details),
        )

    def regions(
        self, found: Segmented, masks: Float[Tensor, "b t q h w"]
    ) -> Float[Tensor, "b t q r c"]:
        """Return the region tokens under `masks`: predicted ones, or ground truth in training."""
        return self.mcm(masks, found.queries, found.levels, found.around)


def parameters(model: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(weight.numel() for weight in model.parameters())


def union(answer: QueryAnswer) -> Float[Tensor, "b t h w"]:
    """Return the probability that each pixel belongs to any sound source."""
    probability = answer.masks.sigmoid() * answer.sounding.sigmoid()[..., None, None]
    return 1.0 - torch.prod(1.0 - probability, dim=2)
