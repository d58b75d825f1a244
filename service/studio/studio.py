"""The studio as a whole: what routes may ask for, and what runs beside them."""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
from structlog.typing import FilteringBoundLogger

from service.admission import Admission
from service.formats.clip_names import safe_name
from service.jobs import files
from service.jobs.files import CLIP, PIECE, files_at
from service.jobs.files import STUDIO as FOLDER
from service.jobs.jobs import Sent, folder_of
from service.settings import Settings
from service.studio.answers import AnswerFacts
from service.studio.applied import replayed
from service.studio.extraction import Extraction
from service.studio.layer_store import Batch, LayerStore
from service.studio.layers import AGREED, MODEL, Layer, check_edit
from service.studio.media import Media
from service.studio.metrics import StudioMetrics
from service.studio.preparation import Preparation, Workplace
from service.studio.records import PREPARING, READY, Clip, Project
from service.studio.schemas import Edits, NewProject, Propagation, ProposedSentences
from service.studio.store import StudioStore
from service.studio.tool_pool import ToolPool
from service.studio.tooling import ClipTools
from service.telemetry.metrics import Metrics
from service.weights.generation import Generation
from ssuformer import errors

_SWEEP_SECONDS = 15.0
_IMPORTS = 2
"""Imports that are read at once: others wait, and leave threads to the rest of the gateway."""
_ORPHAN_SECONDS = 3600.0
"""After that files without a clip are removed."""


