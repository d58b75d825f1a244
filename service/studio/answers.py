"""Answers and layers: the pre-label from an answer, and a layer as an answer, for its formats.

An answer tells of what sounds; a layer also holds masks of what is silent, provenance and locks,
which an answer cannot hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from service.studio.layers import (
    MODEL,
    ClipShape,
    FrameMask,
    HeardAlone,
    HeardSpan,
    Layer,
    LayerTrack,
    MaskRle,
    Provenance,
    Sounding,
    now_text,
)
from service.studio.stop import Stop
from service.understanding import schemas
from service.understanding.mask_formats import RleMask
from service.understanding.schemas import ClipFacts, Frame, ModelFacts, Notice, Understanding
from ssuformer.masks import bounding_box, decode_rle
from ssuformer.sentences import SOMETHING, with_article

_CLOSE = 1e-6


class AnswerFacts(BaseModel):
    """What is kept of the answer that a clip was pre-labelled with."""

    model_config = ConfigDict(frozen=True)

    clip: ClipFacts
    model: ModelFacts
    warnings: list[Notice] = []


@dataclass(frozen=True, slots=True)
class Clipped:
    """Times cut to a clip, the first half frame of which belongs to its first frame."""

    duration: float
    half: float

    def span(self, start: float, end: float) -> tuple[float, float] | None:
        """Return a time inside the clip, or None if nothing is left of it."""
        start = 0.0 if start <= self.half + _CLOSE else round(start, 3)
        end = round(min(end, self.duration), 3)
        return None if end <= start else (start, end)


def layer_of(
    answer: Understanding, shape: ClipShape, *, fps: float, clip: str, annotator: str = MODEL
) -> Layer:
    """Return an answer as a layer. Its frames are half an annotation frame after their middle.

    What is in the first frame that was analysed is taken to be in the frame before it, too.
    """
    by = Provenance(who=MODEL, tool="model", model=answer.model.digest, at=now_text())
    cut = Clipped(shape.duration, 0.5 / fps)
    frames = dict(_numbered(answer.frames, shape, fps))
    instances: dict[str, int] = {}
    tracks = []
    for track in answer.tracks:
        category = track.category or SOMETHING
        instances[category] = instances.get(category, 0) + 1
        tracks.append(
            LayerTrack(
                id=f"t{track.id}",
                category=category,
                instance=instances[category],
                masks=list(_masks(track.id, frames, by)),
                intervals=list(_soundings(track, cut, by)),
            )
        )
    heard = _heard_alone(frames, cut, fps, by)
    return Layer(clip=clip, annotator=annotator, tracks=tracks, heard=heard)


def _numbered(frames: Sequence[Frame], shape: ClipShape, fps: float) -> Iterator[tuple[int, Frame]]:
    for frame in frames:
        number = min(shape.frames - 1, max(0, round(frame.time * fps)))
        if number == 1 and frame is frames[0]:
            yield 0, frame
        yield number, frame


def _masks(track: int, frames: dict[int, Frame], by: Provenance) -> Iterator[FrameMask]:
    for number, frame in sorted(frames.items()):
        for region in frame.regions:
            if region.track == track and isinstance(region.mask, RleMask):
                mask = MaskRle(size=region.mask.size, counts=region.mask.counts)
                yield FrameMask(frame=number, mask=mask, by=by)


def _soundings(track: schemas.Track, cut: Clipped, by: Provenance) -> Iterator[Sounding]:
    """Yield the sentences of a track, and the times between in which nothing is said."""
    for interval in track.intervals:
        at = interval.start
        for said in track.sentences:
            if interval.start - _CLOSE <= said.start and said.end <= interval.end + _CLOSE:
                yield from _sounding(at, said.start, None, cut, by)
                yield from _sounding(said.start, said.end, said.text, cut, by)
                at = said.end
        yield from _sounding(at, interval.end, None, cut, by)


def _sounding(
    start: float, end: float, text: str | None, cut: Clipped, by: Provenance
) -> Iterator[Sounding]:
    if end - start > 1e-3 and (span := cut.span(start, end)):
        sentence = None if text is None else text[:500]
        yield Sounding(start=span[0], end=span[1], sentence=sentence, by=by)


def _heard_alone(
    frames: dict[int, Frame], cut: Clipped, fps: float, by: Provenance
) -> list[HeardAlone]:
    found: dict[str, list[int]] = {}
    for number, frame in sorted(frames.items()):
        for one in frame.heard:
            if one.region is None:
                found.setdefault(one.category, []).append(number)
    return [
        HeardAlone(
            category=category,
            intervals=[
                HeardSpan(start=span[0], end=span[1], by=by)
                for first, last in runs_of(numbers)
                if (span := cut.span((first - 0.5) / fps, (last + 0.5) / fps))
            ],
        )
        for category, numbers in sorted(found.items())
    ]


def runs_of(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of each run of neighbours among rising numbers."""
    first = last = None
    for number in numbers:
        if first is None or last is None or number > last + 1:
            if first is not None and last is not None:
                yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last


