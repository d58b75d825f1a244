from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.telemetry.container import (
    ContainerCollector,
    cpu_quota,
    memory_in_use,
    memory_limit,
    quota_periods,
)

VERSION_1 = {
    "cpu/cpu.cfs_quota_us": "150000",
    "cpu/cpu.cfs_period_us": "100000",
    "cpu/cpu.stat": "nr_periods 5\nnr_throttled 2\nthrottled_time 2500000000",
    "memory/memory.usage_in_bytes": "1000000",
    "memory/memory.stat": "cache 7\ntotal_inactive_file 400000",
    "memory/memory.limit_in_bytes": "2000000",
}
VERSION_2 = {
    "cpu.max": "150000 100000",
    "cpu.stat": "usage_usec 9\nnr_periods 5\nnr_throttled 2\nthrottled_usec 2500000",
    "memory.current": "1000000",
    "memory.stat": "anon 5\ninactive_file 400000",
    "memory.max": "2000000",
}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return folder


@pytest.mark.parametrize("files", [VERSION_1, VERSION_2], ids=["v1", "v2"])
def test_a_limited_group_is_read(tmp_path: Path, files: dict[str, str]) -> None:
    root = write(tmp_path, files)

    assert cpu_quota(root) == 1.5
    assert quota_periods(root) == (5, 2)
    assert memory_in_use(root) == 600_000
    assert memory_limit(root) == 2_000_000


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000", "memory.max": "max"},
        {
            "cpu/cpu.cfs_quota_us": "-1",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "9223372036854771712",
        },
    ],
    ids=["none", "v2", "v1"],
)
def test_without_a_limit_it_is_the_machine(tmp_path: Path, files: dict[str, str]) -> None:
    root = write(tmp_path, files)

    assert cpu_quota(root) is None
    assert quota_periods(root) == (0, 0)
    assert 1e6 < memory_in_use(root) < memory_limit(root) < 1e15


def test_what_is_read_is_served_as_metrics(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(ContainerCollector(write(tmp_path, VERSION_2)))

    text = generate_latest(registry).decode()

    for line in (
        "ssu_cpu_quota_cores 1.5",
        "ssu_cpu_periods_total 5.0",
        "ssu_cpu_throttled_periods_total 2.0",
        "ssu_memory_bytes 600000.0",
        "ssu_memory_limit_bytes 2e+06",
    ):
        assert line in text
