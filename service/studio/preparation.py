"""Clips are prepared in the background: pre-labelled by the model, their frames and sound written.

A clip is held with a lease and a token, as jobs are: one that a gateway has left is taken up again
by another, or by the same one after a restart, from its beginning.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import orjson
from fastapi.concurrency import contextmanager_in_threadpool
from structlog.typing import FilteringBoundLogger

from service.admission import Admission
from service.jobs.files import CLIP, FilesGone
from service.settings import Settings
from service.studio.answers import AnswerFacts, layer_of
from service.studio.extraction import Extraction
from service.studio.layer_store import LayerStore
from service.studio.layers import MODEL, ClipShape
from service.studio.media import PACK, Media
from service.studio.metrics import StudioMetrics
from service.studio.records import FAILED, READY, Clip
from service.studio.store import LeaseLost, StudioStore
from service.telemetry.stages import StageClock
from service.understanding.options import Options
from service.understanding.pipeline import Pipeline
from service.understanding.schemas import ClipFacts, Frame, Understanding
from service.understanding.story import Part, Story
from service.weights.generation import Generation
from ssuformer.errors import (
    ClipTooLarge,
    DeadlineExceeded,
    EngineError,
    EngineUnavailable,
    JobGivenUp,
    JobsUnavailable,
    OptionError,
    Overloaded,
    SsuError,
    StorageFull,
)

_POLL_SECONDS = 1.0
_BEATS = 3
"""How often a lease is renewed in its time."""
_MOST_TRIES = 5
_WAIT_SECONDS = 2.0
_PASSING = (EngineError, Overloaded, StorageFull, JobsUnavailable)
"""Reasons that lie in the service and will pass."""
_LABELLED = 0.8
"""Share of the progress at which the clip is pre-labelled."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """What preparing clips needs of the gateway."""

    settings: Settings
    log: FilteringBoundLogger
    metrics: StudioMetrics
    store: StudioStore
    layers: LayerStore
    media: Media
    extraction: Extraction
    admission: Admission
    current: Callable[[], Generation]
    used: Callable[[str, float], None]
    ready: Callable[[], bool]


class Preparation:
    """Prepares one clip after the other."""

    def __init__(self, place: Workplace) -> None:
        self._place = place
        self._news = asyncio.Event()
        self._in_work: tuple[str, asyncio.Task[None]] | None = None

    def wake(self) -> None:
        """Have a look for a new clip at once."""
        self._news.set()

    def stop(self, clip: str) -> None:
        """Stop the work on a clip, if it is done here."""
        if self._in_work is not None and self._in_work[0] == clip:
            self._in_work[1].cancel()

    async def keep_working(self) -> None:
        """Prepare one clip after the other until cancelled."""
        while True:
            if not await self._work_on_next():
                self._news.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._news.wait()

    async def _work_on_next(self) -> bool:
        place = self._place
        if not place.ready():
            return False
        try:
            await place.store.database.start()
            clip = await place.store.take(lease=place.settings.job_lease_seconds)
            if clip is not None:
                await self._work(clip)
        except JobsUnavailable as error:
            place.log.warning("jobs_unavailable", reason=repr(error.__cause__))
            return False
        except Exception:  # a worker that ends would be missed by nobody
            place.log.exception("studio_worker_failed")
            return False
        return clip is not None

    async def _work(self, clip: Clip) -> None:
        place = self._place
        place.log.info("studio_clip_taken", clip=clip.id, token=clip.token)
        try:
            if clip.tries > _MOST_TRIES:
                raise JobGivenUp(f"the clip was begun {_MOST_TRIES} times", limit=_MOST_TRIES)
            await self._held(clip)
        except (LeaseLost, FilesGone):
            place.log.info("studio_lease_lost", clip=clip.id)
        except asyncio.CancelledError:
            with suppress(LeaseLost, JobsUnavailable):  # then the lease runs out
                await place.store.hold(clip, lease=-1.0, tries=clip.tries - 1)
            raise
        except _PASSING as error:
            wait = error.retry_after or _WAIT_SECONDS
            place.log.info("studio_clip_given_back", clip=clip.id, reason=error.code)
            with suppress(LeaseLost, JobsUnavailable):
                await place.store.hold(clip, lease=wait, tries=clip.tries - 1)
        except SsuError as error:
            await self._fail(clip, error)
        except Exception:
            place.log.exception("studio_clip_crashed", clip=clip.id)
            await self._fail(clip, SsuError("internal error; see the log for this clip"))

    async def _held(self, clip: Clip) -> None:
        """Prepare a clip; stop, and raise LeaseLost, once it has been deleted or taken over."""
        task = asyncio.create_task(_Clip(self._place, clip).prepare())
        beats = asyncio.create_task(self._renew(clip))
        self._in_work = clip.id, task
        try:
            await asyncio.wait((task, beats), return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                await beats
            if task.cancelled():
                raise LeaseLost(clip.id)
            task.result()
        finally:
            self._in_work = None
            for one in (task, beats):
                one.cancel()
            await asyncio.gather(task, beats, return_exceptions=True)

    async def _renew(self, clip: Clip) -> None:
        """Renew the lease until it is lost."""
        lease = self._place.settings.job_lease_seconds
        while True:
            await asyncio.sleep(lease / _BEATS)
            with suppress(JobsUnavailable):
                await self._place.store.hold(clip, lease=lease)

    async def _fail(self, clip: Clip, error: SsuError) -> None:
        told = {
            "code": error.code,
            "detail": error.message,
            "limit": error.limit,
            "actual": error.actual,
        }
        with suppress(LeaseLost):
            problem = orjson.dumps(told).decode()
            await self._place.store.hold(clip, lease=0.0, state=FAILED, problem=problem)
        self._place.metrics.prepared.labels("failed").inc()
        self._place.log.info("studio_clip_failed", clip=clip.id, code=error.code)


class _Clip:
    """The work on one clip."""

    def __init__(self, place: Workplace, clip: Clip) -> None:
        self._place = place
        self._clip = clip
        self._fps = 1.0

    async def prepare(self) -> None:
        """Do all of it; raise a ClipError if the clip cannot be prepared."""
        place, clip = self._place, self._clip
        project = await place.store.project(clip.project)
        self._fps = project.fps
        opened = place.media.files.opened(clip.id, CLIP)
        async with contextmanager_in_threadpool(opened) as film:
            answer = await self._label(film.fileno())
            shape = self._shape(answer.clip)
            size = await self._extract(film.fileno(), shape)
        layer = await asyncio.to_thread(layer_of, answer, shape, fps=self._fps, clip=clip.id)
        await place.layers.put([layer], who=MODEL)
        facts = AnswerFacts(clip=answer.clip, model=answer.model, warnings=answer.warnings)
        await place.store.hold(
            clip, lease=0.0, state=READY, progress=1.0, bytes=clip.bytes + size,
            facts=facts.model_dump_json(), **shape.model_dump(),
        )  # fmt: skip
        place.metrics.prepared.labels("ready").inc()
        place.log.info("studio_clip_ready", clip=clip.id, frames=shape.frames, bytes=size)

    def _shape(self, clip: ClipFacts) -> ClipShape:
        frames = max(1, math.ceil(clip.duration * self._fps - 1e-6))
        return ClipShape(
            height=clip.height, width=clip.width, frames=frames, duration=clip.duration
        )

    async def _label(self, film: int) -> Understanding:
        """Return the model's answer, part by part: requests go first."""
        options = Options(fps=self._fps, start=0.5 / self._fps, mask_size="source")
        find = partial(label, self._place, film, sender=self._clip.sender, progress=self._tell)
        try:
            return await find(options)
        except OptionError:  # it ends before the middle of its first annotation frame
            return await find(options.model_copy(update={"start": 0.0}))

    async def _tell(self, share: float) -> None:
        lease = self._place.settings.job_lease_seconds
        progress = round(_LABELLED * min(1.0, share), 3)
        await self._place.store.hold(self._clip, lease=lease, progress=progress)

    async def _extract(self, film: int, shape: ClipShape) -> int:
        """Write all frames and the sound; return the bytes that they take."""
        place, pack, sound, size = self._place, list[bytes](), bytearray(), 0
        written = 0
        async for piece in place.extraction.pieces(film, shape, fps=self._fps):
            if piece.frame is None:
                sound += piece.content
                continue
            pack.append(piece.content)
            if len(pack) == PACK or piece.frame == shape.frames - 1:
                number = piece.frame // PACK
                size += await asyncio.to_thread(place.media.write_pack, self._clip.id, number, pack)
                written, pack = piece.frame + 1, []
                progress = _LABELLED + (1 - _LABELLED) * written / shape.frames
                lease = place.settings.job_lease_seconds
                await place.store.hold(self._clip, lease=lease, progress=round(progress, 3))
        return size + await asyncio.to_thread(place.media.write_sound, self._clip.id, bytes(sound))


