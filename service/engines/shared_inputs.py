"""Shared memory from which a Triton server on the same host reads inputs.

It is used for inputs only: the server may still write the outputs of a cancelled call later, so
an output region could not be reused. Overwriting inputs affects only the answer of a cancelled
call, which nobody reads.
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
    """A named block of shared memory, and whether it is registered with the server."""

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
        """Copy arrays one after the other and return the offset of each."""
        offsets, offset = [], 0
        for array in arrays:
            place = np.ndarray(array.shape, array.dtype, self._memory.buf, offset)
            place[...] = array
            offsets.append(offset)
            offset += array.nbytes
        return offsets

    def remove(self) -> None:
        """Release the memory."""
        self._memory.close()
        self._memory.unlink()


class SharedInputs:
    """A pool of regions; each is created on demand and registered once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: list[SharedRegion] = []

    def holds(self, arrays: Sequence[NDArray[Any]]) -> bool:
        """Return whether arrays fit into a region."""
        return sum(array.nbytes for array in arrays) <= self._size

    @asynccontextmanager
    async def region(self, client: InferenceServerClient) -> AsyncIterator[SharedRegion]:
        """Lend a region that is registered with the server."""
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
        """Unregister the regions from the server and release them."""
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
        # Left by a call that was cancelled after the server had registered the region.
        if code(error) != "ALREADY_EXISTS":
            raise
    region.registered = True


def _reserve(file: Path, size: int) -> None:
    """Allocate now: if /dev/shm is full, writing to it later would kill the process."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)