class Studio:
    """The projects of a gateway, and those of others with the same store."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        log: FilteringBoundLogger,
        *,
        admission: Admission,
        current: Callable[[], Generation],
        used: Callable[[str, float], None],
        ready: Callable[[], bool],
    ) -> None:
        """Connect to nothing yet; raise ConfigError if a setting does not fit the others."""
        check_settings(settings)
        self.settings = settings
        self.log = log
        self.metrics = StudioMetrics(metrics.registry)
        self.store = StudioStore(settings.jobs or "")
        self.layers = LayerStore(self.store.database, most_tracks=settings.studio_tracks)
        self.media = Media(files_at(f"{folder_of(settings)}/{FOLDER}"))
        pool = ToolPool(settings, self.metrics, log)
        self.tools = ClipTools(self.media, self.layers, pool)
        self.place = Workplace(
            settings=settings,
            log=log,
            metrics=self.metrics,
            store=self.store,
            layers=self.layers,
            media=self.media,
            extraction=Extraction(settings, metrics, log),
            admission=admission,
            current=current,
            used=used,
            ready=ready,
        )
        self._preparation = Preparation(self.place)
        self.importing = asyncio.Semaphore(_IMPORTS)
        self._names: dict[str, str] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Prepare clips until the block is left; those in work are taken up again by others."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.store.database.close)
            stack.push_async_callback(self.tools.pool.close)
            stack.push_async_callback(self.place.extraction.close)
            await asyncio.to_thread(self.media.files.start)
            try:
                await self.store.database.start()
            except errors.JobsUnavailable as error:  # requests are answered all the same
                self.log.error("jobs_unavailable", reason=repr(error.__cause__))
            works = [self._preparation.keep_working(), self._repeat(self._sweep)]
            tasks = [asyncio.create_task(work) for work in works]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def tool_names(self) -> dict[str, str]:
        """Return what the tools are called; they are loaded for the first time it is asked."""
        if self._names is None:
            self._names = await self.tools.pool.names()
        return self._names

    async def make_project(self, wanted: NewProject, *, maker: str) -> Project:
        """Return a new project; StudioFull if there are too many."""
        project = Project(
            id=secrets.token_hex(8),
            name=wanted.name,
            fps=wanted.fps,
            categories=orjson.dumps(wanted.categories).decode(),
            maker=maker,
            created=0.0,
        )
        made = await self.store.add_project(project, most=self.settings.studio_projects)
        self.log.info("studio_project_made", project=made.id, key=maker)
        return made

    async def delete_project(self, identity: str, *, by: str) -> None:
        """Remove a project with all its clips; StudioForbidden for all but who has made it."""
        project = await self.store.project(identity)
        if project.maker != by:
            raise errors.StudioForbidden(f"only {project.maker} can delete this project")
        for clip in await self.store.delete_project(identity):
            await self._forget(clip)
        self.log.info("studio_project_deleted", project=identity, key=by)

    async def add_clip(self, project: str, sent: Sent, name: str | None, *, sender: str) -> Clip:
        """Take a film into a project; it is prepared in the background."""
        settings = self.settings
        await self.store.check_room(
            project, most=settings.studio_clips, size=sent.size, disk=settings.studio_disk
        )
        clip = Clip(
            id=secrets.token_hex(16),
            project=project,
            name=(safe_name(name or "") or "clip")[:200],
            sender=sender,
            digest=await asyncio.to_thread(_digest, sent),
            state=PREPARING,
            created=0.0,
            bytes=sent.size,
        )
        stored = False
        await asyncio.to_thread(self.media.files.add, clip.id)
        try:
            await asyncio.to_thread(files.copy_in, self.media.files, clip.id, CLIP, sent.descriptor)
            await self.store.add_clip(clip)
            stored = True
        finally:
            if not stored:
                await asyncio.to_thread(self.media.files.remove_all, clip.id)
        self.log.info("studio_clip_sent", clip=clip.id, project=project, bytes=sent.size)
        self._preparation.wake()
        return clip

    async def delete_clip(self, identity: str, *, by: str) -> None:
        """Remove a clip with all layers; StudioForbidden for all but its sender, and the maker."""
        clip = await self.store.clip(identity)
        project = await self.store.project(clip.project)
        if by not in (clip.sender, project.maker):
            raise errors.StudioForbidden(
                f"only {clip.sender} and {project.maker} can delete this clip"
            )
        await self.store.delete_clip(identity)
        await self._forget(identity)
        self.log.info("studio_clip_deleted", clip=identity, key=by)

    async def _forget(self, clip: str) -> None:
        self._preparation.stop(clip)
        await asyncio.to_thread(self.media.files.remove_all, clip)

    async def ready_clip(self, identity: str) -> Clip:
        """Return a clip that is ready; StudioNotFound, or ClipNotReady if it is not."""
        clip = await self.store.clip(identity)
        if clip.state != READY:
            why = "is still being prepared" if clip.state == PREPARING else "could not be prepared"
            raise errors.ClipNotReady(f"the clip {why}", actual=clip.state)
        return clip

    async def layer(self, clip: Clip, annotator: str) -> Layer:
        """Return an annotator's layer; StudioNotFound if there is none."""
        return await self.layers.find(clip.id, annotator, clip.shape)

    async def layer_then(self, clip: Clip, annotator: str, revision: int) -> Layer:
        """Return a layer as it was at a revision; StudioNotFound if there was none."""
        layer = Layer(clip=clip.id, annotator=annotator)
        async for reached, edits in self.layers.log(clip.id, annotator, last=revision):
            made = await asyncio.to_thread(replayed, layer, edits)
            layer = made.model_copy(update={"revision": reached})
        if layer.revision < revision:
            raise errors.StudioNotFound(f"{annotator} has no revision {revision} of this clip")
        return layer

    async def picture(self, clip: Clip, frame: int) -> bytes:
        """Return an annotation frame as JPEG."""
        return await asyncio.to_thread(self.media.picture, clip.id, frame)

    async def propose(self, clip: Clip, frame: int, track: str, *, me: str) -> ProposedSentences:
        """Return sentences about a track of my layer."""
        project = await self.store.project(clip.project)
        layer = await self.layer(clip, me)
        return await self.tools.sentences(clip, layer, frame, track, fps=project.fps)

    async def propagate(
        self, clip: Clip, asked: Propagation, *, me: str
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Return what carries a mask of my layer on; raise EditInvalid if there is no such mask."""
        check_annotator(me)
        project = await self.store.project(clip.project)
        layer = await self.layer(clip, me)
        self.tools.check(clip, layer, asked)
        return self.tools.propagate(clip, layer, asked, fps=project.fps)

    async def begin_layer(self, clip: Clip, source: str | None, *, me: str) -> Layer:
        """Return my new layer, empty or a copy of another; LayerExists if I have one."""
        check_annotator(me)
        layer = Layer(clip=clip.id, annotator=me)
        if source is not None:
            found = await self.layer(clip, source)
            layer = found.model_copy(update={"annotator": me, "state": "open"})
        revision = await self.layers.begin(layer, who=me)
        self.log.info("studio_layer_begun", clip=clip.id, key=me, source=source)
        return layer.model_copy(update={"revision": revision})

    async def save(self, clip: Clip, edits: Edits, *, me: str) -> int:
        """Apply edits to my layer, all or none; return its revision.

        Raises EditInvalid, RevisionConflict, StudioFull, or StudioNotFound if I have no layer.
        """
        check_annotator(me)
        await asyncio.to_thread(_check_all, edits, clip)
        masks = self.settings.studio_masks
        batch = Batch(id=edits.id, edits=edits.edits, who=me, model=masks)
        revision = await self.layers.change(clip.id, me, batch, base=edits.base_revision)
        self.metrics.edits.inc(len(edits.edits))
        return revision

    def facts(self, clip: Clip) -> AnswerFacts:
        """Return what is known of a clip that is ready, besides its layers."""
        return AnswerFacts.model_validate_json(clip.facts or "{}")

    async def _repeat(self, act: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await act()
            except errors.JobsUnavailable:
                pass
            except Exception:
                self.log.exception("studio_chore_failed")
            await asyncio.sleep(_SWEEP_SECONDS)

    async def _sweep(self) -> None:
        """Show what there is, and remove files of clips that are gone."""
        await self.store.database.start()
        clips = await self.store.clips()
        counts = Counter(clip.state for clip in clips)
        for state in ("preparing", "ready", "failed"):
            self.metrics.clips.labels(state).set(counts[state])
        self.metrics.bytes.set(sum(clip.bytes for clip in clips))
        old = await asyncio.to_thread(self.media.files.older_than, _ORPHAN_SECONDS)
        for clip in set(old) - {clip.id for clip in clips}:
            await asyncio.to_thread(self.media.files.remove_all, clip)


def check_settings(settings: Settings) -> None:
    """Raise ConfigError if the studio lacks what it needs."""
    if settings.jobs is None:
        raise errors.ConfigError("SSU_STUDIO needs SSU_JOBS: it keeps projects in its database")
    if settings.keys_file is None:
        raise errors.ConfigError(
            "SSU_STUDIO needs SSU_KEYS_FILE: the names of its keys are those of the annotators"
        )
    if importlib.util.find_spec("cv2") is None:
        raise errors.ConfigError("SSU_STUDIO: OpenCV is missing; install the extra `studio`")
    if settings.studio_sentences != "model" and not settings.studio_sentences_model:
        raise errors.ConfigError("SSU_STUDIO_SENTENCES is an endpoint; name a model for it, too")


def check_annotator(name: str) -> None:
    """Raise StudioForbidden for the name of a key that is that of a layer of nobody's."""
    if name in (MODEL, AGREED):
        raise errors.StudioForbidden(
            f"a key with the name {name!r} annotates nothing; give it another name", actual=name
        )


def _check_all(edits: Edits, clip: Clip) -> None:
    for edit in edits.edits:
        check_edit(edit, clip.shape)


def _digest(sent: Sent) -> str:
    found, at = hashlib.sha256(), 0
    while piece := os.pread(sent.descriptor, PIECE, at):
        found.update(piece)
        at += len(piece)
    return found.hexdigest()