async def label(
    place: Workplace,
    film: int,
    options: Options,
    *,
    sender: str,
    progress: Callable[[float], Awaitable[None]] | None = None,
) -> Understanding:
    """Return the answer for an open film, as POST /understand would, as long as the studio allows.

    It has a worker for a part at a time, and gets it when no clip of a request waits.
    """
    parts, story, frames = list[Part](), Story(), list[Frame]()
    digest, model = "", None
    while not parts or not parts[-1].ended:
        clock = StageClock()
        used = partial(place.used, sender)
        async with place.admission.turn(clock, sender=sender, used=used, background=True):
            generation = place.current()
            generation.admit(captions=options.captions)
            with generation.in_use() as pipeline:
                if digest and pipeline.model.digest != digest:
                    parts, story, frames, digest = [], Story(), [], ""
                    continue
                model, digest = pipeline.model, pipeline.model.digest
                part = await _part(place, pipeline, film, options, clock, story)
        parts.append(part)
        frames += part.frames
        _check(part, place.settings.studio_clip_seconds)
        if progress is not None:
            await progress(story.frames / max(1.0, part.duration * (options.fps or 1)))
    last = parts[-1]
    if model is None:
        raise EngineUnavailable("no model is in service")
    return Understanding(
        clip=ClipFacts.of(last.info, last.duration),
        model=model,
        sampled_fps=last.sampled_fps,
        start=options.start,
        mask_size=last.mask_size,
        timings_ms={},
        warnings=[],
        frames=frames,
        tracks=story.tracks(duration=last.duration),
    )


async def _part(
    place: Workplace,
    pipeline: Pipeline,
    film: int,
    options: Options,
    clock: StageClock,
    story: Story,
) -> Part:
    seconds = place.settings.job_part_seconds
    try:
        return await pipeline.understand_part(film, options, clock, story, seconds=seconds)
    except DeadlineExceeded as error:
        raise EngineUnavailable("an inference took too long") from error


def _check(part: Part, limit: float) -> None:
    """Raise ClipTooLarge for a clip that lasts a second too long: what is begun does not count.

    A film that says 600 s is found to last some hundredths more once its end has been decoded.
    """
    if part.duration >= limit + 1:
        raise ClipTooLarge(
            f"the clip lasts {part.duration:.1f} s, the limit of the studio is {limit:g} s",
            limit=limit, actual=round(part.duration, 3),
        )  # fmt: skip
