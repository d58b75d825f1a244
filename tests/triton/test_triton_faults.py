"""What a client sees while the server fails: an answer, or a 503, 504 or 429 that says so."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from service.settings import Settings
from service.triton_server.launcher import InferenceServer, inference_server
from ssuformer.contract import CAPTION, SEGMENTATION
from ssuformer.errors import Overloaded
from tests.service.conftest import Running, run, small_settings
from tests.service.test_load import LeavingClient, request_scope
from tests.triton.conftest import REPOSITORY
from tests.triton.faulty_wire import wire

pytestmark = pytest.mark.anyio

MODELS = (SEGMENTATION, CAPTION)
SAMPLE = Path("samples/music-solo.mp4")
SLOW_MODEL = Path(__file__).with_name("slow_model.py")
DEADLINE = 15.0
GRACE = 5.0
"""For a machine that is busy: so much later than its deadline a request may end."""
BACK_SECONDS = 5.0
"""So long after the server is ready the service must be."""
WAIT = 60.0


@pytest.fixture(scope="module")
def clip() -> bytes:
    return SAMPLE.read_bytes()


@pytest.fixture(scope="module")
def keeper() -> Iterator[ThreadPoolExecutor]:
    """A thread that outlives the server: one that is started again ends with who started it."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture(scope="module")
def victim(keeper: ThreadPoolExecutor) -> Iterator[InferenceServer]:  # noqa: ARG001
    with inference_server(REPOSITORY, mode="explicit") as server:
        yield server


@pytest.fixture
def server(victim: InferenceServer) -> InferenceServer:
    """A server to be harmed; whatever was done to it before, it is whole."""
    if not victim.ready() or set(victim.stubs()) != set(MODELS):
        victim.kill()
        victim.start()
    return victim


def control(server: InferenceServer, model: str, action: str) -> None:
    """Have the server load or unload a model."""
    url = f"{server.http}/v2/repository/models/{model}/{action}"
    httpx.post(url, trust_env=False, timeout=WAIT).raise_for_status()


@dataclass
class Load:
    """Clients that send a clip again and again, and what became of every request."""

    running: Running
    clip: bytes
    ended: list[tuple[httpx.Response, float]] = field(default_factory=list)
    over: bool = False

    @property
    def answers(self) -> int:
        return sum(response.status_code == 200 for response, _ in self.ended)

    async def keep_asking(self) -> None:
        while not self.over:
            began = time.monotonic()
            response = await self.running.understand(self.clip, deadline=DEADLINE)
            self.ended.append((response, time.monotonic() - began))
            await asyncio.sleep(0.05)

    async def more_answers(self, count: int) -> None:
        wanted = self.answers + count
        await until(lambda: self.answers >= wanted)


@asynccontextmanager
async def asking(running: Running, clip: bytes, *, clients: int = 3) -> AsyncIterator[Load]:
    """Ask all the time; at the end every request has ended, none hung, none without a word."""
    load = Load(running, clip)
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(load.keep_asking())
        try:
            yield load
        finally:
            load.over = True
    for response, seconds in load.ended:
        assert seconds <= DEADLINE + GRACE
        if response.status_code != 200:
            assert_clear(response)


def assert_clear(response: httpx.Response) -> None:
    assert response.headers["content-type"] == "application/problem+json"
    assert response.status_code in (429, 503, 504), response.text
    if response.status_code != 504:
        assert int(response.headers["retry-after"]) >= 1


def settings_for(address: str, **more: object) -> Settings:
    values = {"workers": 2, "probe_seconds": 1.0, "triton_address": address, **more}
    return small_settings(engine="triton", **values)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not holds():
            await asyncio.sleep(0.02)


async def seconds_until_ready(running: Running, *, ready: bool = True) -> float:
    began = time.monotonic()
    async with asyncio.timeout(WAIT):
        while ((await running.client.get("/readyz")).status_code == 200) is not ready:
            await asyncio.sleep(0.02)
    return time.monotonic() - began


async def in_thread(keeper: ThreadPoolExecutor, what: Callable[[], None]) -> None:
    await asyncio.get_running_loop().run_in_executor(keeper, what)


async def test_a_server_killed_amid_requests_is_found_again_when_it_is_back(
    server: InferenceServer, keeper: ThreadPoolExecutor, clip: bytes
) -> None:
    async with run(settings_for(server.grpc)) as running, asking(running, clip) as load:
        await load.more_answers(3)

        await in_thread(keeper, server.kill)
        await seconds_until_ready(running, ready=False)
        await in_thread(keeper, server.start)
        back = await seconds_until_ready(running)

        await load.more_answers(3)
        assert running.metric("ssu_circuit_state", engine=SEGMENTATION) == 0
    assert back <= BACK_SECONDS
    assert any(response.status_code == 503 for response, _ in load.ended)


