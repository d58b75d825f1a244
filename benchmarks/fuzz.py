"""Damaged clips by the ten thousand: does anything crash, hang, cost too much, or vary?

Every mutation is one of a seed by a number, so it can be made again. It is sent twice.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.fuzzing.mutations import damaged
from benchmarks.fuzzing.seeds import made_seeds, read_seeds
from benchmarks.fuzzing.targets import Asked, Outcome, Target, opened

TargetName = Literal["pool", "fake", "onnx"]
SMALL = 1_000_000
"""Bytes of a file that may not cost more than `LONGEST` of the engines."""
LONGEST = 10.0
_SAVED_EVERY = 50
_MOST_SAVED = 200
"""Finds of one kind that are kept as files; more are only counted."""

_HELP = """Send damaged clips to the service, and count what goes wrong.

What is run, by --target:

- **pool**: the decoding pool alone, in this process: the same sandboxed processes, one for each
  clip, but no HTTP and no engines. Fast.

- **fake**: the whole service as a process of its own, over HTTP, with an engine that computes
  nothing.

- **onnx**: the same with the engines of the model repository.

Counted: answers by code; crashes of the service; answers 5xx; files under 1 MB over 10 s of the
engines (guessed as 40 ms a frame where none computes) or of the clock; answers that differ between
two runs; decoding processes that died, by cause. Finds are kept in OUT/finds by seed and number.

Examples:

- python -m benchmarks.fuzz run 30000 --out out/fuzz

- python -m benchmarks.fuzz run 500 --target fake --out out/fuzz-http

- python -m benchmarks.fuzz run 30000 --seeds corpus --out out/fuzz-corpus

- python -m benchmarks.fuzz replay out/fuzz/finds/differs-mp4-turned-1207 --target fake

