"""What an answer says over time, as cues for subtitles and tiers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from service.understanding.schemas import Heard, Understanding


@dataclass(frozen=True, slots=True)
class Cue:
    """A sentence from `start` to `end`, in seconds of the clip."""

    start: float
    end: float
    text: str
    category: str
    track: int | None
    """None for what is heard and not seen."""

    @property
    def speaker(self) -> str:
        """Who or what it is about: category and track."""
        return self.category if self.track is None else f"{self.category} {self.track}"


def cues_of(answer: Understanding) -> list[Cue]:
    """Return all sentences, by start; the category takes the place of a sentence that is missing.

    What is heard but not seen has cues of its own. No two cues of a track overlap.
    """
    found = [*_seen(answer), *_unseen(answer)]
    return sorted(found, key=lambda cue: (cue.start, cue.track is None, cue.track or 0))


def _seen(answer: Understanding) -> Iterator[Cue]:
    for track in answer.tracks:
        for said in track.sentences:
            yield Cue(said.start, said.end, said.text, track.category, track.id)
        if not track.sentences:
            for span in track.intervals:
                yield Cue(span.start, span.end, track.category, track.category, track.id)


def _unseen(answer: Understanding) -> Iterator[Cue]:
    """Yield what is heard and not seen; equal sentences of analysed neighbours are one cue."""
    open_cues: dict[str, Cue] = {}
    for start, end, heard in _heard(answer):
        said = {each.category: each.description for each in heard if each.description}
        for category in [one for one, cue in open_cues.items() if said.get(one) != cue.text]:
            yield open_cues.pop(category)
        for category, text in said.items():
            before = open_cues.get(category, Cue(start, end, text, category, None))
            open_cues[category] = replace(before, end=end)
    yield from open_cues.values()


def _heard(answer: Understanding) -> Iterator[tuple[float, float, list[Heard]]]:
    half, last = 0.5 * answer.analysed_step, answer.clip.duration
    for frame in answer.analysed:
        start = max(0.0, frame.time - half)
        end = min(frame.time + half, max(last, start))
        yield round(start, 3), round(end, 3), frame.heard


def line(text: str) -> str:
    """Return a text in one line, without control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
