"""The process in which tools run: it loads each when it is first asked for it.

It is started by the gateway (`tool_pool`), which sends one call at a time. A call of the tracker is
answered by a mask for each picture that is sent, until the gateway sends none.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.studio.choice import Choice
from service.studio.tools.masks import MaskTool, Prompt, mask_tool
from service.studio.tools.onsets import onsets
from service.studio.tools.sentences import Describer, describer
from service.studio.tools.tracking import tracker
from service.telemetry.places import places
from ssuformer.errors import SsuError, ToolFailed
from ssuformer.masks import Mask


class Tools:
    """The tools of this process, by what they are called for."""

    def __init__(self, choice: Choice, gateway: Connection) -> None:
        self._choice = choice
        self._gateway = gateway
        self._masks = cache(lambda: mask_tool(choice.masks))
        self._describer = cache(self._load_describer)

    def names(self) -> dict[str, str]:
        """Return what the tools are called, once they are loaded."""
        masks: MaskTool = self._masks()
        follower = tracker(self._choice.tracker, masks=masks, fps=1.0)
        return {"masks": masks.name, "through": follower.name, "sentences": self._describer().name}

    def mask(self, picture: bytes, prompt: Prompt) -> tuple[Mask, str]:
        """Return a mask in pixels of the picture, and the name of its tool."""
        tool: MaskTool = self._masks()
        return tool.mask(_picture(picture), prompt), tool.name

    def track(self, mask: Mask, fps: float) -> str:
        """Send a mask for each picture that comes, and return the tracker's name."""
        follower = tracker(self._choice.tracker, masks=self._masks(), fps=fps)
        for one in follower.follow(self._pictures(), mask):
            self._gateway.send(("followed", (one.mask, one.held, one.cut)))
        return follower.name

    def sentences(
        self, picture: bytes, mask: Mask, category: str, heard: tuple[str, ...]
    ) -> tuple[list[str], str]:
        """Return proposed sentences, and the name of the tool."""
        tool: Describer = self._describer()
        return tool.sentences(_picture(picture), mask, category, heard), tool.name

    def onsets(self, sound: NDArray[np.float32], rate: int) -> list[float]:
        """Return the seconds at which something begins to sound."""
        return onsets(sound, rate)

    def _load_describer(self) -> Describer:
        choice = self._choice
        file = choice.sentences_key
        key = None if file is None else file.read_text().strip()
        return describer(choice.sentences, model=choice.sentences_model, key=key)

    def _pictures(self) -> Iterator[NDArray[np.uint8]]:
        while (picture := self._gateway.recv()) is not None:
            yield _picture(picture)


def _picture(jpeg: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as picture:
        return np.asarray(picture.convert("RGB"))


def serve(gateway: Connection) -> None:
    """Answer calls until the gateway is gone."""
    tools = Tools(gateway.recv(), gateway)
    while True:
        name, arguments = gateway.recv()
        gateway.send(_answered(tools, name, arguments))


def _answered(tools: Tools, name: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    try:
        return "done", getattr(tools, name)(*arguments)
    except SsuError as error:
        return "error", (type(error), error.message, error.limit, error.actual)
    except (EOFError, BrokenPipeError):
        raise
    except MemoryError:
        return "error", (ToolFailed, "the tool needs more memory than there is", None, None)
    except Exception as error:  # whatever a picture can make a tool do
        sys.stderr.write(places(error))
        return "error", (ToolFailed, "the tool failed on this picture", None, None)


def main() -> None:
    """Serve the socket whose number is the argument."""
    with Connection(int(sys.argv[1])) as gateway:
        try:
            serve(gateway)
        except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
            return


if __name__ == "__main__":
    main()