The same command goes on where it was stopped. Two can share the work: --first 15000, and an OUT of
its own.
"""
app = typer.Typer(
    help=_HELP, rich_markup_mode="markdown", add_completion=False, no_args_is_help=True
)


@dataclass(frozen=True, slots=True)
class Case:
    """One mutation: a seed, a number, and what is asked of it."""

    seed: str
    number: int
    asked: Asked
    clip: bytes = field(repr=False)

    @property
    def name(self) -> str:
        """The name under which a find is kept."""
        return f"{self.seed.replace('/', '-')}-{self.number}"


@dataclass(slots=True)
class Tally:
    """What came of the mutations so far."""

    done: int = 0
    seconds: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    deaths: Counter[str] = field(default_factory=Counter)
    finds: Counter[str] = field(default_factory=Counter)

    @classmethod
    def read(cls, path: Path) -> Tally:
        """Return what was written, or nothing yet."""
        if not path.exists():
            return cls()
        known = json.loads(path.read_text())
        counts = {name: Counter(known[name]) for name in ("answers", "deaths", "finds")}
        return cls(known["done"], known["seconds"], **counts)

    def write(self, path: Path) -> None:
        """Write it so that it is there whole or as it was before."""
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(self.facts(), indent=1) + "\n")
        fresh.replace(path)

    def facts(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        counts = {name: dict(getattr(self, name)) for name in ("answers", "deaths", "finds")}
        return {"done": self.done, "seconds": round(self.seconds, 1), **counts}


def case_of(number: int, seeds: dict[str, bytes]) -> Case:
    """Return the mutation of this number: of the seeds in turn, by a chance of its own."""
    names = sorted(seeds)
    name = names[number % len(names)]
    chance = random.Random(f"{name} {number}")
    asked = Asked(fps=chance.choice((1.0, 1.0, 5.0, 30.0)), start=chance.choice((0.0, 0.0, 0.5)))
    clip = damaged(seeds[name], chance, seeds[chance.choice(names)])
    return Case(name, number, asked, clip)


def judged(case: Case, target: Target) -> tuple[Outcome | None, list[str]]:
    """Send a clip twice; return the first outcome and the kinds of what was found."""
    try:
        first, second = (target.ask(case.clip, case.asked) for _ in range(2))
    except ConnectionError as error:
        Console(stderr=True).print(f"{case.name}: {error}")
        return None, ["crash"]
    wrong = {
        "5xx": max(first.status, second.status) >= 500,
        "slow": min(first.seconds, second.seconds) > LONGEST,
        "costly": first.engine_seconds > LONGEST and len(case.clip) < SMALL,
        "differs": (first.status, first.content) != (second.status, second.content),
    }
    kinds = [kind for kind, holds in wrong.items() if holds]
    died = dict.fromkeys(death.replace(":", "-") for death in first.deaths + second.deaths)
    return replace(first, deaths=first.deaths + second.deaths), kinds + list(died)


@app.command(help=_HELP)
def run(
    mutations: Annotated[int, typer.Argument(min=1, help="How many, those done before included.")],
    out: Annotated[Path, typer.Option(help="Folder of seeds, finds and progress.")],
    target: Annotated[TargetName, typer.Option(help="What they are sent to.")] = "pool",
    seeds: Annotated[Path | None, typer.Option(help="Folder of seeds; else made here.")] = None,
    first: Annotated[int, typer.Option(min=0, help="Number of the first mutation.")] = 0,
) -> None:
    """Send mutations; go on where the same command was stopped."""
    out.mkdir(parents=True, exist_ok=True)
    clips = made_seeds(out / "seeds") if seeds is None else read_seeds(seeds)
    progress = out / "progress.json"
    tally = Tally.read(progress)
    with opened(target, out) as asked:
        for case in _cases(clips, first + tally.done, first + mutations):
            began = time.monotonic()
            _count(case, *judged(case, asked), tally, out / "finds")
            tally.seconds += time.monotonic() - began
            if tally.done % _SAVED_EVERY == 0:
                tally.write(progress)
                _show_progress(tally, mutations)
    tally.write(progress)
    _report(tally, target, len(clips))


def _cases(clips: dict[str, bytes], first: int, end: int) -> Iterator[Case]:
    for number in range(first, end):
        yield case_of(number, clips)


def _count(
    case: Case, outcome: Outcome | None, kinds: list[str], tally: Tally, finds: Path
) -> None:
    tally.done += 1
    if outcome is not None:
        tally.answers[f"{outcome.status} {outcome.code}"] += 1
        tally.deaths.update(outcome.deaths)
    for kind in kinds:
        tally.finds[kind] += 1
        if tally.finds[kind] <= _MOST_SAVED:
            finds.mkdir(exist_ok=True)
            path = finds / f"{kind}-{case.name}"
            path.write_bytes(case.clip)
            facts = {"asked": asdict(case.asked), "outcome": outcome and asdict(outcome)}
            path.with_name(path.name + ".json").write_text(json.dumps(facts, indent=1) + "\n")


def _show_progress(tally: Tally, of: int) -> None:
    rate = tally.done / max(tally.seconds, 1e-9)
    left = (of - tally.done) / rate / 60
    found = ", ".join(f"{kind} {number}" for kind, number in sorted(tally.finds.items()))
    text = f"{tally.done} of {of}, {rate:.1f}/s, {left:.0f} min left; found: {found or 'nothing'}"
    Console(stderr=True).print(text)


def _report(tally: Tally, target: str, seeds: int) -> None:
    table = Table("", "number", title=f"{tally.done} mutations of {seeds} seeds, {target}")
    for part in ("answers", "deaths", "finds"):
        for name, number in getattr(tally, part).most_common():
            table.add_row(f"{part}: {name}", str(number))
    Console().print(table)
    print(json.dumps({"target": target, "seeds": seeds, **tally.facts()}))  # noqa: T201


@app.command()
def replay(
    find: Annotated[Path, typer.Argument(exists=True, help="A file of OUT/finds.")],
    target: Annotated[TargetName, typer.Option(help="What it is sent to.")] = "pool",
    times: Annotated[int, typer.Option(min=1, help="How often.")] = 2,
) -> None:
    """Send a find again, with the options it had."""
    facts = json.loads(find.with_name(find.name + ".json").read_text())
    with opened(target, find.parent) as asked:
        for _ in range(times):
            outcome = asked.ask(find.read_bytes(), Asked(**facts["asked"]))
            print(json.dumps(asdict(outcome)))  # noqa: T201


if __name__ == "__main__":
    app()
