"""The databases that hold jobs, and the studio: SQLite in a file, or PostgreSQL."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Double,
    Engine,
    MetaData,
    create_engine,
    event,
    exc,
    func,
    make_url,
    text,
)

from ssuformer.errors import ConfigError, JobsUnavailable, OptionError

T = TypeVar("T")

_THREADS = 4
_LOCK = 0x5355_4A53
"""Number of the advisory lock under which tables are made."""

_LOCK_SECONDS = 10
"""How long a row may be locked by a transaction in which nothing happens."""

_WRITE_SECONDS = 30.0
"""How long a gateway waits for the right to write a file of SQLite."""


class Database:
    """Tables in a database; what is done with them is a transaction in a thread."""

    def __init__(self, url: str, tables: MetaData, *, name: str) -> None:
        """Connect later; raise ConfigError if the URL or its driver is unknown."""
        self.engine = engine_of(url, connections=_THREADS)
        self._tables = tables
        self._started = False
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)

    async def start(self) -> None:
        """Make the tables that are missing, once."""
        if not self._started:
            await self.run(self._make_tables)
            self._started = True

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.to_thread(self._threads.shutdown)
        self.engine.dispose()

    async def run(self, act: Callable[[Connection], T]) -> T:
        """Return what a transaction returns; JobsUnavailable if the database does not answer.

        Raises OptionError for a value that it cannot hold: PostgreSQL has no text with a NUL.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._in_transaction, act)

    def now(self) -> ColumnElement[float]:
        """Return the time as one clock for all gateways tells it: that of the database.

        It is read while a statement runs, not before the transaction waits for its turn.
        """
        if self.engine.dialect.name == "sqlite":
            return func.now_of_this_machine(type_=Double())
        return func.extract("epoch", func.clock_timestamp()).cast(Double)

    def _make_tables(self, connection: Connection) -> None:
        if self.engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        self._tables.create_all(connection)

    def _in_transaction(self, act: Callable[[Connection], T]) -> T:
        try:
            with self.engine.begin() as connection:
                return act(connection)
        except exc.IntegrityError:
            raise
        except exc.DataError as error:
            raise OptionError("a text or number is none that the store can hold") from error
        except exc.SQLAlchemyError as error:
            raise JobsUnavailable("the store of jobs does not answer; try again later") from error


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
        connection.create_function("now_of_this_machine", 0, time.time)
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
