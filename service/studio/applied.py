"""Edits applied to a layer: to its rows in the store, or to a layer in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Table, and_, delete, func, insert, select, update

from service.studio.layers import (
    DeleteTrack,
    Edit,
    FrameMask,
    HeardAlone,
    HeardSpan,
    Layer,
    LayerTrack,
    Provenance,
    PutHeard,
    PutIntervals,
    PutMask,
    PutState,
    PutTrack,
    Sounding,
    Tool,
    now_text,
)
from service.studio.tables import LAYERS, MASKS, TRACKS
from ssuformer.errors import EditInvalid, StudioFull

_HEARD = TypeAdapter(list[HeardAlone])
_INTERVALS = TypeAdapter(list[Sounding])
_BY_HAND: frozenset[Tool] = frozenset(("brush", "import"))


class LayerRows:
    """The rows of a layer that a transaction holds; each edit is returned with its provenance."""

    def __init__(
        self, connection: Connection, clip: str, annotator: str, *, most_tracks: int
    ) -> None:
        self._connection = connection
        self._names = {"clip": clip, "annotator": annotator}
        self._most_tracks = most_tracks

    def apply(self, edit: Edit, *, who: str, model: str | None, held: bool) -> dict[str, Any]:
        """Change the rows; raise EditInvalid for a track that is not there, StudioFull for more."""
        match edit:
            case PutTrack():
                self._put_track(edit)
            case DeleteTrack():
                self._delete(TRACKS, TRACKS.c.id == edit.track)
            case PutMask():
                return self._put_mask(edit, who, model, held=held)
            case PutIntervals():
                return self._put_intervals(edit, who)
            case PutHeard():
                return self._put_heard(edit, who)
            case PutState():
                self._change(LAYERS, state=edit.state)
        return edit.model_dump(mode="json")

    def _put_track(self, edit: PutTrack) -> None:
        put = edit.track
        here = TRACKS.c.id == put.id
        if self._change(TRACKS, here, category=put.category, instance=put.instance):
            return
        query = select(func.count(), func.max(TRACKS.c.place)).where(self._of(TRACKS))
        count, last = self._connection.execute(query).one()
        if count >= self._most_tracks:
            raise StudioFull(
                f"a layer has {self._most_tracks} tracks at most", limit=self._most_tracks
            )
        self._connection.execute(
            insert(TRACKS).values(
                **self._names,
                **put.model_dump(),
                place=0 if last is None else last + 1,
                intervals="[]",
            )
        )

    def _put_mask(
        self, edit: PutMask, who: str, model: str | None, *, held: bool
    ) -> dict[str, Any]:
        self._check_track(edit.track)
        here = and_(MASKS.c.track == edit.track, MASKS.c.frame == edit.frame)
        before = self._connection.execute(select(MASKS).where(self._of(MASKS), here)).first()
        told = edit.model_dump(mode="json")
        if edit.mask is None:
            self._delete(MASKS, here)
            return told
        if before is not None and before.counts == edit.mask.counts:
            by, held = before.by, before.held  # it has been locked, or is as it was
        else:
            named = None if edit.tool in _BY_HAND else model
            made = Provenance(who=who, tool=edit.tool, model=named, at=now_text())
            by = made.model_dump_json()
        values = {"counts": edit.mask.counts, "locked": edit.locked, "held": held, "by": by}
        if not self._change(MASKS, here, **values):
            place = {"track": edit.track, "frame": edit.frame}
            self._connection.execute(insert(MASKS).values(**self._names, **place, **values))
        by = Provenance.model_validate_json(by).model_dump(mode="json")
        return {**told, "held": held, "by": by}

    def _put_intervals(self, edit: PutIntervals, who: str) -> dict[str, Any]:
        here = TRACKS.c.id == edit.track
        query = select(TRACKS.c.intervals).where(self._of(TRACKS), here)
        written = self._connection.execute(query).scalar_one_or_none()
        if written is None:
            raise _no_track(edit.track)
        known = {_said(one): one.by for one in _INTERVALS.validate_json(written)}
        by = Provenance(who=who, tool="text", at=now_text())
        put = [one.model_copy(update={"by": known.get(_said(one)) or by}) for one in edit.intervals]
        self._change(TRACKS, here, intervals=_INTERVALS.dump_json(put).decode())
        return edit.model_copy(update={"intervals": put}).model_dump(mode="json")

    def _put_heard(self, edit: PutHeard, who: str) -> dict[str, Any]:
        written = self._connection.execute(select(LAYERS.c.heard).where(self._of(LAYERS)))
        known = _spans(_HEARD.validate_json(written.scalar_one()))
        by = Provenance(who=who, tool="text", at=now_text())

        def owned(category: str, span: HeardSpan) -> HeardSpan:
            found = known.get((category, span.start, span.end))
            return span.model_copy(update={"by": found or by})

        put = [
            one.model_copy(update={"intervals": [owned(one.category, s) for s in one.intervals]})
            for one in edit.heard
        ]
        self._change(LAYERS, heard=_HEARD.dump_json(put).decode())
        return edit.model_copy(update={"heard": put}).model_dump(mode="json")

    def _check_track(self, track: str) -> None:
        query = select(TRACKS.c.id).where(self._of(TRACKS), TRACKS.c.id == track)
        if self._connection.execute(query).first() is None:
            raise _no_track(track)

    def _of(self, table: Table) -> ColumnElement[bool]:
        return and_(*(table.c[name] == value for name, value in self._names.items()))

    def _change(self, table: Table, *where: ColumnElement[bool], **values: object) -> int:
        query = update(table).where(self._of(table), *where).values(**values)
        return self._connection.execute(query).rowcount

    def _delete(self, table: Table, *where: ColumnElement[bool]) -> None:
        self._connection.execute(delete(table).where(self._of(table), *where))


def replayed(layer: Layer, entries: Iterable[dict[str, Any]]) -> Layer:
    """Return the layer that logged edits make of one, one after the other."""
    for entry in entries:
        layer = _replay(layer, entry)
    return layer


def _replay(layer: Layer, entry: dict[str, Any]) -> Layer:
    kept = {"clip": layer.clip, "annotator": layer.annotator}
    match entry["op"]:
        case "begin":
            return Layer.model_validate({**entry, **kept})
        case "state":
            return layer.model_copy(update={"state": entry["state"]})
        case "put_heard":
            return layer.model_copy(update={"heard": _HEARD.validate_python(entry["heard"])})
        case "delete_track":
            left = [one for one in layer.tracks if one.id != entry["track"]]
            return layer.model_copy(update={"tracks": left})
        case "put_track" if layer.track(entry["track"]["id"]) is None:
            added = LayerTrack.model_validate(entry["track"])
            return layer.model_copy(update={"tracks": [*layer.tracks, added]})
    name = entry["track"] if isinstance(entry["track"], str) else entry["track"]["id"]
    tracks = [_replay_track(one, entry) if one.id == name else one for one in layer.tracks]
    return layer.model_copy(update={"tracks": tracks})


def _replay_track(track: LayerTrack, entry: dict[str, Any]) -> LayerTrack:
    if entry["op"] == "put_track":
        return track.model_copy(update=entry["track"])
    if entry["op"] == "put_intervals":
        intervals = _INTERVALS.validate_python(entry["intervals"])
        return track.model_copy(update={"intervals": intervals})
    masks = {one.frame: one for one in track.masks}
    masks.pop(entry["frame"], None)
    if entry["mask"] is not None:
        masks[entry["frame"]] = FrameMask.model_validate(entry)
    return track.model_copy(update={"masks": [masks[frame] for frame in sorted(masks)]})


def _spans(heard: Iterable[HeardAlone]) -> dict[tuple[str, float, float], Provenance | None]:
    return {
        (one.category, span.start, span.end): span.by for one in heard for span in one.intervals
    }


def _said(one: Sounding) -> tuple[object, ...]:
    return one.start, one.end, one.sentence, one.inherited


def _no_track(track: str) -> EditInvalid:
    return EditInvalid(f"the layer has no track {track!r}", actual=track)
