"""Projects written as files: a zip with a document for each clip, or one data set for training."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any, TypeVar, cast

import orjson
from fastapi.concurrency import contextmanager_in_threadpool

from service.formats.archive import Archive
from service.formats.catalogue import named
from service.formats.clip_names import ClipName
from service.formats.format import Format, Material, Need
from service.http.threads import in_thread
from service.http.upload import storing
from service.jobs.files import CLIP
from service.studio.answers import answer_of
from service.studio.layers import Layer
from service.studio.records import READY, Clip, LayerRow, Project
from service.studio.review import BEST, best
from service.studio.stop import Stop, StoppableFile
from service.studio.studio import Studio
from service.studio.truth import truth_of
from ssuformer.errors import OptionError, StudioNotFound
from ssuformer.sentences import SOMETHING

RA_SSU = "ra-ssu"
_SHARES = 10_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be exported."""

    format: str
    layer: str
    held_out: float
    """Share of the clips that go to the split `val`."""


def file_names(clips: Sequence[Clip]) -> dict[str, ClipName]:
    """Return a name for each clip's files, by its number; no two are alike on any system."""
    found: dict[str, ClipName] = {}
    taken: set[str] = set()
    for clip in clips:
        name = ClipName.of(clip.name)
        if name.stem.casefold() in taken:
            name = ClipName(f"{name.stem[:60]}-{clip.id[:8]}", name.suffix)
        taken.add(name.stem.casefold())
        found[clip.id] = name
    return found


def format_of(name: str) -> Format:
    """Return a format for projects; OptionError if there is none, or it shows pictures."""
    form = named(name)
    if Need.PICTURES in form.needs:
        raise OptionError(f"format: {name} shows the film; projects do not go out so", actual=name)
    return form


class Export:
    """Writes one project."""

    def __init__(self, studio: Studio, project: Project, wanted: Wanted) -> None:
        self._studio = studio
        self._project = project
        self._wanted = wanted
        self._form = format_of(wanted.format)

    async def write(self, out: IO[bytes]) -> None:
        """Write the zip to an open file; StudioNotFound if there is nothing to export."""
        clips = await self._studio.store.clips(self._project.id)
        names = file_names(clips)
        chosen = await self._chosen(clips)
        if not chosen:
            raise StudioNotFound(
                f"no clip of the project is ready and has the layer {self._wanted.layer!r}"
            )
        with storing():
            made = Archive(out)
            try:
                if self._wanted.format == RA_SSU:
                    await self._write_data(made, chosen, names)
                else:
                    await self._write_documents(made, chosen, names)
            finally:
                await in_thread(made.close)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        """Do what takes `stop`; whoever is cancelled lets it end before the files are closed."""
        stop = Stop()
        return await in_thread(partial(work, *arguments, stop=stop), stop=stop.set)

    async def _chosen(self, clips: list[Clip]) -> list[tuple[Clip, str]]:
        """Return the clips that have the layer that is wanted, and its name."""
        rows = await self._studio.store.layers([clip.id for clip in clips])
        found = []
        for clip in clips:
            own = [row for row in rows if row.clip == clip.id]
            name = self._layer_of(own)
            if clip.state == READY and name is not None:
                found.append((clip, name))
        return found

    def _layer_of(self, rows: list[LayerRow]) -> str | None:
        if self._wanted.layer == BEST:
            return best(rows)
        return next((r.annotator for r in rows if r.annotator == self._wanted.layer), None)

    async def _write_documents(
        self, made: Archive, chosen: list[tuple[Clip, str]], names: dict[str, ClipName]
    ) -> None:
        for clip, annotator in chosen:
            layer, facts = await self._studio.layer(clip, annotator), self._studio.facts(clip)
            name, answering = names[clip.id], partial(answer_of, fps=self._project.fps)
            answer = await self._in_thread(answering, layer, facts, clip.shape)
            opened = self._studio.media.files.opened(clip.id, CLIP)
            async with contextmanager_in_threadpool(opened) as film:
                material = Material(answer, name.stem, film.fileno(), suffix=name.suffix)
                await self._in_thread(self._write_document, made, material)

    def _write_document(self, made: Archive, material: Material, *, stop: Stop) -> None:
        with made.member(material.name + self._form.suffix) as file:
            self._form.write(material, cast("IO[bytes]", StoppableFile(file, stop)))

    async def _write_data(
        self, made: Archive, chosen: list[tuple[Clip, str]], names: dict[str, ClipName]
    ) -> None:
        """Write one folder in the layout that training reads, `training/data/README.md`."""
        categories: set[str] = set()
        lines = []
        for clip, annotator in chosen:
            layer, name = await self._studio.layer(clip, annotator), names[clip.id]
            film = name.stem + (name.suffix or ".mp4")
            telling = partial(truth_of, fps=self._project.fps, film=film)
            truth = await self._in_thread(telling, layer, clip.shape)
            categories |= _categories(layer)
            place = f"clips/{name.stem}.truth.json"
            lines.append({"truth": place, "split": self._split(clip), "recording": clip.digest})
            await in_thread(partial(made.write_json, place, truth))
            opened = self._studio.media.files.opened(clip.id, CLIP)
            async with contextmanager_in_threadpool(opened) as file:
                await self._in_thread(_copy, file, made, f"clips/{film}")
        made.write("clips.jsonl", b"".join(orjson.dumps(line) + b"\n" for line in lines))
        made.write_json("data.json", self._info(categories))

    def _info(self, categories: set[str]) -> dict[str, Any]:
        return {
            "format": 1,
            "name": self._project.name,
            "version": "1",
            "about": f"a project of the studio; layers: {self._wanted.layer}",
            "licence": "",
            "categories": sorted(categories) or [SOMETHING],
        }

    def _split(self, clip: Clip) -> str:
        """Return the split of a clip: the same film is always in the same."""
        share = zlib.crc32(clip.digest.encode()) % _SHARES / _SHARES
        return "val" if share < self._wanted.held_out else "train"


