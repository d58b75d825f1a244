"""Shots of film-like scenes: what the camera sees, and the way it moves.

Axes: h w pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from training.categories import of_kind
from training.packs.material import FilmMaterial, Photo, read_outline, read_rgb, read_sprite
from training.scenes.attributes import colour_of
from training.scenes.backgrounds import background
from training.scenes.grammar import Colour

Mask = npt.NDArray[np.bool_]
Box = tuple[float, float, float, float]

ASPECTS = (16 / 9, 16 / 9, 4 / 3, 1.0, 9 / 16)


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing of a shot: what it is, and how it is drawn over the frame."""

    category: str
    colour: Colour | None
    cutout: Image.Image | None = None
    """RGBA; None for a thing of the shot's picture."""
    start: tuple[float, float] = (0.5, 0.5)
    end: tuple[float, float] = (0.5, 0.5)
    size: tuple[float, float] = (0.5, 0.5)
    """Width and height of the cut-out, in frames."""
    growth: float = 1.0
    degrees: float = 0.0


@dataclass(frozen=True, slots=True)
class Shot:
    """A camera position: a picture, the way over it, and the things it shows."""

    picture: Image.Image
    outlines: tuple[Image.Image, ...]
    """Of the things of the picture, which are the first of `things`."""
    start: Box
    end: Box
    flip: bool
    things: tuple[Thing, ...]


