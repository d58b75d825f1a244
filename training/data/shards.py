"""Scenes in tar files: composed or filmed once, read as often as one likes.

    DATA/shards.json        what is in them, and where; lists only shards that are complete
    DATA/train-00000.tar    scenes, each a `<number>.npz` and a `<number>.json`: WebDataset's form

A scene is at the engine's size and kept without loss. Writing may be killed anywhere: the same
command goes on after the last complete shard, and a set that is not complete is not opened.

Axes: s sources, t frames, h w pixels.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, PositiveInt
from torch.utils.data import DataLoader, Dataset

from ssuformer.contract import FRAME_SIZE
from ssuformer.errors import ConfigError
from ssuformer.whole import whole_file
from training.batch import SceneSource
from training.data.filmed import Entry, Films, Told, read_document
from training.packs.pack import PackCategory
from training.scene import Scene, Source, Unseen

INDEX = "shards.json"


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shard(_Document):
    """A tar file, and where in it the two members of each scene are: offset and size in bytes."""

    file: str
    split: str
    bytes: PositiveInt
    sha256: str
    scenes: tuple[tuple[int, int, int, int], ...]
    sentences: tuple[str, ...]
    """Every sentence that is in it, once."""


class Plan(_Document):
    """What is to be written. Shards of another plan are not gone on with."""

    format: Literal[1] = 1
    experiment: dict[str, Any]
    seconds: PositiveInt
    scenes: dict[str, PositiveInt]
    """Split -> number of scenes."""
    words: tuple[PackCategory, ...]
    told: tuple[Told, ...]


class ShardIndex(_Document):
    """`shards.json`."""

    plan: Plan
    shards: tuple[Shard, ...] = ()

    def count(self, split: str) -> int:
        """Return the number of scenes of a split that are written."""
        return sum(len(shard.scenes) for shard in self.shards if shard.split == split)


@dataclass(frozen=True, slots=True)
class ShardEntry(Entry):
    """A scene: its tar file, and where its members are."""

    file: str
    spots: tuple[int, int, int, int]


class Shards(Films[ShardEntry]):
    """Scenes of tar files; ConfigError if one is missing, cut off or not written yet."""

    kind = "shards"

    def __init__(self, folder: Path) -> None:
        self.index = read_document(folder / INDEX, ShardIndex)
        plan = self.index.plan
        for split, wanted in plan.scenes.items():
            if (found := self.index.count(split)) != wanted:
                raise ConfigError(
                    f"{folder} is not complete: {found} of {wanted} scenes of {split!r}; the "
                    "command that began it goes on with it",
                    limit=wanted,
                    actual=found,
                )
        for shard in self.index.shards:
            check_size(folder, shard)
        self.told = frozenset(plan.told)
        self.words = plan.words
        super().__init__(folder, list(self._listed()), [word.name for word in plan.words])

    def _listed(self) -> Iterator[ShardEntry]:
        for shard in self.index.shards:
            for number, spots in enumerate(shard.scenes):
                yield ShardEntry(f"{shard.file}:{number}", shard.split, shard.file, spots)

    def sentences(self) -> Iterator[str]:
        """Yield every sentence, once for each shard that has it."""
        for shard in self.index.shards:
            yield from shard.sentences

    def read(self, entry: ShardEntry) -> Scene:
        """Return a scene; ConfigError that names the file if it is damaged."""
        try:
            with (self.folder / entry.file).open("rb") as file:
                at, size, told_at, told_size = entry.spots
                file.seek(at)
                arrays = file.read(size)
                file.seek(told_at)
                return decoded(arrays, file.read(told_size))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ConfigError(f"{self.folder / entry.file} is damaged: {error}") from error


def check_size(folder: Path, shard: Shard) -> None:
    """Raise ConfigError if a shard is missing or has another length than when it was written."""
    path = folder / shard.file
    size = path.stat().st_size if path.is_file() else 0
    if size != shard.bytes:
        raise ConfigError(
            f"{path} has {size} bytes, {INDEX} says {shard.bytes}", limit=shard.bytes, actual=size
        )


def encoded(scene: Scene) -> tuple[bytes, bytes]:
    """Return a scene as the bytes of an npz file and of a JSON file."""
    stored = io.BytesIO()
    t, h, w = scene.frames.shape[:3]
    masks = np.zeros((len(scene.sources), t, h, w), np.bool_)
    for number, source in enumerate(scene.sources):
        masks[number] = source.masks
    np.savez_compressed(
        stored,
        frames=scene.frames,
        waveform=scene.waveform,
        masks=np.packbits(masks, axis=-1),
        known=np.isin(np.arange(t), scene.frames_known()),
    )
    told = {
        "sources": [
            {
                "category": source.category,
                "sounding": source.sounding.tolist(),
                "sentences": source.sentences,
                "accepted": source.accepted,
            }
            for source in scene.sources
        ],
        "unseen": [
            {"category": unseen.category, "sounding": unseen.sounding.tolist()}
            for unseen in scene.unseen
        ],
    }
    return stored.getvalue(), json.dumps(told).encode()


def decoded(arrays: bytes, told: bytes) -> Scene:
    """Return the scene of the bytes of an npz file and of a JSON file."""
    with np.load(io.BytesIO(arrays), allow_pickle=False) as stored:
        frames, waveform, known = (stored[name] for name in ("frames", "waveform", "known"))
        masks = np.unpackbits(stored["masks"], axis=-1, count=frames.shape[2]).astype(np.bool_)
    truth = json.loads(told)
    sources = (
        Source(
            category=source["category"],
            masks=mask,
            sounding=np.array(source["sounding"], np.bool_),
            sentences=tuple(source["sentences"]),
            accepted=tuple(source["accepted"]),
        )
        for source, mask in zip(truth["sources"], masks, strict=True)
    )
    unseen = (Unseen(u["category"], np.array(u["sounding"], np.bool_)) for u in truth["unseen"])
    return Scene(
        frames=frames,
        waveform=waveform,
        sources=tuple(sources),
        known=None if known.all() else known,
        unseen=tuple(unseen),
    )


class _Encoded(Dataset[tuple[bytes, bytes, tuple[str, ...]]]):
    """Scenes by number, as they are stored, and their sentences."""

    def __init__(self, scenes: SceneSource) -> None:
        self._scenes = scenes

    def __getitem__(self, number: int) -> tuple[bytes, bytes, tuple[str, ...]]:
        scene = self._scenes.compose(number)
        if scene.frames.shape[1:3] != (FRAME_SIZE, FRAME_SIZE):
            raise ConfigError(f"scenes of shards are {FRAME_SIZE} pixels wide and high")
        said = {sentence for source in scene.sources for sentence in source.sentences if sentence}
        return *encoded(scene), tuple(sorted(said))


def begun(folder: Path, plan: Plan) -> ShardIndex:
    """Return the index of shards that were begun by this plan, or an empty one.

    Raises ConfigError for shards of another plan, and for a complete shard that is cut off now.
    """
    if not (folder / INDEX).exists():
        return ShardIndex(plan=plan)
    index = read_document(folder / INDEX, ShardIndex)
    if index.plan != plan:
        raise ConfigError(f"{folder} contains shards of other data; choose another --out")
    for shard in index.shards:
        check_size(folder, shard)
    return index


def write_shards(
    folder: Path, plan: Plan, sources: Mapping[str, SceneSource], *, each: int, workers: int = 0
) -> Iterator[Shard]:
    """Write the shards of a plan that are not written yet, `each` scenes in one; yield them.

    Scene `i` of a split is number `i` of its source. Raises ConfigError if one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    index = begun(folder, plan)
    for split, count in plan.scenes.items():
        first = index.count(split)
        number = sum(shard.split == split for shard in index.shards)
        loader = iter(_loader(sources[split], range(first, count), workers))
        while first < count:
            size = min(each, count - first)
            scenes = [next(loader) for _ in range(size)]
            path = folder / f"{split}-{number:05}.tar"
            try:
                shard = _write(path, split, scenes)
                index = index.model_copy(update={"shards": (*index.shards, shard)})
                with whole_file(folder / INDEX) as part:
                    part.write_text(index.model_dump_json(), encoding="utf-8")
            except OSError as error:
                raise ConfigError(
                    f"{path} cannot be written: {error.strerror}. Shards before it are complete"
                ) from error
            yield shard
            first, number = first + size, number + 1


def _loader(scenes: SceneSource, numbers: range, workers: int) -> Any:  # noqa: ANN401
    return DataLoader(
        _Encoded(scenes),
        batch_size=None,
        sampler=numbers,
        num_workers=workers,
        multiprocessing_context="fork" if workers else None,
    )


def _write(path: Path, split: str, scenes: Sequence[tuple[bytes, bytes, tuple[str, ...]]]) -> Shard:
    with whole_file(path) as part:
        with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, (arrays, told, _) in enumerate(scenes):
                for ending, content in (("npz", arrays), ("json", told)):
                    member = tarfile.TarInfo(f"{number:08}.{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
        with tarfile.open(part) as tar:
            spots = [(member.offset_data, member.size) for member in tar.getmembers()]
        with part.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = part.stat().st_size
    return Shard(
        file=path.name,
        split=split,
        bytes=size,
        sha256=digest,
        scenes=tuple((*spots[n], *spots[n + 1]) for n in range(0, len(spots), 2)),
        sentences=tuple(sorted({sentence for *_, said in scenes for sentence in said})),
    )
