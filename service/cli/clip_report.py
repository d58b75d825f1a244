"""Process one clip: send it, print the answer, write the files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av.error
from pydantic import ValidationError
from rich.rule import Rule

from service.cli.client import Client, Trouble
from service.cli.exported import write
from service.cli.tables import facts_of, seconds_of
from service.cli.terminal import complain, progress
from service.film.drawn import draw
from service.formats.catalogue import named
from service.formats.format import Material
from service.understanding.schemas import Understanding
from ssuformer.errors import OptionError, SsuError
from ssuformer.terminal import console


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Options that apply to all clips of one call."""

    query: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    overlay: bool = True
    sheet: bool = True
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


def screen(file: Path, name: str, *, client: Client, options: ReportOptions) -> bool:
    """Send a clip, print the answer, write the files; return whether all steps succeeded."""
    try:
        with on_disk(file) as there:
            return _screen(there, name, client=client, options=options)
    except OSError as error:
        complain(Trouble("file_unreadable", error.strerror or str(error)), about=str(file))
        return False


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


def _screen(file: Path, name: str, *, client: Client, options: ReportOptions) -> bool:
    received = _send(file, client, options)
    if isinstance(received, Trouble):
        complain(received, about=str(file))
        return False
    body, answer = received
    if options.folder is not None or not options.formats:
        _tell(file, answer, body, options)
    try:
        if options.folder is not None:
            _keep(file, name, answer, body, options)
        _write_formats(Material(answer, name, file, threads=options.threads), options)
    except SsuError as error:
        complain(Trouble.of(error), about=str(file))
    except (OSError, av.error.FFmpegError) as error:
        complain(Trouble("files_unwritable", str(error)), about=str(file))
    else:
        return True
    return False


def _write_formats(material: Material, options: ReportOptions) -> None:
    for form in map(named, options.formats):
        path = Path("-")
        if options.folder is not None:
            path = options.folder / (material.name + form.suffix)
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


def _send(
    file: Path, client: Client, options: ReportOptions
) -> tuple[bytes, Understanding] | Trouble:
    """Return the answer, as raw bytes and parsed."""
    size = file.stat().st_size if file.is_file() else 0
    with progress() as shown:
        task = shown.add_task(f"sending {file.name}", total=size or None)

        def sent(more: int) -> None:
            shown.advance(task, more)
            if shown.tasks[0].finished:
                shown.update(task, description=f"analysing {file.name}", total=None)

        body = client.understand(file, options.query, sent)
    if isinstance(body, Trouble):
        return body
    try:
        return body, Understanding.model_validate_json(body)
    except ValidationError as error:
        return Trouble("answer_unknown", f"the answer does not match the expected schema: {error}")


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
    file: Path, name: str, answer: Understanding, body: bytes, options: ReportOptions
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
        with progress() as shown:
            task = shown.add_task(f"drawing {name}", total=answer.clip.duration)
            note = draw(
                file,
                answer,
                overlay=written.get("overlay"),
                sheet=written.get("sheet"),
                title=f"{file.name}, {answer.clip.duration:g} s",
                threads=options.threads,
                step=partial(shown.advance, task),
            )
    out = console(errors=options.raw)
    for what, path in written.items():
        out.print(f"{what:<8}{path}", markup=False, soft_wrap=True)
    if note is not None:
        out.print(f"{'':8}{note} on the sheet", style="dim")
