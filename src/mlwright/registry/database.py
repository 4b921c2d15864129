"""The project's database: one SQLite file beside the spec, or PostgreSQL. Who changes something holds it alone meanwhile.

It has MLflow's tables (made by MLflow, see `mlflow_stores.py`) and two of ours: the audit log and one row that counts
its entries, says the format, and is what writers wait for.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    NullPool,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from mlwright._version import __version__
from mlwright.core.errors import DiskFull, MlwrightError, closest

#: Of our two tables.
FORMAT_VERSION: Final = 1
#: Before the first entry of the audit log.
NOTHING_BEFORE: Final = "0" * 64
_PATIENCE_S: Final = 30
#: Names our tables among the advisory locks of a PostgreSQL server.
_ADVISORY: Final = 0x6D6C7772
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SCHEMES = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}

metadata = MetaData()
AUDIT = Table(
    "audit",
    metadata,
    Column("entry", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("who", Text, nullable=False),
    Column("action", String(40), nullable=False),
    Column("model", Text, nullable=False),
    Column("version", Integer),
    Column("outcome", String(20), nullable=False),
    Column("evidence", Text, nullable=False),
    Column("before", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
)
STATE = Table(
    "mlwright_registry",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("format_version", Integer, nullable=False),
    Column("entries", Integer, nullable=False),
    Column("head", String(64), nullable=False),
)


class RegistryNotFound(MlwrightError):
    """There is no registry here yet."""


class RegistryUnreachable(MlwrightError):
    """The database cannot be reached, or is not a database."""


class RegistryBusy(MlwrightError):
    """Somebody else has held the database for too long."""


class RegistryTooNew(MlwrightError):
    """The database was written by a later version."""


class RegistryUrlUnfit(MlwrightError):
    """What the spec says of the database cannot be meant."""


class Database:
    """Where the registry's rows are.

    Parameters
    ----------
    url
        `sqlite:///mlwright.db` or `postgresql://user@host/database`; `${NAME}` is read from the environment.
    folder
        What the path of a SQLite file starts from.

    Attributes
    ----------
    url
        Complete, with the password: for MLflow.
    shown
        Without the password: for messages.
    path
        Of a SQLite file.
    """

    def __init__(self, url: str, *, folder: Path) -> None:
        made = _parsed(_VARIABLE.sub(_from_environment, url))
        self.path: Path | None = None
        if made.drivername == "sqlite":
            self.path = (folder / str(made.database)).absolute()
            made = made.set(database=str(self.path))
        self.url = made.render_as_string(hide_password=False)
        self.shown = (
            str(self.path)
            if self.path
            else URL.create("postgresql", host=made.host, database=made.database).render_as_string()
        )
        self.engine = _engine(made)

    @property
    def exists(self) -> bool:
        """Whether the registry's tables are there.

        Raises
        ------
        RegistryUnreachable, RegistryTooNew
            If that cannot be said, or they are of a later format.
        """
        if self.path is not None and not self.path.is_file():
            return False
        with self.reading() as connection:
            if not inspect(connection).has_table(STATE.name):
                return False
            found = connection.execute(select(STATE.c.format_version)).scalar_one_or_none()
        if found is not None and found > FORMAT_VERSION:
            raise RegistryTooNew(
                f"the registry has format {found}, and mlwright {__version__} reads formats up to {FORMAT_VERSION}",
                where=self.shown,
                fix="install a newer mlwright",
            )
        return found is not None

    def make(self, connection: Connection) -> None:
        """Our tables, the guard of the audit log and its first state, where they are not there yet."""
        metadata.create_all(connection)
        _guard(connection)
        if connection.execute(select(STATE.c.id)).first() is None:
            first = {"id": 1, "format_version": FORMAT_VERSION, "entries": 0, "head": NOTHING_BEFORE}
            connection.execute(insert(STATE).values(first))

    @contextmanager
    def making(self) -> Iterator[Connection]:
        """A transaction in which tables are made: others wait for its end."""
        with self.plain_errors():
            if self.path is not None:
                _keep_readers_apart(self.path)
        with self.plain_errors(), _writing(self.engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _ADVISORY})
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only looks."""
        self._raise_if_gone()
        with self.plain_errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is alone: what is read in it is still so when it is written."""
        self._raise_if_gone()
        with self.plain_errors(), _writing(self.engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE_S}s'"))
                connection.execute(select(STATE.c.id).with_for_update()).all()
            yield connection

    def _raise_if_gone(self) -> None:
        if self.path is not None and not self.path.is_file():
            raise RegistryNotFound(
                "there is no registry yet",
                where=self.shown,
                fix="make a run with `mlwright run`, or register one: mlwright registry add latest",
            )

    @contextmanager
    def plain_errors(self) -> Iterator[None]:
        """Errors of the database in plain words, without what a statement contained."""
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise self._plain(error) from error

    def _plain(self, error: Exception) -> Exception:
        reason = str(error.orig if isinstance(error, DBAPIError) else error).strip().partition("\n")[0]
        said = reason.casefold()
        if "full" in said and ("disk" in said or "space" in said):
            return DiskFull(self.shown)
        if "locked" in said or "lock timeout" in said:
            return RegistryBusy(
                f"somebody else has held the database for {_PATIENCE_S} s",
                where=self.shown,
                fix="wait for their command to end and try again",
            )
        if isinstance(error, OperationalError) or self.path is not None:
            what = f"the database cannot be used: {reason}"
            is_file = self.path is not None
            fix = (
                "check the file and its permissions, or restore it from a copy"
                if is_file
                else "check that the server runs, and registry.url"
            )
            return RegistryUnreachable(what, where=self.shown, fix=fix)
        return error


def _parsed(url: str) -> URL:
    scheme, sign, _ = url.partition("://")
    if not sign or scheme not in _SCHEMES:
        raise RegistryUrlUnfit(
            f"a registry cannot be kept in a database of the kind {scheme!r}"
            if sign
            else "this is not the URL of a database",
            where="registry.url",
            fix=closest(scheme, ("sqlite", "postgresql"))
            if sign
            else "write sqlite:///mlwright.db or postgresql://user@host/database",
        )
    try:
        made = make_url(url).set(drivername=_SCHEMES[scheme])
    except (ArgumentError, ValueError) as error:
        raise RegistryUrlUnfit(
            "this is not the URL of a database",  # without it: it may have a password
            where="registry.url",
            fix="write sqlite:///mlwright.db or postgresql://user@host/database",
        ) from error
    if scheme == "sqlite" and made.database in {None, "", ":memory:"}:
        raise RegistryUrlUnfit("a registry needs a file", where="registry.url", fix="name one: sqlite:///mlwright.db")
    return made


def _from_environment(found: re.Match[str]) -> str:
    value = os.environ.get(found[1])
    if value is None:
        raise RegistryUrlUnfit(
            f"the environment variable {found[1]} is not set",
            where="registry.url",
            fix=f"set it before the call: export {found[1]}=…",
        )
    return value


def _keep_readers_apart(path: Path) -> None:
    """On SQLite: readers go on while somebody writes. The file remembers it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=_PATIENCE_S)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _writing(engine: Engine) -> Engine:
    return engine.execution_options(mlwright_writing=True)


