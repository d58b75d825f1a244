"""Scenes like films: things in their own surroundings, close and far, and sound from elsewhere.

A scene has one shot, or two with a cut between them. A shot shows a photograph of a thing, a
player with an instrument, or a background, with up to three cut-outs over it, under a slow camera.
What sounds is drawn apart from what is seen: a thing of the shot, two of them, something out of
sight, noise, or nothing. Of two alike the larger one sounds: nothing else could tell.

Axes: t seconds, h w pixels.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE
from training.categories import CATEGORIES, SOMETHING
from training.packs.material import (
    FilmMaterial,
    Photo,
    read_outline,
    read_recording,
    read_rgb,
    read_sprite,
)
from training.scene import Scene, Source, Split, Unseen
from training.scenes.assets import split_number
from training.scenes.attributes import colour_of, direction_of, place_of, size_of
from training.scenes.backgrounds import background
from training.scenes.grammar import Colour, Facts
from training.scenes.mixing import Wave
from training.scenes.noises import noise, reverberated
from training.scenes.unnamed import UNNAMED

Pixels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Box = tuple[float, float, float, float]

MOST_SOURCES = 4
LEAST_AREA = 0.003
"""Share of the frame below which a thing counts as not visible."""
ASPECTS = (16 / 9, 16 / 9, 4 / 3, 1.0, 9 / 16)
ADULTS = ("person_speaking", "person_singing", "person_laughing", "person_shouting")
INSTRUMENTS = frozenset(category.name for category in CATEGORIES if category.kind == "instrument")
PERSONS = frozenset(category.name for category in CATEGORIES if category.kind == "person")
LOUDNESS_DB = (-42.0, -6.0)
"""Range of a scene's level, root mean square below full scale."""


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


