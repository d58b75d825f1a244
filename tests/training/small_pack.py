"""A pack that is drawn and synthesised in a few lines, for tests of the composer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from training.packs.pack import Kind, PackCategory, PackItem
from training.scene import Split

_WORDS = (
    ("cat", "cat", "meows", "lifescene", (250, 140, 20)),
    ("dog", "dog", "barks", "lifescene", (120, 70, 30)),
    ("owl", "owl", "hoots", "lifescene", (40, 60, 220)),
    ("fire_engine", "fire engine", "wails", "lifescene", (230, 20, 20)),
    ("alarm_clock", "alarm clock", "beeps", "lifescene", (20, 180, 40)),
    ("violin", "violin", "plays a tune", "music", (150, 80, 30)),
    ("piano", "piano", "plays chords", "music", (20, 20, 20)),
    ("maracas", "maracas", "are shaken", "music", (240, 230, 40)),
    ("ukulele", "ukulele", "plays softly", "music", (240, 110, 190)),
    ("electric_guitar", "electric guitar", "plays a riff", "music", (240, 240, 240)),
)


class SmallPack:
    """Ellipses with a bar, tones with gaps: one colour and one pitch per category."""

    categories: ClassVar[tuple[PackCategory, ...]] = tuple(
        PackCategory.model_validate({"name": n, "noun": noun, "verb": verb, "profile": profile})
        for n, noun, verb, profile, _ in _WORDS
    )

    def items(self, kind: Kind, category: str, split: Split) -> Sequence[PackItem]:
        return [
            PackItem(
                path=f"{kind}/{category}/{number}",
                kind=kind,
                category=category,
                style="own",
                origin="own",
                licence="CC0-1.0",
                split="all" if split == "test-style" else split,
            )
            for number in range(2)
        ]

    def sprite(self, item: PackItem) -> npt.NDArray[np.uint8]:
        number = int(item.path[-1])
        width, height = (160, 90) if number else (80, 120)
        picture = Image.new("RGBA", (width + 20, height + 30), (0, 0, 0, 0))
        draw = ImageDraw.Draw(picture)
        colour = next(c for n, _, _, _, c in _WORDS if n == item.category)
        draw.ellipse((10, 10, width + 10, height + 10), fill=(*colour, 255))
        draw.rectangle((width / 2, 20, width / 2 + 15, height - 10), fill=(128, 128, 128, 255))
        return np.asarray(picture)

    def sound(self, item: PackItem) -> npt.NDArray[np.float32]:
        pitch = 200 + 130 * [n for n, *_ in _WORDS].index(item.category)
        t = np.arange(3 * 16_000) / 16_000
        tone = 0.3 * np.sin(2 * np.pi * pitch * t) * (t % 0.5 < 0.3)
        return tone.astype(np.float32)
