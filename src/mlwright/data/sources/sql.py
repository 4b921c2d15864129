"""Databases: what a SELECT returns. Connections are opened read-only; passwords come from the environment."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from mlwright.core import closest
from mlwright.data.errors import SourceNotFound, SourceUnreadable
from mlwright.data.sources.base import BATCH_ROWS, Source, shown_url
from mlwright.data.sources.sniffing import refuse_duplicates
from mlwright.spec import Query

_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SCHEMES = ("sqlite", "postgresql", "postgres")


def open_database(query: Query, folder: Path) -> Source:
    """The source for a database URL.

    Raises
    ------
    SourceUnreadable
        If the kind of database is not known, or a variable of the URL is not set.
    """
    url = _VARIABLE.sub(_from_environment, query.url)
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        path = Path(url.removeprefix("sqlite:///").removeprefix("sqlite://"))
        return SqliteSource(path if path.is_absolute() else folder / path, query.query)
    if scheme in {"postgresql", "postgres"}:
        return PostgresSource(url, query.query)
    raise SourceUnreadable(
        f"databases of the kind {scheme!r} cannot be read", where="data.source.url", fix=closest(scheme, _SCHEMES)
    )


def _from_environment(found: re.Match[str]) -> str:
    value = os.environ.get(found[1])
    if value is None:
        raise SourceUnreadable(
            f"the environment variable {found[1]} is not set",
            where="data.source.url",
            fix=f"set it before the call: export {found[1]}=…",
        )
    return value


class SqliteSource:
    """A query on a SQLite file."""

    def __init__(self, path: Path, query: str) -> None:
        if not path.is_file():
            raise SourceNotFound("there is no such database", where=str(path), fix="check data.source.url")
        self._path = path
        self._query = query
        self.description = f"sqlite:///{path.name}"
        self.notes: list[str] = []

    def fingerprint(self) -> None:
        """The rows count, not the file: the same query on a grown database gives other rows."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            connection = sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=ro", uri=True)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)  # another file could be written to
        except sqlite3.Error as error:
            raise self._unreadable(error) from error
        try:
            cursor = connection.execute(self._query)
            names = [entry[0] for entry in cursor.description or ()]
            if not names:
                raise SourceUnreadable("the query returns no columns", where="data.source.query", fix="write a SELECT")
            refuse_duplicates(names, "data.source.query")
            while rows := cursor.fetchmany(BATCH_ROWS):
                columns = [_column(list(values)) for values in zip(*rows, strict=True)]
                yield pa.RecordBatch.from_arrays(columns, names=names)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise self._unreadable(error) from error
        finally:
            connection.close()

    def _unreadable(self, error: Exception) -> SourceUnreadable:
        reason = str(error).partition(" with text ")[0]  # what follows is the value of a row
        return SourceUnreadable(
            f"the database cannot be queried: {reason}",
            where=f"{self._path}, data.source.query",
            fix="check the file and the query",
        )


def _column(values: list[Any]) -> pa.Array:
    """One Arrow array from values of any SQLite type: numbers if all are, else text."""
    kinds = {type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.nulls(len(values))
    if kinds <= {int}:
        try:
            return pa.array(values, pa.int64())
        except (OverflowError, pa.ArrowInvalid):
            kinds = {float}
    if kinds <= {int, float}:
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    if bytes in kinds:
        return pa.array(
            [None if v is None else bytes(str(v), "utf-8") if not isinstance(v, bytes) else v for v in values]
        )
    return pa.array([None if v is None else str(v) for v in values], pa.string())


class PostgresSource:
    """A query on a PostgreSQL server; needs `pip install mlwright[postgres]`."""

    def __init__(self, url: str, query: str) -> None:
        self._url = url
        self._query = query
        self.description = shown_url(url)
        self.notes: list[str] = []

    def fingerprint(self) -> None:
        """There are no files: the rows themselves are hashed."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        try:
            from adbc_driver_manager import Error
            from adbc_driver_postgresql import dbapi
        except ImportError as error:
            raise SourceUnreadable(
                "reading PostgreSQL needs a driver that is not installed",
                where=self.description,
                fix="pip install 'mlwright[postgres]'",
            ) from error
        try:
            with dbapi.connect(self._url) as connection, connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION READ ONLY")
                cursor.execute(self._query)
                reader = cursor.fetch_record_batch()
                refuse_duplicates(reader.schema.names, "data.source.query")
                for batch in reader:
                    yield _plain(batch)
        except (Error, pa.ArrowException, OSError) as error:
            reason = self._without_values(str(error).splitlines()[0], while_reading=not isinstance(error, Error))
            raise SourceUnreadable(
                f"the database cannot be queried: {reason}",
                where=f"{self.description}, data.source.query",
                fix="check that the server runs, the user and password, and the query",
            ) from error

    def _without_values(self, reason: str, *, while_reading: bool) -> str:
        """A message of the server without what it quotes of a row, or of the password in a URL that is written wrongly."""
        secret = self._url.partition("://")[2].rpartition("@")[0].partition(":")[2]
        reason = reason.replace(self._url, self.description)
        return re.sub(r'"([^"]+)"', lambda found: "…" if while_reading or found[1] in secret else found[0], reason)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """NUMERIC and other types that Arrow has not come as extension types over text: read them as text."""
    columns = [c.storage if isinstance(c.type, pa.BaseExtensionType) else c for c in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
