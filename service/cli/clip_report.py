"""Process clips: send them, print the answers, write the files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import av.error
from pydantic import ValidationError
from rich.progress import Progress
from rich.rule import Rule

from service.cli.exported import write
from service.cli.tables import facts_of, seconds_of
from service.cli.terminal import FilesUnwritable, FileUnreadable, aside, complain, progress
from service.film.drawn import draw
from service.formats.catalogue import named
from service.formats.format import Material
from service.understanding.schemas import Understanding
from ssu.calls import understand_call
from ssu.client import Client
from ssu.clips import Clip
from ssu.errors import AnswerUnknown
from ssu.options import Options
from ssuformer.errors import OptionError, SsuError
from ssuformer.terminal import console


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Options that apply to all clips of one call."""

    query: Options = field(default_factory=Options)
    folder: Path | None = None
    overlay: bool = True
    sheet: bool = True
    show: bool = True
    """Whether to print the answer, and where it is written."""
    raw: bool = False
    """Whether to print the JSON answer unchanged instead of a table."""
    formats: tuple[str, ...] = ()
    """Further formats to write; without a folder there is one, for standard output."""
    threads: int = 2


def check_formats(options: ReportOptions, *, clips: int) -> None:
    """Raise OptionError if a format is unknown, lacks masks, or there is no place for it."""
    for form in map(named, options.formats):
        form.check(masks=options.query.get("mask_format") != "none", clip=True)
    if (
        options.formats
        and options.folder is None
        and (len(options.formats) > 1 or clips > 1 or options.raw)
    ):
        raise OptionError("format: standard output takes one clip in one format; give --out")


def report_all(files: list[Path], *, client: Client, options: ReportOptions) -> bool:
    """Report on clips, one after the other, with a bar; return whether all went well."""
    went_well: list[bool] = []
    with progress() as shown:
        bar = shown.add_task("", total=len(files), visible=len(files) > 1)
        for file, name in zip(files, names_for(files), strict=True):
            shown.update(bar, description=f"{len(went_well)} of {len(files)} clips")
            try:
                report(file, name, client=client, options=options, shown=shown)
            except SsuError as error:
                with aside(shown):
                    complain(error, about=str(file))
                went_well.append(False)
            else:
                went_well.append(True)
            shown.advance(bar)
    return all(went_well)


def report(
    file: Path, name: str, *, client: Client, options: ReportOptions, shown: Progress
) -> None:
    """Send a clip, print the answer, write the files; raise an SsuError if that fails."""
    try:
        with on_disk(file) as there:
            _report(there, name, client, options, shown)
    except av.error.FFmpegError as error:
        raise FilesUnwritable(str(error)) from error
    except OSError as error:
        raise FileUnreadable(error.strerror or str(error)) from error


@contextmanager
def on_disk(file: Path) -> Iterator[Path]:
    """Yield a file that can be read more than once; a pipe or similar is copied first."""
    if file.is_file() or file.is_dir() or not file.exists():
        yield file
        return
    with TemporaryDirectory(prefix="ssu-") as folder:
        copy = Path(folder) / file.name
        with file.open("rb") as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target)
        yield copy


def _report(file: Path, name: str, client: Client, options: ReportOptions, shown: Progress) -> None:
    body = _send(file, client, options, shown)
    answer = _parsed(body)
    if options.show and (options.folder is not None or not options.formats):
        with aside(shown):
            _tell(file, answer, body, options)
    try:
        if options.folder is not None:
            _keep(file, name, answer, body, options, shown)
        with aside(shown):
            _write_formats(name, Material.of(answer, file, threads=options.threads), options)
    except OSError as error:
        raise FilesUnwritable(str(error)) from error


def _write_formats(name: str, material: Material, options: ReportOptions) -> None:
    for form in map(named, options.formats):
        path = Path("-")
        if options.folder is not None:
            path = options.folder / (name + form.suffix)
        write(form, material, path)


def names_for(files: list[Path]) -> list[str]:
    """Return a file name prefix for each clip, unique among the clips of this call."""
    stems = [file.stem for file in files]
    names: list[str] = []
    for file in files:
        name = file.stem if stems.count(file.stem) == 1 else file.name
        while name in names:
            name += "_"
        names.append(name)
    return names


def _send(file: Path, client: Client, options: ReportOptions, shown: Progress) -> bytes:
    """Return the body of the answer."""
    size = file.stat().st_size if file.is_file() else 0
    task = shown.add_task(f"sending {file.name}", total=size or None)
    left = size

    def sent(more: int) -> None:
        nonlocal left
        left -= more
        shown.advance(task, more)
        if left <= 0:
            shown.update(task, description=f"analysing {file.name}", total=None)

    try:
        return client.ask(understand_call(Clip(file), "json", sent, options.query))
    finally:
        shown.remove_task(task)


def _parsed(body: bytes) -> Understanding:
    try:
        return Understanding.model_validate_json(body)
    except ValidationError as error:
        raise AnswerUnknown(f"the answer does not match the expected schema: {error}") from error


def _tell(file: Path, answer: Understanding, body: bytes, options: ReportOptions) -> None:
    out = console()
    if options.raw:
        out.file.write(body.decode() + "\n")
        return
    out.print(Rule(file.name, align="left", style="dim"))
    out.print(seconds_of(answer))
    out.print()
    out.print(facts_of(answer))


def _keep(
    file: Path,
    name: str,
    answer: Understanding,
    body: bytes,
    options: ReportOptions,
    shown: Progress,
) -> None:
    folder = options.folder or Path()
    folder.mkdir(parents=True, exist_ok=True)
    written = {"answer": folder / f"{name}.json"}
    written["answer"].write_bytes(body)
    if options.overlay:
        written["overlay"] = folder / f"{name}.overlay.mp4"
    if options.sheet:
        written["sheet"] = folder / f"{name}.sheet.png"
    note = None
    if options.overlay or options.sheet:
        task = shown.add_task(f"drawing {name}", total=answer.seconds)
        try:
            note = draw(
                file,
                answer,
                overlay=written.get("overlay"),
                sheet=written.get("sheet"),
                title=f"{file.name}, {answer.seconds:g} s",
                threads=options.threads,
                step=partial(shown.advance, task),
            )
        finally:
            shown.remove_task(task)
    if not options.show:
        return
    with aside(shown):
        out = console(errors=options.raw)
        for what, path in written.items():
            out.print(f"{what:<8}{path}", markup=False, soft_wrap=True)
        if note is not None:
            out.print(f"{'':8}{note} on the sheet", style="dim")
