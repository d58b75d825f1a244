"""`ssu export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    answer: Annotated[
        Path,
        typer.Argument(
            metavar="ANSWER",
            exists=True,
            dir_okay=False,
            help="Answer of the service, in JSON or NDJSON.",
        ),
    ],
    *,
    to: Annotated[str, typer.Option("--to", "-t", help="Name of the format; `--help` lists all.")],
    clip: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="The clip, for formats that show or contain it."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="File to write; - is standard output.",
            show_default="beside ANSWER",
        ),
    ] = None,
) -> None:
    """Write an answer that was kept in another format.

    Masks may have any form and size. Formats: json, ndjson, sse; coco, youtube-vis, davis, npz,
    ra-ssu; cvat, cvat-masks, label-studio, fiftyone; webvtt, webvtt-metadata, srt, eaf; overlay,
    sheet. Those of training data (ra-ssu) and those that are drawn (overlay, sheet) need `--clip`.

    **Examples**

    - `ssu export out/dog.json --to coco`
    - `ssu export out/dog.json --to srt --out -`
    - `ssu export out/dog.json --to overlay --clip dog.mp4 --out dog.overlay.mp4`
    """
    from service.cli.exported import export_file
    from ssuformer.terminal import told

    with told():
        export_file(answer, to, clip=clip, out=out)
