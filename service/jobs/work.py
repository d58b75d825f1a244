"""The work on one job: fetch its clip, understand part after part, write the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from fastapi.concurrency import contextmanager_in_threadpool
from structlog.typing import FilteringBoundLogger

from service.admission import Admission
from service.jobs import files
from service.jobs.answers import PartFacts, head_of
from service.jobs.files import CLIP, JobFiles
from service.jobs.inputs import Inputs
from service.jobs.metrics import JobMetrics
from service.jobs.options import JobOptions
from service.jobs.records import Job, StoredPart
from service.jobs.store import JobStore
from service.jobs.stored_frames import FRAMES, written
from service.settings import Settings
from service.telemetry.stages import StageClock
from service.understanding.schemas import ClipFacts, ModelFacts, Notice
from service.understanding.story import Part, Story
from service.weights.generation import Generation
from ssuformer.errors import (
    ClipTooLarge,
    DeadlineExceeded,
    EngineUnavailable,
    JobsUnavailable,
)

_STORY = ".story"
"""Suffix of the file from which the next part goes on."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """What work on jobs needs of the gateway."""

    settings: Settings
    log: FilteringBoundLogger
    metrics: JobMetrics
    store: JobStore
    files: JobFiles
    inputs: Inputs
    admission: Admission
    current: Callable[[], Generation]
    used: Callable[[str, float], None]
    """Told the seconds of a worker that a key's job has taken."""


@dataclass(frozen=True, slots=True)
class _Understood:
    part: Part
    model: ModelFacts
    milliseconds: dict[str, float]


class _ModelChanged(Exception):
    """Other weights are in service than those that the parts so far are of."""


