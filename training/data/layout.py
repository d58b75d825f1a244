"""The folder layout for RA-SSU data: its documents, reader and writer; README.md has an example.

    DATA/data.json           name, version, categories
    DATA/clips.jsonl         a line per clip: its truth file and its split
    DATA/.../<name>.truth.json   size, sources, and for each second their mask and sentence

Paths in `clips.jsonl` are relative to DATA, paths in a truth file to the folder it lies in.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from ssuformer.contract import FRAME_SIZE
from ssuformer.errors import ConfigError
from ssuformer.masks import Mask, decode_rle, encode_rle
from training.data.filmed import (
    Entry,
    Films,
    Told,
    parse_document,
    read_document,
    read_film,
    squeezed,
)
from training.scene import Scene, Source, Unseen

INFO, CLIPS, TRUTH = "data.json", "clips.jsonl", ".truth.json"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RleMask(_Document):
    """A mask as COCO's compressed run-lengths; `size` is height, width."""

    size: tuple[PositiveInt, PositiveInt]
    counts: str


class PngMask(_Document):
    """A mask as the pixels of one value in an indexed PNG."""

    png: str
    value: int = Field(ge=1, le=255)


class Second(_Document):
    """A source in one second: the picture in its middle, the sound of all of it."""

    second: int = Field(ge=0)
    sounding: bool | None
    """None: could not be told; the second is left out of scores and training."""
    mask: RleMask | PngMask | None = None
    """Its visible pixels, sounding or not; None: it is not in the picture."""
    sentence: str = ""


class Thing(_Document):
    """A source over time; in seconds that are not listed it is neither seen nor heard."""

    category: str
    seconds: tuple[Second, ...]


class UnseenThing(_Document):
    """A source outside the picture; whether it sounds in each second."""

    category: str
    sounding: tuple[bool, ...]


class Truth(_Document):
    """What is seen and heard in a clip."""

    film: str
    height: PositiveInt
    width: PositiveInt
    """The film's size in pixels as displayed, and that of its masks."""
    fps: PositiveInt | PositiveFloat | None = None
    seconds: PositiveInt
    """Labelled seconds, from the clip's start."""
    split: str | None = None
    seed: tuple[int, ...] | None = None
    """Where the clip was composed: the seed of its script."""
    sources: tuple[Thing, ...]
    unseen: tuple[UnseenThing, ...] = ()
    unlabelled: tuple[int, ...] = ()
    """Seconds that nobody labelled: left out of scores and training."""

    @model_validator(mode="after")
    def _unseen_has_every_second(self) -> Self:
        for number, thing in enumerate(self.unseen):
            if len(thing.sounding) != self.seconds:
                raise ValueError(
                    f"unseen.{number}.sounding has {len(thing.sounding)} seconds, "
                    f"the clip has {self.seconds}"
                )
        return self


class ListedClip(_Document):
    """A line of `clips.jsonl`."""

    truth: str
    split: str
    recording: str = ""
    """What the clip was cut from, such as a video's id: all its clips belong to one split."""