def _engine(url: URL) -> Engine:
    """Without a pool: actions are rare, and nothing stays open between them or is shared with a child process."""
    try:
        engine = create_engine(url, poolclass=NullPool)
    except ModuleNotFoundError as error:
        raise RegistryUrlUnfit(
            "PostgreSQL needs a driver that is not installed",
            where="registry.url",
            fix="pip install 'mlwright[postgres]'",
        ) from error
    if url.drivername == "sqlite":
        event.listen(engine, "connect", _sqlite_opened)
        event.listen(engine, "begin", _sqlite_begun)
    return engine


def _sqlite_opened(connection: Any, _: Any) -> None:
    # The driver's own transactions would begin only at the first write, after what was read to decide on it.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_S * 1000}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA case_sensitive_like = ON")  # as MLflow has it


def _sqlite_begun(connection: Connection) -> None:
    writing = connection.get_execution_options().get("mlwright_writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _guard(connection: Connection) -> None:
    """Triggers that refuse to change or delete an entry: a second guard, beside the chain of digests."""
    refused = "the audit log is append-only"
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER IF NOT EXISTS audit_no_{verb.lower()} BEFORE {verb} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{refused}'); END"
            )
        return
    connection.exec_driver_sql(
        "CREATE OR REPLACE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refused}'; END $$"
    )
    for name, verbs, each in (("rows", "UPDATE OR DELETE", "ROW"), ("table", "TRUNCATE", "STATEMENT")):
        connection.exec_driver_sql(
            f"CREATE OR REPLACE TRIGGER audit_no_change_of_{name} BEFORE {verbs} ON audit "
            f"FOR EACH {each} EXECUTE FUNCTION audit_append_only()"
        )
