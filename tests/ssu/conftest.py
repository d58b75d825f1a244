"""A real gateway with the fake engine, on a port of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.cli.temporary_service import hosted
from tests.service.conftest import small_settings
from tests.ssuformer.footage import Footage, flash_in


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def clip() -> bytes:
    """Four seconds of 64x48: dark, and bright in second 2; a beep from second 1 to 3."""
    return Footage(paint=flash_in(2), beep=(1.0, 3.0)).make()


@pytest.fixture
def film(tmp_path: Path, clip: bytes) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(clip)
    return path


@pytest.fixture(scope="session")
def long_clip() -> bytes:
    """Half a minute: three windows."""
    return Footage(seconds=30.0, paint=flash_in(2), beep=(1.0, 29.0)).make()


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with hosted(small_settings(log_level="error", max_bytes=2**20)) as address:
        yield address
