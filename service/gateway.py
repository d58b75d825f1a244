"""Everything one application holds, built from its settings, started and stopped as a whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import TextIO

from structlog.typing import FilteringBoundLogger

from service.admission import Admission
from service.engines.engine import Engine
from service.settings import Settings
from service.telemetry.event_loop import watch_event_loop
from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from service.understanding.decoding import DecodePool
from service.weights.generation import Generation
from service.weights.rollout import Rollout
from ssuformer import repository
from ssuformer.contract import MODELS
from ssuformer.manifest import FILE_NAME


@dataclass
class Gateway:
    """The parts of a running service; `pool` and the rest exist between start and stop."""

    settings: Settings
    log: FilteringBoundLogger
    metrics: Metrics = field(default_factory=Metrics)
    draining: bool = False
    started: bool = False
    pool: DecodePool = field(init=False)
    admission: Admission = field(init=False)
    rollout: Rollout = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @classmethod
    def build(cls, settings: Settings, log_stream: TextIO | None = None) -> Gateway:
        """Return a gateway that has not been started."""
        return cls(settings, make_log(settings.log_level, log_stream))

    @property
    def current(self) -> Generation:
        """The weights that new requests go to."""
        return self.rollout.current

    async def start(self, engine: Engine | None = None) -> None:
        """Load the models, warm everything up; raise EngineError if that does not work.

        A remote engine may be away, or have other weights: then this is a gateway that is not
        ready, says why, and becomes ready when the engine is as it should be.
        """
        settings, metrics = self.settings, self.metrics
        fixed = engine is not None or settings.engine == "fake"
        self.rollout = Rollout(
            settings,
            metrics,
            self.log,
            versions=partial(versions, settings),
            load=lambda version: load_engine(settings, metrics, version),
            generation_of=self._generation_of,
        )
        if engine is None:
            engine = load_engine(settings) if fixed else await self.rollout.load_newest()
        self.pool = DecodePool(settings, metrics, chunk_frames=engine.facts.manifest.window_frames)
        self.admission = Admission(
            workers=settings.workers, queue_limit=settings.queue_limit, metrics=metrics
        )
        await asyncio.gather(self.pool.start(), self.rollout.begin(engine, fixed=fixed))
        self._show_state()
        self._tasks = [asyncio.create_task(watch_event_loop(self.metrics))]
        if not fixed:
            self._tasks.append(asyncio.create_task(self.rollout.keep_looking()))
        self.started = True
        manifest = self.current.engine.facts.manifest
        self.log.info("started", model=manifest.name, version=manifest.version)

    def _generation_of(self, engine: Engine) -> Generation:
        return Generation.of(
            engine, settings=self.settings, pool=self.pool, metrics=self.metrics, log=self.log
        )

    def _show_state(self) -> None:
        """Have the gauges ask for what they show."""
        metrics = self.metrics
        metrics.ready.set_function(lambda: float(not self.reasons_not_ready()))
        metrics.engine_up.set_function(lambda: float(not self.current.canary.reasons))
        metrics.draining.set_function(lambda: float(self.draining))
        for model in MODELS:
            metrics.circuit_state.labels(model).set_function(partial(self._circuit_state, model))

    def _circuit_state(self, model: str) -> float:
        return float(self.current.circuits[model].trouble is not None)

    async def stop(self) -> None:
        """Let go of processes and models."""
        self.draining = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.started:
            await self.pool.close()
            await self.rollout.close()
        self.log.info("stopped")

    def reasons_not_ready(self) -> list[str]:
        """Return why no request should be sent here; nothing if it should."""
        if not self.started:
            return ["starting"]
        reasons = {"draining": self.draining, "no_decoding_process": not self.pool.ready}
        return [
            *(reason for reason, holds in reasons.items() if holds),
            *self.current.canary.reasons,
        ]


def versions(settings: Settings) -> list[int]:
    """Return the versions in the model repository, the newest first.

    Raises EngineUnavailable if there is none.
    """
    file = repository.MODEL if settings.engine == "onnx" else FILE_NAME
    return repository.versions(settings.model_repository, file)


def load_engine(
    settings: Settings, metrics: Metrics | None = None, version: int | None = None
) -> Engine:
    """Return the engine that the settings name; only its backend is imported.

    Of a version of the model repository, or of the newest.
    """
    if settings.engine == "fake":
        from service.engines.fake import FakeEngine

        return FakeEngine()
    if settings.engine == "triton":
        from service.engines.triton import TritonEngine

        return TritonEngine(settings, metrics or Metrics(), version)
    from service.engines.embedded import OnnxEngine

    return OnnxEngine(settings.model_repository, threads=settings.engine_threads, version=version)