def _copy(file: IO[bytes], made: Archive, name: str, *, stop: Stop) -> None:
    with made.member(name, packed=False) as out:
        for piece in stop.each(iter(partial(file.read, 2**20), b"")):
            out.write(piece)


def _categories(layer: Layer) -> set[str]:
    return {one.category for one in layer.tracks} | {one.category for one in layer.heard}


async def provenance(studio: Studio, project: Project) -> AsyncIterator[bytes]:
    """Yield a line of JSON for each mask and interval: who made it, with what, and when."""
    clips = [clip for clip in await studio.store.clips(project.id) if clip.state == READY]
    rows = await studio.store.layers([clip.id for clip in clips])
    for clip in clips:
        for row in rows:
            if row.clip == clip.id:
                layer = await studio.layer(clip, row.annotator)
                yield await asyncio.to_thread(_lines, layer, clip)


def _lines(layer: Layer, clip: Clip) -> bytes:
    return b"".join(orjson.dumps(line) + b"\n" for line in _made(layer, clip))


def _made(layer: Layer, clip: Clip) -> Iterator[dict[str, Any]]:
    head = {
        "clip": clip.id,
        "file": clip.name,
        "annotator": layer.annotator,
        "revision": layer.revision,
        "state": layer.state,
    }
    for track in layer.tracks:
        names = {**head, "track": track.id, "category": track.category}
        for one in track.masks:
            by = None if one.by is None else one.by.model_dump()
            yield {**names, "kind": "mask", "frame": one.frame, "locked": one.locked, "by": by}
        for said in track.intervals:
            by = None if said.by is None else said.by.model_dump()
            told = said.model_dump(include={"start", "end", "sentence", "inherited"})
            yield {**names, "kind": "interval", **told, "by": by}
    for alone in layer.heard:
        for span in alone.intervals:
            by = None if span.by is None else span.by.model_dump()
            told = {"start": span.start, "end": span.end, "by": by}
            yield {**head, "kind": "heard", "category": alone.category, **told}
