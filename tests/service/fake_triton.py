"""A Triton server that computes nothing: gRPC for real, the answers of the fake engine."""

import asyncio
import tempfile
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from grpc import StatusCode, aio, ssl_server_credentials  # type: ignore[import-untyped]
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype

from service.cli.temporary_service import LOOPBACK, free_port
from service.engines.fake import FakeEngine
from service.engines.triton import TritonEngine
from service.settings import Settings
from service.telemetry.metrics import Metrics
from ssuformer.contract import CAPTION, SEGMENTATION, EngineSpec, TensorSpec, engines
from ssuformer.manifest import Manifest
from ssuformer.repository import weights_parameter
from tests.service.conftest import small_settings

WEIGHTS = "5" * 64
Failure = tuple[StatusCode, str]


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    """Does what a server does, or what a test wants it to do instead."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        size = self.engine.facts.manifest.dimensions
        self.specs = {spec.name: spec for spec in engines(size)}
        self.versions = ["1"]
        self.weights = WEIGHTS
        self.max_batch = 8
        self.failures: deque[Failure] = deque()
        """What the next inferences get instead of an answer."""
        self.down: Failure | None = None
        """What every inference gets instead of an answer."""
        self.open = asyncio.Event()
        """Inferences wait for it; it is set, unless a test clears it."""
        self.open.set()
        self.asked: defaultdict[str, list[int]] = defaultdict(list)
        """How many frames or regions each inference held."""
        self.headers: list[dict[str, str]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.given_up = asyncio.Event()

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        spec = self.specs[request.name]
        response = service_pb2.ModelMetadataResponse(name=spec.name, versions=self.versions)
        for tensors, found in ((spec.inputs, response.inputs), (spec.outputs, response.outputs)):
            for tensor in tensors:
                found.add(
                    name=tensor.name,
                    datatype=np_to_triton_dtype(np.dtype(tensor.dtype)),
                    shape=[-1 if isinstance(axis, str) else axis for axis in tensor.axes],
                )
        return response

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: ANN401, ARG002, N802
        response = service_pb2.ModelConfigResponse()
        response.config.name = request.name
        response.config.max_batch_size = self.max_batch
        if self.weights:
            response.config.parameters[weights_parameter(1)].string_value = self.weights
        return response

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
        self.headers.append(dict(context.invocation_metadata()))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.open.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.given_up.set()
            raise
        finally:
            self.under_way -= 1
        failure = self.failures.popleft() if self.failures else self.down
        if failure is not None:
            await context.abort(*failure)
        return await self._answer(self.specs[request.model_name], request)

    async def _answer(self, spec: EngineSpec, request: Any) -> Any:  # noqa: ANN401
        inputs = [
            np.frombuffer(raw, tensor.dtype).reshape(given.shape)
            for tensor, given, raw in zip(
                spec.inputs, request.inputs, request.raw_input_contents, strict=True
            )
        ]
        self.asked[spec.name].append(inputs[0].shape[1 if spec.name == SEGMENTATION else 0])
        if spec.name == SEGMENTATION:
            window = await self.engine.segment(inputs[0][0], inputs[1][0])
            outputs = [getattr(window, tensor.name)[None] for tensor in spec.outputs]
        else:
            captions = await self.engine.caption(*inputs)
            outputs = [getattr(captions, tensor.name) for tensor in spec.outputs]
        return _response(spec, request.model_version, outputs)


def _response(spec: EngineSpec, version: str, outputs: list[Any]) -> Any:  # noqa: ANN401
    response = service_pb2.ModelInferResponse(model_name=spec.name, model_version=version)
    for tensor, output in zip(spec.outputs, outputs, strict=True):
        response.outputs.add(
            name=tensor.name, datatype=np_to_triton_dtype(output.dtype), shape=output.shape
        )
        response.raw_output_contents.append(output.tobytes())
    return response


@asynccontextmanager
async def serving(
    triton: FakeTriton,
    *,
    port: int = 0,
    key: Path | None = None,
    certificate: Path | None = None,
) -> AsyncIterator[str]:
    """Answer gRPC on this machine and yield the address.

    With a key by TLS, and only to clients that show the same certificate.
    """
    server = aio.server(options=[("grpc.so_reuseport", 0)])
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    address = f"{LOOPBACK}:{port or free_port()}"
    if key and certificate:
        secret, shown = key.read_bytes(), certificate.read_bytes()
        credentials = ssl_server_credentials([(secret, shown)], shown, require_client_auth=True)
        server.add_secure_port(address, credentials)
    else:
        server.add_insecure_port(address)
    await server.start()
    try:
        yield address
    finally:
        await server.stop(None)


def write_labels(folder: Path) -> Path:
    """Write the manifests of the fake engine, without a model, as a repository in the folder."""
    for name in (SEGMENTATION, CAPTION):
        version = folder / name / "1"
        version.mkdir(parents=True)
        labelled({"model.safetensors": WEIGHTS}).write(version)
    return folder


def labelled(digests: dict[str, str]) -> Manifest:
    return FakeEngine().facts.manifest.model_copy(update={"digests": digests})


def triton_settings(folder: Path, address: str, **more: object) -> Settings:
    return small_settings(engine="triton", model_repository=folder, triton_address=address, **more)


@asynccontextmanager
async def connected(
    triton: FakeTriton, metrics: Metrics | None = None, **more: object
) -> AsyncIterator[TritonEngine]:
    """Serve the fake and yield an engine that asks it."""
    with tempfile.TemporaryDirectory() as folder:
        labels = write_labels(Path(folder))
        async with serving(triton) as address:
            engine = TritonEngine(triton_settings(labels, address, **more), metrics or Metrics())
            try:
                yield engine
            finally:
                await engine.close()


def renamed(spec: EngineSpec) -> EngineSpec:
    """Return the spec with another name for its first output."""
    first, *others = spec.outputs
    other = TensorSpec("logits", first.dtype, first.axes)
    return EngineSpec(spec.name, spec.inputs, (other, *others))
