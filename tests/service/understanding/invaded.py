"""A gateway with something to lose, whose decoding processes are intruders; prints what came of it.

python -m tests.service.understanding.invaded MODE [LAYER ...]

MODE is that of SSU_SANDBOX; with LAYERs only these are put on. The last line is JSON: for each
attempt `done`, or what stopped it: the kernel's words, or the name of the system call the intruder
was killed for.
"""

from __future__ import annotations

import asyncio
import ctypes
import io
import json
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from service.settings import Settings
from service.telemetry.logs import make_log
from service.telemetry.metrics import Metrics
from service.understanding import decoding_process
from service.understanding.decoding import DecodePool
from service.understanding.sandbox import layers
from service.understanding.sandbox.layers import Layer
from ssuformer import errors
from ssuformer.clip import Sampling
from tests.service.understanding.intruder import ATTEMPTS, EXECUTED, ONLY

_PROGRAM = "tests.service.understanding.intruder"
_SECRET = "a key nobody may read"


async def main(mode: str, chosen: list[str]) -> None:
    """Let every attempt be made once, and print the outcomes."""
    _choose(chosen)
    log = io.StringIO()
    settings = Settings.model_validate(
        {"engine": "fake", "workers": 1, "sandbox": mode, "decode_seconds": 20}
    )
    pool = DecodePool(settings, Metrics(), make_log("info", log), program=_PROGRAM)
    signals: list[int] = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, signals.append, 1)
    with tempfile.TemporaryDirectory() as folder:
        facts = _something_to_lose(Path(folder))
        await pool.start(chunk_frames=1)
        outcomes = {name: await _try(pool, facts | {"attempt": name}, log) for name in ATTEMPTS}
        await pool.close()
    print(json.dumps({"outcomes": outcomes, "layers": pool.sandbox, "log": log.getvalue()}))  # noqa: T201


def _choose(chosen: list[str]) -> None:
    if not chosen:
        return
    if Layer.NOT_DUMPABLE not in chosen:
        layers.close_to_others = lambda: None
    if Layer.SEALED_MEMORY not in chosen:
        layers._SEALS = 0
    environment = decoding_process._small_environment
    decoding_process._small_environment = lambda: {**environment(), ONLY: ",".join(chosen)}


def _something_to_lose(folder: Path) -> dict[str, Any]:
    """Hold a key, somebody's upload, a secret in memory, and open ports; return where they are."""
    (folder / "keys").write_text(_SECRET)
    (folder / "precious").touch()
    other = os.open(folder / "other", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(other, b"somebody's clip")
    held = ctypes.create_string_buffer(b"a secret")
    listener = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0intruder-{os.getpid()}")
    abstract.listen()
    _HELD.extend([held, listener, abstract])
    return {
        "gateway": os.getpid(),
        "secret": os.environ["INVADED_KEY"],
        "key_file": str(folder / "keys"),
        "address": ctypes.addressof(held),
        "other_upload": other,
        "port": listener.getsockname()[1],
        "abstract": f"intruder-{os.getpid()}",
        "signal": signal.SIGUSR1,
        "folder": str(folder),
        "stderr": os.fstat(2).st_ino,
    }


_HELD: list[Any] = []


async def _try(pool: DecodePool, facts: dict[str, Any], log: io.StringIO) -> str:
    with tempfile.TemporaryFile() as upload:
        upload.write(json.dumps(facts).encode())
        upload.flush()
        before = len(log.getvalue())
        try:
            async with pool.decode(upload.fileno(), Sampling()) as decoding:
                async for _ in decoding.chunks():
                    pass
        except errors.SsuError:
            failure = json.loads(log.getvalue()[before:].splitlines()[-1])
            if failure["stderr"] == EXECUTED:
                return "done"
            return f"killed for {failure['system_call'] or failure['cause']}"
        return decoding.info.video_codec


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