class Camera:
    """Films shots of photographs, players with instruments, and backgrounds with cut-outs."""

    def __init__(self, material: FilmMaterial, *, size: int, seed: int) -> None:
        self.material, self.size, self.seed = material, size, seed
        by_category: dict[str, list[Photo]] = {}
        for photo in material.photos:
            by_category.setdefault(photo.category, []).append(photo)
        self._photos = by_category
        # Common things come more often, but not in proportion: people, then anything else.
        names = sorted(by_category)
        weights = np.array([min(len(by_category[name]), 60) ** 0.5 for name in names])
        weights[[name == "person_speaking" for name in names]] *= 5
        self._names, self._weights = names, weights / weights.sum()
        shown = by_category.keys() | material.sprites.keys()
        self._instruments = sorted(shown & of_kind("instrument"))

    def shot(self, rng: np.random.Generator) -> Shot:
        """Return a shot of a photograph, a player, or a background, mostly with cut-outs."""
        aspect = float(rng.choice(ASPECTS))
        things: list[Thing] = []
        outlines: tuple[Image.Image, ...] = ()
        luck = rng.random()
        if luck < 0.6:
            photo = self._photo(rng)
            picture, outline = read_rgb(photo.picture), read_outline(photo.outline)
            start, end = _framing(rng, picture.size, _bounds(outline), aspect)
            things.append(Thing(photo.category, _colour(picture, outline)))
            outlines = (outline,)
            overlays = int(rng.choice((0, 1, 2), p=(0.72, 0.2, 0.08)))
        elif luck < 0.72 and self._instruments and "person_speaking" in self._photos:
            picture, outlines, things = self._player(rng)
            start, end = _framing(rng, picture.size, _bounds(outlines[0]), aspect)
            overlays = int(rng.random() < 0.1)
        else:
            picture = self._background(rng)
            start, end = _framing(rng, picture.size, None, aspect)
            overlays = int(rng.choice((0, 1, 2, 3), p=(0.08, 0.42, 0.32, 0.18)))
        taken = [thing.category for thing in things]
        for _ in range(overlays):
            twin = str(rng.choice(taken)) if taken and rng.random() < 0.2 else None
            thing = self._cutout(rng, aspect, alone=not things, taken=taken, wanted=twin)
            taken.append(thing.category)
            things.append(thing)
        flip = bool(rng.random() < 0.5)
        return Shot(picture, outlines, start, end, flip, tuple(things))

    def _player(
        self, rng: np.random.Generator
    ) -> tuple[Image.Image, tuple[Image.Image, ...], list[Thing]]:
        """Return a photograph of a person with an instrument drawn in front, both outlined."""
        people = self._photos["person_speaking"]
        photo = people[int(rng.integers(len(people)))]
        picture, person = read_rgb(photo.picture).copy(), read_outline(photo.outline).copy()
        name = str(rng.choice(self._instruments))
        instrument = self._picture_of(rng, name)
        left, top, right, bottom = _bounds(person)
        longest = float(rng.uniform(0.4, 1.0)) * max(right - left, 0.7 * (bottom - top))
        unit = longest / max(instrument.size)
        size = (max(4, round(unit * instrument.width)), max(4, round(unit * instrument.height)))
        drawn = instrument.resize(size, _SMOOTH, reducing_gap=2.0)
        drawn = drawn.rotate(float(rng.uniform(-40, 40)), _SMOOTH, expand=True)
        x = (left + right) / 2 + float(rng.uniform(-0.25, 0.25)) * (right - left)
        y = top + float(rng.uniform(0.5, 0.95)) * (bottom - top)
        corner = (round(x - drawn.width / 2), round(y - drawn.height / 2))
        picture.paste(drawn, corner, drawn)
        held = Image.new("L", picture.size)
        held.paste(drawn.getchannel("A"), corner)
        person.paste(0, mask=held)
        things = [
            Thing(photo.category, _colour(picture, person)),
            Thing(name, colour_of(instrument)),
        ]
        return picture, (person, held), things

    def _photo(self, rng: np.random.Generator) -> Photo:
        photos = self._photos[str(rng.choice(self._names, p=self._weights))]
        return photos[int(rng.integers(len(photos)))]

    def _background(self, rng: np.random.Generator) -> Image.Image:
        if not self.material.backgrounds or rng.random() < 0.25:
            number = int(rng.integers(400))
            return Image.fromarray(background((self.seed, 11, number), 256))
        choice = int(rng.integers(len(self.material.backgrounds)))
        picture = read_rgb(self.material.backgrounds[choice])
        if rng.random() < 0.25:
            picture = picture.filter(ImageFilter.GaussianBlur(float(rng.uniform(1, 6))))
        return picture

    def _cutout(
        self,
        rng: np.random.Generator,
        aspect: float,
        *,
        alone: bool,
        taken: Sequence[str],
        wanted: str | None,
    ) -> Thing:
        """Return a cut-out of the wanted category, or of one that is not taken yet."""
        category = wanted
        for _ in range(5):
            if category is not None:
                break
            name = str(
                rng.choice(self._names, p=self._weights)
                if rng.random() < 0.55
                else rng.choice(sorted(self.material.sprites))
            )
            category = None if name in taken else name
        category = category or name
        picture = self._picture_of(rng, category)
        if rng.random() < 0.5:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        largest = 0.95 if alone else 0.6
        size = float(np.exp(rng.uniform(np.log(0.14), np.log(largest))))
        unit = size / max(picture.size)
        width = unit * picture.width / np.sqrt(aspect)
        height = unit * picture.height * np.sqrt(aspect)
        low = np.array((min(0.3 * width, 0.5), min(0.35 * height, 0.5)))
        start = rng.uniform(low, 1 - low)
        end = start
        if rng.random() < 0.5:
            end = start + float(rng.uniform(0.1, 0.9)) * (rng.uniform(low, 1 - low) - start)
        return Thing(
            category,
            colour_of(picture),
            picture,
            (float(start[0]), float(start[1])),
            (float(end[0]), float(end[1])),
            (float(width), float(height)),
            float(rng.choice((1.0, 1.0, 0.8, 1.25))),
            float(rng.uniform(-15, 15)) if rng.random() < 0.5 else 0.0,
        )

    def _picture_of(self, rng: np.random.Generator, category: str) -> Image.Image:
        """Return a cut-out of a category, from a photograph or drawn, without empty borders."""
        photos = self._photos.get(category, ())
        sprites = self.material.sprites.get(category, ())
        if photos and (not sprites or rng.random() < 0.7):
            photo = photos[int(rng.integers(len(photos)))]
            picture = read_rgb(photo.picture).copy()
            picture.putalpha(read_outline(photo.outline).point(_hardened))
        else:
            picture = read_sprite(sprites[int(rng.integers(len(sprites)))])
        box = picture.getchannel("A").point(_visible).getbbox() or (0, 0, *picture.size)
        return picture.crop(box)

    def frame(self, shot: Shot, at: float) -> tuple[Image.Image, list[Mask]]:
        """Return the picture at a share of the shot, and the visible mask of each thing."""
        side = (self.size, self.size)
        box = tuple(a + at * (b - a) for a, b in zip(shot.start, shot.end, strict=True))
        picture = shot.picture.transform(side, Image.Transform.EXTENT, box, _SMOOTH)
        masks: list[Mask] = []
        for outline in shot.outlines:
            found = outline.transform(side, Image.Transform.EXTENT, box, _SMOOTH)
            if shot.flip:
                found = found.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            mask = np.asarray(found) > 127
            masks.append(mask & ~np.any(masks, axis=0) if masks else mask)
        if shot.flip:
            picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for thing in shot.things[len(masks) :]:
            masks.append(self._pasted(picture, thing, at, masks))
        return picture, masks

    def _pasted(self, picture: Image.Image, thing: Thing, at: float, behind: list[Mask]) -> Mask:
        """Draw a cut-out over the picture; take its pixels from the masks behind it."""
        if thing.cutout is None:
            raise ValueError("a thing that is not in the picture needs a cut-out")
        scale = thing.growth**at
        width, height = (max(2, round(scale * side * self.size)) for side in thing.size)
        drawn = thing.cutout.resize((width, height), _SMOOTH, reducing_gap=2.0)
        if thing.degrees:
            drawn = drawn.rotate(thing.degrees, _SMOOTH, expand=True)
        x, y = (a + at * (b - a) for a, b in zip(thing.start, thing.end, strict=True))
        corner = (round(x * self.size - drawn.width / 2), round(y * self.size - drawn.height / 2))
        picture.paste(drawn, corner, drawn)
        cover = Image.new("L", (self.size, self.size))
        cover.paste(drawn.getchannel("A"), corner)
        mask = np.asarray(cover) > 127
        for other in behind:
            other &= ~mask
        return mask


