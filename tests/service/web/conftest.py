"""The page in a real browser, and services for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page, Request

from service.cli.temporary_service import hosted
from tests.browser import NEEDED, browser
from tests.service.conftest import small_settings

SECONDS = 1000.0
PATIENCE = 30 * SECONDS
Pixels = NDArray[np.bool_]

_OF_TESTS = "Canvas2D: Multiple readback"
"""What the console says of a test that reads pixels."""
_COVERED = """canvas => {
  const { width, height } = canvas;
  const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const bytes = new Uint8Array(width * height);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = pixels[4 * i + 3] ? 49 : 48;
  return [height, width, new TextDecoder().decode(bytes)];
}"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and "chromium" in getattr(
            item, "fixturenames", ()
        ):
            item.add_marker(NEEDED)


@dataclass
class Visit:
    """A page that has been opened, and all that it should not have done."""

    page: Page
    address: str
    allowed: tuple[str, ...] = ()
    """Beginnings of messages in the console that the test brings about."""
    complaints: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda message: self.hear(message.type, message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self.note)
        self.page.set_default_timeout(PATIENCE)

    def hear(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and not text.startswith((_OF_TESTS, *self.allowed)):
            self.complaints.append(text)

    def note(self, request: Request) -> None:
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.strays.append(request.url)

    def choose(self, name: str, content: bytes, kind: str = "video/mp4") -> None:
        """Choose a film, and wait until it is shown."""
        file: Any = {"name": name, "mimeType": kind, "buffer": content}
        self.page.set_input_files("#file", file)
        self.until_shown()

    def until_shown(self) -> None:
        self.page.wait_for_function("() => document.querySelector('video')?.readyState > 1")

    def send(self) -> None:
        self.page.get_by_role("button", name="Find what sounds").click()

    def answer(self) -> None:
        """Send the film, and wait for the whole answer."""
        self.send()
        self.page.wait_for_selector(".result")
        self.settle()

    def settle(self) -> None:
        """Wait until all that is pending has been drawn."""
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    def seek(self, time: float) -> float:
        """Go to a time, as a press on the timeline does; return that of the picture shown."""
        before = self.masks.get_attribute("data-time")
        place = self.page.locator(".ruler")
        box, whole = place.bounding_box(), float(place.get_attribute("aria-valuemax") or 1)
        assert box is not None
        place.click(position={"x": box["width"] * time / whole, "y": 8})
        self.page.wait_for_function(
            "before => { const video = document.querySelector('.picture video');"
            " return !video.seeking"
            " && document.querySelector('.masks').dataset.time !== before }",
            arg=before,
        )
        self.settle()
        return self.shown

    @property
    def masks(self) -> Locator:
        return self.page.locator("canvas.masks")

    @property
    def shown(self) -> float:
        """The time of the picture that is shown."""
        return float(self.masks.get_attribute("data-time") or 0)

    def covered(self) -> Pixels:
        """Return which pixels of the picture something is drawn on."""
        height, width, text = self.masks.evaluate(_COVERED)
        return (np.frombuffer(text.encode(), np.uint8) == ord("1")).reshape(height, width)


OpenPage = Callable[..., Visit]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser(
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
        "--mute-audio",
    ) as opened:
        yield opened


@pytest.fixture
def visit(chromium: Browser) -> Iterator[OpenPage]:
    """Open the page of a service; at the end it must not have complained, or asked elsewhere."""
    visits: list[Visit] = []

    def opened(
        address: str, path: str = "/", *, allowed: tuple[str, ...] = (), **more: object
    ) -> Visit:
        settings: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, **more}
        one = Visit(chromium.new_context(**settings).new_page(), address, allowed)
        visits.append(one)
        one.page.goto(address + path)
        one.page.wait_for_selector("main > .start, main > .workspace")
        return one

    yield opened
    for one in visits:
        one.page.context.close()
    assert [one.complaints for one in visits] == [[] for _ in visits]
    assert [one.strays for one in visits] == [[] for _ in visits]


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    """A service with the committed models."""
    settings = small_settings(engine="onnx", model_repository="triton_repo", engine_threads=2)
    with hosted(settings) as address:
        yield address
