import asyncio
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import structlog
from numpy.typing import NDArray

from service.engines.circuit_breaker import CircuitBreaker
from service.engines.engine import Captions
from service.engines.fake import FakeEngine
from service.telemetry.metrics import Metrics
from service.weights.probe import Probe
from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.errors import (
    EngineError,
    EngineMismatch,
    EngineUnavailable,
    Overloaded,
    SsuError,
)
from ssuformer.regions import Float, Segmentation
from tests.service.conftest import Running, run, small_settings

pytestmark = pytest.mark.anyio
WAIT = 20.0


class FrailEngine(FakeEngine):
    """Fails as it is told to, for each model apart; else answers, once it may."""

    def __init__(self, *, remote: bool = True) -> None:
        super().__init__()
        self.failures: dict[str, Exception] = {}
        self.mismatch: EngineMismatch | None = None
        self.asked = {SEGMENTATION: 0, CAPTION: 0}
        self.free = asyncio.Event()
        self.free.set()
        self.facts = replace(self.facts, remote=remote)

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        await self._live(SEGMENTATION)
        return await super().segment(frames, waveform, timeout=timeout)

    async def caption(
        self,
        region_tokens: Float,
        scene_prompt: Float,
        source_prompt: Float,
        *,
        timeout: float | None = None,
    ) -> Captions:
        await self._live(CAPTION)
        return await super().caption(region_tokens, scene_prompt, source_prompt, timeout=timeout)

    async def check(self, model: str) -> None:  # noqa: ARG002
        if self.mismatch is not None:
            raise self.mismatch

    async def _live(self, model: str) -> None:
        self.asked[model] += 1
        await self.free.wait()
        if model in self.failures:
            raise self.failures[model]


def circuit(*, failures: int = 3, model: str = SEGMENTATION) -> CircuitBreaker:
    log = structlog.get_logger()
    return CircuitBreaker(model, "0", failures=failures, metrics=Metrics(), log=log)


def closed_circuit(*, failures: int) -> CircuitBreaker:
    made = circuit(failures=failures)
    made.close()
    return made


def fail(one: CircuitBreaker, error: SsuError) -> None:
    with pytest.raises(type(error)), one.passed():
        raise error


def a_probe(engine: FakeEngine, period: float = 60.0) -> tuple[Probe, dict[str, CircuitBreaker]]:
    circuits = {model: circuit(model=model) for model in (SEGMENTATION, CAPTION)}
    log = structlog.get_logger()
    return Probe(engine, circuits, period=period, log=log), circuits


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not holds():
            await asyncio.sleep(0.01)


def test_a_circuit_is_open_until_the_model_has_answered_once() -> None:
    one = circuit()

    with pytest.raises(EngineUnavailable, match="not answered yet"):
        one.admit()

    one.close()
    one.admit()


def test_a_circuit_opens_after_so_many_failures_in_a_row() -> None:
    one = closed_circuit(failures=3)

    for _ in range(2):
        fail(one, EngineUnavailable("gone"))
    with one.passed():
        pass
    for _ in range(2):
        fail(one, EngineUnavailable("gone"))
    assert one.trouble is None
    fail(one, EngineUnavailable("gone"))

    with pytest.raises(EngineUnavailable, match="gone"), one.passed():
        pytest.fail("nothing may pass an open circuit")


@pytest.mark.parametrize("error", [EngineError("once"), Overloaded("busy")])
def test_failures_of_one_request_do_not_open_the_circuit(error: SsuError) -> None:
    one = closed_circuit(failures=1)

    fail(one, error)

    assert one.trouble is None


def test_an_answer_does_not_close_an_open_circuit() -> None:
    one = closed_circuit(failures=1)
    fail(one, EngineUnavailable("gone"))

    one.succeeded()

    assert one.trouble is not None


async def test_a_probe_that_is_answered_closes_both_circuits() -> None:
    probe, circuits = a_probe(FrailEngine())
    assert probe.reasons == ["engine_unavailable"]

    await probe.look()

    assert probe.reasons == []
    assert all(one.trouble is None for one in circuits.values())


@pytest.mark.parametrize(
    "error", [EngineUnavailable("gone"), EngineError("broken"), ValueError("surprise")]
)
async def test_a_probe_that_is_not_answered_opens_the_circuit_of_that_model(
    error: Exception,
) -> None:
    engine = FrailEngine()
    probe, circuits = a_probe(engine)
    await probe.look()
    engine.failures[CAPTION] = error

    with pytest.raises(EngineError):
        await probe.look()

    assert circuits[SEGMENTATION].trouble is None
    assert circuits[CAPTION].trouble is not None
    assert probe.reasons != []


async def test_other_weights_are_a_reason_of_their_own() -> None:
    engine = FrailEngine()
    probe, circuits = a_probe(engine)
    engine.mismatch = EngineMismatch("other weights")

    with pytest.raises(EngineMismatch):
        await probe.look()

    assert probe.reasons == ["engine_mismatch"]
    with pytest.raises(EngineMismatch, match="other weights"):
        circuits[CAPTION].admit()