_SMOOTH = Image.Resampling.BILINEAR


def _hardened(alpha: int) -> int:
    return max(0, min(255, (alpha - 96) * 4))


def _visible(alpha: int) -> int:
    return 255 * (alpha > 24)


def _bounds(outline: Image.Image) -> tuple[int, int, int, int]:
    return outline.point(lambda alpha: 255 * (alpha > 127)).getbbox() or (0, 0, *outline.size)


def _colour(picture: Image.Image, outline: Image.Image) -> Colour | None:
    cut = picture.copy()
    cut.putalpha(outline)
    return colour_of(cut)


def _framing(
    rng: np.random.Generator,
    size: tuple[int, int],
    bounds: tuple[int, int, int, int] | None,
    aspect: float,
) -> tuple[Box, Box]:
    """Return where the camera begins and ends, as boxes of the picture.

    With the bounds of a thing, it fills 0.25 to 1.3 of the frame, as far as the picture allows.
    """
    width, height = size
    most = min(width, height * aspect)
    if bounds is None:
        first = most * float(rng.uniform(0.5, 1.0))
        centre = rng.uniform(0, 1, 2) * size
    else:
        left, top, right, bottom = bounds
        tight = max(right - left, (bottom - top) * aspect)
        first = min(most, tight / float(rng.uniform(0.25, 1.3)))
        centre = np.array((left + right, top + bottom)) / 2
        slack = max(0.0, (first - 0.5 * tight) / 2)
        centre = centre + rng.uniform(-slack, slack, 2) * (1.0, 1 / aspect)
    last, moved = first, centre
    if rng.random() < 0.6:
        last = min(most, first * float(rng.uniform(0.8, 1.25)))
        moved = centre + rng.normal(0, 0.06, 2) * first
    return tuple(_within(c, w, w / aspect, size) for c, w in ((centre, first), (moved, last)))  # type: ignore[return-value]


def _within(
    centre: npt.NDArray[np.float64], width: float, height: float, size: tuple[int, int]
) -> Box:
    x = float(np.clip(centre[0], width / 2, size[0] - width / 2))
    y = float(np.clip(centre[1], height / 2, size[1] - height / 2))
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
