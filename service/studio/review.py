"""Review: doubts about layers, a queue by them, agreement, and the model with another sound."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial

from fastapi.concurrency import contextmanager_in_threadpool

from service.http.threads import in_thread
from service.jobs.files import CLIP
from service.studio.agreement import adjudicated, agreement
from service.studio.answers import layer_of
from service.studio.doubts import doubts
from service.studio.layers import AGREED, MODEL, Layer
from service.studio.records import READY, Clip, LayerRow
from service.studio.schemas import Adjudication, Agreement, Doubt, Doubts, Queue, QueuedClip
from service.studio.stop import Stop
from service.studio.studio import Studio, check_annotator
from service.telemetry.stages import StageClock
from service.understanding.options import Options
from ssuformer.errors import OptionError, StudioNotFound

_REMEMBERED = 10_000
BEST = "best"


def best(layers: list[LayerRow]) -> str | None:
    """Return whose layer counts most: agreed, accepted, the newest of a person, the model's."""
    ranked = sorted(
        layers,
        key=lambda one: (
            one.annotator == AGREED,
            one.state == "accepted" and one.annotator != MODEL,
            one.annotator != MODEL and one.state != "rejected",
            one.annotator == MODEL,
            one.updated,
        ),
    )
    return ranked[-1].annotator if ranked else None


@dataclass(slots=True)
class Review:
    """What the routes of review ask for."""

    studio: Studio
    _known: dict[tuple[str, str, int], tuple[float, int]] = field(default_factory=dict)
    """The greatest doubt and how many there are, by clip, annotator and revision."""

    async def doubts(self, clip: Clip, annotator: str) -> Doubts:
        """Return all doubts about a layer; StudioNotFound if there is none."""
        return Doubts(doubts=await self._doubts(clip, annotator))

    async def _doubts(self, clip: Clip, annotator: str) -> list[Doubt]:
        project = await self.studio.store.project(clip.project)
        layer = await self.studio.layer(clip, annotator)
        model = layer if annotator == MODEL else await self._model(clip)
        stop = Stop()
        find = partial(doubts, layer, model, clip.shape, fps=project.fps, stop=stop)
        return await in_thread(find, stop=stop.set)

    async def _model(self, clip: Clip) -> Layer | None:
        try:
            return await self.studio.layer(clip, MODEL)
        except StudioNotFound:
            return None

    async def queue(self, project: str) -> Queue:
        """Return the clips of a project that are ready, the most doubtful first."""
        store = self.studio.store
        await store.project(project)
        clips = [clip for clip in await store.clips(project) if clip.state == READY]
        layers = await store.layers([clip.id for clip in clips])
        found = []
        for clip in clips:
            own = [row for row in layers if row.clip == clip.id]
            name = best(own)
            doubt, count = 0.0, 0
            if name is not None:
                revision = next(row.revision for row in own if row.annotator == name)
                doubt, count = await self._greatest(clip, name, revision)
            found.append(QueuedClip(clip=clip.id, doubt=doubt, doubts=count, layer=name))
        return Queue(clips=sorted(found, key=lambda one: -one.doubt))

    async def _greatest(self, clip: Clip, annotator: str, revision: int) -> tuple[float, int]:
        place = clip.id, annotator, revision
        if place not in self._known:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = await self._doubts(clip, annotator)
            # Many small doubts count for something, the greatest for most.
            rest = sum(one.score for one in found[1:])
            most = found[0].score if found else 0.0
            self._known[place] = round(most + 0.01 * min(10.0, rest), 3), len(found)
        return self._known[place]

    async def agreement(self, clip: Clip, a: str, b: str) -> Agreement:
        """Return how far two annotators agree; StudioNotFound if one has no layer."""
        project = await self.studio.store.project(clip.project)
        one, other = await self.studio.layer(clip, a), await self.studio.layer(clip, b)
        stop = Stop()
        compare = partial(agreement, one, other, clip.shape, fps=project.fps, stop=stop)
        return await in_thread(compare, stop=stop.set)

    async def adjudicate(self, clip: Clip, wanted: Adjudication, *, me: str) -> Layer:
        """Write what is taken of two layers as the agreed one, in the place of an earlier one."""
        check_annotator(me)
        a = await self.studio.layer(clip, wanted.a)
        b = await self.studio.layer(clip, wanted.b)
        layer = await asyncio.to_thread(adjudicated, a, b, wanted.choices)
        (revision,) = await self.studio.layers.put([layer], who=me)
        self.studio.log.info("studio_adjudicated", clip=clip.id, key=me, tracks=len(layer.tracks))
        return layer.model_copy(update={"revision": revision})

    async def swap(self, clip: Clip, other: str, *, me: str) -> Layer:
        """Return what the model finds in a film with the sound of another clip; it is not saved."""
        project = await self.studio.store.project(clip.project)
        second = await self.studio.ready_clip(other)
        if second.id == clip.id:
            raise OptionError("other: it is the same clip", actual=other)
        sound = await asyncio.to_thread(self.studio.media.sound, second.id)
        options = Options(fps=project.fps, start=0.5 / project.fps)
        place, clock = self.studio.place, StageClock()
        opened = self.studio.media.files.opened(clip.id, CLIP)
        used = partial(place.used, me)
        async with (
            contextmanager_in_threadpool(opened) as film,
            place.admission.turn(clock, sender=me, used=used),
        ):
            generation = place.current()
            generation.admit(captions=True)
            most = place.settings.studio_clip_bytes
            with generation.in_use() as pipeline:
                answer = await pipeline.understand(
                    film.fileno(), options, clock, sound=sound, most_bytes=most
                )
        return await asyncio.to_thread(layer_of, answer, clip.shape, fps=project.fps, clip=clip.id)


def check_two(a: str, b: str) -> None:
    """Raise OptionError unless two annotators are named."""
    if a == b:
        raise OptionError("a and b: name two annotators", actual=a)
