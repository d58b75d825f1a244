"""`ssu watch`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from service.cli.arguments import (
    AsJson,
    Captions,
    EngineName,
    Fps,
    Key,
    MinScore,
    ModelFolder,
    Overlay,
    Sheet,
    Url,
)

if TYPE_CHECKING:
    from ssu.options import Options


def watch(
    folder: Annotated[
        Path, typer.Argument(exists=True, file_okay=False, help="Where clips arrive.")
    ],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", file_okay=False, help="Where answers go.", show_default="FOLDER/answers"
        ),
    ] = None,
    url: Url = None,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is left to do.")] = False,
    fps: Fps = None,
    min_score: MinScore = None,
    captions: Captions = True,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", "-f", help="Write answers in this format, too; repeatable."),
    ] = None,
    overlay: Overlay = False,
    sheet: Sheet = False,
    as_json: AsJson = False,
    key: Key = None,
    models: ModelFolder = None,
    engine: EngineName = None,
) -> None:
    """Answer every clip that arrives in a folder, until Ctrl-C or SIGTERM.

    A clip is taken once it is the same at two looks. `film.mp4` gets `film.mp4.json`, or, if there
    is something wrong with it, `film.mp4.error.json`; it is not tried again until it changes. While
    the service is out of reach, or overloaded, clips wait. Folders inside are not searched.

    **Examples**

    - `ssu watch inbox`
    - `ssu watch inbox --out answers --format webvtt --url http://127.0.0.1:8000`
    - `ssu watch inbox --once --json | jq .error.code`
    """
    import signal

    from service.cli.clip_report import ReportOptions, check_formats
    from service.cli.temporary_service import client_of
    from service.cli.watching import Watch
    from service.telemetry.container import available_cores
    from ssuformer.errors import OptionError
    from ssuformer.terminal import console, told

    target = out or folder / "answers"
    query = {"fps": fps, "min_score": min_score, "captions": captions}
    options = ReportOptions(
        query=cast("Options", query),
        folder=target,
        overlay=overlay,
        sheet=sheet,
        show=False,
        formats=tuple(formats or ()),
        threads=available_cores(),
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with told():
        if target.resolve() == folder.resolve():
            raise OptionError("out: answers go to another folder than clips")
        check_formats(options, clips=1)
        with client_of(url, key=key, models=models, engine=engine) as client:
            try:
                console(errors=True).print(f"watching {folder}", markup=False)
                went_well = Watch(folder, client, options, as_json).run(every=every, once=once)
            except KeyboardInterrupt:
                console(errors=True).print("stopping")
                return
    if not went_well:
        raise typer.Exit(1)
