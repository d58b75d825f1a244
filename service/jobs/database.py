"""The databases that hold jobs: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, exc, make_url

from ssuformer.errors import ConfigError

_LOCK_SECONDS = 10
"""How long a row may be locked by a transaction in which nothing happens."""


def engine_of(url: str, *, connections: int) -> Engine:
    """Return the engine of a store; raise ConfigError if the URL or its driver is unknown."""
    try:
        place = make_url(url)
        if place.drivername == "sqlite":
            return _sqlite(place.database or "")
        return _postgresql(place.set(drivername="postgresql+psycopg"), connections)
    except (exc.ArgumentError, ImportError) as error:
        raise ConfigError(f"SSU_JOBS names no store that can be opened: {error}") from error


def _postgresql(place: URL, connections: int) -> Engine:
    """Return an engine whose transactions end with a gateway that stops in the middle of one."""
    engine = create_engine(place, pool_pre_ping=True, pool_size=connections)

    def prepare(connection: Any, _: object) -> None:  # noqa: ANN401
        connection.autocommit = True
        for limit in ("idle_in_transaction_session_timeout", "lock_timeout"):
            connection.execute(f"SET {limit} = '{_LOCK_SECONDS}s'")
        connection.autocommit = False

    event.listen(engine, "connect", prepare)
    return engine


def _sqlite(path: str) -> Engine:
    """Return an engine whose transactions take the right to write at once, and wait for it."""
    if not path:
        raise ConfigError("SSU_JOBS names no file; write sqlite:////var/lib/ssu/jobs.sqlite")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 30.0})

    def prepare(connection: Any, _: object) -> None:  # noqa: ANN401
        connection.isolation_level = None
        for setting in ("journal_mode = WAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {setting}")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", lambda one: one.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine
