import asyncio
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest
from grpc import StatusCode  # type: ignore[import-untyped]
from tritonclient.utils import InferenceServerException

from service.engines.fake import FakeEngine
from service.engines.triton import TritonEngine
from service.engines.triton_errors import may_be_repeated, translated
from service.telemetry.metrics import Metrics
from service.telemetry.trace import Trace, passed_on
from ssuformer.contract import CAPTION, FRAME_SIZE, SAMPLE_RATE, SEGMENTATION
from ssuformer.errors import (
    DeadlineExceeded,
    EngineError,
    EngineMismatch,
    EngineUnavailable,
    Overloaded,
    SsuError,
)
from ssuformer.regions import Float, Segmentation
from tests.service.fake_triton import (
    FakeTriton,
    connected,
    renamed,
    serving,
    triton_settings,
    write_labels,
)

pytestmark = pytest.mark.anyio

LOST = (StatusCode.UNAVAILABLE, "Socket closed")
QUEUE_FULL = (StatusCode.UNAVAILABLE, "[request id: <id_unknown>] Exceeds maximum queue size")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_window() -> tuple[np.typing.NDArray[np.uint8], Float]:
    frames = np.full((3, FRAME_SIZE, FRAME_SIZE, 3), 200, np.uint8)
    return frames, np.full((3, SAMPLE_RATE), 0.5, np.float32)


def some_regions(count: int) -> tuple[Float, Float, Float]:
    size = FakeEngine().facts.manifest.dimensions
    tokens = np.zeros((count, size.region_tokens, size.channels), np.float32)
    tokens[:, 0, 0] = np.arange(count) % 2
    prompts = np.zeros((count, size.channels), np.float32)
    return tokens, prompts, prompts


def retries(metrics: Metrics, model: str) -> float:
    labels = {"engine": model, "version": "0"}
    return metrics.registry.get_sample_value("ssu_engine_retries_total", labels) or 0.0


async def test_a_window_is_answered_as_by_the_engine_behind_the_server() -> None:
    async with connected(FakeTriton()) as engine:
        answer = await engine.segment(*a_window())

    expected = await FakeEngine().segment(*a_window())
    for name in Segmentation.__slots__:
        np.testing.assert_array_equal(getattr(answer, name), getattr(expected, name))


async def test_more_regions_than_a_batch_go_in_parts_and_come_back_in_order() -> None:
    triton = FakeTriton()
    async with connected(triton) as engine:
        captions = await engine.caption(*some_regions(20))

    expected = await FakeEngine().caption(*some_regions(20))
    np.testing.assert_array_equal(captions.token_ids, expected.token_ids)
    assert sorted(triton.asked[CAPTION]) == [4, 8, 8]


async def test_no_more_inferences_are_under_way_than_allowed() -> None:
    triton = FakeTriton()
    async with connected(triton, triton_concurrency=2) as engine:
        await asyncio.gather(*(engine.caption(*some_regions(20)) for _ in range(4)))

    assert triton.most_under_way <= 2
    assert sum(triton.asked[CAPTION]) == 80


async def test_a_lost_connection_is_asked_again_and_counted() -> None:
    triton, metrics = FakeTriton(), Metrics()
    triton.failures.extend([LOST, LOST])

    async with connected(triton, metrics) as engine:
        await engine.segment(*a_window())

    assert retries(metrics, SEGMENTATION) == 2


async def test_a_connection_that_stays_lost_is_unavailable_after_the_last_retry() -> None:
    triton, metrics = FakeTriton(), Metrics()
    triton.down = LOST

    async with connected(triton, metrics) as engine:
        with pytest.raises(EngineUnavailable, match="unreachable"):
            await engine.segment(*a_window())

    assert retries(metrics, SEGMENTATION) == 2


async def test_a_full_queue_is_overloaded_and_not_asked_again() -> None:
    triton, metrics = FakeTriton(), Metrics()
    triton.failures.append(QUEUE_FULL)

    async with connected(triton, metrics) as engine:
        with pytest.raises(Overloaded) as caught:
            await engine.segment(*a_window())

    assert caught.value.retry_after is not None
    assert retries(metrics, SEGMENTATION) == 0


async def test_all_servers_of_an_address_are_asked_in_turn_and_one_may_die(tmp_path: Path) -> None:
    first, second, metrics = FakeTriton(), FakeTriton(), Metrics()
    async with serving(first) as one, AsyncExitStack() as other:
        address = f"ipv4:{one},{await other.enter_async_context(serving(second))}"
        engine = TritonEngine(triton_settings(write_labels(tmp_path), address), metrics)
        while not (first.asked and second.asked):
            await engine.segment(*a_window())

        await other.aclose()

        before = len(first.asked[SEGMENTATION])
        for _ in range(4):
            await engine.segment(*a_window())
        await engine.close()
    assert len(first.asked[SEGMENTATION]) == before + 4


SAID: list[tuple[str, str, type[SsuError], bool]] = [
    ("UNAVAILABLE", "failed to connect to all addresses", EngineUnavailable, True),
    ("UNAVAILABLE", "Stream removed (Socket closed)", EngineUnavailable, True),
    ("UNAVAILABLE", "Server is stopping, scheduler has stopped", EngineUnavailable, True),
    ("CANCELLED", "Received RST_STREAM with error code 8", EngineUnavailable, True),
    ("NOT_FOUND", "Unable to find shared memory region: 'r'", EngineUnavailable, True),
    ("UNAVAILABLE", "Request timeout expired", Overloaded, False),
    ("UNAVAILABLE", "unknown model: 'm' version 1 is not at ready state", EngineUnavailable, True),
    ("NOT_FOUND", "unknown model: 'm' has no available versions", EngineUnavailable, True),
    ("UNIMPLEMENTED", "Method not found!", EngineUnavailable, False),
    ("INTERNAL", "Stub process 'm_0_0' is not healthy.", EngineUnavailable, False),
    ("INTERNAL", "onnx runtime error 6", EngineError, False),
    ("INVALID_ARGUMENT", "unexpected shape for input", EngineError, False),
    ("RESOURCE_EXHAUSTED", "Received message larger than max", EngineError, False),
]


