"""How far two annotators agree on a clip, and what is taken of both.

J of a pair of tracks is the mean IoU of their masks over the frames in which either has one. Pairs
are found greedily, the most alike first: by J, then by how long both sound at once. F of intervals
counts two as the same if their IoU is 0.5 or more. A tolerance at the edges (0.1 s) would count a
bark of 0.3 s as hit that is half beside, and a rain of ten seconds as missed whose end nobody can
tell to 0.1 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.studio.answers import runs_of, sentence_of
from service.studio.layers import (
    AGREED,
    ClipShape,
    HeardAlone,
    HeardSpan,
    Layer,
    LayerTrack,
    Sounding,
    decoded,
)
from service.studio.schemas import Agreement, Disagreement, TrackChoice, TrackPair
from service.studio.stop import Stop
from ssuformer.errors import EditInvalid
from ssuformer.masks import overlap

_SAME_INTERVAL = 0.5
_SAME_MASK = 0.5
_TELLABLE = 0.1
"""Seconds by which edges may differ without a word about it."""


@dataclass(frozen=True, slots=True)
class _Pair:
    a: LayerTrack
    b: LayerTrack
    j: float | None
    """None if neither has a mask."""
    apart: tuple[int, ...]
    """Frames in which their masks differ much."""
    together: float
    """Seconds in which both sound."""


def agreement(a: Layer, b: Layer, shape: ClipShape, *, fps: float, stop: Stop) -> Agreement:
    """Return how far two layers agree, and where they do not."""
    pairs = _pairs(a, b, shape, stop)
    left_a = [one for one in a.tracks if all(one is not pair.a for pair in pairs)]
    left_b = [one for one in b.tracks if all(one is not pair.b for pair in pairs)]
    told = [_told(pair) for pair in pairs]
    told += [TrackPair(a=one.id, b=None, j=0.0, f=0.0, category_same=False) for one in left_a]
    told += [TrackPair(a=None, b=one.id, j=0.0, f=0.0, category_same=False) for one in left_b]
    found = [one for pair in pairs for one in _of_pair(pair, fps, stop)]
    found += [_whole(one, None, shape, fps) for one in left_a]
    found += [_whole(None, one, shape, fps) for one in left_b]
    known = [pair.j for pair in told if pair.j is not None]
    return Agreement(
        j=round(sum(known) / len(known), 4) if known else None,
        f_intervals=_f_of_all(pairs, left_a, left_b),
        tracks=told,
        disagreements=sorted(found, key=lambda one: (one.start, one.end, one.kind)),
    )


def _pairs(a: Layer, b: Layer, shape: ClipShape, stop: Stop) -> list[_Pair]:
    every = [_pair(one, other, shape, stop) for one in a.tracks for other in b.tracks]
    every = [pair for pair in every if (pair.j or 0) > 0 or _alike_unseen(pair)]
    every.sort(key=lambda pair: (-(pair.j or 0), -pair.together))
    chosen: list[_Pair] = []
    for pair in every:
        if all(pair.a is not one.a and pair.b is not one.b for one in chosen):
            chosen.append(pair)
    return chosen


def _alike_unseen(pair: _Pair) -> bool:
    return pair.j is None and pair.together > 0 and pair.a.category == pair.b.category


def _pair(a: LayerTrack, b: LayerTrack, shape: ClipShape, stop: Stop) -> _Pair:
    ours = {one.frame: one.mask for one in a.masks}
    theirs = {one.frame: one.mask for one in b.masks}
    frames = sorted(ours.keys() | theirs.keys())
    shares = {}
    for frame in stop.each(frames):
        one, other = ours.get(frame), theirs.get(frame)
        if one is None or other is None:
            shares[frame] = 0.0
        elif one.counts == other.counts:
            shares[frame] = 1.0
        else:
            shares[frame] = overlap(decoded(one, shape), decoded(other, shape))
    together = sum(_shared(one, other) for one in stop.each(a.intervals) for other in b.intervals)
    apart = tuple(frame for frame, share in shares.items() if share < _SAME_MASK)
    return _Pair(a, b, sum(shares.values()) / len(frames) if frames else None, apart, together)


def _shared(one: Sounding, other: Sounding) -> float:
    return max(0.0, min(one.end, other.end) - max(one.start, other.start))


def _told(pair: _Pair) -> TrackPair:
    return TrackPair(
        a=pair.a.id,
        b=pair.b.id,
        j=None if pair.j is None else round(pair.j, 4),
        f=f_of_intervals(pair.a.intervals, pair.b.intervals),
        category_same=pair.a.category == pair.b.category,
    )


def f_of_intervals(ours: Sequence[Sounding], theirs: Sequence[Sounding]) -> float | None:
    """Return F1 of intervals, each of which is the same as one other at most; None without any."""
    count = len(ours) + len(theirs)
    return round(2 * _hits(ours, theirs) / count, 4) if count else None


def _f_of_all(
    pairs: list[_Pair], left_a: list[LayerTrack], left_b: list[LayerTrack]
) -> float | None:
    hits = sum(_hits(pair.a.intervals, pair.b.intervals) for pair in pairs)
    tracks = [track for pair in pairs for track in (pair.a, pair.b)] + left_a + left_b
    count = sum(len(track.intervals) for track in tracks)
    return round(2 * hits / count, 4) if count else None


def _hits(ours: Sequence[Sounding], theirs: Sequence[Sounding]) -> int:
    free, hits = list(theirs), 0
    for one in ours:
        near = max(free, key=lambda other: _iou(one, other), default=None)
        if near is not None and _iou(one, near) >= _SAME_INTERVAL:
            free.remove(near)
            hits += 1
    return hits


def _iou(one: Sounding, other: Sounding) -> float:
    union = max(one.end, other.end) - min(one.start, other.start)
    return _shared(one, other) / union


def _of_pair(pair: _Pair, fps: float, stop: Stop) -> Iterator[Disagreement]:
    names = {"track_a": pair.a.id, "track_b": pair.b.id}
    if pair.a.category != pair.b.category:
        start, end = _extent([pair.a, pair.b], fps)
        yield Disagreement(kind="category", **names, start=start, end=end)
    for first, last in runs_of(pair.apart):
        start, end = round(first / fps, 3), round((last + 1) / fps, 3)
        yield Disagreement(kind="mask", **names, start=start, end=end)
    for start, end in _only_one(pair.a.intervals, pair.b.intervals):
        yield Disagreement(kind="interval", **names, start=start, end=end)
    for one in stop.each(pair.a.intervals):
        for other in pair.b.intervals:
            if _shared(one, other) <= _TELLABLE + 1e-6:
                continue
            said = _plain(sentence_of(pair.a, one)), _plain(sentence_of(pair.b, other))
            if said[0] != said[1]:
                start, end = max(one.start, other.start), min(one.end, other.end)
                yield Disagreement(kind="sentence", **names, start=start, end=end)


def _only_one(
    ours: Sequence[Sounding], theirs: Sequence[Sounding]
) -> Iterator[tuple[float, float]]:
    """Yield the times in which one of two sounds and the other does not."""
    edges = sorted({edge for one in (*ours, *theirs) for edge in (one.start, one.end)})
    since: float | None = None
    for at, until in zip(edges, [*edges[1:], None], strict=True):
        differs = _sounds(ours, at) != _sounds(theirs, at)
        if differs and since is None:
            since = at
        if since is not None and (not differs or until is None):
            if at - since > _TELLABLE + 1e-6:
                yield since, at
            since = None


def _sounds(spans: Sequence[Sounding], time: float) -> bool:
    return any(one.start <= time < one.end for one in spans)


def _plain(text: str | None) -> str:
    return " ".join((text or "").lower().rstrip(".").split())


def _whole(
    a: LayerTrack | None, b: LayerTrack | None, shape: ClipShape, fps: float
) -> Disagreement:
    start, end = _extent([track for track in (a, b) if track is not None], fps)
    return Disagreement(
        kind="track",
        track_a=None if a is None else a.id,
        track_b=None if b is None else b.id,
        start=start,
        end=min(end, shape.duration),
    )


def _extent(tracks: list[LayerTrack], fps: float) -> tuple[float, float]:
    edges = [edge for track in tracks for one in track.intervals for edge in (one.start, one.end)]
    frames = [one.frame for track in tracks for one in track.masks]
    edges += [edge for frame in frames for edge in (frame / fps, (frame + 1) / fps)]
    return (round(min(edges), 3), round(max(edges), 3)) if edges else (0.0, 0.0)


def adjudicated(a: Layer, b: Layer, choices: Sequence[TrackChoice]) -> Layer:
    """Return the layer of what was taken; tracks of which nothing was said are left out.

    Raises EditInvalid for a track that is not there. What is heard and not seen is that of both.
    """
    taken: list[LayerTrack] = []
    for choice in choices:
        if choice.take in ("a", "both"):
            taken.append(_named(a, choice.track_a))
        if choice.take in ("b", "both"):
            taken.append(_named(b, choice.track_b))
    numbers: dict[str, int] = {}
    tracks = []
    for number, track in enumerate(taken, start=1):
        numbers[track.category] = numbers.get(track.category, 0) + 1
        names = {"id": f"t{number}", "instance": numbers[track.category]}
        tracks.append(track.model_copy(update=names))
    return Layer(clip=a.clip, annotator=AGREED, state="accepted", tracks=tracks, heard=_both(a, b))


def _named(layer: Layer, track: str | None) -> LayerTrack:
    found = None if track is None else layer.track(track)
    if found is None:
        raise EditInvalid(f"the layer of {layer.annotator} has no track {track!r}")
    return found


def _both(a: Layer, b: Layer) -> list[HeardAlone]:
    spans: dict[str, list[HeardSpan]] = {}
    for one in (*a.heard, *b.heard):
        spans.setdefault(one.category, []).extend(one.intervals)
    return [HeardAlone(category=name, intervals=_joined(spans[name])) for name in sorted(spans)]


def _joined(spans: list[HeardSpan]) -> list[HeardSpan]:
    found: list[HeardSpan] = []
    for span in sorted(spans, key=lambda one: one.start):
        if found and span.start <= found[-1].end:
            end = max(found[-1].end, span.end)
            found[-1] = found[-1].model_copy(update={"end": end})
        else:
            found.append(span)
    return found
