"""Who disturbs a service under load: uploads that stall, and whatever kills decoding processes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

_BEGUN = b"POST /understand HTTP/1.1\r\nHost: a\r\nContent-Length: 5000000\r\n\r\n0123456789"


async def stall(host: str, port: int, ends: Counter[str]) -> None:
    """Begin one upload after another, and send no more; count how each is answered."""
    while True:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))
        try:
            writer.write(_BEGUN)
            answer = await reader.read(4096)
            ends[answer[9:12].decode() or "closed"] += 1
        except OSError:
            ends["reset"] += 1
        finally:
            writer.close()
        await asyncio.sleep(0.2)


async def kill_children(service: psutil.Process, every: float, kills: Counter[str]) -> None:
    """Kill a decoding process of the service now and then."""
    chance = random.Random(3)
    while True:
        await asyncio.sleep(every)
        if found := await asyncio.to_thread(decoding_processes, service):
            with suppress(ProcessLookupError):
                os.kill(chance.choice(found), signal.SIGKILL)
                kills["killed"] += 1


def decoding_processes(service: psutil.Process) -> list[int]:
    """Return the decoding processes of a service: they alone may write no file."""
    with suppress(psutil.NoSuchProcess):
        return [one.pid for one in service.children(recursive=True) if _may_not_write(one.pid)]
    return []


def _may_not_write(process: int) -> bool:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/limits").read_text().splitlines():
            if line.startswith("Max file size"):
                return line[26:].split()[0] == "0"
    return False
