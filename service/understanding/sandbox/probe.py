"""Which layers of the sandbox this machine gives: tried on a process made for it.

python -m service.understanding.sandbox.probe prints them as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

from service.understanding.sandbox import layers
from service.understanding.sandbox.layers import Layer, Report

_SECONDS = 20.0


def available() -> Report:
    """Return every layer with `on`, or why it cannot be put on here."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
    except (subprocess.SubprocessError, OSError) as error:
        return dict.fromkeys(Layer, f"the probe failed: {error}")
    return {Layer(name): found for name, found in json.loads(done.stdout).items()}


def main() -> None:
    """Put every layer on this process, and print what came of it."""
    report = layers.give_up_rights(layers.leave_world())
    report[Layer.SEALED_MEMORY] = layers.attempt(lambda: os.close(layers.sealed_memory(1)))
    report[Layer.SYSTEM_CALLS], _ = layers.filter_calls()
    os.write(1, json.dumps(report).encode())
    os._exit(0)


if __name__ == "__main__":
    main()
