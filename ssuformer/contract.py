"""The tensor contract: the only definition of the engines' tensor names and shapes.

Axes: b clips, t frames, h w mask pixels, q queries, k categories, r region tokens, c channels,
n regions, l caption tokens. ONNX names, dynamic axes, config.pbtxt, parity inputs and the fake
engine of the tests are derived from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveInt

FRAME_SIZE = 224
"""Height and width of the engine's input frames, in pixels; frames are stretched to it."""

SAMPLE_RATE = 16_000
"""Sample rate of the engine's mono waveform input; one second per frame."""

SEGMENTATION = "ssu_segmentation"
CAPTION = "ssu_caption"
MODELS = (SEGMENTATION, CAPTION)

DType = Literal["uint8", "int64", "float32"]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor's name, element type and axes; a string is a dynamic axis, a number a fixed one."""

    name: str
    dtype: DType
    axes: tuple[str | int, ...]

    def shape(self, **sizes: int) -> tuple[int, ...]:
        """Return the shape with a size for every dynamic axis, as in `shape(b=1, t=5)`."""
        return tuple(axis if isinstance(axis, int) else sizes[axis] for axis in self.axes)


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """An engine's name, its inputs and its outputs, in order."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        """Return, for each tensor, its dynamic axes: `{"frames": {0: "b", 1: "t"}, ...}`."""
        return {
            tensor.name: {i: axis for i, axis in enumerate(tensor.axes) if isinstance(axis, str)}
            for tensor in (*self.inputs, *self.outputs)
        }


class Dimensions(BaseModel):
    """The sizes that are fixed in the exported graphs of a set of weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    queries: PositiveInt
    mask_size: PositiveInt
    categories: PositiveInt
    region_tokens: PositiveInt
    channels: PositiveInt
    caption_tokens: PositiveInt
    heard: bool = False
    """Whether the segmentation engine also says what is heard, seen or not."""


def segmentation_engine(size: Dimensions) -> EngineSpec:
    """Return the segmentation engine: frames and audio in, masks and region tokens out.

    Inputs: `frames` RGB 0..255; `waveform` mono, -1..1, the second of sound around each frame.
    Outputs, per query: mask probability 0..1, sounding probability 0..1, category logits and
    region tokens; per frame: the vectors that prompt the caption engine's experts and, with
    `size.heard`, the probability 0..1 that each category is heard in its second, seen or not.
    """
    q, m, c = size.queries, size.mask_size, size.channels
    heard = TensorSpec("heard_probability", "float32", ("b", "t", size.categories))
    return EngineSpec(
        name=SEGMENTATION,
        inputs=(
            TensorSpec("frames", "uint8", ("b", "t", FRAME_SIZE, FRAME_SIZE, 3)),
            TensorSpec("waveform", "float32", ("b", "t", SAMPLE_RATE)),
        ),
        outputs=(
            TensorSpec("mask_probability", "float32", ("b", "t", q, m, m)),
            TensorSpec("sounding_probability", "float32", ("b", "t", q)),
            TensorSpec("category_logits", "float32", ("b", "t", q, size.categories)),
            TensorSpec("region_tokens", "float32", ("b", "t", q, size.region_tokens, c)),
            TensorSpec("scene_prompt", "float32", ("b", "t", c)),
            TensorSpec("source_prompt", "float32", ("b", "t", c)),
            *((heard,) if size.heard else ()),
        ),
    )


def caption_engine(size: Dimensions) -> EngineSpec:
    """Return the caption engine: region tokens and prompts in, one sentence per region out.

    Token ids after the end-of-sentence token are the padding id 0; log-probabilities there are 0.
    """
    c = size.channels
    return EngineSpec(
        name=CAPTION,
        inputs=(
            TensorSpec("region_tokens", "float32", ("n", size.region_tokens, c)),
            TensorSpec("scene_prompt", "float32", ("n", c)),
            TensorSpec("source_prompt", "float32", ("n", c)),
        ),
        outputs=(
            TensorSpec("token_ids", "int64", ("n", size.caption_tokens)),
            TensorSpec("log_probability", "float32", ("n", size.caption_tokens)),
        ),
    )


def engines(size: Dimensions) -> tuple[EngineSpec, EngineSpec]:
    """Return both engines, in the order of `MODELS`."""
    return segmentation_engine(size), caption_engine(size)
