"""Memory that a Triton server on the same host reads inputs from, instead of from the wire.

Inputs alone: into the outputs of a call that was given up the server may still write later, so a
region of outputs could not be used again. Inputs that are overwritten spoil nothing but an answer
that nobody waits for.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from service.engines.triton_errors import REGION_FORGOTTEN, code
from ssuformer.errors import EngineError

_FOLDER = Path("/dev/shm")


class SharedRegion:
    """A piece of memory with a name, and whether the server knows it."""

    def __init__(self, size: int) -> None:
        self.name = f"ssu-{os.getpid()}-{uuid.uuid4().hex}"
        self.size = size
        self.registered = False
        self._memory = SharedMemory(self.name, create=True, size=size)
        try:
            _reserve(_FOLDER / self.name, size)
        except OSError as error:
            self.remove()
            raise EngineError(f"no room for {size} bytes of shared memory: {error}") from error

    def fill(self, arrays: Sequence[NDArray[Any]]) -> list[int]:
        """Copy arrays into it, one after the other, and return where each begins."""
        offsets, offset = [], 0
        for array in arrays:
            place = np.ndarray(array.shape, array.dtype, self._memory.buf, offset)
            place[...] = array
            offsets.append(offset)
            offset += array.nbytes
        return offsets

    def remove(self) -> None:
        """Give the memory back."""
        self._memory.close()
        self._memory.unlink()


class SharedInputs:
    """A pool of regions; each is made when it is needed and registered once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: list[SharedRegion] = []

    def holds(self, arrays: Sequence[NDArray[Any]]) -> bool:
        """Return whether arrays fit into a region."""
        return sum(array.nbytes for array in arrays) <= self._size

    @asynccontextmanager
    async def region(self, client: InferenceServerClient) -> AsyncIterator[SharedRegion]:
        """Lend a region that the server knows."""
        region = self._free.pop() if self._free else SharedRegion(self._size)
        try:
            await _register(region, client)
            yield region
        except InferenceServerException as error:
            if REGION_FORGOTTEN in str(error.message()):
                region.registered = False
            raise
        finally:
            self._free.append(region)

    async def close(self, client: InferenceServerClient) -> None:
        """Have the server forget the regions, and give them back."""
        while self._free:
            region = self._free.pop()
            with suppress(InferenceServerException):
                await client.unregister_system_shared_memory(region.name, client_timeout=1.0)
            region.remove()


async def _register(region: SharedRegion, client: InferenceServerClient) -> None:
    if region.registered:
        return
    try:
        await client.register_system_shared_memory(region.name, f"/{region.name}", region.size)
    except InferenceServerException as error:
        # From a call that was given up after the server had done it.
        if code(error) != "ALREADY_EXISTS":
            raise
    region.registered = True


def _reserve(file: Path, size: int) -> None:
    """Take the memory now: where /dev/shm is full, writing to it later would end the process."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)
