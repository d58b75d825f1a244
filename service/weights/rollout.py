"""Switch to newer weights while serving, and roll back if they fail.

The model repository is checked at intervals. A version newer than the one in service is
loaded beside it, or found loaded on the server, and probed; only if it
answers do new requests go to it, while requests in progress finish on the old version. The
previous version is kept for a while: if the new one stops answering, requests return to it.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from contextlib import suppress

from structlog.typing import FilteringBoundLogger

from service.engines.engine import Engine
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.understanding.decoding import DecodePool
from service.weights.candidate import TAKEN_BACK, Candidate
from service.weights.generation import Generation
from service.weights.probe import TICK_SECONDS
from service.weights.source import Clock, Source
from ssuformer.errors import EngineMismatch, EngineUnavailable, SsuError

_PROBATION_PROBES = 6
"""Successful probes of a new version before the previous one is released."""

_REMOTE_LOOKS = 3
"""Successful probes of a version on remote servers before it goes into service: servers load it one
after the other, and each probe may reach a different one."""

_AWAITED_SECONDS = 1800.0
"""After this time a version a server has not loaded counts as refused; builds take 20 minutes."""

_REMOTE_SECONDS = 5.0
"""Seconds the start waits for a remote engine; probing continues afterwards."""


class Rollout:
    """Selects the generation in service; `current` may change between two requests."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        log: FilteringBoundLogger,
        *,
        pool: DecodePool,
        source: Source,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._metrics = metrics
        self._log = log
        self._pool = pool
        self._source = source
        self._clock = clock
        self._current: Generation | None = None
        self._previous: Generation | None = None
        self._on_probation_until = -math.inf
        self._candidates: defaultdict[int, Candidate] = defaultdict(Candidate)
        self._watching: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def current(self) -> Generation:
        """The generation that new requests go to."""
        if self._current is None:
            raise EngineUnavailable("no model is in service yet")
        return self._current

    async def load_newest(self) -> Engine:
        """Return the newest version that can be loaded; raise the newest one's error if none."""
        numbers = await asyncio.to_thread(self._source.versions)
        failures = []
        for version in numbers:
            try:
                return await asyncio.to_thread(self._source.load, version)
            except SsuError as error:
                self._refuse(version, error)
                failures.append(error)
        raise failures[0]

    async def begin(self, engine: Engine, *, fixed: bool) -> None:
        """Put an engine into service, or the newest older one that answers if it does not.

        Raises the engine's error if none answers. A remote engine may come up later: it is in
        service, but not ready. `fixed`: there is no alternative.
        """
        first = self._generation_of(engine)
        try:
            async with asyncio.timeout(_REMOTE_SECONDS if engine.facts.remote else None):
                await first.probe.look(whole=True)
        except (SsuError, TimeoutError) as error:
            if not engine.facts.remote:
                await first.close()
                first = await self._older_than(first, error, fixed=fixed)
        except BaseException:
            await first.close()
            raise
        self._put_in_service(first)

    async def _older_than(self, failed: Generation, error: Exception, *, fixed: bool) -> Generation:
        version, windows = (
            failed.engine.facts.repository_version,
            failed.engine.facts.manifest.window_frames,
        )
        numbers = [] if fixed else await asyncio.to_thread(self._source.versions)
        if isinstance(error, SsuError) and not fixed:
            self._refuse(version, error)
        for number in numbers:
            if number < version and (older := await self._tried(number, windows)):
                return older
        raise error

    async def keep_looking(self) -> None:
        """Check for newer weights, and whether the newest still answer, forever."""
        period = self._settings.rollout_seconds
        looked = self._clock.now()
        while True:
            await self._clock.sleep(min(TICK_SECONDS, period))
            try:
                await self._end_probation()
                if self._clock.now() - looked >= period:
                    looked = self._clock.now()
                    await self.look()
            except Exception:
                # Any unexpected error, such as an unmounted volume: the version in service stays.
                self._log.exception("rollout_crash")

    async def look(self) -> None:
        """Put the newest version of the repository that answers into service.

        Only a newer one, unless the version in service has never answered: a remote server may have
        only an older one.
        """
        try:
            numbers = await asyncio.to_thread(self._source.versions)
        except SsuError:
            return
        current = self.current
        facts = current.engine.facts
        for version in numbers:
            if version <= facts.repository_version and current.has_answered:
                return
            if version == facts.repository_version or not self._may_be_tried(version):
                continue
            newer = await self._tried(version, facts.manifest.window_frames)
            if newer is None:
                continue
            if self._has_answered_enough(newer):
                self._switch(newer)
            else:
                self._retire(newer)
            return

    async def close(self) -> None:
        """Close all generations."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        for generation in (self._previous, self._current):
            if generation is not None:
                self._retire(generation)
        await asyncio.gather(*self._closing)

    async def _tried(self, version: int, window_frames: int) -> Generation | None:
        """Return a generation of that version that has answered, or record why there is none."""
        try:
            engine = await asyncio.to_thread(self._source.load, version)
            try:
                _require_windows(engine, window_frames)
                newer = self._generation_of(engine)
                await newer.probe.look(whole=True)
            except BaseException:
                await engine.close()
                raise
        except SsuError as error:
            self._refuse(version, error)
            return None
        self._candidates[version] = self._candidates[version].answered()
        return newer

    def _has_answered_enough(self, newer: Generation) -> bool:
        """Whether it may go into service: another remote server may not have loaded it yet."""
        if not newer.engine.facts.remote or not self.current.has_answered:
            return True
        return self._candidates[newer.engine.facts.repository_version].answers >= _REMOTE_LOOKS

    def _switch(self, newer: Generation) -> None:
        if self._previous is not None:
            self._retire(self._previous)
        self._previous = self.current if self.current.has_answered else None
        if self._previous is None:
            self._retire(self.current)
        probation = _PROBATION_PROBES * self._settings.probe_seconds
        self._on_probation_until = self._clock.now() + probation
        self._put_in_service(newer)
        self._note("switched", newer)

    async def _end_probation(self) -> None:
        """Roll back if this version is down and the previous one answers."""
        if self._previous is None:
            return
        if self.current.probe.reasons:
            previous = self._previous
            with suppress(SsuError):
                await previous.probe.look()
                # Both may have been down together, and be up again together.
                try:
                    await self.current.probe.look(whole=True)
                except SsuError:
                    self._go_back(previous)
        elif self._clock.now() >= self._on_probation_until:
            self._retire(self._previous)
            self._previous = None

    def _go_back(self, previous: Generation) -> None:
        failed = self.current
        self._candidates[failed.engine.facts.repository_version] = TAKEN_BACK
        self._put_in_service(previous)
        self._previous = None
        self._note("rolled_back", failed)
        self._retire(failed)

    def _put_in_service(self, generation: Generation) -> None:
        if self._watching is not None:
            self._watching.cancel()
        self._current = generation
        self._candidates.pop(generation.engine.facts.repository_version, None)
        self._watching = asyncio.create_task(generation.probe.keep_looking())
        self._metrics.model_info.clear()
        self._metrics.model_info.labels(*generation.labels).set(1)

    def _retire(self, generation: Generation) -> None:
        task = asyncio.create_task(generation.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _may_be_tried(self, version: int) -> bool:
        return self._clock.now() >= self._candidates[version].again

    def _refuse(self, version: int, error: SsuError) -> None:
        """Log the reason once; a version a server has yet to load is no error for a while."""
        before, now = self._candidates[version], self._clock.now()
        if self._settings.engine == "triton" and isinstance(error, EngineUnavailable):
            self._log.debug("model_awaited", repository_version=version, reason=error.message)
            before = self._candidates[version] = before.awaited(now)
            if now - before.awaited_since < _AWAITED_SECONDS:
                return
        self._candidates[version] = before.refused(
            error.code, now, period=self._settings.rollout_seconds
        )
        if before.code != error.code:
            self._metrics.rollouts.labels("refused").inc()
            self._log.warning(
                "model_refused", repository_version=version, code=error.code, reason=error.message
            )

    def _generation_of(self, engine: Engine) -> Generation:
        return Generation.of(
            engine, settings=self._settings, pool=self._pool, metrics=self._metrics, log=self._log
        )

    def _note(self, result: str, generation: Generation) -> None:
        self._metrics.rollouts.labels(result).inc()
        name, version, digest, number = generation.labels
        self._log.info(
            f"model_{result}",
            model=name,
            version=version,
            digest=digest,
            repository_version=number,
        )


def _require_windows(engine: Engine, frames: int) -> None:
    if engine.facts.manifest.window_frames != frames:
        raise EngineMismatch(
            f"version {engine.facts.repository_version} uses windows of "
            f"{engine.facts.manifest.window_frames} frames; restart the gateway to switch to it",
            limit=frames,
            actual=engine.facts.manifest.window_frames,
        )
