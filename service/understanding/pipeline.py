"""The processing steps in order, from an open file to the answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from service.engines.circuit_breaker import CircuitBreaker
from service.engines.engine import Engine
from service.telemetry.metrics import Metrics
from service.telemetry.stages import StageClock
from service.understanding.answer import TrackLog, render, render_heard
from service.understanding.decoding import DecodePool
from service.understanding.dubbing import Decoded, Dubbed
from service.understanding.options import Options
from service.understanding.run import Done, Found, Run
from service.understanding.schemas import (
    ClipFacts,
    Frame,
    Head,
    ModelFacts,
    Notice,
    Region,
    Tail,
    Understanding,
)
from service.understanding.smoothing import Smoother
from service.understanding.story import Part, Story
from service.understanding.tracks import Tracker
from service.understanding.windows import Window, cut
from ssuformer.clip import Sampling
from ssuformer.contract import CAPTION, FRAME_SIZE, SEGMENTATION
from ssuformer.regions import (
    Detection,
    Segmentation,
    describe,
    find_regions,
    name_of,
    plan_captions,
)
from ssuformer.sentences import Wording
from ssuformer.tokenizer import Tokenizer

Listener = Callable[[Head, list[Frame]], Awaitable[None]]
"""Is told the frames of each window as soon as they are ready; the next one waits for it."""


def _collector(frames: list[Frame]) -> Listener:
    """Return a listener that keeps all frames."""

    async def keep(_: Head, new: list[Frame]) -> None:
        frames.extend(new)

    return keep


class Pipeline:
    """Decode, segment, select sounding regions, describe, track, and write the answer."""

    def __init__(
        self,
        engine: Engine,
        circuits: Mapping[str, CircuitBreaker],
        pool: DecodePool,
        metrics: Metrics,
        *,
        window_overlap: int,
    ) -> None:
        self._engine = engine
        self._circuits = circuits
        self._pool = pool
        self._metrics = metrics
        self._manifest = engine.facts.manifest
        self._overlap = min(window_overlap, self._manifest.window_frames - 1)
        self._tokenizer = Tokenizer(self._manifest.vocabulary)
        self._wording = Wording(self._manifest)

    async def understand(
        self,
        file: int,
        options: Options,
        clock: StageClock,
        *,
        seconds: float | None = None,
        sound: NDArray[np.float32] | None = None,
        most_bytes: int | None = None,
    ) -> Understanding:
        """Return the answer for the clip behind an open file descriptor.

        `seconds` after the request arrived the answer is no longer needed; engines use this limit.
        With a `sound`, mono at 16 kHz, that is heard instead of the clip's own.
        """
        frames: list[Frame] = []
        listener = _collector(frames)
        head, tail = await self.tell(
            file, options, clock, listener, seconds=seconds, sound=sound, most_bytes=most_bytes
        )
        return Understanding.of(head, frames, tail)

    async def tell(
        self,
        file: int,
        options: Options,
        clock: StageClock,
        listener: Listener,
        *,
        seconds: float | None = None,
        sound: NDArray[np.float32] | None = None,
        most_bytes: int | None = None,
    ) -> tuple[Head, Tail]:
        """Tell a listener the frames of the answer, window by window; return all the rest of it."""
        sampling = self._sampling(options)
        async with AsyncExitStack() as stack:
            with clock.stage("probe"):
                decoding: Decoded = await stack.enter_async_context(
                    self._pool.decode(file, sampling, clock.trace, most_bytes=most_bytes)
                )
            if sound is not None:
                decoding = Dubbed(decoding, sound)
            run = self._begin(decoding, options, clock, fps=sampling.fps, seconds=seconds)
            head = self._head(run)
            await self._tell_windows(decoding, run, head, listener)
        return head, await asyncio.to_thread(self._tail, decoding, run)

    async def understand_part(
        self, file: int, options: Options, clock: StageClock, story: Story, *, seconds: float
    ) -> Part:
        """Return the part of a clip that follows a story, which is continued by it.

        It has about so many seconds, and whole windows: parts are cut as the clip would be.
        """
        sampling = self._sampling(options)
        most = self._frames_of_part(story, seconds * sampling.fps)
        sampling = replace(sampling, skip=story.frames, most=most)
        most_bytes = self._pool.settings.job_max_bytes
        opened = self._pool.decode(file, sampling, clock.trace, most_bytes=most_bytes)
        frames: list[Frame] = []
        async with AsyncExitStack() as stack:
            with clock.stage("probe"):
                decoding = await stack.enter_async_context(opened)
            run = self._begin(decoding, options, clock, fps=sampling.fps, seconds=None)
            story.begin(run.tracker, run.log, run.recognition, run.smoother)
            run.held = story.held
            head = self._head(run)
            await self._tell_windows(decoding, run, head, _collector(frames), most=most)
        story.frames, story.held = story.frames + run.frames, run.held
        return Part(
            frames=frames,
            info=decoding.info,
            duration=decoding.duration or 0.0,
            warnings=decoding.warnings,
            mask_size=run.size,
            sampled_fps=run.fps,
            smooth_fps=head.smooth_fps,
            analysed=run.frames,
            ended=run.frames < most,
        )

    @property
    def model(self) -> ModelFacts:
        """The model, as told in answers."""
        return ModelFacts(
            name=self._manifest.name,
            version=self._manifest.version,
            digest=self._engine.facts.digest,
        )

    def _frames_of_part(self, story: Story, wanted: float) -> int:
        """Return about as many frames as wanted, so that they end with a window."""
        size = self._manifest.window_frames
        fresh = size - self._overlap
        first = size if story.held is None else fresh
        return first + fresh * max(0, round((wanted - first) / fresh))

    def _sampling(self, options: Options) -> Sampling:
        return Sampling(
            fps=options.fps or self._manifest.frames_per_second,
            start=options.start,
            end=options.end,
            video_track=options.video_track,
            audio_track=options.audio_track,
        )

    def _begin(
        self,
        decoding: Decoded,
        options: Options,
        clock: StageClock,
        *,
        fps: float,
        seconds: float | None,
    ) -> Run:
        source = (decoding.info.height, decoding.info.width)
        return Run(
            options=options,
            clock=clock,
            fps=fps,
            size=source if options.mask_size == "source" else (FRAME_SIZE, FRAME_SIZE),
            tracker=Tracker(memory=self._manifest.window_frames),
            log=TrackLog(step=1 / fps),
            seconds=seconds,
            smoother=self._smoother(decoding, options, fps) if options.smooth else None,
        )

    def _smoother(self, decoding: Decoded, options: Options, fps: float) -> Smoother:
        info, settings = decoding.info, self._pool.settings
        last = settings.max_seconds if info.duration is None else info.duration
        seconds = min(last, options.end or last) - options.start
        # What is longer than a request may be, as a job, has as many frames a second.
        most = round(settings.max_samples * max(1.0, seconds / settings.max_seconds))
        return Smoother.of(fps=fps, film_fps=info.fps, seconds=seconds, most=most)

    async def _tell_windows(
        self,
        decoding: Decoded,
        run: Run,
        head: Head,
        listener: Listener,
        *,
        most: int | None = None,
    ) -> None:
        """Tell the frames of a clip, or of a part of it that has at most so many."""
        chunks = decoding.chunks()
        windows = cut(
            chunks, size=self._manifest.window_frames, overlap=self._overlap, held=run.held
        )
        while True:
            with run.clock.stage("decode"):
                window = await anext(windows, None)
            if window is None:
                break
            frames = await self._understand_window(window, run)
            run.frames += len(frames)
            run.held = window.chunk
            await listener(head, await self._smoothed(frames, run))
        if run.smoother is None or (most is not None and run.frames >= most):
            return
        if rest := run.smoother.end(decoding.duration or 0.0):
            await listener(head, rest)

    async def _smoothed(self, frames: list[Frame], run: Run) -> list[Frame]:
        """Return frames with those between them, if they were asked for."""
        if run.smoother is None:
            return frames
        with run.clock.stage("postprocess"):
            return await asyncio.to_thread(run.smoother.add, frames)

    async def _understand_window(self, window: Window, run: Run) -> list[Frame]:
        with run.clock.stage("segmentation"):
            done = await self._done(window, run)
        with run.clock.stage("postprocess"):
            found = await asyncio.to_thread(self._find, window, done.segmentation, run)
        fresh = found.frames[window.fresh :] if run.options.captions else []
        with run.clock.stage("caption"):
            if done.sentences is None:
                done.sentences = await self._describe(done.segmentation, fresh, run)
        with run.clock.stage("postprocess"):
            return await asyncio.to_thread(self._render, found, done.sentences, run)

    async def _done(self, window: Window, run: Run) -> Done:
        """Return what the engine says to a window, or has said to the same one before it."""
        before, chunk = run.before, window.chunk
        if before is not None and before.is_of(chunk):
            sentences = before.sentences if before.window.fresh == window.fresh else None
            run.before = Done(window, before.segmentation, sentences)
        else:
            run.before = Done(window, await self._segment(chunk.frames, chunk.waveform, run))
        return run.before

    async def _segment(
        self, frames: NDArray[np.uint8], waveform: NDArray[np.float32], run: Run
    ) -> Segmentation:
        with self._inference(SEGMENTATION, len(frames)):
            return await self._engine.segment(frames, waveform, timeout=run.left)

    def _find(self, window: Window, outputs: Segmentation, run: Run) -> Found:
        """Return the regions that were asked for; judge the clip by all that there are."""
        thresholds, least = self._manifest.thresholds, run.options.min_score
        find = partial(
            find_regions, outputs, thresholds=thresholds, categories=self._manifest.categories
        )
        every = find(min_score=0.0)
        known = [any(region.named for region in frame) for frame in every[window.fresh :]]
        run.recognition.add(window.chunk.waveform[window.fresh :], known)
        asked = every
        if least > thresholds.sounding:
            asked = find(min_score=least)
        seen = [{region.category for region in frame} for frame in every]
        return Found(window, outputs, asked, seen)

    async def _describe(
        self, window: Segmentation, fresh: list[list[Detection]], run: Run
    ) -> dict[tuple[int, int], str]:
        """Return the sentence of each region by frame and query, all from one inference."""
        plan = plan_captions([(window, fresh)])
        if not plan.holders:
            return {}
        with self._inference(CAPTION, len(plan.holders)):
            captions = await self._engine.caption(*plan.inputs, timeout=run.left)
        (said,) = plan.assign(map(self._tokenizer.decode, captions.token_ids.tolist()))
        return said

    def _render(self, found: Found, sentences: dict[tuple[int, int], str], run: Run) -> list[Frame]:
        fresh, times = found.window.fresh, found.window.chunk.times.tolist()
        numbers = run.tracker.follow(found.frames, fresh=fresh)
        rendered = []
        for frame, tracks in enumerate(numbers, start=fresh):
            heard, said = describe(
                found.segmentation,
                frame,
                found.frames[frame],
                sentences,
                wording=self._wording,
                threshold=self._manifest.thresholds.heard,
            )
            regions = [
                (region.category, shown)
                for region, track in zip(found.frames[frame], tracks, strict=True)
                if (shown := self._render_region(region, track, said, run)) is not None
            ]
            shown_regions = sorted((shown for _, shown in regions), key=lambda one: one.track)
            run.log.add(times[frame], shown_regions)
            # The first region of a category is its surest.
            places = {category: shown.track for category, shown in reversed(regions)}
            rendered.append(
                Frame(
                    time=round(times[frame], 3),
                    regions=shown_regions,
                    heard=render_heard(
                        heard,
                        categories=self._manifest.categories,
                        tracks=places,
                        seen=found.seen[frame],
                        wording=self._wording if run.options.captions else None,
                    ),
                )
            )
        return rendered

    def _render_region(
        self, region: Detection, track: int, said: dict[int, str], run: Run
    ) -> Region | None:
        return render(
            region,
            track=track,
            category=name_of(region, self._manifest.categories),
            description=said.get(region.query),
            size=run.size,
            threshold=self._manifest.thresholds.mask,
            mask_format=run.options.mask_format,
        )

    def _head(self, run: Run) -> Head:
        return Head(
            model=self.model,
            sampled_fps=run.fps,
            start=run.options.start,
            end=run.options.end,
            smooth_fps=None if run.smoother is None else round(run.smoother.fps, 3),
            mask_size=run.size,
        )

    def _tail(self, decoding: Decoded, run: Run) -> Tail:
        info, duration = decoding.info, decoding.duration or 0.0
        warnings = [*decoding.warnings, *run.recognition.warnings()]
        for warning in warnings:
            self._metrics.warn(warning.code)
        self._metrics.clip_duration.observe(duration)
        self._metrics.clip_frames.observe(run.frames)
        self._metrics.clip_pixels.observe(info.width * info.height)
        self._metrics.observe_speed(run.clock, duration, version=self._manifest.version)
        return Tail(
            clip=ClipFacts.of(info, duration),
            timings_ms=run.clock.milliseconds(),
            warnings=[Notice(code=w.code, message=w.message) for w in warnings],
            tracks=run.log.tracks(duration=duration),
        )

    @contextmanager
    def _inference(self, engine: str, batch: int) -> Iterator[None]:
        """Measure one inference, which fails at once while the engine's circuit is open."""
        began = time.perf_counter()
        with self._circuits[engine].passed():
            yield
        spent = time.perf_counter() - began
        labels = (engine, self._engine.facts.device, self._manifest.version)
        self._metrics.engine_duration.labels(*labels).observe(spent)
        self._metrics.engine_batch.labels(engine, self._manifest.version).observe(batch)
