"""The layers in the store: read, begun, and changed by edits that are logged."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import orjson
from pydantic import TypeAdapter
from sqlalchemy import (
    Column,
    Connection,
    Row,
    Select,
    String,
    and_,
    cast,
    delete,
    exc,
    func,
    insert,
    literal,
    select,
    update,
)

from service.jobs.database import Database
from service.studio.applied import LayerRows
from service.studio.layers import (
    MODEL,
    ClipShape,
    Edit,
    FrameMask,
    HeardAlone,
    Layer,
    LayerTrack,
    MaskRle,
    Provenance,
    Sounding,
    State,
)
from service.studio.tables import EDITS, LAYERS, MASKS, TRACKS
from ssuformer.errors import LayerExists, RevisionConflict, StudioFull, StudioNotFound

_HEARD = TypeAdapter(list[HeardAlone])
_INTERVALS = TypeAdapter(list[Sounding])

T = TypeVar("T")

MOST_LAYER, MOST_LOG = 2**28, 2**30
"""Bytes of the masks of a layer, and of the log of its edits."""
_LARGE, _SELDOM = 2**20, 32
"""They are added up when so many bytes are logged at once, and at each of so many revisions."""
_WHOLE = "~"
"""Before the revision, the id in the log of a layer that was put whole."""
_PAGE = 16
"""Revisions of a log that are in memory at once."""


class Batch(NamedTuple):
    """Edits that are saved together, or not at all."""

    id: str
    """Unique in its layer: the same again changes nothing."""
    edits: Sequence[Edit]
    who: str
    model: str | None = None
    """What a tool that is named in the edits is told by."""
    held: bool = True
    """Whether the tracker that made the masks was sure."""


class LayerStore:
    """All layers; every method is one transaction in a thread."""

    def __init__(self, database: Database, *, most_tracks: int) -> None:
        self._run = database.run
        self._most_tracks = most_tracks

    async def find(self, clip: str, annotator: str, shape: ClipShape) -> Layer:
        """Return a layer; raise StudioNotFound if there is none."""

        def act(connection: Connection) -> Layer:
            return _read(connection, clip, annotator, shape)

        return await self._run(act)

    async def begin(self, layer: Layer, *, who: str) -> int:
        """Store a new layer with all that is in it; LayerExists if there is one."""

        def act(connection: Connection) -> int:
            if _locked(connection, layer.clip, layer.annotator) is not None:
                raise LayerExists(f"{layer.annotator} has a layer of this clip already")
            return _put(connection, layer, None, who)

        return await self._written(act)

    async def put(self, layers: Sequence[Layer], *, who: str) -> list[int]:
        """Store layers, all or none, in the place of those that are there, whose logs are kept."""

        def act(connection: Connection) -> list[int]:
            return [
                _put(connection, one, _locked(connection, one.clip, one.annotator), who)
                for one in layers
            ]

        return await self._written(act)

    async def _written(self, act: Callable[[Connection], T]) -> T:
        try:
            return await self._run(act)
        except exc.IntegrityError as error:  # another request was faster
            message = "the layer was begun, or its clip deleted, meanwhile"
            raise LayerExists(message) from error

    async def change(self, clip: str, annotator: str, batch: Batch, *, base: int | None) -> int:
        """Apply edits to a layer; return its revision.

        With a `base`, raises RevisionConflict unless that is its revision. Raises EditInvalid if
        an edit names a track that is not there, StudioNotFound if there is no layer, StudioFull if
        it, or its log, would be too large.
        """

        def act(connection: Connection) -> int:
            found = _locked(connection, clip, annotator)
            if found is None:
                raise StudioNotFound(f"{annotator} has no layer of this clip")
            if (known := _revision_of(connection, clip, annotator, batch.id)) is not None:
                return known
            if base is not None and base != found.revision:
                raise RevisionConflict(
                    f"the layer is at revision {found.revision}, the edits are of {base}",
                    limit=base, actual=found.revision,
                )  # fmt: skip
            revision = int(found.revision) + 1
            rows = LayerRows(connection, clip, annotator, most_tracks=self._most_tracks)
            done = [
                rows.apply(one, who=batch.who, model=batch.model, held=batch.held)
                for one in batch.edits
            ]
            layer = Layer(clip=clip, annotator=annotator)
            change = update(LAYERS).where(_is(clip, annotator))
            connection.execute(change.values(revision=revision, updated=time.time()))
            _log(connection, layer, revision, batch.id, batch.who, done)
            return revision

        return await self._run(act)

    async def log(
        self, clip: str, annotator: str, *, last: int
    ) -> AsyncIterator[tuple[int, list[dict[str, Any]]]]:
        """Yield revisions up to the last with their edits, from where the layer was put whole."""
        mine = and_(EDITS.c.clip == clip, EDITS.c.annotator == annotator, EDITS.c.revision <= last)
        whole = EDITS.c.id == literal(_WHOLE).concat(cast(EDITS.c.revision, String))
        begun = select(func.max(EDITS.c.revision)).where(mine, whole)
        query = select(EDITS.c.revision, EDITS.c.edits).where(mine).order_by(EDITS.c.revision)
        after = (await self._run(lambda one: one.execute(begun).scalar_one()) or 1) - 1
        while after < last:
            rows = await self._rows(query.where(EDITS.c.revision > after).limit(_PAGE))
            if not rows:
                return
            for row in rows:
                yield row.revision, orjson.loads(row.edits)
            after = rows[-1].revision

    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return await self._run(lambda one: one.execute(query).all())


def _is(clip: str, annotator: str) -> Any:  # noqa: ANN401
    return and_(LAYERS.c.clip == clip, LAYERS.c.annotator == annotator)


def _locked(connection: Connection, clip: str, annotator: str) -> Any:  # noqa: ANN401
    query = select(LAYERS).where(_is(clip, annotator)).with_for_update()
    return connection.execute(query).first()


def _revision_of(connection: Connection, clip: str, annotator: str, batch: str) -> int | None:
    """Return the revision that a batch of edits has made, if it is known."""
    known = and_(EDITS.c.clip == clip, EDITS.c.annotator == annotator, EDITS.c.id == batch)
    found = connection.execute(select(EDITS.c.revision).where(known)).scalar_one_or_none()
    return None if found is None else int(found)


def _read(connection: Connection, clip: str, annotator: str, shape: ClipShape) -> Layer:
    head = connection.execute(select(LAYERS).where(_is(clip, annotator))).first()
    if head is None:
        raise StudioNotFound(f"{annotator} has no layer of this clip")
    masks: dict[str, list[FrameMask]] = {}
    query = select(MASKS).where(MASKS.c.clip == clip, MASKS.c.annotator == annotator)
    for row in connection.execute(query.order_by(MASKS.c.track, MASKS.c.frame)):
        masks.setdefault(row.track, []).append(
            FrameMask(
                frame=row.frame,
                mask=MaskRle(size=(shape.height, shape.width), counts=row.counts),
                locked=row.locked,
                held=row.held,
                by=Provenance.model_validate_json(row.by),
            )
        )
    query = select(TRACKS).where(TRACKS.c.clip == clip, TRACKS.c.annotator == annotator)
    tracks = [
        LayerTrack(
            id=row.id,
            category=row.category,
            instance=row.instance,
            masks=masks.get(row.id, []),
            intervals=_INTERVALS.validate_json(row.intervals),
        )
        for row in connection.execute(query.order_by(TRACKS.c.place))
    ]
    state: State = head.state
    return Layer(
        clip=clip,
        annotator=annotator,
        revision=head.revision,
        state=state,
        tracks=tracks,
        heard=_HEARD.validate_json(head.heard),
    )


def _put(connection: Connection, layer: Layer, before: Any, who: str) -> int:  # noqa: ANN401
    """Write a layer, in the place of the row that was `before`; return its revision."""
    revision = 1 if before is None else int(before.revision) + 1
    _write(connection, layer, revision, new=before is None)
    _log(connection, layer, revision, f"{_WHOLE}{revision}", who, [_whole(layer)])
    return revision


def _write(connection: Connection, layer: Layer, revision: int, *, new: bool) -> None:
    now = time.time()
    values = {
        "state": layer.state,
        "revision": revision,
        "updated": now,
        "heard": _HEARD.dump_json(layer.heard).decode(),
    }
    names = {"clip": layer.clip, "annotator": layer.annotator}
    if new:
        connection.execute(insert(LAYERS).values(**names, **values, created=now))
    else:
        connection.execute(update(LAYERS).where(_is(**names)).values(**values))
        old = and_(TRACKS.c.clip == layer.clip, TRACKS.c.annotator == layer.annotator)
        connection.execute(delete(TRACKS).where(old))
    tracks = [
        {
            **names,
            "id": track.id,
            "place": place,
            "category": track.category,
            "instance": track.instance,
            "intervals": _INTERVALS.dump_json(track.intervals).decode(),
        }
        for place, track in enumerate(layer.tracks)
    ]
    masks = [{**names, **row} for row in _mask_rows(layer)]
    if tracks:
        connection.execute(insert(TRACKS), tracks)
    if masks:
        connection.execute(insert(MASKS), masks)


def _mask_rows(layer: Layer) -> Iterator[dict[str, Any]]:
    for track in layer.tracks:
        for one in track.masks:
            by = one.by or Provenance(who=layer.annotator, tool="import", at="")
            yield {
                "track": track.id,
                "frame": one.frame,
                "counts": one.mask.counts,
                "locked": one.locked,
                "held": one.held,
                "by": by.model_dump_json(),
            }


def _whole(layer: Layer) -> dict[str, Any]:
    told = layer.model_dump(mode="json", include={"state", "tracks", "heard"})
    return {"op": "begin", **told}


def _log(
    connection: Connection,
    layer: Layer,
    revision: int,
    identity: str,
    who: str,
    edits: list[dict[str, Any]],
) -> None:
    written = orjson.dumps(edits).decode()
    connection.execute(
        insert(EDITS).values(
            clip=layer.clip,
            annotator=layer.annotator,
            revision=revision,
            id=identity,
            who=who,
            at=time.time(),
            edits=written,
        )
    )
    if layer.annotator != MODEL and (len(written) > _LARGE or revision % _SELDOM == 0):
        _check_bytes(connection, layer, MASKS.c.counts, "masks of the layer", MOST_LAYER)
        _check_bytes(connection, layer, EDITS.c.edits, "log of its edits", MOST_LOG)


def _check_bytes(
    connection: Connection, layer: Layer, column: Column[str], what: str, most: int
) -> None:
    own = and_(column.table.c.clip == layer.clip, column.table.c.annotator == layer.annotator)
    held = connection.execute(select(func.sum(func.length(column))).where(own)).scalar_one() or 0
    if held > most:
        message = f"the {what} would have {held} bytes, the limit is {most}"
        raise StudioFull(message, limit=most, actual=int(held))
