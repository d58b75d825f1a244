"""`ssu jobs`: clips that a service understands in the background."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from service.cli.arguments import AsJson, Captions, End, Fps, Key, MinScore, Start

if TYPE_CHECKING:
    from ssu.answers import Job
    from ssu.client import Client
    from ssu.jobs import JobOptions

app = typer.Typer(name="jobs", no_args_is_help=True, rich_markup_mode="markdown")

ServiceUrl = Annotated[str, typer.Option(envvar="SSU_URL", help="URL of the service.")]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]
Result = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="File for the result; - is standard output."),
]
FormatName = Annotated[str, typer.Option("--format", "-f", help="Format of the result.")]
HERE = "http://127.0.0.1:8000"


@app.callback()
def jobs() -> None:
    """Have clips understood in the background, by a service that has jobs (`SSU_JOBS`).

    **Examples**

    - `ssu jobs submit film.mp4 --url http://127.0.0.1:8000`
    - `ssu jobs wait ID --out film.json`
    - `ssu jobs list --json | jq '.[].state'`
    """


@app.command()
def submit(
    clip: Annotated[
        str, typer.Argument(metavar="CLIP", help="A file, or a URL that the service fetches.")
    ],
    *,
    url: ServiceUrl = HERE,
    fps: Fps = None,
    min_score: MinScore = None,
    start: Start = None,
    end: End = None,
    captions: Captions = True,
    smooth: Annotated[
        bool,
        typer.Option(help="Add the frames between the analysed ones, with masks made from theirs."),
    ] = False,
    webhook: Annotated[
        str | None, typer.Option(help="URL that the service calls at the end.")
    ] = None,
    idempotency_key: Annotated[
        str | None, typer.Option(help="The same key gives the same job, however often it is sent.")
    ] = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Send a clip, and print its job.

    **Examples**

    - `ssu jobs submit film.mp4`
    - `ssu jobs submit https://films.example/a.mp4 --webhook https://hooks.example/ssu`
    - `ssu jobs wait $(ssu jobs submit film.mp4 --json | jq -r .id) --out film.json`
    """
    from service.cli.terminal import FileUnreadable, progress

    options = {"fps": fps, "min_score": min_score, "start": start, "end": end}
    more = {"captions": captions, "smooth": smooth or None, "webhook": webhook}
    query = cast("JobOptions", {**options, **more})
    with _client(url, key) as client, progress() as shown:
        if clip.startswith(("http://", "https://")):
            job = client.jobs.submit(url=clip, key=idempotency_key, **query)
        else:
            if not Path(clip).is_file():
                raise FileUnreadable(f"{clip}: there is no such file")
            bar = shown.add_task(f"sending {clip}", total=Path(clip).stat().st_size)
            job = client.jobs.submit(
                clip, key=idempotency_key, sent=lambda more: shown.advance(bar, more), **query
            )
    _print(job, as_json=as_json)


@app.command("list")
def list_jobs(
    *,
    url: ServiceUrl = HERE,
    most: Annotated[int, typer.Option(min=1, help="How many.")] = 50,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Show your jobs, the newest first.

    **Examples**

    - `ssu jobs list`
    - `ssu jobs list --json | jq -r '.[] | select(.state == "failed").error.code'`
    """
    from itertools import islice

    from service.cli.tables import jobs_table
    from service.cli.terminal import print_json
    from ssuformer.terminal import console

    with _client(url, key) as client:
        found = list(islice(client.jobs.list(), most))
    if as_json:
        print_json([job.model_dump(mode="json") for job in found])
    else:
        console().print(jobs_table(found))


@app.command()
def show(job: JobId, *, url: ServiceUrl = HERE, key: Key = None, as_json: AsJson = False) -> None:
    """Show a job and how far it is.

    **Examples**

    - `ssu jobs show ID`
    - `ssu jobs show ID --json | jq .progress`
    """
    with _client(url, key) as client:
        _print(client.jobs.get(job), as_json=as_json)


@app.command()
def wait(
    job: JobId,
    *,
    url: ServiceUrl = HERE,
    out: Result = None,
    format_name: FormatName = "json",
    seconds: Annotated[
        float | None, typer.Option(min=0, help="Give up waiting after this many seconds.")
    ] = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Wait for the end of a job, with its progress; exits with 1, and says why, if it failed.

    **Examples**

    - `ssu jobs wait ID`
    - `ssu jobs wait ID --out film.vtt --format webvtt`
    - `ssu jobs wait ID --out - | jq '.tracks[].category'`
    """
    from service.cli.terminal import progress

    with _client(url, key) as client:
        with progress() as shown:
            bar = shown.add_task("waiting", total=None)

            def told(found: Job) -> None:
                done, whole = found.progress.seconds_done, found.progress.seconds_in_all
                shown.update(bar, description=found.state, completed=done, total=whole)

            ended = client.jobs.wait(job, told=told, seconds=seconds)
        if out is None:
            _print(ended, as_json=as_json)
        else:
            _write(client.jobs.written(job, format_name), out)


@app.command()
def cancel(
    jobs: Annotated[list[str], typer.Argument(metavar="ID", help="The jobs' ids.")],
    *,
    url: ServiceUrl = HERE,
    key: Key = None,
) -> None:
    """Stop the work on jobs, and remove them and their results.

    **Examples**

    - `ssu jobs cancel ID`
    - `ssu jobs cancel $(ssu jobs list --json | jq -r '.[].id')`
    """
    with _client(url, key) as client:
        for job in jobs:
            client.jobs.cancel(job)


@contextmanager
def _client(url: str, key: str | None) -> Iterator[Client]:
    from ssu.calls import Retry
    from ssu.client import Client
    from ssuformer.terminal import told

    with told(), Client(url, key=key, retry=Retry(times=2)) as client:
        yield client


def _print(job: Job, *, as_json: bool) -> None:
    from service.cli.tables import jobs_table
    from service.cli.terminal import print_json
    from ssuformer.terminal import console

    if as_json:
        print_json(job.model_dump(mode="json"))
    else:
        console().print(jobs_table([job]))


def _write(content: bytes, out: Path) -> None:
    import sys

    from service.cli.terminal import FilesUnwritable
    from ssuformer.terminal import console

    if out == Path("-"):
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        out.write_bytes(content)
    except OSError as error:
        raise FilesUnwritable(f"{out}: {error.strerror}") from error
    console(errors=True).print(f"result   {out}", markup=False, soft_wrap=True)
