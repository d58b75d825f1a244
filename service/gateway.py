"""Everything one application holds, built from its settings, started and stopped as a whole."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TextIO

from structlog.typing import FilteringBoundLogger

from service.admission import Admission
from service.canary import Canary
from service.circuit import Circuit
from service.decoding import DecodePool
from service.engines.engine import Engine
from service.logs import make_log
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings
from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.errors import EngineError

MODELS = (SEGMENTATION, CAPTION)
_REMOTE_SECONDS = 5.0
"""How long the start waits for an engine that runs elsewhere; the canary goes on asking."""


@dataclass
class Gateway:
    """The parts of a running service; `pipeline` and the rest exist between start and stop."""

    settings: Settings
    log: FilteringBoundLogger
    metrics: Metrics = field(default_factory=Metrics)
    draining: bool = False
    started: bool = False
    engine: Engine = field(init=False)
    pool: DecodePool = field(init=False)
    pipeline: Pipeline = field(init=False)
    admission: Admission = field(init=False)
    canary: Canary = field(init=False)
    circuits: dict[str, Circuit] = field(default_factory=dict)
    _looking: asyncio.Task[None] | None = None

    @classmethod
    def build(cls, settings: Settings, log_stream: TextIO | None = None) -> Gateway:
        """Return a gateway that has not been started."""
        return cls(settings, make_log(settings.log_level, log_stream))

    async def start(self, engine: Engine | None = None) -> None:
        """Load the models, warm everything up; raise EngineError if that does not work.

        A remote engine may be away, or have other weights: then this is a gateway that is not
        ready, says why, and becomes ready when the engine is as it should be.
        """
        settings = self.settings
        if engine is None:
            engine = await asyncio.to_thread(load_engine, settings, self.metrics)
        self.engine = engine
        self._build_parts()
        await asyncio.gather(self.pool.start(), self._warm_up())
        manifest = self.engine.manifest
        labels = (manifest.name, manifest.version, self.engine.digest)
        self.metrics.model_info.labels(*labels).set(1)
        self.metrics.engine_up.set_function(lambda: float(not self.canary.reasons))
        self._looking = asyncio.create_task(self.canary.keep_looking())
        self.started = True
        self.log.info("started", model=manifest.name, version=manifest.version)

    def _build_parts(self) -> None:
        settings, metrics, log = self.settings, self.metrics, self.log
        self.circuits = {
            model: Circuit(model, failures=settings.circuit_failures, metrics=metrics, log=log)
            for model in MODELS
        }
        self.canary = Canary(self.engine, self.circuits, period=settings.canary_seconds, log=log)
        self.pool = DecodePool(settings, metrics, chunk_frames=self.engine.manifest.window_frames)
        self.pipeline = Pipeline(
            self.engine,
            self.circuits,
            self.pool,
            metrics,
            window_overlap=settings.window_overlap,
        )
        self.admission = Admission(
            workers=settings.workers, queue_limit=settings.queue_limit, metrics=metrics
        )

    async def _warm_up(self) -> None:
        if not self.engine.remote:
            await self.canary.look()
            return
        with suppress(EngineError, TimeoutError):
            async with asyncio.timeout(_REMOTE_SECONDS):
                await self.canary.look()

    async def stop(self) -> None:
        """Let go of processes and models."""
        self.draining = True
        if self._looking is not None:
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking
        if self.started:
            await self.pool.close()
            await self.engine.close()
        self.log.info("stopped")

    def admit(self, *, captions: bool) -> None:
        """Raise EngineUnavailable or EngineMismatch if a request would fail for want of a model."""
        for model in MODELS if captions else (SEGMENTATION,):
            self.circuits[model].admit()

    async def reasons_not_ready(self) -> list[str]:
        """Return why no request should be sent here; nothing if it should."""
        if not self.started:
            return ["starting"]
        reasons = {"draining": self.draining, "no_decoding_process": not self.pool.ready}
        return [*(reason for reason, holds in reasons.items() if holds), *self.canary.reasons]


def load_engine(settings: Settings, metrics: Metrics | None = None) -> Engine:
    """Return the engine that the settings name; only its backend is imported."""
    if settings.engine == "fake":
        from service.engines.fake import FakeEngine

        return FakeEngine()
    if settings.engine == "triton":
        from service.engines.triton import TritonEngine

        return TritonEngine(settings, metrics or Metrics())
    from service.engines.embedded import OnnxEngine

    return OnnxEngine(settings.model_repository, threads=settings.engine_threads)
