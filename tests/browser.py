"""A real browser: Debian's Chromium, through Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium")

NEEDED = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@contextmanager
def browser(*options: str) -> Iterator[Browser]:
    """Run a browser that reaches this machine alone; no event loop may run in this thread."""
    resolving = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", resolving, *options]
        )
        try:
            yield opened
        finally:
            opened.close()
