"""Format answers as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from service.film.answer_masks import notices_of, unseen_of
from service.film.contact_sheet import clock
from service.film.drawing import colour_of
from service.understanding.schemas import LoadedModel, Region, Understanding
from ssu.answers import Job

_THIRDS = (("top left", "top", "top right"), ("left", "centre", "right"))
_PLACES = (*_THIRDS, ("bottom left", "bottom", "bottom right"))
_DIGEST_SHOWN = 12


def seconds_of(answer: Understanding) -> Table:
    """Return the answer second by second: sources, positions and sentences."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("time", justify="right")
    table.add_column("track")
    table.add_column("category")
    table.add_column("score", justify="right")
    table.add_column("where")
    table.add_column("area", justify="right")
    table.add_column("sentence", ratio=1)
    for frame in answer.analysed:
        time = clock(frame.time)
        rows = [_row(region, answer.mask_size) for region in frame.regions]
        rows += [("", "", "", "", "", Text(line, style="dim")) for line in unseen_of(frame)]
        for i, row in enumerate(rows or [("", Text("silence", style="dim"))]):
            table.add_row("" if i else time, *row)
    return table


def facts_of(answer: Understanding) -> RenderableType:
    """Return a summary of an answer: clip, model, warnings, timings."""
    clip, model = answer.clip, answer.model
    sound = clip.audio_codec or "no sound"
    spent = answer.timings_ms
    total = spent.get("total", sum(spent.values()))
    stages = " · ".join(f"{name} {ms:.0f}" for name, ms in spent.items() if name != "total")
    speed = f", {1000 * clip.duration / total:.1f}x real time" if total > 0 else ""
    lines = [
        Text(
            f"clip   {clip.duration:g} s, {clip.width}x{clip.height}, {clip.video_codec}, {sound}"
        ),
        Text(f"model  {model.name} {model.version} ({model.digest[:_DIGEST_SHOWN]})"),
        Text(f"time   {total:.0f} ms{speed} ({stages})"),
        *(Text(notice, style="yellow") for notice in notices_of(answer)),
    ]
    return Group(*lines)


def models_table(models: Sequence[LoadedModel], sizes: Mapping[str, int]) -> RenderableType:
    """Return a table of models and of their files' sizes in bytes."""
    files = [Text(f"{size / 2**20:8.1f} MiB  {path}") for path, size in sizes.items()]
    return Group(*(_model(model) for model in models), *files)


def jobs_table(jobs: Sequence[Job]) -> Table:
    """Return a table of jobs: state, progress, age, and why they failed."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("job", "state", "progress", "sent", "error"):
        table.add_column(name)
    for job in jobs:
        done, whole = job.progress.seconds_done, job.progress.seconds_in_all
        progress = f"{done:.0f} s" if whole is None else f"{done:.0f} of {whole:.0f} s"
        error = "" if job.error is None else f"{job.error.code}: {job.error.detail}"
        sent = job.created.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(escape(job.id), job.state, progress, sent, escape(error))
    return table


def _row(region: Region, size: tuple[int, int]) -> tuple[RenderableType, ...]:
    height, width = size
    colour = "#{:02x}{:02x}{:02x}".format(*colour_of(region.track))
    return (
        Text(f"■ {region.track}", style=colour),
        escape(region.category),
        f"{region.score:.2f}",
        where(region.bbox, size),
        f"{region.area / (height * width):.1%}",
        escape(region.description or ""),
    )


def where(bbox: tuple[int, int, int, int], size: tuple[int, int]) -> str:
    """Return the position of a box's centre in words, in a picture of this height and width."""
    x, y, width, height = bbox
    row = min(2, int((y + height / 2) * 3 / size[0]))
    column = min(2, int((x + width / 2) * 3 / size[1]))
    return _PLACES[row][column]


def _model(model: LoadedModel) -> RenderableType:
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim")
    facts.add_column()
    rows = {
        "model": f"{model.name} {model.version}",
        "digest": model.digest,
        "created": model.created,
        "device": model.device,
        "parameters": f"{model.parameters:,}",
        "frames": f"{model.frames_per_second:g} per second, windows of {model.window_frames}",
        "thresholds": f"sounding {model.sounding_threshold:g}, mask {model.mask_threshold:g}, "
        f"heard {model.heard_threshold:g}, category {model.category_threshold:g}",
        "categories": f"{len(model.categories)}: {', '.join(model.categories)}",
    }
    for name, value in rows.items():
        facts.add_row(name, escape(value))
    return Group(facts, _metrics(model)) if model.metrics else facts


def _metrics(model: LoadedModel) -> Table:
    """Return the measured quality: a row per metric, a column per split."""
    splits = list(model.metrics)
    names = list(dict.fromkeys(name for values in model.metrics.values() for name in values))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("metric")
    for split in splits:
        table.add_column(escape(split), justify="right")
    for name in names:
        values = [model.metrics[split].get(name) for split in splits]
        cells = ["" if value is None else f"{value:.4g}" for value in values]
        table.add_row(escape(name), *cells)
    return table
