"""`ssu understand`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import typer

Files = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Clips, sent one by one."),
]
Url = Annotated[
    str | None,
    typer.Option(
        envvar="SSU_URL",
        help="URL of a running service. Without it a temporary one is started.",
    ),
]
Key = Annotated[str | None, typer.Option(envvar="SSU_KEY", help="Bearer key of that service.")]
ModelFolder = Annotated[
    Path | None,
    typer.Option(help="Model repository for a service started here.", show_default="triton_repo"),
]
EngineName = Annotated[
    str | None, typer.Option(help="Backend for a service started here.", show_default="onnx")
]


def understand(
    files: Files,
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
    fps: Annotated[
        float | None,
        typer.Option(help="Frames to analyse per second.", show_default="as trained"),
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(help="Leave out regions with a lower score, 0 to 1.")
    ] = None,
    start: Annotated[float | None, typer.Option(help="Start time in seconds.")] = None,
    end: Annotated[float | None, typer.Option(help="End time in seconds.")] = None,
    video_track: Annotated[
        int | None, typer.Option(help="Video track, counted from 0.", show_default="the best")
    ] = None,
    audio_track: Annotated[
        int | None, typer.Option(help="Sound track, counted from 0.", show_default="the best")
    ] = None,
    captions: Annotated[bool, typer.Option(help="Describe the regions.")] = True,
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
    overlay: Annotated[bool, typer.Option(help="Write the film with its masks.")] = True,
    sheet: Annotated[bool, typer.Option(help="Write the contact sheet.")] = True,
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
    - `ssu understand *.mp4 --out out --url http://127.0.0.1:8000`
    - `ssu understand talk.webm --start 60 --end 90 --fps 2 --min-score 0.7`
    - `ssu understand dog.mp4 --json | jq '.tracks[].category'`
    - `ssu understand dog.mp4 --format srt > dog.srt`
    - `ssu understand *.mp4 --out out --format coco --format webvtt`
    """
    from service.cli.client import Client
    from service.cli.clip_report import ReportOptions, check_formats, names_for, screen
    from service.telemetry.container import available_cores
    from ssuformer.terminal import told

    query = {
        "fps": fps,
        "min_score": min_score,
        "start": start,
        "end": end,
        "video_track": video_track,
        "audio_track": audio_track,
        "captions": str(captions).lower(),
        "mask_format": mask_format,
        "mask_size": mask_size,
        "smooth": "true" if smooth else None,
        "deadline": deadline,
    }
    options = ReportOptions(
        query={name: value for name, value in query.items() if value is not None},
        folder=out,
        overlay=overlay,
        sheet=sheet,
        raw=raw,
        formats=tuple(formats or ()),
        threads=available_cores(),
    )
    with told():
        check_formats(options, clips=len(files))
    with (
        told(),
        _service(url, models=models, engine=engine) as address,
        Client(address, key=key) as client,
    ):
        went_well = [
            screen(file, name, client=client, options=options)
            for file, name in zip(files, names_for(files), strict=True)
        ]
    if not all(went_well):
        raise typer.Exit(1)


@contextmanager
def _service(url: str | None, *, models: Path | None, engine: str | None) -> Iterator[str]:
    """Yield the address of the given service, or of a temporary one."""
    if url is not None:
        yield url.rstrip("/")
        return
    from service.cli.temporary_service import hosted
    from service.settings import settings_for
    from ssuformer.terminal import console

    patient = {"deadline_seconds": 3600.0, "decode_seconds": 3600.0}
    settings = settings_for(models=models, engine=engine, workers=1, log_level="error", **patient)
    with ExitStack() as stack:
        with console(errors=True).status("starting a service"):
            address = stack.enter_context(hosted(settings))
        yield address
