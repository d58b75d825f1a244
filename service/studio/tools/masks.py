"""Which tool makes masks, by its name in the settings."""

from __future__ import annotations

from pathlib import Path

from service.studio.tools.grabcut import GrabCutMasks
from service.studio.tools.prompt import MaskTool as MaskTool
from service.studio.tools.prompt import Prompt as Prompt
from service.studio.tools.u2netp import U2netpMasks
from ssuformer.errors import ConfigError

SAM = "sam2.1:"
"""Before the folder of SAM 2.1."""


def mask_tool(name: str) -> MaskTool:
    """Return a tool, loaded: `u2netp`, `grabcut` or `sam2.1:FOLDER`; ConfigError if it cannot be.

    Without the package of u2netp, `u2netp` is GrabCut alone: the tool's `name` says so.
    """
    if name == "grabcut":
        return GrabCutMasks()
    if name == "u2netp":
        try:
            return U2netpMasks()
        except ConfigError:
            return GrabCutMasks()
    if name.startswith(SAM):
        from service.studio.tools.sam_masks import SamMasks

        return SamMasks(Path(name.removeprefix(SAM)))
    raise ConfigError(f"{name!r} makes no masks: give u2netp, grabcut or sam2.1:FOLDER")
