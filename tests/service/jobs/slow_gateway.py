"""A gateway of its own process, whose engine takes its time: `python -m ... PORT`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn

from service.app import create_app
from service.engines.fake import FakeEngine
from service.settings import settings_for
from ssuformer.regions import Segmentation

SECONDS = 0.4
"""For each window."""


class SlowEngine(FakeEngine):
    async def segment(self, *args: Any, **more: Any) -> Segmentation:  # noqa: ANN401
        await asyncio.sleep(SECONDS)
        return await super().segment(*args, **more)


if __name__ == "__main__":
    app = create_app(settings_for(), engine=SlowEngine())
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
