"""Every input of the corpus gets its answer, the same one each time, in a sandboxed process."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from service.understanding.decoding import DecodePool
from service.understanding.sandbox import layers, probe
from ssuformer.errors import SsuError
from tests import corpus
from tests.corpus.entry import Input, Refused, Shown
from tests.corpus.reading import SAMPLED, Answer, read
from tests.service.conftest import small_settings

pytestmark = pytest.mark.anyio

_CHUNK_FRAMES = 32
_CLICK_WITHIN = 0.02
_RED_BY = 60


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def pools(anyio_backend: str) -> AsyncIterator[list[DecodePool]]:  # noqa: ARG001
    """Decoding processes with two threads, and with one; their answers may not differ."""
    sandbox = "auto" if layers.lacking(probe.available()) else "required"
    started = []
    for threads in (2, 1):
        settings = small_settings(sandbox=sandbox, decode_threads=threads)
        pool = DecodePool(settings, Metrics(), make_log("info", io.StringIO()))
        await pool.start(chunk_frames=_CHUNK_FRAMES)
        started.append(pool)
    yield started
    for pool in started:
        await pool.close()


@pytest.mark.parametrize("one", corpus.ALL, ids=lambda one: one.title)
async def test_an_input_gets_its_answer_and_the_same_one_again(
    one: Input, pools: list[DecodePool], tmp_path: Path
) -> None:
    path = tmp_path / "input"
    one.make(path)

    answer, again = await asyncio.gather(*(read(pool, path) for pool in pools))

    assert list(_wrong(answer, one.expected)) == []
    assert _told(answer) == _told(again)


def test_every_input_has_a_name_of_its_own() -> None:
    names = [name for name, _ in corpus.inputs()]

    assert len(set(names)) == len(names) >= 150


def _wrong(answer: Answer | SsuError, expected: Shown | Refused) -> Iterator[str]:
    """Yield what an answer has that was not expected."""
    if isinstance(expected, Refused):
        said = _told(answer)
        if not re.match(f"{expected.code}: .*(?:{expected.message})", said):
            yield said
    elif isinstance(answer, SsuError):
        yield _told(answer)
    else:
        yield from _wrong_facts(answer, expected)
        yield from _wrong_times(answer, expected)


def _wrong_facts(answer: Answer, expected: Shown) -> Iterator[str]:
    if answer.codes != expected.warnings:
        yield f"warnings: {answer.warnings}"
    info = answer.info
    if (info.width, info.height) != expected.size:
        yield f"size: {info.width}x{info.height}"
    if (info.rotation, info.mirrored) != (expected.rotation, expected.mirrored):
        yield f"turned by {info.rotation}, mirrored: {info.mirrored}"
    if expected.corner not in (None, answer.corner):
        yield f"the red quarter is at the {answer.corner}"
    if expected.red and answer.redness < _RED_BY:
        yield f"it is redder by {answer.redness:.0f} only"


def _wrong_times(answer: Answer, expected: Shown) -> Iterator[str]:
    seconds, within = expected.seconds, expected.within
    if abs(answer.duration - seconds) > within:
        yield f"duration: {answer.duration}"
    if abs(len(answer.times) / SAMPLED - seconds) > within + 1 / SAMPLED:
        yield f"pictures: {len(answer.times)}"
    if _differs(answer.flash, expected.flash, late=expected.late, within=1 / expected.fps):
        yield f"flash: {answer.flash}"
    if _differs(answer.click, expected.click, late=expected.late, within=_CLICK_WITHIN):
        yield f"click: {answer.click}"


def _differs(found: float | None, expected: float | None, *, late: float, within: float) -> bool:
    if found is None or expected is None:
        return found is not expected
    return abs(found - expected - late) > within + 1e-3


def _told(answer: Answer | SsuError) -> str:
    """Return all of an answer in few letters, or the error."""
    return answer.digest if isinstance(answer, Answer) else f"{answer.code}: {answer.message}"
