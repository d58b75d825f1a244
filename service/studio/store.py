"""The store of the studio: projects and clips, in the database of jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, select, update

from service.jobs.database import Database
from service.studio.records import PREPARING, Clip, LayerRow, Project
from service.studio.tables import CLIPS, LAYERS, METADATA, PROJECTS
from ssuformer.errors import StudioFull, StudioNotFound

_LAYER = (
    LAYERS.c.clip, LAYERS.c.annotator, LAYERS.c.state, LAYERS.c.revision, LAYERS.c.created,
    LAYERS.c.updated,
)  # fmt: skip


class LeaseLost(Exception):
    """The clip has been deleted, or another gateway prepares it."""


class StudioStore:
    """Projects and clips; every method is one transaction in a thread."""

    def __init__(self, url: str) -> None:
        """Connect later; raise ConfigError if the URL or its driver is unknown."""
        self.database = Database(url, METADATA, name="studio")
        self._run, self._now = self.database.run, self.database.now

    async def add_project(self, project: Project, *, most: int) -> Project:
        """Store a project; StudioFull if there are so many already."""

        def act(connection: Connection) -> Project:
            held = connection.execute(select(func.count()).select_from(PROJECTS)).scalar_one()
            if held >= most:
                raise StudioFull(f"there are {most} projects already", limit=most)
            row = insert(PROJECTS).values(**{**asdict(project), "created": self._now()})
            return Project(**connection.execute(row.returning(*PROJECTS.c)).one()._mapping)

        return await self._run(act)

    async def projects(self) -> list[Project]:
        """Return all projects, the newest first."""
        query = select(PROJECTS).order_by(PROJECTS.c.created.desc(), PROJECTS.c.id)
        rows = await self._run(lambda one: one.execute(query).all())
        return [Project(**row._mapping) for row in rows]

    async def project(self, identity: str) -> Project:
        """Return a project; raise StudioNotFound if there is none."""
        query = select(PROJECTS).where(PROJECTS.c.id == identity)
        return Project(**_found(await self._run(lambda one: one.execute(query).first()), "project"))

    async def delete_project(self, identity: str) -> list[str]:
        """Forget a project and all in it; return its clips. StudioNotFound if there is none."""

        def act(connection: Connection) -> list[str]:
            clips = connection.execute(select(CLIPS.c.id).where(CLIPS.c.project == identity))
            found = [str(row[0]) for row in clips]
            done = connection.execute(delete(PROJECTS).where(PROJECTS.c.id == identity))
            if not done.rowcount:
                raise StudioNotFound("there is no such project")
            return found

        return await self._run(act)

    async def check_room(self, project: str, *, most: int, size: int, disk: int) -> None:
        """Raise StudioNotFound, or StudioFull if a clip of this size has no room."""
        await self.project(project)

        def act(connection: Connection) -> tuple[int, int]:
            count = select(func.count()).where(CLIPS.c.project == project)
            held = select(func.coalesce(func.sum(CLIPS.c.bytes), 0))
            found = connection.execute(count).scalar_one(), connection.execute(held).scalar_one()
            return int(found[0]), int(found[1])

        clips, held = await self._run(act)
        if clips >= most:
            raise StudioFull(f"the project has {most} clips already", limit=most)
        if held + size > disk:
            raise StudioFull(
                f"the clips of the studio take {held} bytes, and may take {disk}",
                limit=disk, actual=held + size,
            )  # fmt: skip

    async def add_clip(self, clip: Clip) -> None:
        """Store a new clip."""
        row = insert(CLIPS).values(**{**asdict(clip), "created": self._now()})
        await self._run(lambda one: one.execute(row))

    async def clip(self, identity: str) -> Clip:
        """Return a clip; raise StudioNotFound if there is none."""
        query = select(CLIPS).where(CLIPS.c.id == identity)
        return Clip(**_found(await self._run(lambda one: one.execute(query).first()), "clip"))

    async def clips(self, project: str | None = None) -> list[Clip]:
        """Return the clips of a project, or all, in the order in which they were sent."""
        query = select(CLIPS).order_by(CLIPS.c.created, CLIPS.c.id)
        if project is not None:
            query = query.where(CLIPS.c.project == project)
        return [Clip(**row._mapping) for row in await self._rows(query)]

    async def layers(self, clips: Sequence[str]) -> list[LayerRow]:
        """Return all layers of some clips, in order."""
        query = select(*_LAYER).where(LAYERS.c.clip.in_(clips))
        rows = await self._rows(query.order_by(LAYERS.c.created, LAYERS.c.annotator))
        return [LayerRow(**row._mapping) for row in rows]

    async def delete_clip(self, identity: str) -> None:
        """Forget a clip and all layers; raise StudioNotFound if there is none."""
        query = delete(CLIPS).where(CLIPS.c.id == identity)
        if not await self._run(lambda one: one.execute(query).rowcount):
            raise StudioNotFound("there is no such clip")

    async def known(self, clips: Sequence[str]) -> set[str]:
        """Return which of these clips there are."""
        rows = await self._rows(select(CLIPS.c.id).where(CLIPS.c.id.in_(clips)))
        return {str(row[0]) for row in rows}

    async def take(self, *, lease: float) -> Clip | None:
        """Return the next clip to prepare, with a lease of so many seconds; None if there is none.

        One whose lease has run out is taken over.
        """
        now = self._now()
        pick = (
            select(CLIPS.c.id)
            .where(CLIPS.c.state == PREPARING, CLIPS.c.leased_until < now)
            .order_by(CLIPS.c.created)
            .limit(1)
            .with_for_update(skip_locked=True)
        )

        def act(connection: Connection) -> Row[Any] | None:
            found = connection.execute(pick).scalar_one_or_none()
            if found is None:
                return None
            taken = update(CLIPS).where(CLIPS.c.id == found).returning(*CLIPS.c)
            values = {"token": CLIPS.c.token + 1, "tries": CLIPS.c.tries + 1}
            return connection.execute(taken.values(**values, leased_until=now + lease)).first()

        row = await self._run(act)
        return None if row is None else Clip(**row._mapping)

    async def hold(self, clip: Clip, *, lease: float, **values: object) -> None:
        """Hold a clip for so many seconds, and change it; raise LeaseLost if it is another's."""
        held = and_(CLIPS.c.id == clip.id, CLIPS.c.token == clip.token, CLIPS.c.state == PREPARING)
        change = update(CLIPS).where(held).values(**values, leased_until=self._now() + lease)
        if await self._run(lambda one: one.execute(change).rowcount) != 1:
            raise LeaseLost(clip.id)

    async def _rows(self, query: Any) -> Sequence[Row[Any]]:  # noqa: ANN401
        return await self._run(lambda one: one.execute(query).all())


def _found(row: Row[Any] | None, what: str) -> dict[str, Any]:
    if row is None:
        raise StudioNotFound(f"there is no such {what}")
    return dict(row._mapping)
