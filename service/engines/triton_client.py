"""A call to a Triton server, with timeout, cancellation and retries."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferInput, InferRequestedOutput, InferResult
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from service.engines.shared_inputs import SharedInputs
from service.engines.triton_errors import may_be_repeated, ran_out_of_time, too_late, translated
from service.settings import Settings
from service.telemetry.metrics import Metrics
from service.telemetry.trace import trace_headers
from ssuformer.contract import EngineSpec
from ssuformer.errors import EngineMismatch

Array = NDArray[Any]

_DESCRIBE_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.05

_CHANNEL: tuple[tuple[str, str | int], ...] = (
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Do not use a proxy from the environment for the inference server.
    ("grpc.enable_http_proxy", 0),
    # Reconnect within seconds after the server returns, also under another address.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
    # A peer that vanished silently is detected by an unanswered ping, or by data it does not
    # acknowledge within the same time.
    ("grpc.keepalive_timeout_ms", 5_000),
)
_LEAST_PING_SECONDS = 10.0
_PINGS_AT_MOST = 3
"""Per inference: a server closes the connection of clients that ping more often without data."""


@dataclass(frozen=True, slots=True)
class Description:
    """The server's description of a model: tensors, versions, configuration."""

    metadata: Any
    """`ModelMetadataResponse` of the KServe protocol."""
    config: Any
    """Triton's `ModelConfig`."""


@dataclass(frozen=True, slots=True)
class InferenceRequest:
    """An inference request: model, version, and inputs in the order of the contract."""

    spec: EngineSpec
    version: str
    inputs: Sequence[Array]


class TritonClient:
    """A channel to the server, with a limit on concurrent requests.

    It may be created anywhere, but must be used in a single event loop.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, *, version: str, region_bytes: int
    ) -> None:
        self._settings = settings
        self._longest = settings.triton_seconds
        self._retries = settings.triton_retries
        self._metrics = metrics
        self._version = version
        self._turns = asyncio.Semaphore(settings.triton_concurrency)
        self._shared = SharedInputs(region_bytes) if settings.triton_shared_memory else None
        self._opened: InferenceServerClient | None = None

    async def describe(self, model: str) -> Description:
        """Return what the server has loaded; raise EngineUnavailable if it is not loaded."""
        client, seconds = self._client(), _DESCRIBE_SECONDS
        try:
            metadata = await client.get_model_metadata(model, client_timeout=seconds)
            config = await client.get_model_config(model, client_timeout=seconds)
        except InferenceServerException as error:
            if ran_out_of_time(error):
                raise too_late("the inference server", seconds, asked_for=False) from error
            raise translated(error, model) from error
        return Description(metadata, config.config)

    async def infer(self, request: InferenceRequest, *, timeout: float | None) -> list[Array]:
        """Return the outputs, in the order of the contract.

        Cancelling this call cancels it on the server too. Raises DeadlineExceeded after `timeout`,
        EngineUnavailable after the longest allowed inference time, or the translated server error.
        """
        limit = self._longest if timeout is None else min(timeout, self._longest)
        model, asked_for = request.spec.name, limit == timeout
        try:
            async with asyncio.timeout(limit), self._turns:
                result = await self._ask_again(request, time.monotonic() + limit)
        except TimeoutError as error:
            raise too_late(model, limit, asked_for=asked_for) from error
        except InferenceServerException as error:
            if ran_out_of_time(error):
                raise too_late(model, limit, asked_for=asked_for) from error
            raise translated(error, model) from error
        return _outputs(request, result)

    async def close(self) -> None:
        """Close the connection."""
        client, self._opened = self._opened, None
        if client is None:
            return
        if self._shared is not None:
            await self._shared.close(client)
        await client.close()

    def _client(self) -> InferenceServerClient:
        """Return the channel, opened on first use because it belongs to the running event loop."""
        if self._opened is None:
            settings = self._settings
            pause = max(_LEAST_PING_SECONDS, settings.triton_seconds / _PINGS_AT_MOST)
            self._opened = InferenceServerClient(
                settings.triton_address,
                ssl=settings.triton_root_certificates is not None,
                root_certificates=settings.triton_root_certificates,
                certificate_chain=settings.triton_certificate,
                private_key=settings.triton_key,
                channel_args=(*_CHANNEL, ("grpc.keepalive_time_ms", round(1000 * pause))),
            )
        return self._opened

    async def _ask_again(self, request: InferenceRequest, end: float) -> InferResult:
        for attempt in range(self._retries):
            try:
                return await self._ask(request, end)
            except InferenceServerException as error:
                if not may_be_repeated(error):
                    raise
            self._metrics.engine_retries.labels(request.spec.name, self._version).inc()
            await asyncio.sleep(_FIRST_PAUSE_SECONDS * 2**attempt * random.uniform(0.5, 1.5))
        return await self._ask(request, end)

    async def _ask(self, request: InferenceRequest, end: float) -> InferResult:
        client, spec = self._client(), request.spec
        tensors = [
            InferInput(tensor.name, list(array.shape), np_to_triton_dtype(np.dtype(tensor.dtype)))
            for tensor, array in zip(spec.inputs, request.inputs, strict=True)
        ]
        async with AsyncExitStack() as stack:
            if self._shared is not None and self._shared.holds(request.inputs):
                region = await stack.enter_async_context(self._shared.region(client))
                places = region.fill(request.inputs)
                for tensor, array, place in zip(tensors, request.inputs, places, strict=True):
                    tensor.set_shared_memory(region.name, array.nbytes, place)
            else:
                for tensor, array in zip(tensors, request.inputs, strict=True):
                    tensor.set_data_from_numpy(array)
            left = max(0.001, end - time.monotonic())
            return await client.infer(
                spec.name,
                tensors,
                model_version=request.version,
                outputs=[InferRequestedOutput(tensor.name) for tensor in spec.outputs],
                timeout=round(1e6 * left),
                client_timeout=left,
                headers=trace_headers(),
            )


def _outputs(request: InferenceRequest, result: InferResult) -> list[Array]:
    """Return the outputs after checking their shapes against the contract."""
    spec = request.spec
    sizes = {
        axis: size
        for tensor, array in zip(spec.inputs, request.inputs, strict=True)
        for axis, size in zip(tensor.axes, array.shape, strict=True)
        if isinstance(axis, str)
    }
    outputs = []
    for tensor in spec.outputs:
        wanted = (np.dtype(tensor.dtype), tensor.shape(**sizes))
        output = _array(result, tensor.name)
        if output is None or (output.dtype, output.shape) != wanted:
            raise EngineMismatch(
                f"{spec.name} returned no {tensor.name}, or one of another shape",
                limit=str(wanted[1]),
                actual=str(None if output is None else output.shape),
            )
        outputs.append(output)
    return outputs


def _array(result: InferResult, name: str) -> Array | None:
    try:
        return result.as_numpy(name)
    except ValueError:
        return None
