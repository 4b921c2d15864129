"""One process looks after a model at a time. The lock is held by the operating system, or by a connection of PostgreSQL.

Both let go when the process is gone, however it went, so nothing is to be cleaned up and no age has to be guessed.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from mlwright.core import MlwrightError
from mlwright.monitoring.store import DatabaseGone, MonitorStore
from mlwright.registry.pointers import shelf_name

#: The first of the two numbers of our locks in PostgreSQL.
_LOCKS: Final = 0x6D6C6F70
#: Somebody may only be looking whether the lock is held.
_MOMENT_S: Final = 1.0


class OperatedAlready(MlwrightError):
    """Another process looks after this model."""

    def __init__(self, model: str, shown: str) -> None:
        super().__init__(
            f"another process operates {model!r}",
            where=shown,
            fix="look at it with `mlwright operate --status`; stop it before another one is started",
        )


class LockLost(MlwrightError):
    """The connection that held the lock is gone: another process may have taken over."""

    def __init__(self, shown: str) -> None:
        super().__init__(
            "the connection that held the project was lost",
            where=shown,
            fix="nothing: the lock is asked for again in the next round",
        )


class OperatorLock:
    """The lock of one model.

    Examples
    --------
    ```python
    with OperatorLock(store, "churn").held() as lock:
        ...
        lock.raise_if_lost()
    ```
    """

    def __init__(self, store: MonitorStore, model: str) -> None:
        self._store, self._model = store, model
        self._connection: Connection | None = None
        self._backend = 0
        self._descriptor: int | None = None

    @contextmanager
    def held(self) -> Iterator[OperatorLock]:
        """Hold it while the block runs.

        Raises
        ------
        OperatedAlready
            If another process does.
        DatabaseGone
            If the database cannot be reached.
        """
        begun = time.monotonic()
        while not self._take():
            if time.monotonic() - begun > _MOMENT_S:
                raise OperatedAlready(self._model, self._store.shown)
            time.sleep(0.1)
        try:
            yield self
        finally:
            self._let_go()

    def is_held_by_somebody(self) -> bool:
        """Whether a process holds it now."""
        if self._take():
            self._let_go()
            return False
        return True

    def raise_if_lost(self) -> None:
        """Have it still; where a connection was lost, take it again.

        Raises
        ------
        LockLost
            If it cannot be had at present: the database is gone, or has not noticed yet that our connection is.
        OperatedAlready
            If another process has taken over.
        """
        if self._store.is_sqlite:
            return  # the operating system does not lose it
        try:
            if self._connection is not None:
                self._connection.execute(text("SELECT 1"))
                return
        except SQLAlchemyError:
            self._let_go()
        try:
            taken = self._take()
            held_by_us = not taken and self._end_session(self._backend)
        except (SQLAlchemyError, DatabaseGone) as error:
            raise LockLost(self._store.shown) from error
        if held_by_us:
            raise LockLost(self._store.shown)
        if not taken:
            raise OperatedAlready(self._model, self._store.shown)

    def _take(self) -> bool:
        return self._take_file() if self._store.is_sqlite else self._take_advisory()

    def _take_file(self) -> bool:
        database = self._store.engine.url.database
        descriptor = os.open(f"{database}.{shelf_name(self._model)}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def _take_advisory(self) -> bool:
        # A connection of its own: its end is the end of the lock.
        connection = self._store.connected()
        try:
            asked = text("SELECT pg_try_advisory_lock(:ours, :model), pg_backend_pid()")
            held, backend = connection.execute(asked, {"ours": _LOCKS, "model": self._number}).one()
        except SQLAlchemyError:
            connection.close()
            raise
        if not held:
            connection.close()
            return False
        self._connection, self._backend = connection, int(backend)
        return True

    @property
    def _number(self) -> int:
        return zlib.crc32(self._model.encode()) - 2**31

    def _end_session(self, backend: int) -> bool:
        """End the session that held the lock for us, where the server still waits for it; whether it does."""
        connection = self._store.connected()
        try:
            whose = text(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid = :pid"
                " AND classid = :ours AND objid = :model AND granted"
            )
            known = {"pid": backend, "ours": _LOCKS, "model": self._number % 2**32}
            return connection.execute(whose, known).first() is not None
        finally:
            connection.close()

    def _let_go(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        if self._connection is not None:
            with suppress(SQLAlchemyError):  # it is gone, and the lock with it
                self._connection.close()
            self._connection = None
