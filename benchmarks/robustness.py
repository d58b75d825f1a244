"""How an answer holds when a film is louder, quieter or noisier, or has the sound of nothing.

python -m benchmarks.robustness triton_repo --picture robustness.png
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import matplotlib.pyplot as plt
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.answers import Answer, Film, Subject, answered, common, open_subject, read_films
from benchmarks.sounds import (
    COLOURS,
    MEANINGLESS,
    Samples,
    amplified,
    coloured,
    decibels,
    with_noise,
)
from ssuformer.terminal import console, told

app = typer.Typer(rich_markup_mode="markdown", add_completion=False)

GAINS_DB = tuple(range(-40, 13, 4))
SNRS_DB = tuple(range(30, -6, -5))
MOST_NAMES = 3
"""Number of names shown for a sound."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is left of the answers under changed sounds, mean over the films."""

    db: float
    common: float | None
    """Share of regions in common with the answers to the unchanged sounds; None without any."""
    answered: float
    """Share of seconds with any region."""


@dataclass(frozen=True, slots=True)
class Imagined:
    """What is answered to a sound that nothing in the picture makes."""

    sound: str
    answered: float
    """Share of seconds with any region, mean over the films."""
    named: dict[str, int]
    """Number of regions by name, the most frequent first."""


@dataclass(frozen=True, slots=True)
class Report:
    """All measurements of a model."""

    model: str
    levels_db: dict[str, float]
    """Level of every film below full scale."""
    answered: float
    """Share of seconds with any region, unchanged."""
    gains: tuple[Held, ...]
    noises: dict[str, tuple[Held, ...]]
    """By colour of the noise, over the ratio of signal to noise."""
    imagined: tuple[Imagined, ...]


@app.command()
def main(
    model: Annotated[
        Path, typer.Argument(help="A model repository or a checkpoint folder.")
    ] = Path("triton_repo"),
    clips: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of clips; more than one.", show_default="samples"),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads per inference.")] = 1,
    picture: Annotated[Path | None, typer.Option(help="Where to draw the curves.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure how the answers of a model depend on loudness, on noise, and on any sound at all.

    *In common* is the share of regions that are also in the answer to the unchanged sound: the
    same name and an overlap of at least one half, mean over the seconds in which either answer
    has a region, then over the clips. *Answered* is the share of seconds with any region. Sounds
    beyond full scale are cut off, as in a file.

    Examples:

    `python -m benchmarks.robustness`

    `python -m benchmarks.robustness runs/small/checkpoint --picture robustness.png`

    `python -m benchmarks.robustness triton_repo --clips samples --clips my-clips --json`
    """
    with told():
        subject = open_subject(model, threads=threads)
        report = investigate(subject, read_films(clips or [Path("samples")]))
    if picture is not None:
        draw(report, picture)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
    else:
        print_report(report, console())


def investigate(subject: Subject, films: Sequence[Film]) -> Report:
    """Return all measurements of a model on some films."""
    with console(errors=True).status("answering") as status:
        clean = [subject.answer(film, film.samples) for film in films]

        def held(db: float, change: Callable[[Samples], Samples]) -> Held:
            status.update(f"answering at {db:+g} dB")
            answers = [subject.answer(film, change(film.samples)) for film in films]
            return compare(db, clean, answers)

        return Report(
            model=subject.name,
            levels_db={film.name: decibels(film.samples) for film in films},
            answered=float(np.mean([answered(answer) for answer in clean])),
            gains=tuple(held(db, lambda s, db=db: amplified(s, db)) for db in GAINS_DB),  # type: ignore[misc]
            noises={
                colour: tuple(
                    held(db, lambda s, db=db, c=colour: with_noise(s, coloured(c, len(s)), db))  # type: ignore[misc]
                    for db in SNRS_DB
                )
                for colour in COLOURS
            },
            imagined=tuple(imagine(name, subject, films) for name in MEANINGLESS),
        )


def compare(db: float, clean: Sequence[Answer], changed: Sequence[Answer]) -> Held:
    """Return what is left of the answers; a film without a region in either one is left out."""
    shares = [common(one, other) for one, other in zip(clean, changed, strict=True)]
    known = [share for share in shares if share is not None]
    return Held(
        db=db,
        common=float(np.mean(known)) if known else None,
        answered=float(np.mean([answered(answer) for answer in changed])),
    )


def imagine(sound: str, subject: Subject, films: Sequence[Film]) -> Imagined:
    """Return what is answered when every film has this sound alone."""
    answers = [subject.answer(film, MEANINGLESS[sound](len(film.samples))) for film in films]
    names = Counter(r.category for answer in answers for second in answer for r in second)
    return Imagined(
        sound, float(np.mean([answered(answer) for answer in answers])), dict(names.most_common())
    )


def print_report(report: Report, out: Console) -> None:
    """Print the measurements as three tables of at most 80 columns."""
    levels = report.levels_db.values()
    out.print(
        f"{report.model}: {len(levels)} clips of {min(levels):.0f} to {max(levels):.0f} dB, "
        f"answered {report.answered:.2f}",
        soft_wrap=True,
    )
    out.print(_gains(report))
    out.print(_noises(report))
    out.print(_imagined(report))


def _gains(report: Report) -> Table:
    table = _table("Louder and quieter", "gain dB", "in common", "answered")
    for held in report.gains:
        table.add_row(f"{held.db:+g}", _share(held.common), _share(held.answered))
    return table


def _noises(report: Report) -> Table:
    table = _table("Noise added: in common / answered", "SNR dB", *report.noises)
    for row in zip(*report.noises.values(), strict=True):
        cells = (f"{_share(held.common)} / {_share(held.answered)}" for held in row)
        table.add_row(f"{row[0].db:g}", *cells)
    return table


def _imagined(report: Report) -> Table:
    table = _table("This sound instead of the clip's", "sound", "answered")
    table.columns[0].justify = "left"
    table.add_column("named (number of regions)", max_width=46)
    for imagined in report.imagined:
        names = list(imagined.named.items())
        shown = ", ".join(f"{name} {count}" for name, count in names[:MOST_NAMES])
        table.add_row(
            imagined.sound,
            _share(imagined.answered),
            shown + (", ..." if len(names) > MOST_NAMES else ""),
        )
    return table


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _height(share: float | None) -> float:
    return float("nan") if share is None else share


def draw(report: Report, path: Path) -> None:
    """Draw both shares over the gain and over the ratio of signal to noise."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    curves = [(left, "gain", report.gains)]
    curves += [(right, f"{colour} noise", held) for colour, held in report.noises.items()]
    for axes, label, held in curves:
        decibels_ = [point.db for point in held]
        (line,) = axes.plot(
            decibels_, [_height(point.common) for point in held], marker="o", label=label
        )
        axes.plot(decibels_, [point.answered for point in held], ":", color=line.get_color())
    left.set(xlabel="gain, dB", ylabel="share (dotted: seconds answered)", ylim=(0, 1.02))
    right.set(xlabel="signal to noise, dB", xlim=(SNRS_DB[0] + 1, SNRS_DB[-1] - 1))
    right.legend(fontsize="small")
    for axes in (left, right):
        axes.grid(alpha=0.3)
    left.set_title("regions in common", fontsize="medium")
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    app()
