"""The manifest of a set of weights: origin, data, measured quality, input parameters."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from ssuformer.contract import FRAME_SIZE, SAMPLE_RATE, Dimensions
from ssuformer.errors import ConfigError, wrong_fields
from ssuformer.whole import whole_file

FILE_NAME = "manifest.json"


class Thresholds(BaseModel):
    """Decision thresholds; `ssuformer/regions.py` applies them.

    `python -m training evaluate --calibrate N` chooses them on scenes held out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sounding: float = Field(default=0.5, ge=0, le=1)
    mask: float = Field(default=0.5, ge=0, le=1)
    heard: float = Field(default=0.3, ge=0, le=1)
    """Probability from which a category counts as heard in a second, seen or not."""
    category: float = Field(default=0.0, ge=0, le=1)
    """Probability of its category below which a region is `something`; 0 names every region."""
    category_heard: float = Field(default=0.05, ge=0, le=1)
    """A region is also `something` if its category is nowhere heard as probably as this."""


class Manifest(BaseModel):
    """The manifest of a set of weights; written beside every checkpoint and every engine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    author: str
    created: datetime
    git_revision: str
    data_seed: int
    steps: int
    parameters: int
    dimensions: Dimensions
    frame_size: int = FRAME_SIZE
    sample_rate: int = SAMPLE_RATE
    frames_per_second: float = 1.0
    """Frames per second the model was trained at."""
    window_frames: int = 10
    """Frames per engine call; longer clips are cut into overlapping windows."""
    categories: tuple[str, ...]
    nouns: tuple[str, ...] = ()
    """How each category is spoken of, "fire engine"; without them, by its name."""
    verbs: tuple[str, ...] = ()
    """What each category does when it sounds, "wails"; given with the nouns."""
    generic: dict[str, str] = {}
    """Category -> the category that it is a kind of, violin -> bowed_string."""
    vocabulary: tuple[str, ...]
    thresholds: Thresholds = Thresholds()
    metrics: dict[str, dict[str, float]] = {}
    """Split -> metric -> value, as measured by `python -m training evaluate`."""
    training: dict[str, JsonValue] = {}
    """What the weights were trained from, in the form of `training/origin.py`."""
    digests: dict[str, str] = {}
    """File name -> SHA-256 of the files beside this manifest."""

    @model_validator(mode="after")
    def _words_of_all_categories(self) -> Self:
        given = {len(self.nouns), len(self.verbs)}
        if given not in ({0}, {len(self.categories)}):
            raise ValueError("nouns and verbs: give one of each for every category, or none")
        if strange := {*self.generic, *self.generic.values()} - {*self.categories}:
            raise ValueError(f"generic: {min(strange)} is not a category")
        return self

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of `folder`; raise ConfigError naming the file if it is invalid."""
        path = folder / FILE_NAME
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            raise ConfigError(
                f"{path} does not exist: not a checkpoint or engine folder"
            ) from error
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        except ValidationError as error:
            raise ConfigError(f"{path} is not a manifest: {wrong_fields(error)}") from error

    def write(self, folder: Path) -> None:
        """Write the manifest into `folder`."""
        with whole_file(folder / FILE_NAME) as part:
            part.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