def answer_of(
    layer: Layer, facts: AnswerFacts, shape: ClipShape, *, fps: float, stop: Stop
) -> Understanding:
    """Return a layer as an answer: a track that sounds unseen is heard, one that is silent lost."""
    numbers = {track.id: number for number, track in enumerate(layer.tracks, start=1)}
    masks = {track.id: {one.frame: one.mask for one in track.masks} for track in layer.tracks}
    frames = [
        _frame(layer, number, masks, numbers, fps) for number in stop.each(range(shape.frames))
    ]
    return Understanding(
        clip=facts.clip,
        model=facts.model,
        sampled_fps=fps,
        mask_size=(shape.height, shape.width),
        timings_ms={},
        warnings=[],
        frames=frames,
        tracks=[_track(track, numbers[track.id]) for track in layer.tracks],
    )


def _frame(
    layer: Layer,
    number: int,
    masks: dict[str, dict[int, MaskRle]],
    numbers: dict[str, int],
    fps: float,
) -> Frame:
    time, regions, heard = round(number / fps, 3), [], []
    for track in layer.tracks:
        sounds = sounding_at(track, time)
        if sounds is None:
            continue
        mask = masks[track.id].get(number)
        if mask is None:
            heard.append(_heard(track.category, None))
        else:
            regions.append(_region(track, mask, numbers[track.id], sentence_of(track, sounds)))
    for one in layer.heard:
        if any(span.start <= time < span.end for span in one.intervals):
            said = f"{with_article(one.category)} sounds out of sight"
            heard.append(_heard(one.category, said))
    return Frame(time=time, regions=regions, heard=heard)


def _region(track: LayerTrack, rle: MaskRle, number: int, sentence: str | None) -> schemas.Region:
    mask = decode_rle({"size": list(rle.size), "counts": rle.counts})
    return schemas.Region(
        track=number,
        score=1.0,
        category=track.category,
        bbox=bounding_box(mask),
        area=int(mask.sum()),
        mask=RleMask(size=rle.size, counts=rle.counts),
        description=sentence,
    )


def _heard(category: str, said: str | None) -> schemas.Heard:
    return schemas.Heard(category=category, score=1.0, region=None, description=said)


def _track(track: LayerTrack, number: int) -> schemas.Track:
    return schemas.Track(
        id=number,
        category=track.category,
        intervals=[schemas.Interval(start=one.start, end=one.end) for one in track.intervals],
        sentences=[
            schemas.Sentence(
                start=one.start, end=one.end, text=sentence_of(track, one) or track.category
            )
            for one in track.intervals
        ],
    )


def sounding_at(track: LayerTrack, time: float) -> Sounding | None:
    """Return the interval in which a track sounds at a time; None if it is silent."""
    return next((one for one in track.intervals if one.start <= time < one.end), None)


def sentence_of(track: LayerTrack, interval: Sounding) -> str | None:
    """Return what holds in an interval: its own sentence, or the one that it inherits."""
    held: str | None = None
    for one in track.intervals:
        held = one.sentence if one.sentence is not None or not one.inherited else held
        if one is interval:
            return held
    return None
