"""Draw an answer onto its clip: the overlay film and the contact sheet, in one pass."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import IO

from service.film.answer_masks import marks_of, notices_of, unseen_of
from service.film.contact_sheet import ContactSheet, Moment
from service.film.film_layers import Layers
from service.film.film_reader import FilmReader, Part
from service.film.overlay import OverlayFilm, canvas
from service.understanding.schemas import Understanding
from ssuformer.media.opening import Source
from ssuformer.media.tracks import Choice

Step = Callable[[float], None]
"""Called with the seconds of the clip drawn since the last call."""


def draw(
    source: Source,
    answer: Understanding,
    *,
    overlay: Path | IO[bytes] | None,
    sheet: Path | IO[bytes] | None,
    title: str,
    threads: int = 2,
    step: Step = lambda _: None,
) -> str | None:
    """Write the overlay and the contact sheet of a clip while decoding it once.

    Of the clip only the part is drawn that the answer is of. Returns a note about the sheet, if
    there is one.
    """
    clip = answer.clip
    size = canvas(clip.width, clip.height)
    layers = Layers(answer, size)
    moments = [
        Moment(frame.time, partial(marks_of, frame, answer.mask_size), unseen_of(frame))
        for frame in answer.analysed
    ]
    tiles = ContactSheet(moments, width=clip.width, height=clip.height) if sheet else None
    with ExitStack() as stack:
        choice = Choice(clip.video_track, clip.audio_track)
        part = Part(answer.start, answer.end)
        reel = stack.enter_context(FilmReader(source, choice=choice, part=part, threads=threads))
        film = None
        if overlay is not None:
            film = stack.enter_context(OverlayFilm(overlay, reel, size, threads=threads))
        before = answer.start
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
