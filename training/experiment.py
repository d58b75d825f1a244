"""Experiment files: all settings of a training run."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from ssuformer.errors import ConfigError, OptionError, wrong_fields
from training.data.filmed import Films
from training.data.kinds import open_films
from training.losses import LossWeights
from training.packs.pack import AssetPack, Licences
from training.scene import Profile


class Stage(BaseModel):
    """A part of the schedule with one picture size and clip length."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: PositiveInt = Field(multiple_of=32)
    seconds: PositiveInt = 4
    batch: PositiveInt = 16
    steps: PositiveInt


class DataSource(BaseModel):
    """A source of training scenes.

    `composed`: cut-outs of the experiment's pack. `photographic`: scenes like films, from the pack
    `films`, under the categories of `training/categories.py`. `filmed`: a folder of clips; what it
    holds is recognised (`training/data/README.md`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["composed", "photographic", "filmed"] = "filmed"
    folder: str = ""
    """Folder of clips, or of a pack; a pack's plain name is looked up in the cache."""
    split: str = "train"
    weight: PositiveFloat = 1.0
    """Its share of the scenes, relative to the other sources' weights."""

    @model_validator(mode="after")
    def _has_a_folder_unless_composed(self) -> Self:
        if (self.kind == "composed") == bool(self.folder):
            raise ValueError("composed scenes have no folder, other data needs one")
        return self