class DataInfo(_Document):
    """`data.json`."""

    format: Literal[1] = 1
    name: str
    version: str
    about: str = ""
    licence: str = ""
    categories: tuple[str, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class LayoutEntry(Entry):
    """A clip of the layout; its name is that of its truth file, `line` its line in the list."""

    recording: str
    line: int


class Layout(Films[LayoutEntry]):
    """A folder in the layout; ConfigError if `data.json` or `clips.jsonl` is missing or invalid."""

    kind = "RA-SSU layout"
    told: frozenset[Told] = frozenset({"outlines", "categories", "sentences"})

    def __init__(self, folder: Path) -> None:
        self.info = read_document(folder / INFO, DataInfo)
        super().__init__(folder, list(_listed(folder / CLIPS)), self.info.categories)

    def truth(self, entry: LayoutEntry) -> Truth:
        """Return the truth file of a clip; ConfigError if it is missing or invalid."""
        return read_document(self.folder / entry.name, Truth)

    def sentences(self) -> Iterator[str]:
        """Yield every sentence of the clips."""
        for entry in self.entries:
            for thing in self.truth(entry).sources:
                yield from (second.sentence for second in thing.seconds if second.sentence)

    def read(self, entry: LayoutEntry) -> Scene:
        """Return a clip; ConfigError that names the file and what is wrong with it."""
        path, truth = self.folder / entry.name, self.truth(entry)
        clip = read_film(path.parent / truth.film, truth.seconds)
        known = np.ones(truth.seconds, np.bool_)
        masks = MaskFiles(path, truth)
        sources = [_source(n, thing, masks, known) for n, thing in enumerate(truth.sources)]
        for fault in unknown_categories(truth, self.info):
            raise ConfigError(f"{path}: {fault}")
        known[[second for second in truth.unlabelled if second < truth.seconds]] = False
        unseen = tuple(Unseen(t.category, np.array(t.sounding, np.bool_)) for t in truth.unseen)
        return Scene(clip.frames, clip.waveform, tuple(sources), unseen, known)


def _listed(path: Path) -> Iterator[LayoutEntry]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a list of clips: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            clip = parse_document(line, ListedClip, f"{path}:{number}")
            yield LayoutEntry(clip.truth, clip.split, clip.recording, number)


def unknown_categories(truth: Truth, info: DataInfo) -> Iterator[str]:
    """Yield a message for each category that `data.json` does not list."""
    lists: dict[str, Sequence[Thing | UnseenThing]] = {
        "sources": truth.sources,
        "unseen": truth.unseen,
    }
    for name, told in lists.items():
        for number, thing in enumerate(told):
            if thing.category not in info.categories:
                yield f"{name}.{number}.category: {thing.category!r} is not one of {info.name}"


class MaskFiles:
    """The masks of one clip, `[h w]` each, from its truth file and the PNGs beside it."""

    def __init__(self, path: Path, truth: Truth) -> None:
        self._path, self._truth = path, truth
        self._pictures: dict[str, npt.NDArray[np.uint8]] = {}

    def mask(self, source: int, second: Second) -> Mask:
        """Return a source's mask in a second; ConfigError that names the file and the field."""
        where = f"{self._path}: sources.{source}, second {second.second}"
        size = h, w = self._truth.height, self._truth.width
        if second.mask is None:
            return np.zeros(size, np.bool_)
        if second.second >= self._truth.seconds:
            raise ConfigError(f"{where}: the clip has {self._truth.seconds} labelled seconds")
        mask = self._stored(second.mask, where)
        if mask.shape != size:
            raise ConfigError(
                f"{where}: the mask is {mask.shape[1]}x{mask.shape[0]}, the clip {w}x{h}"
            )
        return mask

    def _stored(self, stored: RleMask | PngMask, where: str) -> Mask:
        if isinstance(stored, PngMask):
            return self._picture(stored.png) == stored.value
        if stored.size != (self._truth.height, self._truth.width):
            return np.zeros(stored.size, np.bool_)
        try:
            return decode_rle({"size": list(stored.size), "counts": stored.counts})
        except (ValueError, MemoryError) as error:
            raise ConfigError(f"{where}: the mask's run-lengths are not valid") from error

    def _picture(self, name: str) -> npt.NDArray[np.uint8]:
        """Return the palette numbers `[h w]` of a PNG."""
        if name not in self._pictures:
            self._pictures[name] = read_indexed(self._path.parent / name)
        return self._pictures[name]


def read_indexed(path: Path) -> npt.NDArray[np.uint8]:
    """Return the numbers `[h w]` of an indexed or grey picture; ConfigError if it is neither."""
    try:
        with Image.open(path) as picture:
            if picture.mode not in {"1", "L", "P"}:
                raise ConfigError(f"{path} is not an indexed picture but {picture.mode}")
            return np.asarray(picture, dtype=np.uint8)
    except OSError as error:
        raise ConfigError(f"{path} is not a picture that can be read: {error}") from error


def _source(number: int, thing: Thing, files: MaskFiles, known: npt.NDArray[np.bool_]) -> Source:
    """Return a source; seconds in which nobody could tell whether it sounds are not `known`."""
    t = len(known)
    masks = np.zeros((t, FRAME_SIZE, FRAME_SIZE), np.bool_)
    sounding = np.zeros(t, np.bool_)
    sentences = [""] * t
    for second in thing.seconds:
        mask = files.mask(number, second)
        masks[second.second] = squeezed(mask)
        sounding[second.second] = bool(second.sounding)
        known[second.second] &= second.sounding is not None
        sentences[second.second] = second.sentence
    return Source(thing.category, masks, sounding, tuple(sentences))


def things(sources: Iterable[Source]) -> tuple[Thing, ...]:
    """Return sources with masks of the film's size as they are written."""
    return tuple(
        Thing(
            category=source.category,
            seconds=tuple(
                Second(
                    second=second,
                    sounding=bool(source.sounding[second]),
                    mask=RleMask.model_validate(encode_rle(mask)),
                    sentence=source.sentences[second],
                )
                for second, mask in enumerate(source.masks)
            ),
        )
        for source in sources
    )


def write_truth(folder: Path, truth: Truth) -> Path:
    """Write the truth file of a film that lies in `folder`; return its path."""
    path = (folder / truth.film).with_suffix(TRUTH)
    path.write_text(json.dumps(truth.model_dump(exclude_unset=True), indent=1) + "\n")
    return path


def write_list(folder: Path, info: DataInfo, clips: Sequence[ListedClip]) -> None:
    """Write `data.json` and `clips.jsonl`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / INFO).write_text(info.model_dump_json(indent=1) + "\n", encoding="utf-8")
    lines = (clip.model_dump_json(exclude_defaults=True) + "\n" for clip in clips)
    (folder / CLIPS).write_text("".join(lines), encoding="utf-8")