async def test_a_server_that_stops_in_order_leaves_no_request_without_an_end(
    server: InferenceServer, keeper: ThreadPoolExecutor, clip: bytes
) -> None:
    async with run(settings_for(server.grpc)) as running, asking(running, clip) as load:
        await load.more_answers(2)

        await in_thread(keeper, server.stop)
        await in_thread(keeper, server.start)
        back = await seconds_until_ready(running)

        await load.more_answers(2)
    assert back <= BACK_SECONDS


async def test_a_gateway_that_was_there_first_comes_up_with_its_server(
    server: InferenceServer, keeper: ThreadPoolExecutor, clip: bytes
) -> None:
    await in_thread(keeper, server.kill)

    async with run(settings_for(server.grpc)) as running:
        live = await running.client.get("/livez")
        started = await running.client.get("/startupz")
        ready = await running.client.get("/readyz")
        refused = await running.understand(clip)
        await in_thread(keeper, server.start)
        back = await seconds_until_ready(running)
        answered = await running.understand(clip)

    assert (live.status_code, started.status_code) == (200, 200)
    assert (ready.status_code, ready.json()["reasons"]) == (503, ["engine_unavailable"])
    assert refused.status_code == 503
    assert_clear(refused)
    assert back <= BACK_SECONDS
    assert answered.status_code == 200


async def test_a_model_whose_process_died_is_not_ready_though_the_server_says_so(
    server: InferenceServer, clip: bytes
) -> None:
    async with run(settings_for(server.grpc)) as running, asking(running, clip) as load:
        await load.more_answers(1)

        os.kill(server.stubs()[CAPTION], signal.SIGKILL)
        await seconds_until_ready(running, ready=False)
        assert server.ready()
        without_captions = await running.understand(clip, captions=False)
        await asyncio.to_thread(control, server, CAPTION, "unload")
        await asyncio.to_thread(control, server, CAPTION, "load")
        back = await seconds_until_ready(running)

        await load.more_answers(1)
    assert without_captions.status_code == 200
    assert back <= BACK_SECONDS


@pytest.mark.parametrize("model", MODELS)
async def test_a_model_that_was_unloaded_is_waited_for(
    server: InferenceServer, clip: bytes, model: str
) -> None:
    async with run(settings_for(server.grpc)) as running, asking(running, clip) as load:
        await load.more_answers(1)

        await asyncio.to_thread(control, server, model, "unload")
        await seconds_until_ready(running, ready=False)
        refused = await running.understand(clip)
        await asyncio.to_thread(control, server, model, "load")
        back = await seconds_until_ready(running)

        await load.more_answers(1)
    assert refused.status_code == 503
    assert model in refused.json()["detail"]
    assert back <= BACK_SECONDS


async def test_a_server_that_hangs_costs_no_request_more_than_its_deadline(
    server: InferenceServer, clip: bytes
) -> None:
    async with run(settings_for(server.grpc)) as running:
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            hanging = await running.understand(clip, deadline=3)
            seconds = time.monotonic() - began
            down = {"engine": SEGMENTATION}
            await until(lambda: running.metric("ssu_circuit_state", **down) == 1)
            refused = await running.understand(clip, deadline=3)
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        back = await seconds_until_ready(running)

    assert (hanging.status_code, hanging.json()["actual"]) == (504, "segmentation")
    assert seconds <= 3 + GRACE
    assert refused.status_code == 503
    assert_clear(refused)
    assert back <= BACK_SECONDS


async def test_a_server_that_was_started_anew_gets_its_shared_memory_again(
    server: InferenceServer, keeper: ThreadPoolExecutor, clip: bytes
) -> None:
    async with run(settings_for(server.grpc, triton_shared_memory=True)) as running:
        before = await running.understand(clip)
        await in_thread(keeper, server.kill)
        await in_thread(keeper, server.start)
        await seconds_until_ready(running)

        after = await running.understand(clip)

    assert after.json()["frames"] == before.json()["frames"]


@pytest.mark.parametrize("way", [{"up": 300_000}, {"up": 300_000, "down": 1}], ids=["up", "down"])
async def test_a_connection_cut_amid_an_inference_is_laid_again_and_the_clip_answered(
    server: InferenceServer, clip: bytes, way: dict[str, int]
) -> None:
    async with wire(server.grpc) as laid, run(settings_for(laid.address)) as running:
        laid.cut_once_passed(**way)

        response = await running.understand(clip)

        assert response.status_code == 200
        assert laid.cuts == 1
        asked_of = {"engine": SEGMENTATION, "version": running.gateway.current.version}
        assert running.metric("ssu_engine_retries_total", **asked_of) >= 1


