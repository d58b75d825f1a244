import asyncio
import gc
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from numpy.typing import NDArray
from prometheus_client import generate_latest
from starlette.types import Message, Scope

from service.engines.fake import FakeEngine
from service.server import DrainingServer
from service.understanding.sandbox.layers import REQUIRED
from ssuformer.regions import Float, Segmentation
from tests.service.conftest import Running, run, small_settings

pytestmark = pytest.mark.anyio


class SlowEngine(FakeEngine):
    """Takes its time from the second inference on, and notes when it is cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.busy = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        self.calls += 1
        if self.calls > 1:
            await self.dawdle()
        return await super().segment(frames, waveform, timeout=timeout)

    async def dawdle(self) -> None:
        self.busy.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def test_understand_says_429_with_retry_after_when_the_queue_is_full(clip: bytes) -> None:
    engine = SlowEngine()
    async with run(small_settings(queue_limit=1), engine=engine) as running:
        waiting = [asyncio.create_task(running.understand(clip)) for _ in range(2)]
        await engine.busy.wait()

        response = await running.understand(clip)

        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert running.metric("ssu_admission_rejected_total", reason="queue_full") == 1
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["code"] == "overloaded"


async def test_a_deadline_is_504_names_the_stage_and_cancels_the_work(clip: bytes) -> None:
    engine = SlowEngine()
    async with run(small_settings(deadline_seconds=5), engine=engine) as running:
        response = await running.understand(clip, deadline=60)

        body = response.json()
        assert (response.status_code, body["code"]) == (504, "deadline_exceeded")
        assert body["actual"] == "segmentation"
        assert engine.cancelled.is_set()
        assert running.metric("ssu_cancelled_total", stage="segmentation", cause="deadline") == 1
        assert running.lines[-1]["outcome"] == "failed"


async def test_running_out_of_the_time_that_the_client_gave_is_no_failure_of_the_service(
    clip: bytes,
) -> None:
    async with run(small_settings(), engine=SlowEngine()) as running:
        response = await running.understand(clip, deadline=2)

        said = running.lines[-1]
        assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
        assert (said["outcome"], said["code"]) == ("client_deadline", "deadline_exceeded")
        labels = {"route": "/understand", "code": "504", "version": said["version"]}
        assert running.metric("ssu_requests_total", outcome="client_deadline", **labels) == 1
        assert running.metric("ssu_requests_total", outcome="failed", **labels) == 0
        stage = response.json()["actual"]
        assert running.metric("ssu_cancelled_total", stage=stage, cause="client_deadline") == 1
        assert running.metric("ssu_cancelled_total", stage=stage, cause="deadline") == 0


async def test_a_client_that_leaves_cancels_the_work(clip: bytes) -> None:
    engine = SlowEngine()
    async with run(small_settings(), engine=engine) as running:
        client = LeavingClient(clip, engine.busy)

        await running.app(request_scope(), client.receive, client.send)

        assert engine.cancelled.is_set()
        cancelled = {"stage": "segmentation", "cause": "disconnect"}
        assert running.metric("ssu_cancelled_total", **cancelled) == 1
        assert running.lines[-1]["outcome"] == "cancelled"


class LeavingClient:
    """Sends its clip, and leaves once the engine has begun."""

    def __init__(self, clip: bytes, leave: asyncio.Event) -> None:
        self.messages: list[Message] = [{"type": "http.request", "body": clip, "more_body": False}]
        self.leave = leave

    async def receive(self) -> Message:
        if self.messages:
            return self.messages.pop()
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        pass


def request_scope() -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/understand",
        "raw_path": b"/understand",
        "query_string": b"",
        "headers": [],
        "scheme": "http",
        "server": ("test", 80),
        "client": ("test", 1),
        "root_path": "",
    }


async def test_health_is_live_started_and_ready(running: Running) -> None:
    paths = ("/livez", "/readyz", "/startupz", "/v2/health/live", "/v2/health/ready")

    statuses = [(await running.client.get(path)).status_code for path in paths]

    assert statuses == [200] * len(paths)


async def test_after_sigterm_it_is_not_ready_but_still_answers(clip: bytes) -> None:
    async with run(small_settings(drain_seconds=60)) as running:
        server = DrainingServer(uvicorn.Config(running.app), running.gateway)

        server.handle_exit(signal.SIGTERM, None)

        ready = await running.client.get("/readyz")
        live = await running.client.get("/livez")
        answer = await running.understand(clip)
        assert (ready.status_code, ready.json()["reasons"]) == (503, ["draining"])
        assert (running.metric("ssu_ready"), running.metric("ssu_engine_up")) == (0, 1)
        assert (live.status_code, answer.status_code) == (200, 200)
        assert not server.should_exit


async def test_limits_and_models_say_what_is_accepted_and_loaded(running: Running) -> None:
    limits = (await running.client.get("/limits")).json()
    models = (await running.client.get("/models")).json()

    assert limits["pixels"] == running.gateway.settings.max_pixels
    assert "h264" in limits["video_codecs"]
    for name, value in limits["requests"].items():
        assert value == getattr(running.gateway.settings, name), name
    assert models["models"][0]["categories"] == ["bell", "lamp", "other"]


async def test_metrics_name_what_happened(running: Running, clip: bytes) -> None:
    await running.understand(clip)

    text = generate_latest(running.gateway.metrics.registry).decode()

    for name in (
        'ssu_requests_total{code="200",outcome="answered",route="/understand",version="0"}',
        'ssu_stage_duration_seconds_count{backend="fake",stage="decode",version="0"}',
        'ssu_engine_infer_duration_seconds_count{device="none",engine="ssu_segmentation",version="0"}',
        'ssu_realtime_factor_count{stage="total",version="0"}',
        "ssu_clip_pixels_count",
        "ssu_clip_frames_count",
        "ssu_queue_depth 0.0",
        "ssu_queue_oldest_age_seconds 0.0",
        "ssu_workers 1.0",
        "ssu_ready 1.0",
        "ssu_engine_up 1.0",
        'ssu_circuit_state{engine="ssu_caption"} 0.0',
        "ssu_draining 0.0",
        "ssu_event_loop_lag_seconds_count",
        "ssu_cpu_quota_cores",
        "process_resident_memory_bytes",
        'ssu_model_info{digest="',
    ):
        assert name in text


async def test_two_applications_share_no_metrics(running: Running) -> None:
    async with run(small_settings()) as other:
        assert other.gateway.metrics.registry is not running.gateway.metrics.registry


async def test_a_request_is_one_line_of_json_without_the_name_of_the_file(
    running: Running, clip: bytes
) -> None:
    response = await running.client.post("/understand", files={"file": ("secret-name.mp4", clip)})

    line = running.lines[-1]
    assert (line["event"], line["route"], line["status"]) == ("request", "/understand", 200)
    assert line["request_id"] == response.headers["x-request-id"]
    assert "secret-name" not in running.written.getvalue()


async def open_files() -> int:
    """The fewest open files within two seconds: those of a process just being started go away."""
    fewest = sys.maxsize
    for _ in range(40):
        fewest = min(fewest, len(list(Path("/proc/self/fd").iterdir())))
        await asyncio.sleep(0.05)
    return fewest


async def test_no_file_is_left_open(running: Running, clip: bytes) -> None:
    await running.understand(clip)
    gc.collect()  # what earlier tests left is not to go away while this one counts
    before = await open_files()

    for _ in range(3):
        await running.understand(clip)
        await running.understand(clip, format="ndjson")
        await running.understand(b"no clip", format="ndjson")
        await running.understand(b"no clip")

    assert await open_files() == before


async def test_readiness_names_the_layers_of_the_sandbox() -> None:
    async with run(small_settings()) as running:
        ready = (await running.client.get("/readyz")).json()

    assert ready["status"] == "ready"
    assert {ready["sandbox"][layer] for layer in REQUIRED} == {"on"}


async def test_a_process_that_fails_a_clip_is_the_services_failure() -> None:
    program = "tests.service.understanding.babbler"
    async with run(small_settings(), program=program) as running:
        response = await running.understand(b"nonsense")

        assert (response.status_code, response.json()["code"]) == (422, "decode_failed")
        labels = {"route": "/understand", "code": "422", "outcome": "failed", "version": "0"}
        assert running.metric("ssu_requests_total", **labels) == 1
        assert running.metric("ssu_input_rejected_total", code="decode_failed") == 0
        (line,) = (one for one in running.lines if one["event"] == "decoding_process_failed")
        assert (line["level"], line["cause"]) == ("error", "malformed")


async def test_counters_exist_before_they_count() -> None:
    async with run(small_settings()) as running:
        text = generate_latest(running.gateway.metrics.registry).decode()

    for name in (
        'ssu_engine_failures_total{code="engine_unavailable",engine="ssu_caption",version="0"} 0.0',
        'ssu_engine_retries_total{engine="ssu_segmentation",version="0"} 0.0',
        'ssu_model_rollouts_total{result="refused"} 0.0',
        'ssu_admission_rejected_total{reason="queue_full"} 0.0',
        'ssu_decode_child_exits_total{cause="SIGSEGV",reason="decode_failed"} 0.0',
        'ssu_cancelled_total{cause="deadline",stage="decode"} 0.0',
        'ssu_cancelled_total{cause="client_deadline",stage="decode"} 0.0',
        'ssu_input_rejected_total{code="key_refused"} 0.0',
        'ssu_requests_total{code="429",outcome="overloaded",route="/understand",version=""} 0.0',
        'ssu_requests_total{code="503",outcome="failed",route="/understand",version=""} 0.0',
        'ssu_requests_total{code="200",outcome="answered",route="/understand",version="0"} 0.0',
        'ssu_requests_total{code="502",outcome="failed",route="/understand",version="0"} 0.0',
    ):
        assert name in text
