"""Write answers in the formats of the service, to files and to standard output."""

from __future__ import annotations

import sys
from pathlib import Path

import av.error
import typer
from pydantic import ValidationError

from service.cli.terminal import FilesUnwritable, complain
from service.formats.catalogue import named
from service.formats.clip_names import ClipName
from service.formats.format import Format, Material
from service.formats.records import are_records, read_records
from service.telemetry.container import available_cores
from service.understanding.schemas import Understanding
from ssu.errors import AnswerUnknown
from ssuformer.errors import AnswerIncomplete
from ssuformer.terminal import console


def export_file(answer: Path, to: str, *, clip: Path | None, out: Path | None) -> None:
    """Write an answer that was kept; say where it is. Exits with 1, and says why, if it fails."""
    form = named(to)
    kept = _kept(answer)
    name = clip.stem if clip else answer.stem
    if clip is None:
        material = Material(kept, ClipName.of(answer.name).stem)
    else:
        material = Material.of(kept, clip, threads=available_cores())
    path = out or answer.with_name(name + form.suffix)
    if path == answer:
        path = answer.with_name(f"{name}.new{form.suffix}")
    try:
        write(form, material, path)
    except (OSError, av.error.FFmpegError) as error:
        complain(FilesUnwritable(str(error)), about=str(path))
        raise typer.Exit(1) from error


def _kept(path: Path) -> Understanding:
    """Return an answer that was kept, as one document or in records."""
    content = path.read_bytes()
    try:
        if are_records(content):
            return read_records(content.splitlines())
        return Understanding.model_validate_json(content)
    except AnswerIncomplete as error:
        complain(error, about=str(path))
        raise typer.Exit(1) from error
    except (ValidationError, ValueError, LookupError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        detail = f"this is not an answer of the service: {reason}"
        complain(AnswerUnknown(detail), about=str(path))
        raise typer.Exit(1) from error


def write(form: Format, material: Material, path: Path) -> None:
    """Write an answer to a file and say so, or to standard output if the path is `-`."""
    if path != Path("-"):
        path.parent.mkdir(parents=True, exist_ok=True)
        form.write_file(material, path)
        console(errors=True).print(f"{form.name:<8} {path}", markup=False, soft_wrap=True)
        return
    form.check(masks=material.masks, clip=material.clip is not None)
    form.write(material, sys.stdout.buffer)
    sys.stdout.buffer.flush()
