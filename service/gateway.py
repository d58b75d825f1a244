"""Everything one application holds, built from its settings, started and stopped as a whole."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TextIO

from structlog.typing import FilteringBoundLogger

from service.admission import Admission
from service.decoding import DecodePool
from service.engines.engine import Engine
from service.logs import make_log
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.settings import Settings


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

    @classmethod
    def build(cls, settings: Settings, log_stream: TextIO | None = None) -> Gateway:
        """Return a gateway that has not been started."""
        return cls(settings, make_log(settings.log_level, log_stream))

    async def start(self, engine: Engine | None = None) -> None:
        """Load the models, warm everything up; raise EngineError if that does not work."""
        settings = self.settings
        if engine is None:
            engine = await asyncio.to_thread(load_engine, settings)
        self.engine = engine
        manifest = self.engine.manifest
        self.pool = DecodePool(settings, self.metrics, chunk_frames=manifest.window_frames)
        self.pipeline = Pipeline(
            self.engine, self.pool, self.metrics, window_overlap=settings.window_overlap
        )
        self.admission = Admission(
            workers=settings.workers, queue_limit=settings.queue_limit, metrics=self.metrics
        )
        await asyncio.gather(self.pool.start(), self.pipeline.warm_up())
        labels = (manifest.name, manifest.version, self.engine.digest)
        self.metrics.model_info.labels(*labels).set(1)
        self.started = True
        self.log.info("started", model=manifest.name, version=manifest.version)

    async def stop(self) -> None:
        """Let go of processes and models."""
        self.draining = True
        if self.started:
            await self.pool.close()
            await self.engine.close()
        self.log.info("stopped")

    async def reasons_not_ready(self) -> list[str]:
        """Return why no request should be sent here; nothing if it should."""
        if not self.started:
            return ["starting"]
        engine_up = await self.engine.ready()
        self.metrics.engine_up.set(engine_up)
        reasons = {
            "draining": self.draining,
            "engine_unavailable": not engine_up,
            "no_decoding_process": not self.pool.ready,
        }
        return [reason for reason, holds in reasons.items() if holds]


def load_engine(settings: Settings) -> Engine:
    """Return the engine that the settings name; only its backend is imported."""
    if settings.engine == "fake":
        from service.engines.fake import FakeEngine

        return FakeEngine()
    from service.engines.embedded import OnnxEngine

    return OnnxEngine(settings.model_repository, threads=settings.engine_threads)
