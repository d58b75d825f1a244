"""AVSBench as released: single source (S4), multiple sources (MS3) and semantic (AVSS).

S4 labels the first second of its training clips only; the others are not known. Pictures are the
released ones, a second's sound is that second of the released file, with silence where that ends
before the pictures do.
"""

from __future__ import annotations

import csv
import json
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE
from ssuformer.errors import ConfigError
from training.categories import SOMETHING
from training.data.filmed import Entry, Films, Told, squeezed
from training.data.layout import read_indexed
from training.packs.recordings import read_sound
from training.scene import Scene, Source

S4_LIST, MS3_LIST = "s4_meta_data.csv", "ms3_meta_data.csv"
AVSS_LIST, AVSS_LABELS = "metadata.csv", "label2idx.json"

SECONDS = 5
"""Length of the clips of S4 and MS3."""


@dataclass(frozen=True, slots=True)
class AvsbenchEntry(Entry):
    """A clip: `part` is its category in S4, its subset (v1s, v1m or v2) in AVSS, else empty."""

    part: str


class Avsbench(Films[AvsbenchEntry]):
    """What the three sets have in common: a list, numbered pictures, masks and a sound file."""

    told: frozenset[Told] = frozenset({"outlines", "categories"})

    def read(self, entry: AvsbenchEntry) -> Scene:
        """Return a clip; ConfigError that names the file that is missing or wrong."""
        pictures = [_picture(path) for path in self.pictures(entry)]
        labels = [path if path.is_file() else None for path in self.masks(entry, len(pictures))]
        known = np.array([path is not None for path in labels])
        if not known.any():
            raise ConfigError(f"{self.masks(entry, 1)[0]} is missing")
        return Scene(
            frames=np.stack(pictures),
            waveform=_sound(self.sound(entry), len(pictures)),
            sources=self.sources(entry, labels),
            known=known,
        )

    @abstractmethod
    def pictures(self, entry: AvsbenchEntry) -> Sequence[Path]:
        """Return the picture of every second."""

    @abstractmethod
    def masks(self, entry: AvsbenchEntry, seconds: int) -> Sequence[Path]:
        """Return where the mask of every second is if there is one."""

    @abstractmethod
    def sound(self, entry: AvsbenchEntry) -> Path:
        """Return the sound file."""

    @abstractmethod
    def sources(self, entry: AvsbenchEntry, labels: Sequence[Path | None]) -> tuple[Source, ...]:
        """Return the sources in the masks of every second; None is an empty mask."""


class S4(Avsbench):
    """The single-source set, a folder with `s4_meta_data.csv` and `s4_data`."""

    kind = "AVSBench S4"

    def __init__(self, folder: Path) -> None:
        rows = _rows(folder / S4_LIST, {"split": None, "name": 0, "category": 2})
        entries = [AvsbenchEntry(row["name"], row["split"], row["category"]) for row in rows]
        super().__init__(folder, entries, sorted({entry.part for entry in entries}))

    def pictures(self, entry: AvsbenchEntry) -> Sequence[Path]:
        """Return the picture of every second."""
        return self._numbered("visual_frames", entry, SECONDS)

    def masks(self, entry: AvsbenchEntry, seconds: int) -> Sequence[Path]:
        """Return where the mask of every second is if there is one."""
        return self._numbered("gt_masks", entry, seconds)

    def sound(self, entry: AvsbenchEntry) -> Path:
        """Return the sound file."""
        folder = self.folder / "s4_data" / "audio_wav" / entry.split / entry.part
        return folder / f"{entry.name}.wav"

    def sources(self, entry: AvsbenchEntry, labels: Sequence[Path | None]) -> tuple[Source, ...]:
        """Return the one source."""
        return _of_values(labels, _sounding_pixels, {1: entry.part})

    def _numbered(self, what: str, entry: AvsbenchEntry, seconds: int) -> list[Path]:
        folder = self.folder / "s4_data" / what / entry.split / entry.part / entry.name
        return [folder / f"{entry.name}_{number}.png" for number in range(1, seconds + 1)]


class MS3(Avsbench):
    """The multi-source set, a folder with `ms3_meta_data.csv` and `ms3_data`.

    It does not tell what the sources are: all that sounds is one source, `something`.
    """

    kind = "AVSBench MS3"
    told: frozenset[Told] = frozenset({"outlines"})

    def __init__(self, folder: Path) -> None:
        rows = _rows(folder / MS3_LIST, {"split": None, "name": 0})
        entries = [AvsbenchEntry(row["name"], row["split"], "") for row in rows]
        super().__init__(folder, entries, [SOMETHING.name])

    def pictures(self, entry: AvsbenchEntry) -> Sequence[Path]:
        """Return the picture of every second."""
        folder = self.folder / "ms3_data" / "visual_frames" / entry.name
        return [folder / f"{entry.name}.mp4_{number}.png" for number in range(1, SECONDS + 1)]

    def masks(self, entry: AvsbenchEntry, seconds: int) -> Sequence[Path]:
        """Return where the mask of every second is if there is one."""
        folder = self.folder / "ms3_data" / "gt_masks" / entry.split / entry.name
        return [folder / f"{entry.name}_{number}.png" for number in range(1, seconds + 1)]

    def sound(self, entry: AvsbenchEntry) -> Path:
        """Return the sound file."""
        return self.folder / "ms3_data" / "audio_wav" / entry.split / f"{entry.name}.wav"

    def sources(self, entry: AvsbenchEntry, labels: Sequence[Path | None]) -> tuple[Source, ...]:  # noqa: ARG002
        """Return all that sounds as one source."""
        return _of_values(labels, _sounding_pixels, {1: SOMETHING.name})


