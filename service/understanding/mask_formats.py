"""Mask encodings of the answer. New formats are added in this file only.

A format is a model with `of` and `to_mask`, a line in `FORMATS` and its name in `MaskFormat`.
"""

from __future__ import annotations

import base64
import io
from typing import ClassVar, Literal, Self, get_args

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ssuformer import masks
from ssuformer.masks import Mask
from ssuformer.outlines import fill, outlines
from ssuformer.run_lengths import mask_of_runs

MaskFormat = Literal["rle", "rle_uncompressed", "polygon", "png", "none"]


class _WrittenMask(BaseModel):
    model_config = ConfigDict(frozen=True)

    summary: ClassVar[str]
    """A short description for the documentation of the option."""

    size: tuple[int, int] = Field(description="Height, width.")


class RleMask(_WrittenMask):
    """COCO's compressed run-lengths: `pycocotools.mask.decode` reads it."""

    summary: ClassVar[str] = "COCO's compressed run-lengths"

    size: tuple[int, int] = Field(description="Height, width.", examples=[[360, 640]])
    counts: str = Field(examples=["Zo5Q1d6O1N2O1N2N2O0O2O"])

    @classmethod
    def of(cls, mask: Mask) -> Self:
        """Encode a bool mask [h w]."""
        return cls.model_validate(masks.encode_rle(mask))

    def to_mask(self) -> Mask:
        """Decode to a bool mask [h w]."""
        return masks.decode_rle({"size": list(self.size), "counts": self.counts})


class PlainRleMask(_WrittenMask):
    """Lengths of runs down the columns, alternating between background and mask."""

    summary: ClassVar[str] = "the same as numbers"

    counts: list[int]

    @classmethod
    def of(cls, mask: Mask) -> Self:
        """Encode a bool mask [h w]."""
        return cls.model_validate(masks.encode_uncompressed_rle(mask))

    def to_mask(self) -> Mask:
        """Decode to a bool mask [h w]."""
        return mask_of_runs(self.counts, self.size)


class PolygonMask(_WrittenMask):
    """Closed rings along pixel edges, to be filled even-odd; holes are rings too."""

    summary: ClassVar[str] = "closed rings `[x0, y0, x1, y1, ...]`, to be filled even-odd"

    rings: list[list[int]] = Field(description="`[x0, y0, x1, y1, ...]` each.")

    @classmethod
    def of(cls, mask: Mask) -> Self:
        """Encode a bool mask [h w]."""
        return cls(size=(mask.shape[0], mask.shape[1]), rings=outlines(mask))

    def to_mask(self) -> Mask:
        """Decode to a bool mask [h w]."""
        return fill(self.rings, self.size)


class PngMask(_WrittenMask):
    """A black-and-white PNG in base64."""

    summary: ClassVar[str] = "black and white, in base64"

    png: str

    @classmethod
    def of(cls, mask: Mask) -> Self:
        """Encode a bool mask [h w]."""
        return cls(size=(mask.shape[0], mask.shape[1]), png=masks.encode_png(mask))

    def to_mask(self) -> Mask:
        """Decode to a bool mask [h w]."""
        with Image.open(io.BytesIO(base64.b64decode(self.png))) as picture:
            return np.asarray(picture.convert("L")) > 0


WrittenMask = RleMask | PlainRleMask | PolygonMask | PngMask

FORMATS: dict[MaskFormat, type[WrittenMask]] = {
    "rle": RleMask,
    "rle_uncompressed": PlainRleMask,
    "polygon": PolygonMask,
    "png": PngMask,
}

NAMES: tuple[str, ...] = get_args(MaskFormat)


def write_mask(mask: Mask, name: MaskFormat) -> WrittenMask | None:
    """Return a bool mask [h w] in the format of this name; None for `none`."""
    return None if name == "none" else FORMATS[name].of(mask)


def describe_formats() -> str:
    """Return a description of every format, in one sentence."""
    told = [f"`{name}`: {written.summary}" for name, written in FORMATS.items()]
    return "; ".join([*told, "`none`: boxes and areas only."])
