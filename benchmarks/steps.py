"""Compare two calls from the gateway with one call to a pipeline inside Triton.

The pipeline is a model of Triton's python backend that calls both engines (BLS) and returns
masks and token ids; the region tokens stay in the server. A proxy adds network delay.

python -m benchmarks.steps --delay 0 --delay 1 --delay 5
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import tritonclient.grpc.aio as grpc
import typer

from benchmarks.timing import report, summary
from service.triton_server.launcher import inference_server
from ssuformer.clip import read_clip
from ssuformer.contract import CAPTION, SEGMENTATION, caption_engine, segmentation_engine
from ssuformer.manifest import Manifest
from ssuformer.regions import Segmentation, find_regions

Arrays = dict[str, npt.NDArray[Any]]
Way = Callable[[grpc.InferenceServerClient, Arrays], Awaitable[int]]

PIPELINE = "ssu_pipeline"
SEEN = ("mask_probability", "sounding_probability", "category_logits")
_DTYPES = {"uint8": "UINT8", "float32": "FP32", "int64": "INT64"}

CONFIG = """
name: "ssu_pipeline"
backend: "python"
max_batch_size: 0
input [
  { name: "frames", data_type: TYPE_UINT8, dims: [ -1, -1, 224, 224, 3 ] },
  { name: "waveform", data_type: TYPE_FP32, dims: [ -1, -1, 16000 ] }
]
output [
  { name: "mask_probability", data_type: TYPE_FP32, dims: [ -1, -1, -1, -1, -1 ] },
  { name: "sounding_probability", data_type: TYPE_FP32, dims: [ -1, -1, -1 ] },
  { name: "category_logits", data_type: TYPE_FP32, dims: [ -1, -1, -1, -1 ] },
  { name: "token_ids", data_type: TYPE_INT64, dims: [ -1, -1 ] }
]
instance_group [ { kind: KIND_CPU, count: 2 } ]
"""

MODEL = """
import numpy as np
import triton_python_backend_utils as pb

SEEN = ("mask_probability", "sounding_probability", "category_logits")
TOLD = ("region_tokens", "scene_prompt", "source_prompt")


def call(name, tensors, outputs):
    request = pb.InferenceRequest(
        model_name=name, inputs=tensors, requested_output_names=outputs
    )
    answer = request.exec()
    if answer.has_error():
        raise pb.TritonModelException(answer.error().message())
    return {t.name(): t for t in answer.output_tensors()}


class TritonPythonModel:
    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        inputs = [pb.get_input_tensor_by_name(request, n) for n in ("frames", "waveform")]
        found = call("ssu_segmentation", inputs, [*SEEN, *TOLD])
        tokens, scene, source = (found[name].as_numpy()[0] for name in TOLD)
        masks = found["mask_probability"].as_numpy()[0]
        kept = (found["sounding_probability"].as_numpy()[0] >= THRESHOLD) & (
            masks > MASK).any(axis=(2, 3))
        frames, queries = kept.nonzero()
        ids = np.zeros((0, 1), np.int64)
        if len(frames):
            given = (tokens[frames, queries], scene[frames], source[frames])
            told = [pb.Tensor(n, np.ascontiguousarray(a)) for n, a in zip(TOLD, given)]
            ids = call("ssu_caption", told, ["token_ids"])["token_ids"].as_numpy()
        seen = [found[name] for name in SEEN]
        return pb.InferenceResponse(output_tensors=[*seen, pb.Tensor("token_ids", ids)])
