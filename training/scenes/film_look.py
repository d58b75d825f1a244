"""How a film looks: colours, softness, grain, compression.

Axes: h w pixels.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FilmLook:
    """How all frames of a scene look."""

    gains: tuple[float, float, float]
    gamma: float
    contrast: float
    blur: float
    grain: float
    quality: int | None
    grey: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> FilmLook:
        """Draw a look."""
        r, g, b = rng.normal(1, 0.06, 3)
        return cls(
            gains=(float(r), float(g), float(b)),
            gamma=float(np.exp(rng.normal(0, 0.25))),
            contrast=float(rng.uniform(0.7, 1.2)),
            blur=float(rng.uniform(0.3, 1.5)) if rng.random() < 0.35 else 0.0,
            grain=float(rng.uniform(0, 8)) if rng.random() < 0.4 else 0.0,
            quality=int(rng.integers(20, 85)) if rng.random() < 0.6 else None,
            grey=bool(rng.random() < 0.05),
        )

    def applied(self, picture: Image.Image, rng: np.random.Generator) -> Pixels:
        """Return a frame that looks like this: uint8 `[h w 3]`."""
        if self.blur:
            picture = picture.filter(ImageFilter.GaussianBlur(self.blur))
        if self.grey:
            picture = picture.convert("L").convert("RGB")
        ramp = np.arange(256) / 255
        table = 0.5 + self.contrast * (ramp**self.gamma - 0.5)
        tables = [np.clip(255 * gain * table, 0, 255) for gain in self.gains]
        picture = picture.point(np.concatenate(tables).astype(np.uint8).tolist())
        if self.quality is not None:
            stored = io.BytesIO()
            picture.save(stored, "JPEG", quality=self.quality)
            picture = Image.open(stored)
        rgb = np.asarray(picture.convert("RGB"))
        if self.grain:
            rough = rng.standard_normal(rgb.shape[:2], dtype=np.float32) * self.grain
            rgb = np.clip(rgb + rough[..., None], 0, 255).astype(np.uint8)
        return rgb
