from collections.abc import Iterator
from pathlib import Path

import pytest

from service.triton_server.launcher import InferenceServer, inference_server

REPOSITORY = Path("triton_repo")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def triton() -> Iterator[InferenceServer]:
    """One server of the committed repository for all tests; a test that harms it starts its own.

    Where there is no server environment this fails, with the command that makes one.
    """
    with inference_server(REPOSITORY) as server:
        yield server
