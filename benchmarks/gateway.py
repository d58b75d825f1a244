"""Load test of the whole service: throughput, latency, resource use.

Requests arrive as a Poisson process at rising rates, independent of earlier responses, so that
queueing shows. The last rate should exceed the machine's capacity: the answers per second then are
its throughput.

python -m benchmarks.gateway load --engine onnx --engine triton --out out/load
python -m benchmarks.gateway endurance --requests 2000
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import matplotlib.pyplot as plt
import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.film import write_film
from benchmarks.load import Level, drive
from benchmarks.processes import usage
from service.cli.temporary_service import free_port
from service.triton_server.launcher import inference_server
from ssuformer.errors import EngineUnavailable

app = typer.Typer(no_args_is_help=True)
SAMPLE = Path("samples/lifescene-change.mp4")
MODELS = Path("triton_repo")
HEIGHT, WIDTH = 360, 640
OUTSIDE = ("queue", "probe", "decode", "segmentation", "caption")
"""Stages outside the gateway's own work: waiting, the decoding process (which probes), engines."""
STAGES = ("queue", "probe", "decode", "segmentation", "postprocess", "caption", "encode", "total")


@dataclass(frozen=True, slots=True)
class Service:
    """A running gateway, and the Triton behind it if there is one."""

    address: str
    gateway: psutil.Process
    triton: psutil.Process | None
    triton_metrics: str | None

    def batches(self) -> dict[str, tuple[float, float]]:
        """Return Triton's counts of inferences and executions per engine."""
        if self.triton_metrics is None:
            return {}
        counts: dict[str, dict[str, float]] = {}
        for line in httpx.get(self.triton_metrics, trust_env=False).text.splitlines():
            for name in ("nv_inference_count", "nv_inference_exec_count"):
                if line.startswith(name + "{"):
                    engine = line.split('model="')[1].split('"')[0]
                    counts.setdefault(engine, {})[name] = float(line.rsplit(" ", 1)[1])
        return {
            engine: (count["nv_inference_count"], count["nv_inference_exec_count"])
            for engine, count in counts.items()
        }

    def cpu_seconds(self) -> float:
        """Return the processor seconds of both so far."""
        return sum(usage(p).cpu_seconds for p in (self.gateway, self.triton) if p is not None)


@contextmanager
def service(engine: str, *, workers: int, queue: int) -> Iterator[Service]:
    """Start the gateway with an engine, and Triton if needed; stop both at the end."""
    with ExitStack() as stack:
        triton = stack.enter_context(inference_server(MODELS)) if engine == "triton" else None
        port = free_port()
        command = [sys.executable, "-m", "service.cli", "serve"]
        command += ["--port", str(port), "--metrics-port", "0"]
        command += ["--workers", str(workers), "--queue", str(queue), "--models", str(MODELS)]
        command += ["--triton", triton.grpc] if triton else []
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        address = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=30), trust_env=False) as client:
            while client.get(f"{address}/readyz").status_code != httpx.codes.OK:
                if process.poll() is not None:
                    raise EngineUnavailable(f"the service ended with status {process.returncode}")
                time.sleep(0.05)
        yield Service(
            address=address,
            gateway=psutil.Process(process.pid),
            triton=psutil.Process(triton.process.pid) if triton else None,
            triton_metrics=triton.metrics if triton else None,
        )


def clips_of(sizes: list[int], folder: Path) -> list[bytes]:
    """Return a film of each length in seconds."""
    clips = []
    for seconds in sizes:
        path = folder / f"{seconds}.mp4"
        write_film(SAMPLE, path, seconds=seconds, height=HEIGHT, width=WIDTH)
        clips.append(path.read_bytes())
    return clips


def climb(
    running: Service, clips: list[bytes], rates: list[float], seconds: float
) -> list[tuple[Level, dict[str, Any]]]:
    """Run the service at each rate in turn."""
    asyncio.run(drive(running.address, clips, per_second=1.0, seconds=5.0, seed=99))
    levels = []
    for rate in rates:
        cpu, batches = running.cpu_seconds(), running.batches()
        level = asyncio.run(drive(running.address, clips, per_second=rate, seconds=seconds))
        after = running.batches()
        levels.append((level, _facts(level, running, cpu, batches, after)))
    return levels


def _facts(
    level: Level,
    running: Service,
    cpu: float,
    before: dict[str, tuple[float, float]],
    after: dict[str, tuple[float, float]],
) -> dict[str, Any]:
    mean_batch = {
        engine: (count - before[engine][0]) / max(runs - before[engine][1], 1)
        for engine, (count, runs) in after.items()
    }
    return {
        "offered_per_second": level.per_second,
        "sent": len(level.outcomes),
        "answered": len(level.answered),
        "refused": sum(o.status in (429, 503) for o in level.outcomes),
        "other": sum(o.status not in (200, 429, 503) for o in level.outcomes),
        "throughput": level.throughput,
        "p50": level.quantile(0.5),
        "p95": level.quantile(0.95),
        "p99": level.quantile(0.99),
        "stages_ms": {stage: level.mean_stage(stage) for stage in STAGES},
        "overhead": overhead(level),
        "mean_batch": mean_batch,
        "cores": (running.cpu_seconds() - cpu) / level.took,
        "gateway_mib": usage(running.gateway).memory_mib,
        "triton_mib": usage(running.triton).memory_mib if running.triton else 0.0,
    }


