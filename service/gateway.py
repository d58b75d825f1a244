"""The gateway: all components of one application, built from its settings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TextIO

from structlog.typing import FilteringBoundLogger

from service.admission import Admission
from service.allowance import Allowances
from service.costs import Costs
from service.engines.engine import Engine
from service.http.upload import Uploads
from service.settings import Settings
from service.telemetry.container import available_cores
from service.telemetry.event_loop import watch_event_loop
from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from service.telemetry.trace import Traces
from service.understanding.decoding import DecodePool
from service.understanding.drawing import Drawings
from service.weights.generation import Generation
from service.weights.rollout import Rollout
from service.weights.source import Clock, Source
from ssuformer import repository
from ssuformer.contract import MODELS
from ssuformer.errors import ConfigError
from ssuformer.manifest import FILE_NAME

if TYPE_CHECKING:
    from service.jobs.jobs import Jobs
    from service.studio.studio import Studio

_LEAST_FLUSH_SECONDS, _MOST_FLUSH_SECONDS = 1.0, 5.0


@dataclass(slots=True)
class Gateway:
    """The components of a service; `running` starts and stops them together."""

    settings: Settings
    log: FilteringBoundLogger
    metrics: Metrics
    pool: DecodePool
    drawings: Drawings
    admission: Admission
    allowances: Allowances
    costs: Costs
    uploads: Uploads
    rollout: Rollout
    traces: Traces
    jobs: Jobs | None = None
    studio: Studio | None = None
    draining: bool = False
    started: bool = False

    @classmethod
    def build(
        cls,
        settings: Settings,
        log_stream: TextIO | None = None,
        *,
        source: Source | None = None,
        clock: Clock | None = None,
    ) -> Gateway:
        """Return a gateway that has not been started; its weights come from the repository."""
        log, metrics = make_log(settings.log_level, log_stream), Metrics()
        admission = Admission(
            workers=settings.workers,
            queue_limit=settings.queue_limit,
            cores=available_cores(),
            metrics=metrics,
        )
        pool = DecodePool(settings, metrics, log, crowded=admission.crowded)
        rollout = Rollout(
            settings,
            metrics,
            log,
            pool=pool,
            source=source or ModelRepository(settings, metrics, admission.crowded),
            clock=clock or Clock(),
        )
        gateway = cls(
            settings,
            log,
            metrics,
            pool,
            Drawings(settings, metrics, log),
            admission,
            Allowances(settings, metrics),
            Costs(settings),
            Uploads(settings, metrics),
            rollout,
            make_traces(settings, metrics, log),
        )
        if settings.jobs is not None:
            gateway.jobs = gateway._with_jobs()
        if settings.studio:
            gateway.studio = gateway._with_studio()
        return gateway

    def _with_jobs(self) -> Jobs:
        from service.jobs.jobs import Jobs

        return Jobs(
            self.settings,
            self.metrics,
            self.log,
            admission=self.admission,
            current=lambda: self.current,
            used=self.allowances.use,
            ready=lambda: not self.reasons_not_ready(),
        )

    def _with_studio(self) -> Studio:
        from service.studio.studio import Studio

        return Studio(
            self.settings,
            self.metrics,
            self.log,
            admission=self.admission,
            current=lambda: self.current,
            used=self.allowances.use,
            ready=lambda: not self.reasons_not_ready(),
        )

    @property
    def current(self) -> Generation:
        """The weights that new requests go to."""
        return self.rollout.current

    @asynccontextmanager
    async def running(self, engine: Engine | None = None) -> AsyncIterator[None]:
        """Load the models and warm everything up; raise EngineError if that fails.

        A remote engine may be down or have other weights. Then the gateway starts as not ready,
        reports the reason, and becomes ready when the engine is available. Processes and models
        are released in every case.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self.log.info, "stopped")
            stack.push_async_callback(self.traces.close, _flush_seconds(self.settings))
            stack.push_async_callback(self.rollout.close)
            stack.push_async_callback(self.pool.close)
            stack.push_async_callback(self.drawings.close)
            await self._begin(engine, stack)
            try:
                yield
            finally:
                self.draining = True

    async def _begin(self, engine: Engine | None, stack: AsyncExitStack) -> None:
        fixed = engine is not None or self.settings.engine == "fake"
        if engine is None:
            engine = load_engine(self.settings) if fixed else await self.rollout.load_newest()
        warm = _at_work(stack, self.pool.start(chunk_frames=engine.facts.manifest.window_frames))
        await self.rollout.begin(engine, fixed=fixed)
        await warm
        self._show_state()
        _at_work(stack, watch_event_loop(self.metrics))
        if not fixed:
            _at_work(stack, self.rollout.keep_looking())
        if self.jobs is not None:
            await stack.enter_async_context(self.jobs.running())
        if self.studio is not None:
            await stack.enter_async_context(self.studio.running())
        self.started = True
        manifest = self.current.engine.facts.manifest
        self.log.info("started", model=manifest.name, version=manifest.version)

    def _show_state(self) -> None:
        """Connect the gauges to the values they show."""
        metrics = self.metrics
        metrics.ready.set_function(lambda: float(not self.reasons_not_ready()))
        metrics.engine_up.set_function(lambda: float(not self.current.probe.reasons))
        metrics.draining.set_function(lambda: float(self.draining))
        for model in MODELS:
            metrics.circuit_state.labels(model).set_function(partial(self._circuit_state, model))

    def _circuit_state(self, model: str) -> float:
        return float(self.current.circuits[model].trouble is not None)

    def reasons_not_ready(self) -> list[str]:
        """Return the reasons for not being ready; empty if ready."""
        if not self.started:
            return ["starting"]
        reasons = {
            "draining": self.draining,
            "no_decoding_process": not self.pool.ready,
            "storage_full": self.uploads.storage_full,
        }
        return [
            *(reason for reason, holds in reasons.items() if holds),
            *self.current.probe.reasons,
        ]


