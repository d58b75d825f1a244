"""The databases that hold jobs: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

import random
import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, exc, make_url

from ssuformer.errors import ConfigError

_LOCK_SECONDS = 10
"""How long a row may be locked by a transaction in which nothing happens."""

_WRITE_SECONDS = 30.0
"""How long a gateway waits for the right to write a file of SQLite."""


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
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _WRITE_SECONDS})

    def prepare(connection: Any, _: object) -> None:  # noqa: ANN401
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")
        _log_ahead(connection)

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", lambda one: one.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Change the file to a write-ahead log; wait, as SQLite does not, for another that writes.

    While another gateway has the right to write (it may be making the same new file), SQLite
    refuses this one change at once, whatever its timeout.
    """
    end = time.monotonic() + _WRITE_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(random.uniform(0.005, 0.05))
        else:
            return
