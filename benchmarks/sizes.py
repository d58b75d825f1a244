"""Sizes of answers: by format, by the format of their masks, and by how they are compressed.

Each clip is a job, whose result is fetched in every way; so its frames are the same in all.

python -m benchmarks.sizes
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.served import Served, serving
from benchmarks.takeover import make_film

WAYS = (("json", "rle"), ("json", "polygon"), ("ndjson", "rle"), ("coco", "rle"))
ENCODINGS = ("identity", "gzip", "zstd")
_LOOK_SECONDS = 0.5


def main(
    seconds: Annotated[list[int], typer.Option(help="Lengths of the clips.")] = [10, 300],  # noqa: B006
) -> None:
    """Measure, print a table, then one JSON line."""
    rows: list[dict[str, str | int]] = []
    with tempfile.TemporaryDirectory() as name, serving(Path(name)) as gateway:
        for length in seconds:
            film = make_film(Path(name), seconds=length, sound="aac")
            jobs = {
                masks: done(gateway, film, end=str(length), mask_format=masks)
                for masks in dict.fromkeys(masks for _, masks in WAYS)
            }
            for kind, masks in WAYS:
                found = {one: size(gateway, jobs[masks], kind, one) for one in ENCODINGS}
                rows.append({"clip": f"{length} s", "format": kind, "masks": masks, **found})
    table = Table(*rows[0], title="bytes of an answer, 640x360, one frame a second")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    print(json.dumps({"rows": rows}))  # noqa: T201


def done(gateway: Served, film: Path, **options: str) -> str:
    """Send a film as a job, and return its number once it is done."""
    number = gateway.send(film, **options)
    while gateway.job(number)["state"] != "done":
        time.sleep(_LOOK_SECONDS)
    return number


def size(gateway: Served, number: str, kind: str, encoding: str) -> int:
    """Return the bytes of a job's result as they are sent."""
    path, headers = f"/jobs/{number}/result", {"Accept-Encoding": encoding}
    with gateway.client.stream("GET", path, params={"format": kind}, headers=headers) as response:
        response.raise_for_status()
        sent = response.headers.get("content-encoding", "identity")
        if sent != encoding:
            raise SystemExit(f"{kind} was sent as {sent}, not as {encoding}")
        return sum(len(piece) for piece in response.iter_raw())


if __name__ == "__main__":
    typer.run(main)
