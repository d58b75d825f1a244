"""Resource limits and usage of the container, from its control group, version 1 or 2.

Outside a container, or if the group sets no limit, the limit is the machine's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

ROOT = Path("/sys/fs/cgroup")


class ContainerCollector(Collector):
    """Reads the control group on every metrics request."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root

    def describe(self) -> Iterable[Metric]:
        """Describe nothing: the metrics are known only once read."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield processor and memory, each as usage and limit."""
        yield GaugeMetricFamily(
            "ssu_cpu_quota_cores",
            "Cores that may be used.",
            value=cpu_quota(self._root) or float(len(os.sched_getaffinity(0))),
        )
        periods, throttled = quota_periods(self._root)
        yield CounterMetricFamily(
            "ssu_cpu_periods",
            "CFS quota periods with activity; none without a quota.",
            value=periods,
        )
        yield CounterMetricFamily(
            "ssu_cpu_throttled_periods",
            "CFS quota periods in which the container was throttled.",
            value=throttled,
        )
        yield GaugeMetricFamily(
            "ssu_memory_bytes",
            "Memory in use, without reclaimable file pages.",
            value=memory_in_use(self._root),
        )
        yield GaugeMetricFamily(
            "ssu_memory_limit_bytes",
            "Memory that may be used.",
            value=memory_limit(self._root),
        )


def available_cores() -> int:
    """Return the number of usable cores, by affinity and by the group's quota."""
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, round(cpu_quota() or cores)))


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the processor quota in cores, or None if there is none."""
    both = _read(root / "cpu.max") or " ".join(
        (_read(root / "cpu/cpu.cfs_quota_us"), _read(root / "cpu/cpu.cfs_period_us"))
    )
    quota, _, period = both.partition(" ")
    if quota in ("", "max") or float(quota) <= 0:
        return None
    return float(quota) / float(period)


def quota_periods(root: Path = ROOT) -> tuple[int, int]:
    """Return the number of quota periods so far, and of those that were throttled.

    The kernel's throttled time is summed over all cores, so it cannot be used as a share.
    """
    stated = _table(root / "cpu.stat") or _table(root / "cpu/cpu.stat")
    return stated.get("nr_periods", 0), stated.get("nr_throttled", 0)


def memory_in_use(root: Path = ROOT) -> float:
    """Return bytes in use without inactive file pages; of this process if it is in no group."""
    for usage, statistics, inactive in (
        ("memory.current", "memory.stat", "inactive_file"),
        ("memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"),
    ):
        if used := _read(root / usage):
            return float(used) - _table(root / statistics).get(inactive, 0)
    resident = Path("/proc/self/statm").read_text().split()[1]
    return float(resident) * os.sysconf("SC_PAGE_SIZE")


def memory_limit(root: Path = ROOT) -> float:
    """Return the memory limit in bytes: the group's, or the machine's."""
    machine = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    stated = _read(root / "memory.max") or _read(root / "memory/memory.limit_in_bytes")
    return machine if stated in ("", "max") else min(float(stated), machine)


def _read(path: Path) -> str:
    """Return the contents of a file, empty if it does not exist."""
    with suppress(OSError):
        return path.read_text().strip()
    return ""


def _table(path: Path) -> dict[str, int]:
    """Parse a file of lines `name number`."""
    lines = (line.split() for line in _read(path).splitlines())
    return {line[0]: int(line[1]) for line in lines if len(line) == 2}
