"""Films with a box around everything seen in the middle of each second: for measuring only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from ssuformer.contract import FRAME_SIZE
from ssuformer.errors import ConfigError
from ssuformer.masks import Mask
from training.data.filmed import Entry, Films, Told, read_document, read_film, squeezed
from training.scene import Scene, Source

LABELS = "labels.json"
ALL = "all"
"""The one split."""

MOST_STRETCH = 1.03
"""How far a film's width over height may be from that of its labels."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BoxedThing(_Document):
    """A thing in the picture."""

    category: str
    box: tuple[float, float, float, float]
    """x, y, width, height in pixels of the film as displayed."""
    sounding: bool | None
    """None: could not be told; the second is left out of scores."""


class BoxedSecond(_Document):
    """What is seen at a time, which is the middle of a second."""

    time: float = Field(ge=0)
    things: tuple[BoxedThing, ...]


class BoxedClip(_Document):
    """A film and its boxes; `accept` lists categories that are right for a label."""

    file: str
    source: str = ""
    licence: str = ""
    duration: float
    width: PositiveInt
    height: PositiveInt
    accept: dict[str, tuple[str, ...]] = {}
    note: str = ""
    seconds: tuple[BoxedSecond, ...] = Field(min_length=1)


class Labels(_Document):
    """`labels.json`."""

    about: str = ""
    clips: tuple[BoxedClip, ...]


@dataclass(frozen=True, slots=True)
class BoxesEntry(Entry):
    """A film with its boxes."""

    clip: BoxedClip


class Boxes(Films[BoxesEntry]):
    """A folder with `labels.json`; masks are filled boxes."""

    kind = "labelled boxes"
    told: frozenset[Told] = frozenset({"boxes", "categories"})

    def __init__(self, folder: Path) -> None:
        clips = read_document(folder / LABELS, Labels).clips
        categories = {
            thing.category for clip in clips for second in clip.seconds for thing in second.things
        }
        entries = [BoxesEntry(clip.file, ALL, clip) for clip in clips]
        super().__init__(folder, entries, sorted(categories))

    def read(self, entry: BoxesEntry) -> Scene:
        """Return a clip up to its last labelled second; ConfigError that names the file."""
        clip = entry.clip
        numbers = [int(second.time) for second in clip.seconds]
        film = read_film(self.folder / clip.file, max(numbers) + 1)
        aspect = film.info.width * clip.height / (film.info.height * clip.width)
        if not 1 / MOST_STRETCH <= aspect <= MOST_STRETCH:
            raise ConfigError(
                f"{self.folder / clip.file} is {film.info.width}x{film.info.height}, "
                f"{LABELS} says {clip.width}x{clip.height}"
            )
        known = np.zeros(len(film.frames), np.bool_)
        for number, second in zip(numbers, clip.seconds, strict=True):
            known[number] = all(thing.sounding is not None for thing in second.things)
        return Scene(film.frames, film.waveform, _sources(clip, len(film.frames)), known=known)


def _sources(clip: BoxedClip, seconds: int) -> tuple[Source, ...]:
    """Return a source per label and, where two things of one label are seen at once, per thing."""
    sources: dict[tuple[str, int], Source] = {}
    for second in clip.seconds:
        alike: Counter[str] = Counter()
        for thing in second.things:
            key = (thing.category, alike[thing.category])
            alike[thing.category] += 1
            source = sources.setdefault(key, _nothing_yet(clip, thing.category, seconds))
            source.masks[int(second.time)] = squeezed(_filled(thing, clip))
            source.sounding[int(second.time)] = bool(thing.sounding)
    return tuple(sources.values())


def _nothing_yet(clip: BoxedClip, category: str, seconds: int) -> Source:
    return Source(
        category=category,
        masks=np.zeros((seconds, FRAME_SIZE, FRAME_SIZE), np.bool_),
        sounding=np.zeros(seconds, np.bool_),
        sentences=("",) * seconds,
        accepted=clip.accept.get(category, ()),
    )


def _filled(thing: BoxedThing, clip: BoxedClip) -> Mask:
    mask = np.zeros((clip.height, clip.width), np.bool_)
    x, y, width, height = thing.box
    mask[
        max(0, round(y)) : max(0, round(y + height)), max(0, round(x)) : max(0, round(x + width))
    ] = True
    return mask