class PhotographicScenes:
    """Scenes by number; the same number gives the same scene."""

    def __init__(
        self,
        material: FilmMaterial,
        split: Split,
        *,
        size: int = FRAME_SIZE,
        seconds: int = 5,
        seed: int = 0,
    ) -> None:
        self.material, self.split = material, split
        self.size, self.seconds, self.seed = size, seconds, seed
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
        self._instruments = sorted(shown & INSTRUMENTS)

    def compose(self, index: int) -> Scene:
        """Return a scene: the middle of each second, its audio, its ground truth."""
        rng = np.random.default_rng([self.seed, split_number(self.split), 7, index])
        shots = self._shots(rng)
        cut = int(rng.integers(1, self.seconds)) if len(shots) > 1 else self.seconds
        owner = [shot for shot in shots for _ in shot.things]
        things = [thing for shot in shots for thing in shot.things][:MOST_SOURCES]
        frames, masks = [], np.zeros((len(things), self.seconds, self.size, self.size), np.bool_)
        look = _Look.draw(rng)
        for second in range(self.seconds):
            shot = shots[0] if second < cut else shots[-1]
            picture, found = self._frame(shot, (second + 0.5) / self.seconds)
            frames.append(look.applied(picture, rng))
            mine = [n for n in range(len(things)) if owner[n] is shot]
            for number, mask in zip(mine, found, strict=False):
                masks[number, second] = mask
        things, sounding, unseen, waveform = self._sound(rng, things, masks)
        return Scene(
            frames=np.stack(frames),
            waveform=waveform.reshape(self.seconds, SAMPLE_RATE),
            sources=tuple(
                Source(
                    category=thing.category,
                    masks=masks[number],
                    sounding=sounding[number],
                    sentences=self._sentences(number, thing, masks, sounding),
                )
                for number, thing in enumerate(things)
            ),
            unseen=unseen,
        )

    # Pictures

    def _shots(self, rng: np.random.Generator) -> list[Shot]:
        return [self._shot(rng) for _ in range(2 if rng.random() < 0.15 else 1)]

    def _shot(self, rng: np.random.Generator) -> Shot:
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

    def _frame(self, shot: Shot, at: float) -> tuple[Image.Image, list[Mask]]:
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

    # Sound

    def _sound(
        self, rng: np.random.Generator, things: list[Thing], masks: npt.NDArray[np.bool_]
    ) -> tuple[list[Thing], npt.NDArray[np.bool_], tuple[Unseen, ...], Wave]:
        """Return the things as they sound, when they do, what else sounds, and the waveform."""
        visible = masks.mean(axis=(2, 3)) >= LEAST_AREA
        able = [n for n in range(len(things)) if self._recordings(things[n]) and visible[n].any()]
        sounding = np.zeros((len(things), self.seconds), np.bool_)
        total = np.zeros(self.seconds * SAMPLE_RATE, np.float32)
        luck = rng.random()
        heard = [int(n) for n in rng.permutation(able)[: 2 if luck < 0.15 else 1]]
        heard = sorted({_largest_alike(n, things, masks) for n in heard})
        hidden = luck > 0.92
        if luck > 0.66 or not able:
            heard, hidden = [], luck < 0.9
        things = list(things)
        unseen: list[Unseen] = []
        for number in heard:
            name, wave = self._voice(rng, things[number])
            things[number] = replace(things[number], category=name)
            turns = _turns(rng, self.seconds)
            if (turns & ~visible[number]).any():
                unseen.append(Unseen(name, turns & ~visible[number]))
            total += _on(wave, turns, rng) * _gain(rng, -8, 0)
            sounding[number] = turns & visible[number]
        if hidden:
            name = self._unseen(rng, {thing.category for thing in things})
            turns = _turns(rng, self.seconds)
            unseen.append(Unseen(name, turns))
            total += _on(self._recording(rng, name), turns, rng) * _gain(rng, -10, 0)
        if rng.random() < 0.4:
            total = reverberated(rng, total)
        return things, sounding, tuple(unseen), self._levelled(rng, total)

    def _levelled(self, rng: np.random.Generator, total: Wave) -> Wave:
        """Return the sound with its noise, at the scene's level, within -1..1."""
        power = float(np.sqrt(np.mean(total**2)))
        floor = power * 10 ** (-float(rng.uniform(3, 45)) / 20) if power > 0 else 0.05
        if power == 0 and rng.random() < 0.25:
            floor = 0.0
        total = total + floor * noise(rng, len(total))
        level = float(np.sqrt(np.mean(total**2)))
        if level > 0:
            total = total * np.float32(10 ** (float(rng.uniform(*LOUDNESS_DB)) / 20) / level)
        limit = (
            1.0 if rng.random() < 0.9 else float(rng.uniform(0.3, 1)) * float(np.abs(total).max())
        )
        return np.clip(total, -limit, limit).astype(np.float32)

    def _recordings(self, thing: Thing) -> Sequence[object]:
        return self.material.recordings.get(thing.category, ())

    def _voice(self, rng: np.random.Generator, thing: Thing) -> tuple[str, Wave]:
        """Return the category under which a thing sounds, and its recording."""
        name = thing.category
        if name in ADULTS:
            choices = [adult for adult in ADULTS if adult in self.material.recordings]
            if len(choices) > 1 and rng.random() < 0.2:
                name = str(rng.choice(choices))
        elif name != SOMETHING.name and rng.random() < 0.04:
            # A thing that makes a sound it never makes: nobody can say what that is.
            other = str(rng.choice(self.material.heard))
            if other not in PERSONS:
                return SOMETHING.name, self._recording(rng, other)
        return name, self._recording(rng, name)

    def _unseen(self, rng: np.random.Generator, shown: set[str]) -> str:
        """Return a category with recordings that is not in the picture."""
        if not shown & PERSONS and rng.random() < 0.35:
            return "person_speaking"
        names = [name for name in self.material.heard if name not in shown]
        if shown & PERSONS:
            names = [name for name in names if name not in PERSONS]
        return str(rng.choice(names))

    def _recording(self, rng: np.random.Generator, name: str) -> Wave:
        files = self.material.recordings[name]
        return read_recording(files[int(rng.integers(len(files)))])

    # Sentences

    def _sentences(
        self,
        number: int,
        thing: Thing,
        masks: npt.NDArray[np.bool_],
        sounding: npt.NDArray[np.bool_],
    ) -> tuple[str, ...]:
        said = []
        for second in range(self.seconds):
            if not sounding[number, second]:
                said.append("")
                continue
            mask = masks[number, second]
            company = sounding[:, second].sum() > 1
            said.append(
                UNNAMED.say(
                    Facts(
                        category="thing",
                        where=place_of(mask),
                        company="other" if company else None,
                        size=size_of(mask),
                        colour=thing.colour,
                        direction=direction_of(thing.start, thing.end, self.seconds),
                    )
                )
            )
        return tuple(said)


def _largest_alike(number: int, things: Sequence[Thing], masks: npt.NDArray[np.bool_]) -> int:
    """Return the largest of the things that are of the category of this one."""
    alike = [n for n, thing in enumerate(things) if thing.category == things[number].category]
    return max(alike, key=lambda n: float(masks[n].mean()))


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


@dataclass(frozen=True, slots=True)
class _Look:
    """How a film looks: colours, softness, compression."""

    gains: tuple[float, float, float]
    gamma: float
    contrast: float
    blur: float
    grain: float
    quality: int | None
    grey: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Look:
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


def _turns(rng: np.random.Generator, seconds: int) -> npt.NDArray[np.bool_]:
    """Return in which seconds something sounds: mostly in all, else in a run of them."""
    if rng.random() < 0.5:
        return np.ones(seconds, np.bool_)
    turns = rng.random(seconds) < 0.6
    turns[int(rng.integers(seconds))] = True
    return turns


def _gain(rng: np.random.Generator, low: float, high: float) -> np.float32:
    return np.float32(10 ** (float(rng.uniform(low, high)) / 20))


def _on(recording: Wave, turns: npt.NDArray[np.bool_], rng: np.random.Generator) -> Wave:
    """Return a looped recording where it is on, with short fades."""
    length = len(turns) * SAMPLE_RATE
    start = int(rng.integers(len(recording)))
    copies = -(-(start + length) // len(recording))
    wave = np.tile(recording, copies)[start : start + length]
    on = np.repeat(turns.astype(np.float32), SAMPLE_RATE)
    ramp = SAMPLE_RATE // 40
    gate = np.convolve(on, np.ones(ramp) / ramp, mode="same")
    return (wave * gate).astype(np.float32)