async def test_a_server_that_has_too_much_to_do_is_not_down() -> None:
    engine = FrailEngine()
    probe, _ = a_probe(engine)
    await probe.look()
    engine.failures[SEGMENTATION] = Overloaded("busy")

    await probe.look()

    assert probe.reasons == []


async def test_a_probe_that_waited_behind_answered_work_in_vain_changes_nothing() -> None:
    engine = FrailEngine()
    probe, circuits = a_probe(engine)
    await probe.look()
    engine.free.clear()
    engine.failures = dict.fromkeys(circuits, EngineUnavailable("took too long"))

    looking = asyncio.create_task(probe.look())
    await until(lambda: engine.asked[CAPTION] == 2)
    for one in circuits.values():
        one.succeeded()
    engine.free.set()
    await looking

    assert probe.reasons == []


async def test_models_that_answer_others_are_not_asked() -> None:
    engine = FrailEngine()
    probe, circuits = a_probe(engine, period=600.0)
    await probe.look()
    circuits[CAPTION].last_success -= 601

    looking = asyncio.create_task(probe.keep_looking())
    await until(lambda: engine.asked[CAPTION] == 2)
    looking.cancel()

    assert engine.asked[SEGMENTATION] == 1


async def test_an_engine_that_has_answered_nobody_for_long_is_not_ready() -> None:
    engine = FrailEngine()
    probe, _ = a_probe(engine, period=0.01)
    await probe.look()
    engine.free.clear()

    await until(lambda: probe.reasons == ["engine_unavailable"])

    engine.free.set()
    await probe.look()
    assert probe.reasons == []


async def readiness(running: Running) -> tuple[int, list[str]]:
    response = await running.client.get("/readyz")
    return response.status_code, response.json()["reasons"]


async def becomes(running: Running, expected: tuple[int, list[str]]) -> None:
    async with asyncio.timeout(WAIT):
        while await readiness(running) != expected:
            await asyncio.sleep(0.02)


async def test_a_gateway_without_its_server_is_live_and_not_ready_and_comes_up_by_itself(
    clip: bytes,
) -> None:
    engine = FrailEngine()
    engine.failures = dict.fromkeys((SEGMENTATION, CAPTION), EngineUnavailable("not there"))

    async with run(small_settings(), engine=engine) as running:
        live = await running.client.get("/livez")
        refused = await running.understand(clip)
        before = await readiness(running)
        engine.failures.clear()
        await becomes(running, (200, []))
        answered = await running.understand(clip)

    assert (live.status_code, before) == (200, (503, ["engine_unavailable"]))
    assert (refused.status_code, refused.json()["code"]) == (503, "engine_unavailable")
    assert int(refused.headers["retry-after"]) >= 1
    assert answered.status_code == 200


async def test_an_engine_in_this_process_that_does_not_answer_ends_the_start() -> None:
    engine = FrailEngine(remote=False)
    engine.failures[CAPTION] = EngineError("broken")

    with pytest.raises(EngineError, match="broken"):
        async with run(small_settings(), engine=engine):
            pytest.fail("it must not start")


async def test_an_engine_in_this_process_that_breaks_is_not_ready(clip: bytes) -> None:
    engine = FrailEngine(remote=False)

    async with run(small_settings(probe_seconds=0.05), engine=engine) as running:
        engine.failures[CAPTION] = EngineError("broken")
        await becomes(running, (503, ["engine_failed"]))
        response = await running.understand(clip)
        metrics = running.metric("ssu_engine_up"), running.metric("ssu_ready")
        engine.failures.clear()
        await becomes(running, (200, []))

    assert response.json()["code"] == "engine_unavailable"
    assert metrics == (0, 0)


async def test_failures_in_a_row_open_the_circuit_and_requests_fail_before_they_are_worked_on(
    clip: bytes,
) -> None:
    engine = FrailEngine()

    settings = small_settings(circuit_failures=2, probe_seconds=600)

    async with run(settings, engine=engine) as running:
        engine.failures[CAPTION] = EngineUnavailable("gone")
        statuses = [(await running.understand(clip)).status_code for _ in range(3)]
        asked = engine.asked[SEGMENTATION]
        refused = await running.understand(clip)
        without = await running.understand(clip, captions=False)
        state = running.metric("ssu_circuit_state", engine=CAPTION)
        failed = running.metric(
            "ssu_engine_failures_total", engine=CAPTION, code="engine_unavailable", version="0"
        )

    assert statuses == [503] * 3
    assert (refused.status_code, engine.asked[SEGMENTATION]) == (503, asked + 1)
    assert (without.status_code, state, failed) == (200, 1, 2)
    assert [line["engine"] for line in running.lines if line["event"] == "engine_down"] == [CAPTION]


async def test_weights_that_changed_on_the_server_are_told_and_waited_out(clip: bytes) -> None:
    engine = FrailEngine()

    async with run(small_settings(probe_seconds=0.05), engine=engine) as running:
        engine.mismatch = EngineMismatch("other weights")
        await becomes(running, (503, ["engine_mismatch"]))
        response = await running.understand(clip)
        engine.mismatch = None
        await becomes(running, (200, []))

    assert (response.status_code, response.json()["code"]) == (503, "engine_mismatch")
    assert "retry-after" in response.headers
