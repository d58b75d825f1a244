"""Process one clip: send it, print the answer, write the files."""

from __future__ import annotations

import shutil
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av.error
from pydantic import ValidationError
from rich.rule import Rule

from service.cli.client import Client, Trouble
from service.cli.film.answer_masks import marks_of, notices_of, unseen_of
from service.cli.film.contact_sheet import ContactSheet, Moment
from service.cli.film.drawing import Layer, Size, burn_in, paint
from service.cli.film.film_reader import FilmReader
from service.cli.film.overlay import OverlayFilm, canvas
from service.cli.tables import facts_of, seconds_of
from service.cli.terminal import Step, complain, progress
from service.understanding.schemas import Understanding
from ssuformer.errors import SsuError
from ssuformer.media.tracks import Choice
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
    threads: int = 2


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
    _tell(file, answer, body, options)
    if options.folder is None:
        return True
    try:
        _keep(file, name, answer, body, options)
    except SsuError as error:
        complain(Trouble.of(error), about=str(file))
    except (OSError, av.error.FFmpegError) as error:
        complain(Trouble("files_unwritable", str(error)), about=str(file))
    else:
        return True
    return False


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


class Layers:
    """The layer of each interval of the answer, painted when it begins and dropped when it ends."""

    def __init__(self, answer: Understanding, size: Size) -> None:
        self._answer, self._size = answer, size
        self._notices = notices_of(answer)
        self._half = 0.5 / answer.sampled_fps
        self._starts = [frame.time - self._half for frame in answer.frames]
        self._index = -1
        self._layer: Layer | None = None

    def at(self, time: float) -> Layer | None:
        """Return the layer for a time of the film; None if there is nothing to draw."""
        index = bisect_right(self._starts, time + 1e-6) - 1
        if index < 0 or time >= self._answer.frames[index].time + self._half:
            return None
        if index != self._index:
            self._index, self._layer = index, self._paint(index)
        return self._layer

    def _paint(self, index: int) -> Layer | None:
        frame = self._answer.frames[index]
        marks, unseen = marks_of(frame, self._answer.mask_size), unseen_of(frame)
        if not (marks or unseen or self._notices):
            return None
        layer = paint(marks, self._size)
        burn_in(layer, marks, unseen=unseen, notices=self._notices)
        return layer


def draw(
    source: Path,
    answer: Understanding,
    *,
    overlay: Path | None,
    sheet: Path | None,
    title: str,
    threads: int = 2,
    step: Step = lambda _: None,
) -> str | None:
    """Write the overlay and the contact sheet of a clip while decoding it once.

    Returns a note about the sheet, if there is one.
    """
    clip = answer.clip
    size = canvas(clip.width, clip.height)
    layers = Layers(answer, size)
    moments = [
        Moment(frame.time, partial(marks_of, frame, answer.mask_size), unseen_of(frame))
        for frame in answer.frames
    ]
    tiles = ContactSheet(moments, width=clip.width, height=clip.height) if sheet else None
    with ExitStack() as stack:
        choice = Choice(clip.video_track, clip.audio_track)
        reel = stack.enter_context(FilmReader(source, choice=choice, threads=threads))
        film = None
        if overlay is not None:
            film = stack.enter_context(OverlayFilm(overlay, reel, size, threads=threads))
        before = 0.0
        for shot in reel.frames(film.sound.take if film and film.sound else None):
            if film is not None:
                film.add(shot, layers.at(shot.time))
            if tiles is not None:
                tiles.add(shot)
            step(shot.time - before)
            before = shot.time
    if tiles is None or sheet is None:
        return None
    tiles.save(sheet, title=title, notices=notices_of(answer))
    return tiles.note


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