"""


def add_pipeline(models: Path, manifest: Manifest) -> None:
    """Write the pipeline model into a repository."""
    folder = models / PIPELINE / "1"
    folder.mkdir(parents=True)
    (folder.parent / "config.pbtxt").write_text(CONFIG)
    thresholds = f"THRESHOLD, MASK = {manifest.thresholds.sounding}, {manifest.thresholds.mask}\n"
    (folder / "model.py").write_text(thresholds + MODEL)


async def infer(
    client: grpc.InferenceServerClient, model: str, inputs: Arrays, outputs: tuple[str, ...]
) -> Arrays:
    """Return the outputs of one inference."""
    tensors = []
    for name, array in inputs.items():
        tensor = grpc.InferInput(name, list(array.shape), _DTYPES[str(array.dtype)])
        tensor.set_data_from_numpy(np.ascontiguousarray(array))
        tensors.append(tensor)
    asked = [grpc.InferRequestedOutput(name) for name in outputs]
    answer = await client.infer(model, tensors, outputs=asked)
    return {name: answer.as_numpy(name) for name in outputs}


def two_calls(manifest: Manifest) -> Way:
    """Return the gateway's way: segmentation, region selection, captions."""
    segmentation = tuple(t.name for t in segmentation_engine(manifest.dimensions).outputs)
    told = tuple(t.name for t in caption_engine(manifest.dimensions).inputs)

    async def run(client: grpc.InferenceServerClient, inputs: Arrays) -> int:
        found = await infer(client, SEGMENTATION, inputs, segmentation)
        window = Segmentation(**{name: array[0] for name, array in found.items()})
        kept = find_regions(
            window,
            thresholds=manifest.thresholds,
            min_score=0.0,
            categories=manifest.categories,
        )
        regions = [region for frame in kept for region in frame]
        frames = [region.frame for region in regions]
        if not frames:
            return 0
        queries = [region.query for region in regions]
        given = (window.region_tokens[frames, queries], window.scene_prompt[frames],
                 window.source_prompt[frames])  # fmt: skip
        said = await infer(client, CAPTION, dict(zip(told, given, strict=True)), ("token_ids",))
        return len(said["token_ids"])

    return run


async def one_call(client: grpc.InferenceServerClient, inputs: Arrays) -> int:
    """Call the pipeline inside Triton."""
    found = await infer(client, PIPELINE, inputs, (*SEEN, "token_ids"))
    return len(found["token_ids"])


@asynccontextmanager
async def delayed(address: str, milliseconds: float) -> AsyncIterator[str]:
    """Yield the address of a proxy that delays data in each direction."""
    host, port = address.split(":")

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, piece = await pieces.get()
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                writer.write(piece)
                await writer.drain()

        delivering = asyncio.create_task(deliver())
        try:
            while piece := await reader.read(2**18):
                pieces.put_nowait((time.perf_counter() + milliseconds / 1e3, piece))
        finally:
            delivering.cancel()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection(host, int(port))
        with suppress(asyncio.CancelledError):  # the client is done
            await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def time_ways(
    address: str, ways: dict[str, Way], inputs: Arrays, *, runs: int, together: int, delay: float
) -> None:
    """Print the duration of each way with this delay and this many concurrent requests."""
    async with delayed(address, delay) as there, grpc.InferenceServerClient(there) as client:
        taken: dict[str, list[float]] = {name: [] for name in ways}
        said: dict[str, int] = {}
        for number in range(runs + 2):
            for name, way in ways.items():
                began = time.perf_counter()
                counts = await asyncio.gather(*(way(client, inputs) for _ in range(together)))
                if number >= 2:
                    taken[name].append(1e3 * (time.perf_counter() - began))
                said[name] = counts[0]
    report(
        f"{together} at once, {delay:g} ms each way",
        [summary(name, values) for name, values in taken.items()],
        sentences=said,
    )


def main(
    sample: Annotated[Path, typer.Argument()] = Path("samples/lifescene-change.mp4"),
    models: Path = Path("triton_repo"),
    delay: Annotated[list[float] | None, typer.Option(help="Delay per direction, ms.")] = None,
    together: Annotated[list[int] | None, typer.Option(help="Concurrent requests.")] = None,
    runs: int = 20,
) -> None:
    """Time both ways on the real server."""
    manifest = Manifest.read(max((models / SEGMENTATION).glob("[0-9]*")))
    clip = read_clip(sample)
    inputs: Arrays = {"frames": clip.frames[None], "waveform": clip.waveform[None]}
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder) / "models"
        shutil.copytree(models, served)
        add_pipeline(served, manifest)
        with inference_server(served) as server:
            ways: dict[str, Way] = {"two calls": two_calls(manifest), "one call": one_call}
            for count in together or [1, 4]:
                for milliseconds in delay or [0.0, 1.0, 5.0]:
                    asyncio.run(
                        time_ways(
                            server.grpc, ways, inputs, runs=runs, together=count,
                            delay=milliseconds,
                        )
                    )  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
