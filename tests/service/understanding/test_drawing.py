"""Drawing on clips over HTTP: in a process of its own, sandboxed, that leaves nothing behind."""

import asyncio
import io
import os
from collections.abc import AsyncIterator
from typing import IO

import av
import pytest
from PIL import Image

from service.formats.catalogue import named
from service.formats.format import Material
from service.understanding import drawing
from ssuformer.errors import ClipEmpty
from tests.service.conftest import Running, children, run, small_settings
from tests.service.formats.made import made
from tests.ssuformer.footage import Footage

pytestmark = pytest.mark.anyio


def seconds_of_grey(_: int, time: float) -> int:
    return 20 + 8 * int(time)


async def only(number: int) -> None:
    """Wait until just so many processes read or draw on clips."""
    async with asyncio.timeout(10):
        while len(children()) != number:
            await asyncio.sleep(0.05)


@pytest.fixture(params=["required", "off"])
async def drawn(request: pytest.FixtureRequest) -> AsyncIterator[Running]:
    async with run(small_settings(sandbox=request.param)) as running:
        yield running


async def test_the_overlay_is_a_film_and_the_sheet_a_picture(drawn: Running, clip: bytes) -> None:
    overlay = await drawn.understand(clip, format="overlay")
    sheet = await drawn.client.post("/understand", content=clip, headers={"Accept": "image/png"})

    assert (overlay.status_code, sheet.status_code) == (200, 200), overlay.text + sheet.text
    assert overlay.headers["content-type"] == "video/mp4"
    assert 'filename="answer.overlay.mp4"' in overlay.headers["content-disposition"]
    with av.open(io.BytesIO(overlay.content), "r") as film:
        assert len(list(film.decode(video=0))) == 100
        assert len(film.streams.audio) == 1
    with Image.open(io.BytesIO(sheet.content)) as picture:
        assert (picture.format, picture.width > 4 * 288) == ("PNG", True)


def watched(film: bytes) -> tuple[list[float], list[float], float]:
    """Times and grey levels of a film's pictures, and how long its sound lasts."""
    with av.open(io.BytesIO(film), "r") as opened:
        shown = list(opened.decode(video=0))
    with av.open(io.BytesIO(film), "r") as opened:
        heard = sum(one.samples / one.sample_rate for one in opened.decode(audio=0))
    greys = [float(one.to_ndarray(format="gray").mean()) for one in shown]
    return [one.time or 0.0 for one in shown], greys, heard


PARTS = {
    "phone": Footage(seconds=30, paint=seconds_of_grey, beep=(0.0, 30.0)),
    "webm": Footage(
        seconds=30, paint=seconds_of_grey, container="webm", video="libvpx-vp9", audio="libopus",
        rate=48_000, beep=(0.0, 30.0),
    ),
    "transport stream": Footage(
        seconds=30, paint=seconds_of_grey, container="mpegts", beep=(0.0, 30.0)
    ),
    "no index": Footage(
        seconds=30, paint=seconds_of_grey, container="flv", video="flv", audio="libmp3lame",
        beep=(0.0, 30.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", PARTS)
async def test_the_part_that_is_asked_for_is_drawn_and_nothing_else(
    running: Running, kind: str
) -> None:
    clip = PARTS[kind].make()

    overlay = await running.understand(clip, format="overlay", start=20.5, end=23.5)

    assert overlay.status_code == 200, overlay.text
    times, greys, heard = watched(overlay.content)
    assert len(times) == pytest.approx(75, abs=1)
    assert times == pytest.approx([i / 25 for i in range(len(times))], abs=0.041)
    assert heard == pytest.approx(3.0, abs=0.15)
    # The upper part of a picture has neither a mask nor a sentence of the fake engine's.
    levels = [greys[i] for i in (5, 25, 50, 70)]
    assert [round((level - greys[0]) / 8) for level in levels] == [0, 1, 2, 3]


async def test_the_sheet_of_a_part_has_its_moments_only(running: Running) -> None:
    clip = PARTS["phone"].make()

    part = await running.understand(clip, format="sheet", start=20, end=22)
    whole = await running.understand(clip, format="sheet")

    with Image.open(io.BytesIO(part.content)) as few, Image.open(io.BytesIO(whole.content)) as all_:
        assert few.height < all_.height / 4


@pytest.mark.parametrize("container", ["webm", "avi"])
async def test_other_kinds_of_film_can_be_drawn_on_in_the_sandbox(container: str) -> None:
    webm = {"video": "libvpx-vp9", "audio": "libopus"}
    kinds = webm if container == "webm" else {"video": "mpeg4", "audio": "mp3"}
    clip = Footage(seconds=2, container=container, rate=48_000, **kinds).make()  # type: ignore[arg-type]
    async with run(small_settings()) as running:
        response = await running.understand(clip, format="overlay")

    assert response.status_code == 200, response.text
    with av.open(io.BytesIO(response.content), "r") as film:
        assert len(list(film.decode(video=0))) == 50


async def test_a_process_that_draws_ends_with_its_drawing(clip: bytes) -> None:
    async with run(small_settings()) as running:
        before = len(children())

        await running.understand(clip, format="sheet")

        await only(before)


async def test_a_clip_that_cannot_be_drawn_on_is_its_own_error(clip: bytes) -> None:
    async with run(small_settings()) as running:
        await running.understand(clip, format="sheet")
        with open("/dev/null", "rb") as nothing, pytest.raises(ClipEmpty):  # noqa: PTH123
            await running.gateway.drawings.draw(
                named("sheet"), Material(made()), nothing.fileno(), io.BytesIO()
            )
        assert (await running.understand(clip, format="sheet")).status_code == 200


async def test_a_drawing_that_is_too_large_fails(
    clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "_MOST_BYTES", 1000)
    async with run(small_settings()) as running:
        response = await running.understand(clip, format="overlay")

        assert (response.status_code, response.json()["code"]) == (422, "decode_failed")
        assert any(line["event"] == "drawing_process_failed" for line in running.lines)


async def test_a_deadline_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = asyncio.Event()

    async def nobody_reads(pipe: int, _: IO[bytes]) -> None:
        drawn.set()
        try:
            await asyncio.Event().wait()
        finally:
            os.close(pipe)

    clip = Footage(seconds=10).make()
    async with run(small_settings()) as running:
        before = len(children())
        await running.understand(clip, format="sheet")
        await only(before)
        monkeypatch.setattr(drawing, "_copy", nobody_reads)

        response = await running.understand(clip, format="overlay", deadline=5)

        assert (response.status_code, drawn.is_set()) == (504, True)
        await only(before)