class AVSS(Avsbench):
    """The semantic set, a folder with `metadata.csv` and `label2idx.json`: a source per class."""

    kind = "AVSBench AVSS"

    def __init__(self, folder: Path) -> None:
        rows = _rows(folder / AVSS_LIST, {"uid": 1, "split": 5, "label": 6})
        entries = [AvsbenchEntry(row["uid"], row["split"], row["label"]) for row in rows]
        self._classes = _classes(folder / AVSS_LABELS)
        super().__init__(folder, entries, list(self._classes.values()))

    def pictures(self, entry: AvsbenchEntry) -> Sequence[Path]:
        """Return the picture of every second."""
        folder = self.folder / entry.part / entry.name / "frames"
        count = len(list(folder.glob("*.jpg"))) if folder.is_dir() else 0
        return [folder / f"{number}.jpg" for number in range(max(count, 1))]

    def masks(self, entry: AvsbenchEntry, seconds: int) -> Sequence[Path]:
        """Return where the mask of every second is if there is one."""
        folder = self.folder / entry.part / entry.name / "labels_rgb"
        return [folder / f"{number}.png" for number in range(seconds)]

    def sound(self, entry: AvsbenchEntry) -> Path:
        """Return the sound file."""
        return self.folder / entry.part / entry.name / "audio.wav"

    def sources(self, entry: AvsbenchEntry, labels: Sequence[Path | None]) -> tuple[Source, ...]:  # noqa: ARG002
        """Return a source for each class that occurs; it sounds where it has pixels."""
        return _of_values(labels, _class_numbers, self._classes)


def _rows(path: Path, columns: dict[str, int | None]) -> Iterator[dict[str, str]]:
    """Yield the cells of every line by name, from a column's place or, for None, its heading."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            heading, *lines = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is not a list of clips: {error}") from error
    places = {
        name: heading.index(name) if place is None and name in heading else place
        for name, place in columns.items()
    }
    for number, line in enumerate(lines, start=2):
        cells = {
            name: line[place] for name, place in places.items()
            if place is not None and place < len(line)
        }  # fmt: skip
        missing = [name for name in columns if not cells.get(name)]
        if missing:
            raise ConfigError(f"{path}:{number} has no {missing[0]}")
        yield cells


def _classes(path: Path) -> dict[int, str]:
    """Return the names of the classes by number, without the background."""
    try:
        numbers = {str(name): int(number) for name, number in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a table of class numbers: {error}") from error
    return {number: name for name, number in sorted(numbers.items()) if number > 0}


def _picture(path: Path) -> npt.NDArray[np.uint8]:
    """Return a picture `[224 224 3]`, squeezed to a square as the service does."""
    try:
        with Image.open(path) as picture:
            square = picture.convert("RGB").resize((FRAME_SIZE, FRAME_SIZE), Image.Resampling.BOX)
            return np.asarray(square)
    except OSError as error:
        raise ConfigError(f"{path} is not a picture that can be read: {error}") from error


def _sound(path: Path, seconds: int) -> npt.NDArray[np.float32]:
    """Return `[t 16000]`, silent where the file has ended."""
    if not path.is_file():
        raise ConfigError(f"{path} is missing")
    sound = read_sound(path)[: seconds * SAMPLE_RATE]
    return np.pad(sound, (0, seconds * SAMPLE_RATE - len(sound))).reshape(seconds, SAMPLE_RATE)


def _sounding_pixels(path: Path) -> npt.NDArray[np.integer]:
    return (read_indexed(path) > 0).astype(np.uint8)


def _class_numbers(path: Path) -> npt.NDArray[np.integer]:
    """Return the class numbers `[h w]` of a picture in VOC's colours; 0 for any other colour."""
    try:
        with Image.open(path) as picture:
            colours = np.asarray(picture.convert("RGB")).astype(np.int64)
    except OSError as error:
        raise ConfigError(f"{path} is not a picture that can be read: {error}") from error
    return _class_of_colour()[(colours << np.array([16, 8, 0])).sum(axis=-1)]


@cache
def _class_of_colour() -> npt.NDArray[np.uint8]:
    """Return the class number of each of the 2^24 colours."""
    numbers = np.zeros(1 << 24, np.uint8)
    for number in range(1, 256):
        numbers[_voc_colour(number)] = number
    return numbers


def _voc_colour(number: int) -> int:
    """Return the colour of a class in VOC's palette: its bits dealt to red, green and blue."""
    red = green = blue = 0
    for place in range(3):
        low = number >> (3 * place)
        red |= (low & 1) << (7 - place)
        green |= (low >> 1 & 1) << (7 - place)
        blue |= (low >> 2 & 1) << (7 - place)
    return red << 16 | green << 8 | blue


def _of_values(
    labels: Sequence[Path | None],
    read: Callable[[Path], npt.NDArray[np.integer]],
    categories: dict[int, str],
) -> tuple[Source, ...]:
    """Return a source per value that occurs in the masks, sounding where it has pixels."""
    empty = np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)
    values = np.stack([empty if path is None else squeezed(read(path)) for path in labels])
    masks = {name: values == value for value, name in categories.items() if value in values}
    return tuple(
        Source(name, mask, mask.any(axis=(1, 2)), ("",) * len(labels))
        for name, mask in masks.items()
    )
