"""Run the models in this process on onnxruntime: no server, no torch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from service.engines.conformance import TensorFacts, require
from service.engines.engine import Captions, EngineFacts
from ssuformer.contract import EngineSpec, engines
from ssuformer.errors import EngineError, EngineUnavailable
from ssuformer.regions import Float, Segmentation
from ssuformer.repository import open_repository

_DTYPES = {"tensor(uint8)": "uint8", "tensor(int64)": "int64", "tensor(float)": "float32"}


@dataclass(frozen=True, slots=True)
class _Model:
    """A loaded graph, the outputs that are asked for, and places for inferences at one time."""

    session: ort.InferenceSession
    outputs: list[str]
    places: asyncio.Semaphore


class OnnxEngine:
    """Runs both graphs of a model repository, with no more busy threads than `threads` for each.

    Segmentation is loaded twice: for one inference on all threads, and for one on each thread.
    The latter takes less processor time, as nothing waits for another thread, and is used while
    there are enough clips in work to keep all cores busy.
    """

    def __init__(
        self,
        repository: Path,
        *,
        threads: int,
        version: int | None = None,
        crowded: Callable[[], bool] = lambda: False,
    ) -> None:
        """Load a version of both models, by default the newest.

        `crowded` tells whether there are enough clips in work. Raises EngineUnavailable or
        EngineMismatch.
        """
        files = open_repository(repository, version)
        segmentation, caption = engines(files.manifest.dimensions)
        self._crowded = crowded
        self._alone = _load(files.segmentation, segmentation, threads=threads, places=1)
        self._beside = self._alone
        if threads > 1:
            self._beside = _load(files.segmentation, segmentation, threads=1, places=threads)
        # Its decoding steps are too small to split: 20 regions take 82 ms, with two threads 107 ms.
        self._caption = _load(files.caption, caption, threads=1, places=threads)
        on_cpu = self._alone.session.get_providers()[0] == "CPUExecutionProvider"
        self.facts = EngineFacts(
            manifest=files.manifest,
            digest=files.digest,
            repository_version=files.version,
            device="cpu" if on_cpu else "gpu",
            remote=False,
        )

    async def segment(
        self,
        frames: NDArray[np.uint8],
        waveform: Float,
        *,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Segmentation:
        """Segment a window: frames [t 224 224 3], a second of sound each [t 16000]."""
        inputs = {"frames": frames[None], "waveform": waveform[None]}
        outputs = await _run(self._beside if self._crowded() else self._alone, inputs)
        return Segmentation(*(output[0] for output in outputs))

    async def caption(
        self,
        region_tokens: Float,
        scene_prompt: Float,
        source_prompt: Float,
        *,
        timeout: float | None = None,  # noqa: ARG002
    ) -> Captions:
        """Describe regions: tokens [n r c], prompts [n c] of the frames they are in."""
        inputs = {
            "region_tokens": region_tokens,
            "scene_prompt": scene_prompt,
            "source_prompt": source_prompt,
        }
        return Captions(*await _run(self._caption, inputs))

    async def check(self, model: str) -> None:
        """Do nothing: both models were checked when they were loaded and cannot change."""

    async def close(self) -> None:
        """Do nothing: the models are freed when the process ends."""


async def _run(model: _Model, inputs: dict[str, Any]) -> list[NDArray[Any]]:
    options = ort.RunOptions()
    async with model.places:
        running = asyncio.create_task(
            asyncio.to_thread(model.session.run, model.outputs, inputs, options)
        )
        try:
            outputs: list[NDArray[Any]] = await asyncio.shield(running)
        except asyncio.CancelledError:
            options.terminate = True
            await asyncio.wait([running])
            running.exception()
            raise
        except Exception as error:
            raise EngineError(f"onnxruntime could not run the model: {error}") from error
    return outputs


def _load(file: Path, spec: EngineSpec, *, threads: int, places: int) -> _Model:
    _share_memory()
    options = ort.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise EngineUnavailable(f"onnxruntime cannot load {file}: {error}") from error
    require(spec.inputs, _found(session.get_inputs()), where=str(file))
    require(spec.outputs, _found(session.get_outputs()), where=str(file))
    outputs = [tensor.name for tensor in spec.outputs]
    return _Model(session, outputs, asyncio.Semaphore(places))


@cache
def _share_memory() -> None:
    """Give all sessions of this process one arena: as much as they need at once, not each."""
    memory = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg({}))


def _found(tensors: list[Any]) -> list[TensorFacts]:
    return [
        TensorFacts(
            tensor.name,
            _DTYPES.get(tensor.type, tensor.type),
            [axis if isinstance(axis, int) else None for axis in tensor.shape],
        )
        for tensor in tensors
    ]
