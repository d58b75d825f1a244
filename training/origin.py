"""What weights were trained from; the manifest of their checkpoint says it under `training`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ssuformer.manifest import Manifest, digest
from ssuformer.model.sound_source_model import SoundSourceModel
from ssuformer.published import Published
from ssuformer.repository import WEIGHTS
from training.data.kinds import KINDS
from training.experiment import Experiment, pack_folder
from training.packs.pack import MANIFEST
from training.packs.photographs import INDEX, FilmIndex
from training.pretrained import published_of

_INDEX_FILES = (MANIFEST, INDEX, *(name for files in KINDS for name in files))
"""The files at the top of a pack or a data set that list what is in it."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Material(_Record):
    """An index file of a pack or of filmed clips."""

    name: str
    file: str
    sha256: str


class Beginning(_Record):
    """The checkpoint that a run began from."""

    name: str
    steps: int
    sha256: str


class Origin(_Record):
    """All that weights come from."""

    experiment: Experiment
    material: tuple[Material, ...]
    teachers: tuple[Published, ...]
    """Models that made the truth of the material."""
    published: tuple[Published, ...]
    """Weights that the encoders began with."""
    begin: Beginning | None

    @classmethod
    def of(
        cls,
        experiment: Experiment,
        model: SoundSourceModel,
        begin: Path | None,
    ) -> Origin:
        """Return the origin of a new run: a checkpoint, published weights or neither."""
        folders = tuple(dict.fromkeys(_folders(experiment)))
        return cls(
            experiment=experiment,
            material=tuple(
                Material(name=folder.name, file=name, sha256=digest(folder / name))
                for folder in folders
                for name in _INDEX_FILES
                if (folder / name).is_file()
            ),
            teachers=tuple(dict.fromkeys(_teachers(folders))),
            published=published_of(model) if experiment.published and begin is None else (),
            begin=_beginning(begin) if begin else None,
        )


def _folders(experiment: Experiment) -> Iterator[Path]:
    if not experiment.filmed_alone:
        yield pack_folder(experiment.pack)
    for source in experiment.data:
        if source.kind == "photographic":
            yield pack_folder(source.folder)
        elif source.kind == "filmed":
            yield Path(source.folder).expanduser()


def _teachers(folders: tuple[Path, ...]) -> Iterator[Published]:
    for folder in folders:
        if (folder / INDEX).is_file():
            yield from FilmIndex.model_validate_json((folder / INDEX).read_bytes()).teachers


def _beginning(folder: Path) -> Beginning:
    manifest = Manifest.read(folder)
    return Beginning(name=manifest.name, steps=manifest.steps, sha256=manifest.digests[WEIGHTS])