async def test_a_wire_that_falls_silent_is_noticed_and_a_new_one_found(
    server: InferenceServer, clip: bytes
) -> None:
    async with wire(server.grpc) as laid, run(settings_for(laid.address)) as running:
        async with asking(running, clip, clients=2) as load:
            await load.more_answers(1)

            laid.fall_silent()
            await seconds_until_ready(running, ready=False)
            laid.mend()
            back = await seconds_until_ready(running)

            await load.more_answers(1)
        assert back <= BACK_SECONDS


@dataclass
class Slow:
    """A server whose models take as long as a test wants, with room for one in their queues."""

    server: InferenceServer
    models: Path

    def flag(self, name: str, *, model: str = SEGMENTATION) -> Path:
        return self.models / model / name


@pytest.fixture(scope="module")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slow]:
    models = tmp_path_factory.mktemp("models")
    for model in MODELS:
        version = models / model / "1"
        version.mkdir(parents=True)
        shutil.copy(SLOW_MODEL, version / "model.py")
        shutil.copy(REPOSITORY / model / "1" / "manifest.json", version)
        config = text_format.Parse((REPOSITORY / model / "config.pbtxt").read_text(), ModelConfig())
        config.platform, config.backend, config.default_model_filename = "", "python", "model.py"
        config.dynamic_batching.default_queue_policy.max_queue_size = 1
        if model == SEGMENTATION:
            # One at a time: a batch that waits for its turn would empty the queue that is to fill.
            config.max_batch_size = 1
            config.dynamic_batching.ClearField("preferred_batch_size")
            config.ClearField("model_warmup")
        (models / model / "config.pbtxt").write_text(text_format.MessageToString(config))
    with inference_server(models) as server:
        yield Slow(server, models)


@pytest.fixture
def slow(slow_server: Slow) -> Iterator[Slow]:
    for name in ("begun", "cancelled"):
        slow_server.flag(name).unlink(missing_ok=True)
    try:
        yield slow_server
    finally:
        slow_server.flag("slow").unlink(missing_ok=True)


def slow_settings(slow: Slow) -> Settings:
    patient = {"probe_seconds": 600.0, "model_repository": slow.models}
    return settings_for(slow.server.grpc, **patient)


async def test_a_deadline_ends_the_inference_on_the_server_too(slow: Slow, clip: bytes) -> None:
    async with run(slow_settings(slow)) as running:
        slow.flag("slow").touch()
        began = time.monotonic()

        response = await running.understand(clip, deadline=4)

        seconds = time.monotonic() - began
        assert (response.status_code, response.json()["actual"]) == (504, "segmentation")
        await until(slow.flag("cancelled").exists)
    assert seconds <= 4 + GRACE


async def test_a_client_that_leaves_ends_the_inference_on_the_server_too(
    slow: Slow, clip: bytes
) -> None:
    async with run(slow_settings(slow)) as running:
        slow.flag("slow").touch()
        slow.flag("begun").unlink()
        leave = asyncio.Event()
        client = LeavingClient(clip, leave)
        request = asyncio.create_task(running.app(request_scope(), client.receive, client.send))
        await until(slow.flag("begun").exists)

        leave.set()

        await request
        await until(slow.flag("cancelled").exists)
        cancelled = {"stage": "segmentation", "cause": "disconnect"}
        assert running.metric("ssu_cancelled_total", **cancelled) == 1


async def test_a_full_queue_on_the_server_is_429_with_retry_after(slow: Slow, clip: bytes) -> None:
    async with run(slow_settings(slow)) as running:
        slow.flag("slow").touch()
        probe, refused = running.gateway.current.probe, running.metric
        asked = [asyncio.create_task(probe.look()) for _ in range(6)]
        await until(lambda: sum(task.done() for task in asked) >= 1)

        response = await running.understand(clip)

        slow.flag("slow").unlink()
        await asyncio.gather(*asked, return_exceptions=True)
        again = await running.understand(clip)
        ready = await running.client.get("/readyz")
    assert (response.status_code, response.json()["code"]) == (429, Overloaded.code)
    assert_clear(response)
    asked_of = {"engine": SEGMENTATION, "version": running.gateway.current.version}
    assert refused("ssu_engine_failures_total", code=Overloaded.code, **asked_of) == 1
    assert refused("ssu_engine_retries_total", **asked_of) == 0
    assert (again.status_code, ready.status_code) == (200, 200)
