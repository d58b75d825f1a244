"""Resource use of a process and its children: processor seconds and memory."""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """Resource use of a process tree so far."""

    cpu_seconds: float
    """Of the processes that have ended, too."""
    memory_mib: float
    """Unique set size of all processes: memory that would be freed if they ended."""


def usage(root: psutil.Process) -> Usage:
    """Return the resource use of a process and all its descendants."""
    cpu = memory = 0.0
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            memory += process.memory_full_info().uss / 2**20
        except psutil.NoSuchProcess:
            continue
    return Usage(cpu, memory)