@pytest.mark.parametrize(("code", "text", "kind", "again"), SAID)
def test_what_a_server_says_has_one_meaning(
    code: str, text: str, kind: type[SsuError], *, again: bool
) -> None:
    error = InferenceServerException(text, status=f"StatusCode.{code}")

    assert type(translated(error, "m")) is kind
    assert may_be_repeated(error) is again


async def test_a_deadline_of_the_request_gives_the_call_up_on_the_server_too() -> None:
    triton = FakeTriton()
    triton.open.clear()

    async with connected(triton) as engine:
        with pytest.raises(DeadlineExceeded, match=SEGMENTATION):
            await engine.segment(*a_window(), timeout=0.3)

        await asyncio.wait_for(triton.given_up.wait(), 10)


async def test_an_inference_that_takes_longer_than_any_may_is_unavailable() -> None:
    triton = FakeTriton()
    triton.open.clear()

    async with connected(triton, triton_seconds=0.3) as engine:
        with pytest.raises(EngineUnavailable, match=SEGMENTATION):
            await engine.segment(*a_window(), timeout=60)


async def test_a_task_that_is_cancelled_gives_all_its_calls_up_on_the_server_too() -> None:
    triton = FakeTriton()
    triton.open.clear()
    async with connected(triton) as engine:
        asking = asyncio.create_task(engine.caption(*some_regions(20)))
        while triton.under_way < 3:
            await asyncio.sleep(0.01)

        asking.cancel()

        with pytest.raises(asyncio.CancelledError):
            await asking
        while triton.under_way:
            await asyncio.sleep(0.01)


async def test_the_first_failure_of_a_part_is_that_of_the_whole() -> None:
    triton = FakeTriton()
    triton.failures.append((StatusCode.INTERNAL, "Stub process 'm_0_0' is not healthy."))

    async with connected(triton) as engine:
        with pytest.raises(EngineUnavailable, match="crashed"):
            await engine.caption(*some_regions(20))


async def test_the_models_of_the_manifest_pass_the_check() -> None:
    async with connected(FakeTriton()) as engine:
        for model in (SEGMENTATION, CAPTION):
            await engine.check(model)

        assert engine.facts.device == "cpu"


async def test_a_server_that_does_not_say_its_weights_is_believed() -> None:
    triton = FakeTriton()
    triton.weights = ""

    async with connected(triton) as engine:
        await engine.check(SEGMENTATION)


async def test_other_weights_are_a_mismatch() -> None:
    triton = FakeTriton()
    triton.weights = "6" * 64

    async with connected(triton) as engine:
        with pytest.raises(EngineMismatch, match="weights"):
            await engine.check(CAPTION)


async def test_another_version_is_a_mismatch() -> None:
    triton = FakeTriton()
    triton.versions = ["2", "3"]

    async with connected(triton) as engine:
        with pytest.raises(EngineMismatch, match="2, 3"):
            await engine.check(SEGMENTATION)


async def test_other_tensors_are_a_mismatch() -> None:
    triton = FakeTriton()
    triton.specs[SEGMENTATION] = renamed(triton.specs[SEGMENTATION])

    async with connected(triton) as engine:
        with pytest.raises(EngineMismatch, match="logits"):
            await engine.check(SEGMENTATION)


async def test_an_answer_that_lacks_an_output_is_a_mismatch() -> None:
    class Forgetful(FakeTriton):
        async def ModelInfer(self, request: object, context: object) -> object:  # noqa: N802
            response = await super().ModelInfer(request, context)
            response.raw_output_contents[0] = b""
            return response

    async with connected(Forgetful()) as engine:
        with pytest.raises(EngineMismatch, match="mask_probability"):
            await engine.segment(*a_window())


async def test_the_trace_of_a_request_goes_on_at_the_server() -> None:
    triton = FakeTriton()

    async with connected(triton) as engine:
        with passed_on(Trace(TRACEPARENT).headers):
            await engine.segment(*a_window())
        with passed_on(Trace("not a trace\n").headers):
            await engine.segment(*a_window())

    assert [headers.get("traceparent") for headers in triton.headers] == [TRACEPARENT, None]


async def test_server_and_gateway_know_each_other_by_their_certificates(tmp_path: Path) -> None:
    key, certificate = self_signed(tmp_path)
    labels = write_labels(tmp_path)
    trust = {"triton_root_certificates": certificate}
    identity = {"triton_certificate": certificate, "triton_key": key}

    async with serving(FakeTriton(), key=key, certificate=certificate) as address:
        known = TritonEngine(triton_settings(labels, address, **trust, **identity), Metrics())
        await known.segment(*a_window())
        for lacking in (trust, {}):
            stranger = TritonEngine(triton_settings(labels, address, **lacking), Metrics())
            with pytest.raises(EngineUnavailable):
                await stranger.segment(*a_window())
            await stranger.close()
        await known.close()


def self_signed(folder: Path) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    options = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ssu"
    name = ("-addext", "subjectAltName=IP:127.0.0.1")
    subprocess.run(
        ["openssl", *options.split(), *name, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    return key, certificate