def overhead(level: Level) -> float:
    """Return the median share of a request that is the gateway's own work, or the network's."""
    shares = []
    for outcome in level.answered:
        spent = outcome.timings_ms
        known = sum(spent.get(stage, 0.0) for stage in OUTSIDE)
        shares.append(1 - known / (1e3 * outcome.seconds))
    return sorted(shares)[len(shares) // 2] if shares else float("nan")


@app.command()
def load(
    engine: Annotated[list[str] | None, typer.Option(help="onnx, triton; more than one.")] = None,
    rate: Annotated[list[float] | None, typer.Option(help="Clips per second, rising.")] = None,
    size: Annotated[list[int] | None, typer.Option(help="Lengths of the clips, s.")] = None,
    seconds: Annotated[float, typer.Option(help="Duration of each rate.")] = 20.0,
    workers: int = 2,
    queue: int = 16,
    out: Annotated[Path, typer.Option(help="Folder of load.json and load.png.")] = Path("out/load"),
) -> None:
    """Measure engines at rising arrival rates."""
    out.mkdir(parents=True, exist_ok=True)
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        clips = clips_of(size or [2, 5, 10, 30], Path(folder))
        for name in engine or ["onnx", "triton"]:
            with service(name, workers=workers, queue=queue) as running:
                levels = climb(running, clips, rate or [0.25, 0.5, 1.0, 2.0, 4.0], seconds)
            results[name] = [facts for _, facts in levels]
            Console().print(_table(name, results[name]))
    (out / "load.json").write_text(json.dumps(results, indent=1) + "\n")
    draw(results, out / "load.png")
    print(json.dumps(results))  # noqa: T201


def _table(name: str, rows: list[dict[str, Any]]) -> Table:
    columns = ("offered/s", "answered", "refused", "clips/s", "p50 s", "p95 s", "p99 s",
               "queue ms", "overhead", "batch", "cores", "MiB")  # fmt: skip
    table = Table(*columns, title=name)
    for row in rows:
        batch = row["mean_batch"].get("ssu_segmentation", 1.0)
        table.add_row(
            f"{row['offered_per_second']:g}", str(row["answered"]), str(row["refused"]),
            f"{row['throughput']:.2f}", f"{row['p50']:.2f}", f"{row['p95']:.2f}",
            f"{row['p99']:.2f}", f"{row['stages_ms']['queue']:.0f}", f"{row['overhead']:.1%}",
            f"{batch:.2f}", f"{row['cores']:.2f}", f"{row['gateway_mib'] + row['triton_mib']:.0f}",
        )  # fmt: skip
    return table


def draw(results: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Draw latency and throughput over the offered rate."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), constrained_layout=True)
    for name, rows in results.items():
        offered = [row["offered_per_second"] for row in rows]
        right.plot(offered, [row["throughput"] for row in rows], marker="o", label=name)
        for quantile, style in (("p50", "-"), ("p95", "--"), ("p99", ":")):
            left.plot(
                offered, [row[quantile] for row in rows], style, marker=".",
                color=right.lines[-1].get_color(), label=f"{name} {quantile}",
            )  # fmt: skip
    left.set(xlabel="clips offered per second", ylabel="seconds to the answer", yscale="log")
    right.set(xlabel="clips offered per second", ylabel="clips answered per second")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)


@app.command()
def endurance(
    engine: str = "onnx", requests: int = 2000, together: int = 2, seconds: int = 2
) -> None:
    """Post clips one after the other and record the gateway's memory."""
    with tempfile.TemporaryDirectory() as folder:
        clip = clips_of([seconds], Path(folder))[0]
        with service(engine, workers=together, queue=16) as running:
            measured = asyncio.run(_endure(running, clip, requests, together))
    settled = measured[len(measured) // 5 :]
    print(  # noqa: T201
        json.dumps(
            {
                "engine": engine,
                "requests": requests,
                "memory_mib": [round(value, 1) for value in measured],
                "spread": max(settled) / min(settled) - 1,
            }
        )
    )


async def _endure(running: Service, clip: bytes, requests: int, together: int) -> list[float]:
    """Return the gateway's memory after every twentieth of the requests."""
    measured = []
    headers = {"Content-Type": "video/mp4"}
    async with httpx.AsyncClient(base_url=running.address, timeout=60, trust_env=False) as client:
        for number in range(0, requests, together):
            posts = [
                client.post("/understand", content=clip, headers=headers) for _ in range(together)
            ]
            for answer in await asyncio.gather(*posts):
                answer.raise_for_status()
            if number % (requests // 20) < together:
                measured.append(usage(running.gateway).memory_mib)
    return measured


if __name__ == "__main__":
    app()
