"""One set of weights in service, with its engine, circuits and pipeline."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from structlog.typing import FilteringBoundLogger

from service.engines.circuit_breaker import CircuitBreaker
from service.engines.engine import Engine
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.understanding.decoding import DecodePool
from service.understanding.pipeline import Pipeline
from service.weights.probe import Probe
from ssuformer.contract import MODELS, SEGMENTATION


@dataclass(slots=True)
class Generation:
    """An engine, the circuits of its models, and its pipeline."""

    engine: Engine
    circuits: Mapping[str, CircuitBreaker]
    probe: Probe
    pipeline: Pipeline
    _users: int = 0
    _unused: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    def of(
        cls,
        engine: Engine,
        *,
        settings: Settings,
        pool: DecodePool,
        metrics: Metrics,
        log: FilteringBoundLogger,
    ) -> Generation:
        """Return a generation whose models have not been probed yet."""
        version = engine.facts.manifest.version
        metrics.begin_version(version)
        circuits = {
            model: CircuitBreaker(
                model, version, failures=settings.circuit_failures, metrics=metrics, log=log
            )
            for model in MODELS
        }
        return cls(
            engine=engine,
            circuits=circuits,
            probe=Probe(engine, circuits, period=settings.probe_seconds, log=log),
            pipeline=Pipeline(
                engine, circuits, pool, metrics, window_overlap=settings.window_overlap
            ),
        )

    @property
    def version(self) -> str:
        """The version of the weights, as in answers and metrics."""
        return self.engine.facts.manifest.version

    @property
    def labels(self) -> tuple[str, str, str, str]:
        """The label values of `ssu_model_info`."""
        facts = self.engine.facts
        name, version = facts.manifest.name, facts.manifest.version
        return name, version, facts.digest, str(facts.repository_version)

    @property
    def has_answered(self) -> bool:
        """Whether both models have answered at least once."""
        return all(circuit.last_success > -math.inf for circuit in self.circuits.values())

    def admit(self, *, captions: bool) -> None:
        """Raise EngineUnavailable or EngineMismatch if a model that the request needs is down."""
        for model in MODELS if captions else (SEGMENTATION,):
            self.circuits[model].admit()

    @contextmanager
    def in_use(self) -> Iterator[Pipeline]:
        """Prevent it from being closed while a request is processed."""
        self._users += 1
        self._unused.clear()
        try:
            yield self.pipeline
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    async def close(self) -> None:
        """Close the engine once the last request has been answered."""
        if self._users:
            await self._unused.wait()
        await self.engine.close()