def _at_work(stack: AsyncExitStack, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Run a background task until the stack is unwound at the latest."""
    task = asyncio.create_task(work)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)
    return task


@dataclass(frozen=True, slots=True)
class ModelRepository:
    """The model repository of the settings, as a source of weights."""

    settings: Settings
    metrics: Metrics
    crowded: Callable[[], bool]

    def versions(self) -> list[int]:
        """Return its versions, the newest first; raise EngineUnavailable if there is none."""
        file = repository.MODEL if self.settings.engine == "onnx" else FILE_NAME
        return repository.versions(self.settings.model_repository, file)

    def load(self, version: int) -> Engine:
        """Return the engine of the settings, with that version."""
        return load_engine(self.settings, self.metrics, version, self.crowded)


def make_traces(settings: Settings, metrics: Metrics, log: FilteringBoundLogger) -> Traces:
    """Return the traces of the settings; only if they have spans, OpenTelemetry's SDK is imported.

    Raises ConfigError if it is not installed, or cannot follow its variables.
    """
    if settings.traces == "off" or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Traces()
    try:
        from service.telemetry.spans import SpanTraces
    except ImportError as error:
        raise ConfigError(
            f"SSU_TRACES is on, but {error.name} is missing; install the extra `traces`"
        ) from error
    return SpanTraces(metrics, log)


def _flush_seconds(settings: Settings) -> float:
    """Return how long the last spans may take to be exported: the drain, within bounds."""
    return min(max(settings.drain_seconds, _LEAST_FLUSH_SECONDS), _MOST_FLUSH_SECONDS)


def load_engine(
    settings: Settings,
    metrics: Metrics | None = None,
    version: int | None = None,
    crowded: Callable[[], bool] = lambda: False,
) -> Engine:
    """Return the engine of the settings; only its backend is imported.

    Uses the given version of the model repository, or the newest. `crowded`: whether there is a
    clip in work for every core.
    """
    if settings.engine == "fake":
        from service.engines.fake import FakeEngine

        return FakeEngine()
    if settings.engine == "triton":
        from service.engines.triton import TritonEngine

        return TritonEngine(settings, metrics or Metrics(), version)
    from service.engines.embedded import OnnxEngine

    return OnnxEngine(
        settings.model_repository,
        threads=settings.engine_threads,
        version=version,
        crowded=crowded,
    )
