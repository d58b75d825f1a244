"""A gateway of its own process, whose engine takes its time: `python -m ... PORT SECONDS`."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn

from service.app import create_app
from service.engines.fake import FakeEngine
from service.settings import settings_for
from ssuformer.regions import Segmentation


class SlowEngine(FakeEngine):
    """It takes so many seconds for each window."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    async def segment(self, *args: Any, **more: Any) -> Segmentation:  # noqa: ANN401
        await asyncio.sleep(self._seconds)
        return await super().segment(*args, **more)


if __name__ == "__main__":
    app = create_app(settings_for(), engine=SlowEngine(float(sys.argv[2])))
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
