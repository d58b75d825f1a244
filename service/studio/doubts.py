"""What a person should look at first: where sound and masks, ear and eye, or pictures disagree.

A doubt's score grows with how long it lasts, up to two seconds, from what its kind begins with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from service.studio.answers import runs_of, sounding_at
from service.studio.layers import ClipShape, FrameMask, Layer, LayerTrack, decoded
from service.studio.schemas import Doubt
from service.studio.stop import Stop
from ssuformer.masks import overlap

_LONG = 2.0
_BREAK_SECONDS = 1.5
"""A track that is unseen for longer has left the picture: that is no break."""
_JUMP = 0.15
"""Least IoU of a track's masks in neighbouring frames."""


def doubts(
    layer: Layer, model: Layer | None, shape: ClipShape, *, fps: float, stop: Stop
) -> list[Doubt]:
    """Return all doubts about a layer, the greatest first; `model` is the pre-label."""
    found = [doubt for track in layer.tracks for doubt in _of_track(track, shape, fps, stop)]
    found += _of_ear(layer, model, shape, fps)
    return sorted(found, key=lambda one: (-one.score, one.start, one.kind))


def _of_track(track: LayerTrack, shape: ClipShape, fps: float, stop: Stop) -> Iterator[Doubt]:
    masks = {one.frame: one for one in track.masks}
    sounds = [n for n in stop.each(range(shape.frames)) if sounding_at(track, n / fps) is not None]
    gaps = set(_gaps(sorted(masks), fps))
    for first, last in runs_of(n for n in sounds if n not in masks):
        inside = set(range(first, last + 1))
        if masks and inside <= gaps:
            why = f"{_name(track)} sounds and is lost from the picture in between"
            yield _doubt("track_break", track, first, last, fps, 0.6, why)
        else:
            why = f"{_name(track)} sounds, but nothing of it is marked in the picture"
            yield _doubt("sound_without_mask", track, first, last, fps, 0.5, why)
    if masks and not track.intervals:
        why = f"{_name(track)} is marked in the picture and never sounds"
        yield _doubt("mask_without_sound", track, min(masks), max(masks), fps, 0.3, why)
    for first, last in runs_of(n for n in sorted(masks) if not masks[n].held):
        why = f"the tracker was not sure of {_name(track)}"
        yield _doubt("held_false", track, first, last, fps, 0.45, why)
    for number in _jumps(stop.each(track.masks), shape):
        why = f"the mask of {_name(track)} jumps from one frame to the next"
        yield _doubt("track_break", track, number - 1, number, fps, 0.55, why)


def _gaps(frames: list[int], fps: float) -> Iterator[int]:
    """Yield the frames without a mask between two that have one, not far apart."""
    for before, after in pairwise(frames):
        if 1 < after - before <= _BREAK_SECONDS * fps + 1:
            yield from range(before + 1, after)


def _jumps(masks: Iterable[FrameMask], shape: ClipShape) -> Iterator[int]:
    for one, other in pairwise(masks):
        if other.frame == one.frame + 1 and one.mask.counts != other.mask.counts:
            shared = overlap(decoded(one.mask, shape), decoded(other.mask, shape))
            if shared < _JUMP:
                yield other.frame


def _of_ear(layer: Layer, model: Layer | None, shape: ClipShape, fps: float) -> Iterator[Doubt]:
    """Yield what the model hears and the layer does not tell of, or the other way round."""
    if model is None:
        return
    told, heard = _sounding(layer, shape, fps), _sounding(model, shape, fps)
    alone = _alone(layer, shape, fps)
    for category in sorted(heard.keys() | told.keys()):
        ours, theirs = told.get(category, set()), heard.get(category, set())
        for first, last in runs_of(sorted(theirs - ours)):
            why = f"the model hears {category!r}, nothing tells of it"
            yield _doubt("ear_eye", None, first, last, fps, 0.3, why)
        if layer.annotator == model.annotator:
            for first, last in runs_of(sorted(alone.get(category, ()))):
                why = f"the model hears {category!r} and sees nothing that is one"
                yield _doubt("ear_eye", None, first, last, fps, 0.4, why)
            continue
        for first, last in runs_of(sorted(ours - theirs)):
            why = f"{category!r} is said to sound, the model does not hear it"
            yield _doubt("ear_eye", None, first, last, fps, 0.2, why)


def _sounding(layer: Layer, shape: ClipShape, fps: float) -> dict[str, set[int]]:
    """Return the frames in which each category sounds, seen or not."""
    found = _alone(layer, shape, fps)
    for track in layer.tracks:
        spans = [(one.start, one.end) for one in track.intervals]
        found.setdefault(track.category, set()).update(_frames(spans, shape, fps))
    return found


def _alone(layer: Layer, shape: ClipShape, fps: float) -> dict[str, set[int]]:
    return {
        one.category: _frames([(span.start, span.end) for span in one.intervals], shape, fps)
        for one in layer.heard
    }


def _frames(spans: Iterable[tuple[float, float]], shape: ClipShape, fps: float) -> set[int]:
    return {
        number
        for start, end in spans
        for number in range(max(0, int(start * fps)), min(shape.frames, int(end * fps) + 2))
        if start <= number / fps < end
    }


def _doubt(
    kind: str,
    track: LayerTrack | None,
    first: int,
    last: int,
    fps: float,
    least: float,
    why: str,
) -> Doubt:
    seconds = (last + 1 - first) / fps
    score = least + (1 - least) * 0.8 * min(1.0, seconds / _LONG)
    return Doubt.model_validate(
        {
            "kind": kind,
            "track": None if track is None else track.id,
            "start": round(max(0, first) / fps, 3),
            "end": round((last + 1) / fps, 3),
            "score": round(score, 3),
            "why": why,
        }
    )


def _name(track: LayerTrack) -> str:
    return f"{track.category} {track.instance}"
