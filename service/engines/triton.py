"""Run the models on a Triton server, over gRPC."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc.model_config_pb2 import ModelInstanceGroup
from tritonclient.utils import triton_to_np_dtype

from service.engines.conformance import TensorFacts, require
from service.engines.engine import Captions, EngineFacts
from service.engines.triton_client import Array, Description, InferenceRequest, TritonClient
from service.settings import Settings
from service.telemetry.metrics import Metrics
from ssuformer.contract import CAPTION, SEGMENTATION, engines
from ssuformer.errors import EngineMismatch, EngineUnavailable
from ssuformer.regions import Float, Segmentation
from ssuformer.repository import read_labels, weights_parameter


class TritonEngine:
    """Both models on a server; they are described by the local manifests.

    If the server's model has another version, other tensors or other weights than the manifest,
    that is a mismatch: its outputs would be read with the wrong vocabulary and thresholds.
    """

    def __init__(self, settings: Settings, metrics: Metrics, version: int | None = None) -> None:
        """Read the manifests of a version, by default the newest; the server may be down.

        Raises EngineUnavailable, EngineMismatch or ConfigError if the local files are wrong.
        """
        labels = read_labels(settings.model_repository, version)
        size = labels.manifest.dimensions
        self.facts = EngineFacts(
            manifest=labels.manifest,
            digest=labels.digest,
            repository_version=labels.version,
            device="unknown",
            remote=True,
        )
        self._specs = {spec.name: spec for spec in engines(size)}
        self._largest_batch: dict[str, int] = {}
        self._client = TritonClient(
            settings,
            metrics,
            version=labels.manifest.version,
            region_bytes=self._bytes_of_a_window(labels.manifest.window_frames),
        )

    async def segment(
        self, frames: NDArray[np.uint8], waveform: Float, *, timeout: float | None = None
    ) -> Segmentation:
        """Segment a window: frames [t 224 224 3], a second of sound each [t 16000]."""
        outputs = await self._infer(SEGMENTATION, (frames[None], waveform[None]), timeout)
        return Segmentation(*(output[0] for output in outputs))

    async def caption(
        self,
        region_tokens: Float,
        scene_prompt: Float,
        source_prompt: Float,
        *,
        timeout: float | None = None,
    ) -> Captions:
        """Describe regions: tokens [n r c], prompts [n c]; more than one batch is split."""
        if CAPTION not in self._largest_batch:
            await self.check(CAPTION)
        inputs, step = (region_tokens, scene_prompt, source_prompt), self._largest_batch[CAPTION]
        parts = [
            tuple(array[begin : begin + step] for array in inputs)
            for begin in range(0, len(region_tokens), step)
        ]
        answers = await self._infer_all(CAPTION, parts, timeout)
        return Captions(*(np.concatenate(outputs) for outputs in zip(*answers, strict=True)))

    async def check(self, model: str) -> None:
        """Raise EngineMismatch unless the server has the model of the manifest.

        Raises EngineUnavailable if the server or the model is not available.
        """
        found = await self._client.describe(model)
        self._check_version(model, list(found.metadata.versions))
        for wanted, tensors in (
            (self._specs[model].inputs, found.metadata.inputs),
            (self._specs[model].outputs, found.metadata.outputs),
        ):
            require(wanted, [_found(one) for one in tensors], where=f"{model} on the server")
        self._check_weights(model, found)
        self._largest_batch[model] = found.config.max_batch_size or sys.maxsize
        kinds = {group.kind for group in found.config.instance_group}
        device = "gpu" if ModelInstanceGroup.KIND_GPU in kinds else "cpu"
        self.facts = replace(self.facts, device=device)

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    def _check_version(self, model: str, versions: Sequence[str]) -> None:
        wanted = str(self.facts.repository_version)
        if wanted in versions:
            return
        # A server that has only older versions may be about to load it.
        awaited = all(int(version) < self.facts.repository_version for version in versions)
        raise (EngineUnavailable if awaited else EngineMismatch)(
            f"the server has {model} in version {', '.join(versions)}, the manifest is of "
            f"version {wanted}",
            limit=wanted,
            actual=", ".join(versions),
        )

    def _check_weights(self, model: str, found: Description) -> None:
        """Compare digests; skipped if the configuration has none (not written by the export)."""
        stated = found.config.parameters[
            weights_parameter(self.facts.repository_version)
        ].string_value
        if stated and stated != self.facts.digest:
            raise EngineMismatch(
                f"the server's {model} has other weights than the manifest",
                limit=self.facts.digest,
                actual=stated,
            )

    async def _infer(
        self, model: str, inputs: Sequence[Array], timeout: float | None
    ) -> list[Array]:
        request = InferenceRequest(self._specs[model], str(self.facts.repository_version), inputs)
        return await self._client.infer(request, timeout=timeout)

    async def _infer_all(
        self, model: str, parts: Sequence[Sequence[Array]], timeout: float | None
    ) -> list[list[Array]]:
        """Send all requests at once; the first failure cancels the others."""
        try:
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(self._infer(model, part, timeout)) for part in parts]
        except ExceptionGroup as failures:
            raise failures.exceptions[0]  # noqa: B904
        return [task.result() for task in asked]

    def _bytes_of_a_window(self, frames: int) -> int:
        return sum(
            math.prod(tensor.shape(b=1, t=frames)) * np.dtype(tensor.dtype).itemsize
            for tensor in self._specs[SEGMENTATION].inputs
        )


def _found(tensor: Any) -> TensorFacts:  # noqa: ANN401
    dtype = triton_to_np_dtype(tensor.datatype)
    name = tensor.datatype if dtype is None else np.dtype(dtype).name
    return TensorFacts(tensor.name, name, [None if side < 0 else side for side in tensor.shape])
