"""The project's database: opened, locked for one writer, and changed in transactions that are done whole or not at all.

SQLite (in its write-ahead mode) by default, PostgreSQL where one is not enough. `kept.py` says what is read and written.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.pool import NullPool

from mlwright.core import DiskFull, MlwrightError
from mlwright.data.sources.base import shown_url
from mlwright.monitoring.tables import SCHEMA_VERSION, facts, metadata

Result = TypeVar("Result")

DEFAULT_URL = "sqlite:///mlwright.db"
#: For how long a database that is locked or gone is tried again, and the pauses in between.
PATIENCE_S = 120.0
_PAUSES_S = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
#: A connection whose other end is gone without a word is noticed in a minute.
_POSTGRES = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
#: The number of the lock that a writer holds in PostgreSQL; any number that nobody else uses.
_LOCK = 7_238_105_117
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_COMES_BACK = ("locked", "busy", "unable to open", "disk i/o", "readonly database")
#: What PostgreSQL says about things that waiting does not mend.
_STAYS = ("authentication", "does not exist", "no password", "permission denied")


class ProjectBusy(MlwrightError):
    """Another process watches the same project."""

    def __init__(self, shown: str) -> None:
        super().__init__(
            "another process is writing to this project",
            where=shown,
            fix="wait until it has ended, or stop it; one process watches a project at a time",
        )


class DatabaseGone(MlwrightError):
    """The database could not be reached for too long; what was not written yet is done again by the next call."""

    def __init__(self, shown: str, reason: str, seconds: float) -> None:
        super().__init__(
            f"the database could not be used for {seconds:.0f} s: {reason}",
            where=shown,
            fix="check that it is there, that nobody holds it locked, and the permissions; then run the same command again",
        )


class DatabaseUnclear(MlwrightError):
    """The URL of a database names none that can be used."""

    def __init__(self, shown: str, reason: str) -> None:
        super().__init__(
            f"this is no database that can be used: {reason}",
            where=shown,
            fix="write sqlite:///mlwright.db or postgresql://user:${PASSWORD}@host/database (with the extra `postgres`)",
        )


class DatabaseTooNew(MlwrightError):
    """The tables were made by a later version of mlwright."""

    def __init__(self, shown: str, found: int) -> None:
        super().__init__(
            f"the monitor's tables have version {found}, and this mlwright knows those up to {SCHEMA_VERSION}",
            where=shown,
            fix="install a newer mlwright",
        )


class MonitorStore:
    """A project's database.

    Parameters
    ----------
    engine
        Of SQLAlchemy, as `open` makes it.
    patience_s
        For how long a database that is locked or gone is tried again.
    """

    def __init__(self, engine: Engine, shown: str, *, patience_s: float = PATIENCE_S) -> None:
        self.engine, self.shown, self._patience_s = engine, shown, patience_s

    @classmethod
    def open(
        cls, url: str = DEFAULT_URL, *, folder: str | Path | None = None, patience_s: float = PATIENCE_S
    ) -> MonitorStore:
        """Open a database and make the tables that it lacks.

        Parameters
        ----------
        url
            `sqlite:///file` or `postgresql://user@host/database`; `${NAME}` is read from the environment.
        folder
            What the path of a SQLite file is relative to.

        Raises
        ------
        DatabaseUnclear, DatabaseGone, DatabaseTooNew, DiskFull
            If it cannot be used.
        """
        engine = _engine(url, folder, patience_s)
        store = cls(engine, shown_url(url), patience_s=patience_s)
        store.transaction(store._prepare)
        return store

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def transaction(self, work: Callable[[Connection], Result]) -> Result:
        """Run statements as one transaction that no other writer comes between; again from the start if it could not end.

        `work` may be called several times, also after a commit whose answer was lost: it looks at what is there first.

        Raises
        ------
        DatabaseGone, DiskFull
            If the transaction cannot be done in time; nothing of it is there then.
        """

        def locked(connection: Connection) -> Result:
            if not self.is_sqlite and inspect(connection).has_table(facts.name):
                connection.execute(select(facts).where(facts.c.name == "lock").with_for_update())
            return work(connection)

        return self._tried(locked, writes=True)

    def reading(self, work: Callable[[Connection], Result]) -> Result:
        """Run statements that change nothing, on one state of the database.

        Raises
        ------
        DatabaseGone
            If the database cannot be read in time.
        """
        return self._tried(work, writes=False)

    def connected(self) -> Connection:
        """A connection of its own, whose statements are kept at once; for locks that end with it.

        Raises
        ------
        DatabaseGone
            If it cannot be had in time.
        """
        return self._retried(lambda: self.engine.connect().execution_options(isolation_level="AUTOCOMMIT"))

    def _tried(self, work: Callable[[Connection], Result], *, writes: bool) -> Result:
        def once() -> Result:
            with self.engine.connect().execution_options(mlwright_writes=writes) as connection, connection.begin():
                return work(connection)

        return self._retried(once)

    def _retried(self, work: Callable[[], Result]) -> Result:
        begun, pauses = time.monotonic(), iter(_PAUSES_S)
        while True:
            try:
                return work()
            except DBAPIError as error:
                if not _may_come_back(error):
                    raise self._plain(error) from error
                waited = time.monotonic() - begun
                if waited >= self._patience_s:
                    raise DatabaseGone(self.shown, _reason(error), waited) from error
                time.sleep(min(next(pauses, _PAUSES_S[-1]), max(self._patience_s - waited, 0.01)))

    def _plain(self, error: DBAPIError) -> Exception:
        said = str(error.orig).lower()
        if "full" in said or "no space" in said:
            return DiskFull(self.shown)
        return DatabaseUnclear(self.shown, _reason(error)) if isinstance(error, OperationalError) else error

    def _prepare(self, connection: Connection) -> None:
        if inspect(connection).has_table(facts.name):
            found = connection.execute(select(facts.c.value).where(facts.c.name == "schema")).scalar()
            if found is not None and int(found) > SCHEMA_VERSION:
                raise DatabaseTooNew(self.shown, int(found))
            if found is not None:
                return
        metadata.create_all(connection)
        connection.execute(
            insert(facts), [{"name": "schema", "value": str(SCHEMA_VERSION)}, {"name": "lock", "value": ""}]
        )

    @contextmanager
    def writer(self) -> Iterator[None]:
        """Be the only process that watches this project; a killed one holds nothing.

        Raises
        ------
        ProjectBusy
            If another one is.
        """
        with self._file_lock() if self.is_sqlite else self._advisory_lock():
            yield

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        database = self.engine.url.database
        if not database or database == ":memory:":
            yield
            return
        descriptor = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ProjectBusy(self.shown) from error
            # While one connection is open, closing the others does not copy the write-ahead log into the file each time.
            with self.engine.connect():
                yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _advisory_lock(self) -> Iterator[None]:
        connection = self.connected()
        try:
            if not connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": _LOCK}).scalar():
                raise ProjectBusy(self.shown)
            yield
        finally:
            with suppress(DBAPIError):  # the connection is gone, and the lock with it
                connection.close()


def _engine(url: str, folder: str | Path | None, patience_s: float) -> Engine:
    shown = shown_url(url)
    filled = _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), url)
    try:
        parsed = make_url(filled)
        if parsed.drivername in {"postgres", "postgresql"}:
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in {"sqlite", "postgresql"}:
            raise DatabaseUnclear(shown, f"{parsed.get_backend_name()} is not known")
        if parsed.get_backend_name() == "postgresql":
            return create_engine(parsed, poolclass=NullPool, connect_args=_POSTGRES)
        if parsed.database and parsed.database != ":memory:" and folder is not None:
            parsed = parsed.set(database=str(Path(folder) / parsed.database))
        engine = create_engine(parsed, poolclass=NullPool, connect_args={"timeout": min(5.0, patience_s)})
        if parsed.database and parsed.database != ":memory:":
            event.listen(engine, "do_connect", _NotMadeAnew(Path(parsed.database)))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise DatabaseUnclear(shown, type(error).__name__) from error
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


class _NotMadeAnew:
    """SQLite makes a file that is not there: of a database that was there and is gone, that would be an empty one."""

    def __init__(self, path: Path) -> None:
        self._path, self._was_there = path, False

    def __call__(self, *_: Any) -> None:
        there = self._path.exists()
        if self._was_there and not there:
            raise sqlite3.OperationalError("unable to open the database: its file is gone")
        self._was_there = self._was_there or there


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver would begin transactions by itself, and not all of them
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("mlwright_writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _may_come_back(error: DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    if not isinstance(error, OperationalError):
        return False
    said = str(error.orig).lower()
    if "sqlite" in type(error.orig).__module__:
        return any(word in said for word in _COMES_BACK)
    return not any(word in said for word in _STAYS)


def _reason(error: DBAPIError) -> str:
    """What the driver says, in one line and without the statement."""
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__
