"""Model configuration: sizes, switches, and named presets."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from ssuformer.contract import FRAME_SIZE, Dimensions
from ssuformer.errors import ConfigError, wrong_fields

VISUAL_STRIDES = (4, 8, 16, 32)


Family = Literal["ssuformer", "tpavi", "transavs", "catr", "avesformer", "pcmanet"]
"""The segmentation models to choose from (`ssuformer/model/family/`)."""


class ModelConfig(BaseModel):
    """All settings that determine the shape of the weights; stored with every checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str = "tiny"
    family: Family = "ssuformer"
    """What finds the masks, between the encoders and the region tokens."""
    vision: Literal["convolutional", "pvt_v2", "efficientnet_lite0"] = "convolutional"
    vision_weights: str | None = None
    """A hub name or a local folder of a published PVTv2; None starts from scratch."""
    vision_widths: tuple[int, int, int, int] = (24, 48, 96, 192)
    vision_depths: tuple[int, int, int, int] = (1, 1, 2, 1)
    vision_details: int = Field(default=0, ge=0, le=4)
    """Levels, from stride 4 on, at which features learned from the pixels are added to those of a
    published vision encoder."""
    audio: Literal["small", "vggish", "yamnet"] = "small"
    loudness: bool = False
    """Bring every clip to one level inside the graph, but leave silence silent."""
    audio_tokens: PositiveInt = 4
    """Audio tokens per second; a single one would always receive all of the attention."""
    channels: PositiveInt = 128
    heads: PositiveInt = 4
    fusion_blocks: PositiveInt = 2
    pixel_channels: PositiveInt = 24
    queries: PositiveInt = 8
    query_layers: PositiveInt = 2
    mcm: bool = True
    """Mask Collaboration Module: region tokens are pooled under the predicted mask."""
    detail_tokens: PositiveInt = 4
    gate: Literal["tanh", "concatenation"] = "tanh"
    """How region tokens take in what is around: times the tanh of a weight that begins at 0, or by
    a linear layer over both."""
    mohe: bool = True
    """Mixture of Hierarchical-prompted Experts in place of the caption layers' FFN."""
    prompts: Literal["scope", "pyramid", "words"] = "scope"
    """What the levels of the experts' prompts are: scene, source and region; the region at strides
    4, 8 and 16; or words for scene, source and region, each chosen knowing the ones before."""
    experts_per_level: PositiveInt = 1
    prompt_tokens: PositiveInt = 2
    caption_layers: PositiveInt = 3
    caption_tokens: PositiveInt = 28
    audio_classes: tuple[tuple[int, ...], ...] = ()
    """For each category, the classes of a pretrained audio encoder that mean it.

    If given, what is heard and what is seen is named from the encoders' own classifiers too
    (`ssuformer/model/evidence.py`).
    """
    broad_classes: tuple[tuple[int, ...], ...] = ()
    """For each category, broader classes of the audio encoder, which leave open what it is."""
    image_classes: tuple[tuple[int, ...], ...] = ()
    """For each category, the classes of a pretrained vision encoder that show it."""
    looks: tuple[int, ...] = ()
    """For each category, the one that stands for how it looks: all grown-up people look alike."""
    unlearned: tuple[int, ...] = ()
    """Categories without any training scene: only the encoders' classifiers name them."""
    heard: bool = False
    """Whether the outputs say what is heard in every second, seen or not."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the projected features of both encoders that a training step leaves out."""
    categories: PositiveInt = Field(default=8)
    vocabulary: PositiveInt = Field(default=256)

    @property
    def region_tokens(self) -> int:
        """Return the number of tokens per region: pooled, position, query and details."""
        return (5 if self.pooled_apart else 3) + self.detail_tokens

    @property
    def pooled_apart(self) -> bool:
        """Return whether a region has a pooled token for each of three strides, not one of all."""
        return self.mohe and self.prompts == "pyramid"

    @property
    def dimensions(self) -> Dimensions:
        """Return the sizes the engine contract needs."""
        return Dimensions(
            queries=self.queries,
            mask_size=FRAME_SIZE // VISUAL_STRIDES[0],
            categories=self.categories,
            region_tokens=self.region_tokens,
            channels=self.channels,
            caption_tokens=self.caption_tokens,
            heard=self.heard,
        )


PRESETS = {
    "tiny": ModelConfig(),
    "small": ModelConfig(
        preset="small",
        vision="efficientnet_lite0",
        vision_widths=(24, 40, 112, 320),
        audio="yamnet",
        loudness=True,
        heard=True,
        pixel_channels=32,
        dropout=0.15,
    ),
    "base": ModelConfig(
        preset="base",
        vision="pvt_v2",
        vision_widths=(64, 128, 320, 512),
        vision_depths=(3, 4, 6, 3),
        audio="vggish",
        channels=256,
        heads=8,
        fusion_blocks=3,
        pixel_channels=64,
        queries=16,
        query_layers=3,
        detail_tokens=8,
        experts_per_level=2,
        caption_layers=4,
        caption_tokens=40,
    ),
}


def preset(name: str, *, categories: int, vocabulary: int, **changes: object) -> ModelConfig:
    """Return a preset fitted to a data set; `changes` replace single fields."""
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}; available: {', '.join(PRESETS)}")
    fields = PRESETS[name].model_dump() | changes
    fields |= {"categories": categories, "vocabulary": vocabulary}
    try:
        return ModelConfig.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(f"the model cannot be built: {wrong_fields(error)}") from error
