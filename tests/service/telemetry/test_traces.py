"""Spans of requests, as a real receiver of OTLP gets them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.cli.temporary_service import free_port
from service.gateway import make_traces
from service.settings import Settings
from service.telemetry import spans
from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from service.telemetry.stages import StageClock
from service.telemetry.trace import Trace, trace_headers
from ssuformer.errors import ConfigError
from tests.service.conftest import Running, children, run, small_settings
from tests.service.fake_triton import FakeTriton, connected
from tests.service.telemetry.collector import SERVER, Collector, Received, a_collector
from tests.service.telemetry.test_metrics_port import a_gateway

pytestmark = pytest.mark.anyio

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
NOT_SAMPLED = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
STAGES = ("upload", "queue", "probe", "decode", "segmentation", "postprocess", "caption", "encode")
SECRET = "correct-horse"
REQUEST = "POST /understand"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with a_collector() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.address)
        yield found


def traced(**more: object) -> Settings:
    return small_settings(traces="on", **more)


async def sent(running: Running, clip: bytes, headers: dict[str, str]) -> httpx.Response:
    return await running.client.post("/understand", content=clip, headers=headers)


def the_server_span(collector: Collector) -> Received:
    (found,) = [span for span in collector.spans if span.kind == SERVER]
    return found


async def test_every_stage_is_a_span_within_the_request_s_of_its_client_s_trace(
    collector: Collector, clip: bytes
) -> None:
    async with run(traced()) as running:
        answer = await sent(running, clip, SAMPLED)

    server = the_server_span(collector)
    assert (server.name, server.trace, server.parent) == (REQUEST, TRACE, PARENT)
    for name in STAGES:
        for span in collector.named(name):
            assert (span.trace, span.parent, span.failed) == (TRACE, server.number, False)
            assert server.start <= span.start <= span.end <= server.end
    assert {span.name for span in collector.spans} >= {*STAGES}
    assert answer.headers["traceparent"] == f"00-{TRACE}-{server.number}-01"
    assert server.facts == {
        "ssu.request_id": answer.headers["x-request-id"],
        "http.request.method": "POST",
        "http.route": "/understand",
        "http.response.status_code": 200,
        "ssu.outcome": "answered",
        "ssu.model_version": "0",
    }
    assert server.resource["service.name"] == "ssu-gateway"


async def test_what_the_decoding_process_did_is_in_the_trace(
    collector: Collector, clip: bytes
) -> None:
    async with run(traced()) as running:
        await sent(running, clip, SAMPLED)

    server = the_server_span(collector)
    (info,) = collector.named("decoder info")
    (end,) = collector.named("decoder end")
    chunks = collector.named("decoder chunk")
    assert len(chunks) == len(collector.named("segmentation"))
    assert all(one.parent == server.number for one in (info, *chunks, end))
    assert server.start < info.start < info.end <= chunks[0].start < chunks[0].end
    assert chunks[-1].end <= end.start <= end.end < server.end


async def test_a_request_without_a_trace_begins_one_that_the_log_and_the_answer_name(
    collector: Collector, clip: bytes
) -> None:
    async with run(traced()) as running:
        answer = await sent(running, clip, {"traceparent": "00-nonsense"})
        line = running.lines[-1]

    server = the_server_span(collector)
    assert server.parent == ""
    assert line["trace_id"] == server.trace == answer.headers["traceparent"].split("-")[1]
    assert line["request_id"] == server.facts["ssu.request_id"]


async def test_a_client_that_is_not_sampled_is_answered_and_exports_nothing(
    collector: Collector, clip: bytes
) -> None:
    async with run(traced()) as running:
        answer = await sent(running, clip, NOT_SAMPLED)

    assert answer.status_code == 200
    assert collector.spans == []


async def test_health_is_not_traced(collector: Collector) -> None:
    async with run(traced()) as running:
        answer = await running.client.get("/readyz", headers=SAMPLED)

    assert answer.status_code == 200
    assert "traceparent" not in answer.headers
    assert collector.spans == []


async def test_triton_is_told_the_span_of_the_stage(collector: Collector, clip: bytes) -> None:
    triton = FakeTriton()
    async with connected(triton) as engine, run(traced(), engine=engine) as running:
        triton.headers.clear()
        await sent(running, clip, SAMPLED)
        told = [(one.get("traceparent"), one.get("tracestate")) for one in triton.headers]

    stages = [*collector.named("segmentation"), *collector.named("caption")]
    assert told
    assert set(told) <= {(f"00-{TRACE}-{one.number}-01", "vendor=1") for one in stages}


async def test_a_refused_clip_marks_its_stage_and_not_the_service(
    collector: Collector,
) -> None:
    async with run(traced()) as running:
        answer = await sent(running, b"no clip at all", SAMPLED)

    code = answer.json()["code"]
    server = the_server_span(collector)
    (probe,), (info,) = collector.named("probe"), collector.named("decoder info")
    assert (server.facts["error.type"], server.failed) == (code, False)
    assert (probe.facts["error.type"], probe.failed) == (code, True)
    assert (info.facts["error.type"], info.failed) == (code, True)


async def test_a_failure_of_the_service_marks_its_request(
    collector: Collector, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run(traced()) as running:

        async def crash(*_: object, **__: object) -> None:
            raise RuntimeError(SECRET)

        monkeypatch.setattr(running.gateway.current.engine, "segment", crash)
        answer = await sent(running, clip, SAMPLED)

    server, (stage,) = the_server_span(collector), collector.named("segmentation")
    assert answer.status_code == 500
    assert (server.facts["error.type"], server.failed) == (answer.json()["code"], True)
    assert (stage.facts["error.type"], stage.failed) == (answer.json()["code"], True)
    assert SECRET.encode() not in b"".join(collector.bodies)


async def test_a_request_that_takes_too_long_names_the_stage_that_was_given_up(
    collector: Collector, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run(traced()) as running:

        async def hang(*_: object, **__: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(running.gateway.current.engine, "segment", hang)
        answer = await running.understand(clip, deadline=1)

    assert answer.status_code == 504
    assert the_server_span(collector).facts["error.type"] == "deadline_exceeded"
    (stage,) = collector.named("segmentation")
    assert stage.facts["error.type"] == "cancelled"


async def test_a_decoding_process_that_dies_is_in_the_trace_of_the_request_that_is_answered(
    collector: Collector, clip: bytes
) -> None:
    async with run(traced()) as running:
        (child,) = children()
        os.kill(child, signal.SIGSTOP)
        asking = asyncio.create_task(sent(running, clip, SAMPLED))
        await asyncio.sleep(0.3)
        os.kill(child, signal.SIGKILL)
        answer = await asking

    assert answer.status_code == 200
    assert [one.failed for one in collector.named("decoder info")] == [True, False]


async def test_a_trace_holds_no_key_no_file_name_no_address_and_no_option(
    collector: Collector, clip: bytes, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"{SECRET} name=camera-7\n")
    async with run(traced(keys_file=keys)) as running:
        answer = await running.client.post(
            "/understand",
            params={"end": 3.5},
            files={"file": ("a-private-film.mp4", clip)},
            headers={**SAMPLED, "Authorization": f"Bearer {SECRET}", "User-Agent": "browser-007"},
        )

    exported = b"".join(collector.bodies)
    assert answer.status_code == 200
    for private in (SECRET, "camera-7", "a-private-film", "browser-007", "Bearer", "3.5", "test/"):
        assert private.encode() not in exported


async def test_a_long_clip_has_a_bounded_number_of_spans(
    collector: Collector, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spans, "_MOST_SPANS", 5)
    async with run(traced()) as running:
        await sent(running, clip, SAMPLED)

    assert len(collector.spans) == 6
    assert int(the_server_span(collector).facts["ssu.spans_left_out"]) > 5


async def test_a_stream_s_span_lasts_until_its_last_record(
    collector: Collector, clip: bytes
) -> None:
    async with run(traced()) as running:
        answer = await running.client.post(
            "/understand", content=clip, params={"format": "ndjson"}, headers=SAMPLED
        )

    server = the_server_span(collector)
    assert answer.status_code == 200
    assert all(span.end <= server.end for span in collector.spans)
    assert len(collector.named("encode")) > 1


@pytest.mark.parametrize("trouble", ["away", "failing", "hanging"])
async def test_no_request_waits_for_a_collector_that_is(
    trouble: str, collector: Collector, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    collector.status = 500
    if trouble == "away":
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}")
    if trouble == "hanging":
        collector.open.clear()

    async with run(traced(drain_seconds=1)) as running:
        answers = [await sent(running, clip, SAMPLED) for _ in range(3)]
        await asyncio.sleep(0.3)
        ended, began = running.metric("ssu_trace_spans_total", fate="ended"), time.monotonic()
    stopped = time.monotonic() - began

    assert [answer.status_code for answer in answers] == [200] * 3
    assert ended > 0
    assert stopped < 6
    assert running.metric("ssu_trace_spans_total", fate="exported") == 0
    assert "traces_lost" in [line["event"] for line in running.lines]


async def test_a_full_queue_loses_spans_and_nothing_else(
    collector: Collector, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")
    collector.open.clear()
    async with run(traced()) as running:
        answers = [await sent(running, clip, SAMPLED) for _ in range(3)]
        collector.open.set()

    assert [answer.status_code for answer in answers] == [200] * 3
    ended = running.metric("ssu_trace_spans_total", fate="ended")
    assert 0 < running.metric("ssu_trace_spans_total", fate="exported") < ended


def test_a_service_that_is_stopped_exports_its_last_spans_first(
    collector: Collector, clip: bytes
) -> None:
    with a_gateway(SSU_TRACES="on", OTEL_SERVICE_NAME="another") as (service, _):
        httpx.post(f"{service}/understand", content=clip, trust_env=False).raise_for_status()
        at_once = list(collector.spans)

    assert at_once == []  # a batch is sent every five seconds
    assert the_server_span(collector).resource["service.name"] == "another"


def test_without_traces_nothing_of_the_sdk_is_imported() -> None:
    program = (
        "import sys; from service.app import create_app; from service.settings import Settings;"
        "create_app(Settings(engine='fake'));"
        "print([m for m in sys.modules if m.startswith("
        "('opentelemetry.sdk', 'opentelemetry.exporter', 'requests'))])"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert found.stdout == b"[]\n"


def test_without_traces_the_variables_of_opentelemetry_send_nothing(
    collector: Collector, clip: bytes
) -> None:
    with a_gateway(FASTAPI_OTEL_AUTO_CONFIGURE="true") as (service, _):
        answer = httpx.post(f"{service}/understand", content=clip, headers=SAMPLED, trust_env=False)

    assert answer.status_code == 200
    assert "traceparent" not in answer.headers
    assert collector.paths == []


async def test_the_sdk_s_own_switch_turns_traces_off(
    collector: Collector, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    async with run(traced()) as running:
        answer = await sent(running, clip, SAMPLED)

    assert answer.status_code == 200
    assert collector.spans == []


def made() -> None:
    make_traces(traced(), Metrics(), make_log("error"))


def test_traces_without_their_extra_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "service.telemetry.spans", None)

    with pytest.raises(ConfigError, match="extra `traces`"):
        made()


@pytest.mark.parametrize(
    ("name", "value"),
    [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_BSP_MAX_QUEUE_SIZE", "-1")],
)
def test_a_variable_that_cannot_be_followed_is_an_error(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match="OTEL_"):
        made()


def test_outside_a_stage_a_call_is_part_of_no_trace() -> None:
    with StageClock(Trace(SAMPLED["traceparent"])).stage("decode"):
        assert trace_headers() == {}


@pytest.mark.parametrize(
    "header", [f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{PARENT}-01"]
)
def test_a_trace_that_the_standard_calls_invalid_is_not_passed_on(header: str) -> None:
    trace = Trace(header, number="7")

    assert (trace.id, trace.headers) == ("7", {})
