"""What a format of the answer is, and what it is written from."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Self

from service.formats.clip_names import ClipName
from service.formats.records import Record
from service.understanding.schemas import Understanding
from ssuformer.errors import OptionError
from ssuformer.media.opening import Source, open_bytes

_SUFFIXES = {
    b"\x1a\x45\xdf\xa3": ".mkv",
    b"OggS": ".ogv",
    b"FLV": ".flv",
    b"RIFF": ".avi",
    b"G": ".ts",
}


class Need(StrEnum):
    """What a format needs besides boxes, times and sentences."""

    MASKS = "masks"
    CLIP = "clip"
    """Its bytes."""
    PICTURES = "pictures"
    """Its pictures: the clip is decoded once more."""


@dataclass(frozen=True, slots=True)
class Material:
    """An answer to be written, with what is at hand besides."""

    answer: Understanding
    name: str = "clip"
    """The clip's name without suffix, for names and titles inside the documents."""
    clip: Source | None = None
    """The clip itself, if it is at hand."""
    suffix: str = ""
    """Of the clip's file, if its name is known."""
    threads: int = 2
    """Threads that may draw on a film."""

    @classmethod
    def of(cls, answer: Understanding, clip: Path, *, threads: int) -> Self:
        """Return an answer with the file that it is about, named after it."""
        name = ClipName.of(clip.name)
        return cls(answer, name.stem, clip, suffix=name.suffix, threads=threads)

    @property
    def masks(self) -> bool:
        """Whether the regions of the answer have masks; true if there is no region."""
        regions = (region for frame in self.answer.frames for region in frame.regions)
        return all(region.mask is not None for region in regions)

    @property
    def file_name(self) -> str:
        """The name of the clip's file, with a suffix that fits what it is; `.mp4` if unknown."""
        if self.suffix:
            return self.name + self.suffix
        if isinstance(self.clip, Path) and self.clip.suffix:
            return self.name + self.clip.suffix
        if self.clip is None:
            return f"{self.name}.mp4"
        with open_bytes(self.clip) as file:
            head = file.read(16)
        known = (end for magic, end in _SUFFIXES.items() if head.startswith(magic))
        return self.name + next(known, ".mp4")

    def copy_clip(self, out: IO[bytes]) -> None:
        """Write the bytes of the clip; nothing if it is not at hand."""
        if self.clip is not None:
            with open_bytes(self.clip) as file:
                shutil.copyfileobj(file, out, 2**20)


Writer = Callable[[Material, IO[bytes]], None]
"""Writes the material to a file opened for writing, which need not be seekable."""


@dataclass(frozen=True, slots=True)
class Format:
    """A form of the answer: how it is called, what it needs, and what writes it.

    `name` is filled in from the name of the module that holds the format.
    """

    summary: str
    """A short description for the documentation of the option."""
    media_type: str
    """Chosen by the header `Accept`; no two formats share one."""
    suffix: str
    """Of files, with the leading dot."""
    write: Writer = field(repr=False)
    needs: frozenset[Need] = frozenset()
    piecewise: bool = False
    """Whether it goes through the frames once or a few times, so that they can stay on disk."""
    name: str = ""
    write_record: Callable[[Record], bytes] | None = field(default=None, repr=False)
    """Writes one record: answers in such a format are sent while the clip is in work."""

    def check(self, *, masks: bool, clip: bool) -> None:
        """Raise OptionError if the format needs masks or the clip, and they are not at hand."""
        if Need.MASKS in self.needs and not masks:
            raise OptionError(
                f"format: {self.name} is made of masks, and mask_format=none has none",
                actual=self.name,
            )
        if Need.CLIP in self.needs and not clip:
            raise OptionError(f"format: {self.name} needs the clip, too", actual=self.name)

    def write_file(self, material: Material, path: Path) -> None:
        """Write a file; one that cannot be finished is removed.

        Raises OptionError if the material lacks what the format needs.
        """
        self.check(masks=material.masks, clip=material.clip is not None)
        part = path.with_name(f"{path.name}.part")
        try:
            with part.open("wb") as out:
                self.write(material, out)
            os.replace(part, path)  # noqa: PTH105
        finally:
            part.unlink(missing_ok=True)
