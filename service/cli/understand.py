"""`ssu understand`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from service.cli.arguments import (
    Captions,
    End,
    EngineName,
    Fps,
    Key,
    MinScore,
    ModelFolder,
    Overlay,
    Sheet,
    Start,
    Url,
)

if TYPE_CHECKING:
    from ssu.options import Options

Clips = Annotated[
    list[Path],
    typer.Argument(
        metavar="CLIP",
        help="Files, folders to search, or patterns in quotes; sent one by one.",
    ),
]


def understand(
    clips: Clips,
    *,
    url: Url = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            file_okay=False,
            help="Folder to write the answer, the overlay and the contact sheet of each clip to.",
        ),
    ] = None,
    fps: Fps = None,
    min_score: MinScore = None,
    start: Start = None,
    end: End = None,
    video_track: Annotated[
        int | None, typer.Option(help="Video track, counted from 0.", show_default="the best")
    ] = None,
    audio_track: Annotated[
        int | None, typer.Option(help="Sound track, counted from 0.", show_default="the best")
    ] = None,
    captions: Captions = True,
    mask_format: Annotated[
        str,
        typer.Option(help="Masks in the answer: rle, rle_uncompressed, polygon, png or none."),
    ] = "rle",
    mask_size: Annotated[
        str, typer.Option(help="Masks in pixels of the clip (source) or of the model (engine).")
    ] = "source",
    smooth: Annotated[
        bool,
        typer.Option(help="Add the frames between the analysed ones, with masks made from theirs."),
    ] = False,
    deadline: Annotated[float | None, typer.Option(help="Give up after this many seconds.")] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            "-f",
            help="Write the answer in this format, too, as `ssu export` does. With --out it may be "
            "given more than once, without it the answer goes to standard output.",
        ),
    ] = None,
    overlay: Overlay = True,
    sheet: Sheet = True,
    raw: Annotated[
        bool, typer.Option("--json", help="Print the JSON answer instead of a table.")
    ] = False,
    key: Key = None,
    models: ModelFolder = None,
    engine: EngineName = None,
) -> None:
    """Find the *sound sources* in clips, second by second, and describe them.

    With `--out`, three files are written per clip: `NAME.json`, the answer; `NAME.overlay.mp4`,
    the film with coloured masks, sentences and its own sound; `NAME.sheet.png`, a contact sheet.

    **Examples**

    - `ssu understand dog.mp4`
    - `ssu understand films/ "more/**/*.mkv" --out out --url http://127.0.0.1:8000`
    - `ssu understand talk.webm --start 60 --end 90 --fps 2 --min-score 0.7`
    - `ssu understand dog.mp4 --json | jq '.tracks[].category'`
    - `ssu understand dog.mp4 --format srt > dog.srt`
    - `ssu understand *.mp4 --out out --format coco --format webvtt`
    """
    from service.cli.clip_files import clip_files
    from service.cli.clip_report import ReportOptions, check_formats, report_all
    from service.cli.temporary_service import client_of
    from service.telemetry.container import available_cores
    from ssuformer.terminal import told

    query = {
        "fps": fps,
        "min_score": min_score,
        "start": start,
        "end": end,
        "video_track": video_track,
        "audio_track": audio_track,
        "captions": captions,
        "mask_format": mask_format,
        "mask_size": mask_size,
        "smooth": smooth or None,
        "deadline": deadline,
    }
    options = ReportOptions(
        query=cast("Options", query),
        folder=out,
        overlay=overlay,
        sheet=sheet,
        raw=raw,
        formats=tuple(formats or ()),
        threads=available_cores(),
    )
    with told():
        files = clip_files(clips)
        check_formats(options, clips=len(files))
        with client_of(url, key=key, models=models, engine=engine) as client:
            went_well = report_all(files, client=client, options=options)
    if not went_well:
        raise typer.Exit(1)
