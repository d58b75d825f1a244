"""A page of another origin, in a real browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any

from service.engines.fake import FakeEngine
from tests.browser import NEEDED, browser
from tests.service.http.raw_client import service
from tests.service.http.test_streams import StoppingEngine
from tests.ssuformer.footage import Footage, flash_in

PAGE = Path(__file__).with_name("page.html")

pytestmark = NEEDED


class PageServer(ThreadingHTTPServer):
    """Serves the page and its clip, and takes what the page reports."""

    def __init__(self, engine: StoppingEngine) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = engine
        self.files = {"/": PAGE.read_bytes()}
        self.result: Queue[dict[str, Any]] = Queue()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: PageServer

    def do_GET(self) -> None:
        found = self.server.files.get(self.path)
        self.send_response(200 if found is not None else 404)
        self.send_header("Content-Length", str(len(found or b"")))
        self.end_headers()
        self.wfile.write(found or b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        if self.path == "/first":
            self.server.engine.go_on.set()
        else:
            self.server.result.put(json.loads(body))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def pages(engine: StoppingEngine) -> Iterator[PageServer]:
    with PageServer(engine) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def told_by_page(server: PageServer) -> dict[str, Any]:
    """Open the page, and return what it reports."""
    with browser() as opened:
        opened.new_page().goto(server.origin + "/")
        return server.result.get(timeout=60)


def test_a_page_reads_records_as_they_come_and_problems_and_headers(tmp_path: Path) -> None:
    engine = StoppingEngine()
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    with (
        pages(engine) as server,
        service(engine, cors_origins=server.origin, keys_file=keys) as address,
    ):
        clip = Footage(paint=flash_in(2), beep=(0.3, 3.0), seconds=4).make()
        settings = json.dumps({"service": address, "key": "secret"}).encode()
        server.files |= {"/clip": clip, "/settings": settings}
        result = told_by_page(server)

    assert result["refused"] == {"status": 401, "code": "key_refused"}
    assert len(result["number"]) == 32
    assert "decode;dur=" in result["timing"]
    # The engine goes on only once the page has seen the first window.
    assert result["kinds"][:2] == ["head", "window"]
    assert result["kinds"][-1] == "tail"


def test_a_page_of_an_origin_that_is_not_named_reads_nothing() -> None:
    engine = StoppingEngine()
    engine.go_on.set()
    with pages(engine) as server, service(engine, cors_origins="http://films.example") as address:
        settings = json.dumps({"service": address, "key": "secret"}).encode()
        server.files |= {"/clip": b"no clip", "/settings": settings}
        result = told_by_page(server)

    assert result == {"error": "TypeError: Failed to fetch"}


def test_the_documentation_is_shown_without_a_key_and_without_the_internet(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("secret\n")
    with service(FakeEngine(), keys_file=tmp_path / "keys") as address, browser() as opened:
        page = opened.new_page()
        page.goto(f"{address}/docs")
        page.wait_for_selector("#operations-understanding-understand")
        shown = page.content()

    assert "Authorize" in shown