class JobWork:
    """Works on a job as long as its lease holds; what is done is on disk, part by part."""

    def __init__(self, place: Workplace, job: Job) -> None:
        self._place = place
        self._job = job
        self._options = JobOptions()
        self._parts: list[StoredPart] = []
        self._story = Story()
        self.progressed = False
        """Whether anything has been done."""

    async def do(self) -> str:
        """Do all that is left, and return the name of the file with the answer's head.

        Raises LeaseLost or FilesGone if the job is no longer ours, SsuError if it cannot be done.
        """
        self._options = JobOptions.model_validate_json(self._job.options)
        if self._job.url is not None:
            await self._fetch(self._job.url)
        await self._resume()
        opened = self._place.files.opened(self._job.id, CLIP)
        async with contextmanager_in_threadpool(opened) as clip:
            while not self._parts or not self._parts[-1].ended:
                await self._do_part(clip.fileno())
        head = await asyncio.to_thread(self._head)
        name = f"answer-{self._job.token}"
        await asyncio.to_thread(files.write, self._place.files, self._job.id, name, head)
        return name

    async def _fetch(self, url: str) -> None:
        kept = self._place.files
        if await asyncio.to_thread(kept.holds, self._job.id, CLIP):
            return
        async with contextmanager_in_threadpool(kept.writing(self._job.id, CLIP)) as out:
            size = await self._place.inputs.fetch(url, out)
        await self._place.store.grow(self._job, size)

    async def _resume(self) -> None:
        """Go on after the last part that is stored."""
        self._parts = await self._place.store.parts(self._job.id)
        if self._parts:
            name = self._parts[-1].name + _STORY
            saved = await asyncio.to_thread(files.read, self._place.files, self._job.id, name)
            self._story = await asyncio.to_thread(Story.resumed, saved)

    async def _do_part(self, clip: int) -> None:
        check_deadline(self._job, self._options)
        try:
            found = await self._understand(clip)
        except _ModelChanged:
            self._place.log.info("job_begins_again", job=self._job.id, reason="model_changed")
            await self._place.store.begin_again(self._job)
            for part in self._parts:
                await self._remove(part.name + FRAMES)
            self._parts, self._story = [], Story()
            return
        await self._store(found)
        self.progressed = True

    async def _understand(self, clip: int) -> _Understood:
        """Understand a part while no clip of a request waits for a worker."""
        place, clock = self._place, StageClock()
        used = partial(place.used, self._job.owner)
        async with place.admission.turn(clock, sender=self._job.owner, used=used, background=True):
            generation = place.current()
            generation.admit(captions=self._options.captions)
            with generation.in_use() as pipeline:
                if self._parts and self._facts(-1).model.digest != pipeline.model.digest:
                    raise _ModelChanged
                try:
                    part = await pipeline.understand_part(
                        clip,
                        self._options,
                        clock,
                        self._story,
                        seconds=place.settings.job_part_seconds,
                    )
                except DeadlineExceeded as error:
                    raise EngineUnavailable("an inference took too long") from error
                return _Understood(part, pipeline.model, clock.milliseconds())

    async def _store(self, found: _Understood) -> None:
        part, number = found.part, len(self._parts)
        done, in_all = self._progress(part)
        stored = StoredPart(
            number=number,
            name=f"{number:05}-{self._job.token}",
            frames=len(part.frames),
            ended=part.ended,
            facts=_facts_of(found).model_dump_json(),
        )
        size = await asyncio.to_thread(self._write, stored.name, part)
        await self._place.store.add_part(self._job, stored, size=size, done=done, in_all=in_all)
        if self._parts:
            await self._remove(self._parts[-1].name + _STORY)
        self._parts.append(stored)
        self._place.metrics.parts.inc()
        self._place.metrics.seconds.inc(part.analysed / part.sampled_fps)
        self._place.log.info(
            "job_part", job=self._job.id, number=number, frames=part.analysed,
            seconds_done=done, seconds_in_all=in_all, stages_ms=found.milliseconds,
        )  # fmt: skip

    async def _remove(self, name: str) -> None:
        """Remove a file that is no longer needed, if that can be done."""
        with suppress(OSError, JobsUnavailable):
            await asyncio.to_thread(self._place.files.remove, self._job.id, name)

    def _write(self, name: str, part: Part) -> int:
        kept, job = self._place.files, self._job.id
        size = files.write(kept, job, name + FRAMES, written(part.frames))
        return size + files.write(kept, job, name + _STORY, self._story.saved())

    def _progress(self, part: Part) -> tuple[float, float]:
        """Return the seconds that are done and those in all; ClipTooLarge if they are too many."""
        end = part.duration if self._options.end is None else self._options.end
        in_all = max(0.0, min(part.duration, end) - self._options.start)
        done = self._story.frames / part.sampled_fps
        limit = self._place.settings.job_max_seconds
        if max(done, in_all) > limit:
            raise ClipTooLarge(
                f"the part asked for lasts {max(done, in_all):.1f} s, the limit for a job is "
                f"{limit:g} s; ask for less with start and end",
                limit=limit,
                actual=round(max(done, in_all), 3),
            )
        return (in_all if part.ended else min(done, in_all)), in_all

    def _facts(self, number: int) -> PartFacts:
        return PartFacts.model_validate_json(self._parts[number].facts)

    def _head(self) -> bytes:
        facts = [self._facts(number) for number in range(len(self._parts))]
        return head_of(facts, self._story, self._options).model_dump_json().encode()


def check_deadline(job: Job, options: JobOptions) -> None:
    """Raise DeadlineExceeded if a job that has not ended should have."""
    deadline = options.deadline
    if deadline is not None and time.time() > job.created + deadline:
        raise DeadlineExceeded(f"the job took longer than {deadline:g} s", limit=deadline)


def _facts_of(found: _Understood) -> PartFacts:
    part = found.part
    return PartFacts(
        clip=ClipFacts.of(part.info, part.duration),
        model=found.model,
        sampled_fps=part.sampled_fps,
        smooth_fps=part.smooth_fps,
        mask_size=part.mask_size,
        frames=part.analysed,
        milliseconds=found.milliseconds,
        warnings=[Notice(code=one.code, message=one.message) for one in part.warnings],
    )
