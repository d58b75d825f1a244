"""Drawing on clips over HTTP: in a process of its own, sandboxed, that leaves nothing behind."""

import asyncio
import io
from collections.abc import AsyncIterator

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


async def test_a_deadline_ends_the_process(clip: bytes) -> None:
    async with run(small_settings()) as running:
        before = len(children())
        await running.understand(clip, format="sheet")
        await only(before)
        long = Footage(seconds=20, size=(1280, 720), fps=25).make()

        response = await running.understand(long, format="overlay", deadline=3)

        assert response.status_code == 504
        await only(before)