class Experiment(BaseModel):
    """A model, its data and its schedule. Files of this form live in `training/configs`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    preset: str = "tiny"
    model: dict[str, bool | int | float | str | tuple[int, ...]] = {}
    """Fields of the model's config that differ from the preset."""
    pack: str = "debian"
    """`procedural`, or the folder of an asset pack; a plain name is looked up in the cache."""
    categories: tuple[str, ...] = ()
    """The categories of the pack to use; empty means all."""
    profile: Profile | None = None
    data: tuple[DataSource, ...] = ()
    """What to train on; empty means composed scenes alone."""
    names: Literal["pack", "films", "data"] = "pack"
    """Whose categories the model has: the pack's (of films where data is photographic), those of
    films (`training/categories.py`), or those of the filmed data itself."""
    published: bool = True
    """Whether the encoders begin with published weights, if there are any for them."""
    frozen: tuple[str, ...] = ()
    """Parts of the model, as prefixes of the names of their weights, that keep their weights."""
    pretrained: tuple[str, ...] = ()
    """Parts whose rate is `pretrained_rate` times the others'."""
    pretrained_rate: PositiveFloat = 0.1
    seed: int = 0
    optimizer: Literal["muon", "adamw"] = "muon"
    """`muon` leaves to AdamW what `training/optimizers.py` says, `adamw` everything."""
    stages: tuple[Stage, ...] = Field(min_length=1)
    learning_rate: PositiveFloat = 1e-3
    warmup_steps: PositiveInt = 200
    decay_share: float = Field(default=0.35, ge=0, le=1)
    """Final share of all steps, over which the learning rate decays to zero."""
    weight_decay: float = Field(default=0.05, ge=0)
    clip_norm: PositiveFloat = 2.0
    average: float = Field(default=0.998, ge=0, lt=1)
    """Decay of the weights' moving average; the average is what is saved."""
    losses: LossWeights = LossWeights()
    accumulate: PositiveInt = 1
    """Parts of a batch that each process computes one after another, to save memory."""
    recompute: bool = False
    """Save memory: compute the vision encoder's blocks again when their gradients are computed."""
    least_truth_share: float = Field(default=0.2, ge=0, le=1)
    """Share of described regions under their true mask in the end; it falls from 1."""
    checkpoint_minutes: PositiveFloat = 4.0
    validation_scenes: PositiveInt = 64
    workers: int = Field(default=1, ge=0)

    @model_validator(mode="after")
    def _has_clips_that_name_categories(self) -> Self:
        if self.names == "data" and {source.kind for source in self.data} != {"filmed"}:
            raise ValueError('names = "data" needs filmed data, and nothing else')
        return self

    @property
    def filmed_alone(self) -> bool:
        """Return whether clips are all that is trained on, so that no pack is needed."""
        return self.names != "pack" and {source.kind for source in self.data} == {"filmed"}

    @property
    def steps(self) -> int:
        """Return the total number of steps."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> tuple[Stage, int, int]:
        """Return the stage of `step`, its first step, and the number of its first scene."""
        first_step, first_scene = 0, 0
        for stage in self.stages:
            if step < first_step + stage.steps:
                return stage, first_step, first_scene
            first_step += stage.steps
            first_scene += stage.steps * stage.batch
        raise ConfigError(f"step {step} is after the last one, {self.steps}", limit=self.steps)

    def rate_at(self, step: int) -> float:
        """Return the learning rate: warm-up, constant, linear decay."""
        rise = min(1.0, (step + 1) / self.warmup_steps)
        falling = max(1.0, self.decay_share * self.steps)
        fall = min(1.0, (self.steps - step) / falling)
        return self.learning_rate * rise * fall


def read(path: Path, changes: Iterable[str] = ()) -> Experiment:
    """Read an experiment file; raise ConfigError that names the file and the field.

    A file with `base = "OTHER"` is what the file OTHER beside it says, but for its own fields. Each
    of `changes` is `FIELD=VALUE`, with dots to fields of fields, and comes after the file.
    """
    try:
        fields = _fields(path)
        for change in changes:
            fields = _merged(fields, _parsed(change))
        return Experiment.model_validate(fields)
    except ValidationError as error:
        raise ConfigError(f"{path} is not an experiment: {wrong_fields(error)}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not an experiment: {error}") from error


def _fields(path: Path) -> dict[str, Any]:
    fields = tomllib.loads(path.read_text())
    base = fields.pop("base", None)
    if base is None:
        return fields
    below = path.parent / str(base)
    if "base" in (under := tomllib.loads(below.read_text())):
        raise ConfigError(f"{path}: base = {base!r} has a base itself, {under['base']!r}")
    return _merged(under, fields)


def _parsed(change: str) -> dict[str, Any]:
    """Return `FIELD=VALUE` as TOML; a value that is none is a text without its quotes."""
    name, sign, value = change.partition("=")
    try:
        if not sign:
            raise tomllib.TOMLDecodeError
        try:
            return tomllib.loads(change)
        except tomllib.TOMLDecodeError:
            return tomllib.loads(f"{name} = {json.dumps(value)}")
    except tomllib.TOMLDecodeError:
        raise OptionError(f"--set {change}: not of the form FIELD=VALUE", actual=change) from None


def _merged(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    both = {
        name: _merged(fields[name], value)
        for name, value in changes.items()
        if isinstance(value, dict) and isinstance(fields.get(name), dict)
    }
    return fields | changes | both


def pack_folder(name: str) -> Path:
    """Return the folder of a pack: a path, or a plain name in the cache."""
    return Path(name).expanduser() if "/" in name else Path.home() / ".cache/ssu/packs" / name


def open_pack(
    name: str, categories: tuple[str, ...] = (), *, licences: Licences = "any"
) -> AssetPack:
    """Open a pack by folder or by name in the cache, with only `categories` if any are named.

    With `licences="free"`, categories that have no free material are left out.
    """
    folder = pack_folder(name)
    pack = AssetPack.open(folder, licences=licences)
    there = {category.name for category in pack.categories}
    wanted = [c for c in categories if c in there] if licences == "free" else categories
    return pack.only(wanted) if wanted else pack


def open_material(experiment: Experiment) -> AssetPack | None:
    """Open the pack of an experiment; None if it needs none. Raises ConfigError."""
    if experiment.filmed_alone:
        return None
    return open_pack(experiment.pack, experiment.categories)


def open_filmed(source: DataSource) -> Films[Any]:
    """Open a source of filmed clips for training.

    Raises ConfigError for a folder that is no data set, or whose truth is boxes.
    """
    films = open_films(Path(source.folder).expanduser()).only(source.split)
    if "outlines" not in films.told:
        raise ConfigError(f"{source.folder} holds {films.kind}: for measuring, not for training")
    return films
