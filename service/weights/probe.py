"""A probe: both models get a small request at intervals, so that `ready` means they answer."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from structlog.typing import FilteringBoundLogger

from service.engines.circuit_breaker import CircuitBreaker
from service.engines.engine import Captions, Engine
from ssuformer.contract import SEGMENTATION, EngineSpec, caption_engine, segmentation_engine
from ssuformer.errors import EngineMismatch, EngineUnavailable, Overloaded, SsuError
from ssuformer.regions import Segmentation

TICK_SECONDS = 0.5
"""Interval of the check whether to probe, and of the probes of a model that is down."""

_STALE_PERIODS = 6


class Probe:
    """Probes each model that has been idle for a while, and sets its circuit.

    Busy is not dead: answers to clients also prove that the engine is alive, so a
    probe that has to wait its turn changes nothing.
    """

    def __init__(
        self,
        engine: Engine,
        circuits: Mapping[str, CircuitBreaker],
        *,
        period: float,
        log: FilteringBoundLogger,
    ) -> None:
        self._engine = engine
        self._circuits = circuits
        self._period = period
        self._log = log

    @property
    def reasons(self) -> list[str]:
        """Reasons for not being ready; empty if both models answer."""
        codes = {one.trouble.code for one in self._circuits.values() if one.trouble is not None}
        latest = max((one.last_success for one in self._circuits.values()), default=-math.inf)
        if not codes and time.monotonic() - latest > _STALE_PERIODS * self._period:
            codes = {EngineUnavailable.code}
        return sorted(codes)

    async def look(self, *, whole: bool = False) -> None:
        """Probe both models now; raise the error of the first one that fails.

        `whole`: at full size, with a window and a batch of its regions.
        """
        await asyncio.gather(
            *(self._ask(circuit, whole=whole) for circuit in self._circuits.values())
        )
        for circuit in self._circuits.values():
            if circuit.trouble is not None:
                raise circuit.trouble

    async def keep_looking(self) -> None:
        """Probe forever: a model that is down at every tick, one that is up once a period."""
        await asyncio.gather(*(self._keep_asking(one) for one in self._circuits.values()))

    async def _keep_asking(self, circuit: CircuitBreaker) -> None:
        while True:
            await asyncio.sleep(min(TICK_SECONDS, self._period))
            quiet = time.monotonic() - circuit.last_success
            if circuit.trouble is not None or quiet >= self._period:
                await self._ask(circuit)

    async def _ask(self, circuit: CircuitBreaker, *, whole: bool = False) -> None:
        began = time.monotonic()
        try:
            await self._engine.check(circuit.model)
            await self._infer(circuit.model, whole=whole)
        except Overloaded:
            return
        except SsuError as error:
            answered_others = circuit.last_success > began
            if isinstance(error, EngineMismatch) or not answered_others:
                circuit.open(error)
        except Exception as error:
            self._log.exception("probe_crash", engine=circuit.model)
            circuit.open(EngineUnavailable(f"{circuit.model} could not be probed: {error!r}"))
        else:
            circuit.succeeded()
            circuit.close()

    async def _infer(self, model: str, *, whole: bool) -> None:
        """Send one blank frame or region to the model; or a full window of them."""
        size = self._engine.facts.manifest.dimensions
        count = self._engine.facts.manifest.window_frames if whole else 1
        if model == SEGMENTATION:
            frames, waveform = _zeros(segmentation_engine(size), b=1, t=count)
            answer: Segmentation | Captions = await self._engine.segment(frames[0], waveform[0])
        else:
            answer = await self._engine.caption(*_zeros(caption_engine(size), n=count))
        wrong = [name for name, array in _arrays(answer) if not np.isfinite(array).all()]
        if wrong:
            raise EngineMismatch(f"{model} returned NaN or infinity: {', '.join(wrong)}")


def _arrays(answer: Segmentation | Captions) -> Iterator[tuple[str, NDArray[Any]]]:
    for output in fields(answer):
        array = getattr(answer, output.name)
        if array is not None:
            yield output.name, array


def _zeros(spec: EngineSpec, **sizes: int) -> list[NDArray[Any]]:
    return [np.zeros(tensor.shape(**sizes), tensor.dtype) for tensor in spec.inputs]
