"""Photographs with the outline of their main thing, found by U^2-Net, as material for scenes.

Axes: h w pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
from PIL import Image

from ssuformer.errors import ConfigError
from training.pretrained import U2NETP

Pixels = npt.NDArray[np.uint8]

LONGEST_SIDE = 400
SALIENCY_SIZE = 320
MEAN, STD = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
SMALLEST_SHARE, LARGEST_SHARE = 0.04, 0.9
"""Share of the picture that a main thing covers."""
MOST_DOUBT = 0.25
"""Largest share of uncertain pixels (0.2 to 0.8) to certain ones."""


class Outliner:
    """Finds the main thing of a photograph."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            U2NETP.path(), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def outline(self, rgb: Pixels) -> Pixels:
        """Return `[h w]`, 0..255: how surely each pixel belongs to the main thing."""
        small = Image.fromarray(rgb).resize(
            (SALIENCY_SIZE, SALIENCY_SIZE), Image.Resampling.BICUBIC
        )
        pixels = np.asarray(small, np.float32) / max(1, int(rgb.max()))
        scaled = ((pixels - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)[None]
        found = self._session.run(None, {self._input: scaled})[0][0, 0]
        low, high = float(found.min()), float(found.max())
        share = (found - low) / max(high - low, 1e-6)
        mask = Image.fromarray((255 * share).astype(np.uint8))
        return np.asarray(mask.resize((rgb.shape[1], rgb.shape[0]), Image.Resampling.BILINEAR))


def passes(mask: Pixels) -> bool:
    """Return whether an outline is of one clear thing, neither tiny nor the whole picture."""
    sure = np.count_nonzero(mask > 204) / mask.size
    doubt = np.count_nonzero((mask > 51) & (mask <= 204)) / mask.size
    return bool(SMALLEST_SHARE <= sure <= LARGEST_SHARE and doubt <= MOST_DOUBT * sure)


@dataclass(frozen=True, slots=True)
class Photograph:
    """A stored photograph; without an outline it has no clear main thing."""

    picture: Path
    outline: Path | None


def read_photograph(path: Path) -> Pixels:
    """Return a picture as `[h w 3]` RGB with its longest side at most 400 px, or ConfigError."""
    try:
        with Image.open(path) as picture:
            rgb = picture.convert("RGB")
            rgb.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
            return np.asarray(rgb)
    except OSError as error:
        raise ConfigError(f"{path} is not a picture: {error}") from error


def store(
    photos: Path, out: Path, progress: Callable[[str], None] = lambda _name: None
) -> Iterator[Photograph]:
    """Store every photograph of `photos/<class>/` below `out/<class>/` with its outline.

    What is already stored is kept, so that a stopped run goes on where it was.
    """
    outliner = Outliner()
    for path in sorted(photos.glob("*/*.jpg")):
        picture = out / path.parent.name / path.name
        outline = picture.with_suffix(".png")
        if not picture.exists():
            picture.parent.mkdir(parents=True, exist_ok=True)
            rgb = read_photograph(path)
            mask = outliner.outline(rgb)
            if passes(mask):
                Image.fromarray(mask).save(outline, optimize=True)
            Image.fromarray(rgb).save(picture, quality=90)
        progress(str(path))
        yield Photograph(picture, outline if outline.exists() else None)
