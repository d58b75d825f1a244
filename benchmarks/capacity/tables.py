"""The tables of `benchmarks.capacity`: for the terminal, and in docs/capacity.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
from rich.table import Table

from benchmarks.capacity.fleet import Fleet, Gpu, Prices, Seen, Traffic
from benchmarks.capacity.node_curve import (
    FIGURES,
    CurvePoint,
    Measured,
    ratios,
    simulate_alone,
)
from benchmarks.capacity.planning import CELL, Plan, card_seconds, core_seconds
from benchmarks.capacity.service_times import STAGES
from ssuformer.contract import segmentation_engine
from ssuformer.repository import read_labels

MODELS = Path("triton_repo")
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table with a name, which marks its place in the document."""

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def rich(self) -> Table:
        """Return it as a table for a terminal."""
        table = Table(*self.columns, title=self.title)
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Return it as Markdown."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write(document: Path, sheets: Sequence[Sheet]) -> None:
    """Replace each table in the document, between two comments with its name."""
    text = document.read_text()
    for sheet in sheets:
        before, rest = text.split(f"<!-- {sheet.name} -->\n", 1)
        _, after = rest.split(f"<!-- /{sheet.name} -->", 1)
        text = f"{before}<!-- {sheet.name} -->\n{sheet.markdown()}\n<!-- /{sheet.name} -->{after}"
    document.write_text(text)


def times_sheet(measured: Measured) -> Sheet:
    """Show the times of single clips."""
    columns = (
        "clip s",
        "MB",
        "whole",
        "simulated",
        *STAGES,
        "gateway CPU",
        "decoding CPU",
        "client CPU",
    )
    rows = [
        (
            f"{clip.seconds:g}",
            f"{clip.clip_bytes / 1e6:.2f}",
            *(
                f"{1e3 * value:.0f}"
                for value in (
                    clip.whole,
                    alone,
                    *(clip.stages[stage] for stage in STAGES),
                    clip.gateway_cpu,
                    clip.decoding_cpu,
                    clip.client_cpu,
                )
            ),
        )
        for clip, alone in zip(measured.times.clips, simulate_alone(measured), strict=True)
    ]
    return Sheet("times", "a clip alone, ms", columns, tuple(rows))


def curve_sheet(measured: Measured, simulated: Sequence[CurvePoint]) -> Sheet:
    """Show simulated / measured = ratio, rate by rate."""
    columns = ("offered/s", "sent", "refused", *FIGURES, "foreign cores")
    rows = [
        (
            f"{m.per_second:g}",
            str(m.sent),
            f"{s.refused} / {m.refused}",
            *(
                f"{getattr(s, figure):.2f} / {getattr(m, figure):.2f} = {ratio:.2f}"
                for figure, ratio in ratios(s, m).items()
            ),
            f"{m.foreign_cores:.2f}",
        )
        for s, m in zip(simulated, measured.curve, strict=True)
    ]
    return Sheet("curve", "one node: simulated / measured = ratio", columns, tuple(rows))


def demand_sheet(measured: Measured, traffic: Traffic) -> Sheet:
    """Show the mean demand of a clip of the mix, and that of 10,000 per second."""
    clips, inside = measured.times.clips, Fleet(1)
    frames = fmean(sum(w.frames for w in work.windows) for work in traffic.works)
    sent, received = _triton_bytes()
    takes = (
        ("all of a replica, models inside, core-seconds", core_seconds(traffic, inside), "cores"),
        ("decoding alone, core-seconds", fmean(c.decoding_cpu for c in clips), "cores"),
        ("a replica's engines held, s", fmean(w.engine_seconds for w in traffic.works), "replicas"),
        ("a replica, models on GPUs, core-seconds", core_seconds(traffic, Fleet(1, 1)), "cores"),
        ("a GPU with full batches, s (assumed)", card_seconds(traffic, Gpu()), "GPUs"),
        ("the clip itself, MB", fmean(c.clip_bytes for c in clips) / 1e6, "Gbit/s"),
        ("to Triton by gRPC, MB", frames * sent / 1e6, "Gbit/s"),
        ("from Triton by gRPC, MB", frames * received / 1e6, "Gbit/s"),
    )
    rows = [
        (name, f"{value:.3f}", f"{value * MOST * (8e-3 if unit == 'Gbit/s' else 1):,.0f} {unit}")
        for name, value, unit in takes
    ]
    columns = ("what a clip takes, in the mean", "per clip", f"at {MOST:,}/s")
    return Sheet("demand", "what a clip takes", columns, tuple(rows))


def _triton_bytes() -> tuple[int, int]:
    """Return the bytes sent and received for a frame's segmentation."""
    spec = segmentation_engine(read_labels(MODELS).manifest.dimensions)
    inputs, outputs = (
        sum(math.prod(t.shape(b=1, t=1)) * np.dtype(t.dtype).itemsize for t in tensors)
        for tensors in (spec.inputs, spec.outputs)
    )
    return inputs, outputs


def assumption_sheet(prices: Prices) -> Sheet:
    """Show the assumptions, by their names in the code."""
    rows = [(name, f"{value:g}") for name, value in (asdict(Gpu()) | asdict(prices)).items()]
    return Sheet("assumptions", "assumed", ("name", "value"), tuple(rows))


def plan_sheet(plans: Sequence[Plan]) -> Sheet:
    """Show the fleets."""
    columns = ("clips/s", "replicas", "GPUs", "on paper", "p50 s", "p99 s", "wait s (on paper)",
               "refused", "busy", "$/h", "$/1000 clips")  # fmt: skip
    rows = tuple(plan_row(plan) for plan in plans)
    return Sheet("plans", "smallest fleets that meet the goal", columns, rows)


def plan_row(plan: Plan) -> tuple[str, ...]:
    """Return the cells of a plan's row."""
    paper = f"{plan.paper.replicas:,}" + (f" + {plan.paper.gpus:,}" if plan.paper.gpus else "")
    return (
        f"{plan.rate:,.0f}", f"{plan.fleet.replicas:,}", f"{plan.fleet.gpus:,}", paper,
        f"{plan.seen.p50:.2f}", f"{plan.seen.p99:.2f}",
        f"{plan.seen.waited:.2f} ({plan.paper_wait:.2f})", f"{plan.seen.refused:.2%}",
        f"{plan.seen.busy:.0%}", f"{plan.dollars:,.2f}", f"{plan.dollars_per_thousand:.4f}",
    )  # fmt: skip


def variation_sheet(found: dict[str, tuple[Fleet, Seen]]) -> Sheet:
    """Show the effect of another balancer, or other traffic, on a cell without GPUs."""
    rows = [
        (name, f"{fleet.replicas:,}", f"{seen.p50:.2f}", f"{seen.p99:.2f}",
         f"{seen.refused:.2%}", f"{seen.busy:.0%}")
        for name, (fleet, seen) in found.items()
    ]  # fmt: skip
    columns = (f"{CELL:g} clips/s go", "replicas", "p50 s", "p99 s", "refused", "busy")
    return Sheet("variations", "if something is otherwise", columns, tuple(rows))
