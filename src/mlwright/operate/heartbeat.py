"""What the process that operates a model does right now, written down for others: `mlwright operate --status`."""

from __future__ import annotations

import json
import logging
import os
import platform
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, Text, insert, select, update

from mlwright._version import __version__
from mlwright.alerts.alert import written
from mlwright.core import MlwrightError
from mlwright.monitoring.store import MonitorStore
from mlwright.operate.lock import OperatorLock

log = logging.getLogger(__name__)

#: Between two beats.
BEAT_S: Final = 10.0

metadata = MetaData()
OPERATORS = Table(
    "mlwright_operators",
    metadata,
    Column("model", String(250), primary_key=True),
    Column("process", Integer, nullable=False),
    Column("host", Text, nullable=False),
    Column("mlwright", String(40), nullable=False),
    Column("started", String(40), nullable=False),
    Column("beat", String(40), nullable=False),
    Column("step", String(40), nullable=False),
    Column("step_since", String(40), nullable=False),
    Column("rounds", Integer, nullable=False),
    Column("last_round", String(40)),
    Column("troubles", Text, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorStatus:
    """What is known of the process that operates a model.

    Attributes
    ----------
    running
        Whether it holds the lock.
    beat
        When it last said so: by its own time.
    step, step_since
        What it does, and since when.
    rounds, last_round
        That it has finished, and when the last one was.
    troubles
        What went wrong in the last round, by step; it goes on nevertheless.
    """

    model: str
    running: bool
    process: int
    host: str
    mlwright: str
    started: datetime
    beat: datetime
    step: str
    step_since: datetime
    rounds: int
    last_round: datetime | None
    troubles: Mapping[str, str]


class Heartbeat:
    """Writes down what the loop does, at each step and in between.

    It is only news: where it cannot be written, the loop goes on.
    """

    def __init__(self, store: MonitorStore, model: str, *, clock: Callable[[], datetime]) -> None:
        # Without patience: an old beat is not worth waiting for.
        self._store = MonitorStore(store.engine, store.shown, patience_s=0.0)
        self._model, self._clock = model, clock
        now = written(clock())
        self._row: dict[str, Any] = {
            "model": model,
            "process": os.getpid(),
            "host": platform.node(),
            "mlwright": __version__,
            "started": now,
            "beat": now,
            "step": "starting",
            "step_since": now,
            "rounds": 0,
            "last_round": None,
            "troubles": "{}",
        }
        self._alone = threading.Lock()
        self._news, self._end = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self.say("starting")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self.say("ended")
        self._thread.join()

    def say(self, step: str) -> None:
        """A step begins."""
        with self._alone:
            self._row |= {"step": step, "step_since": written(self._clock())}
        self._news.set()  # written beside the loop: a database that is locked does not hold it

    def finished(self, troubles: Mapping[str, str]) -> None:
        """A round is over."""
        with self._alone:
            rounds = self._row["rounds"] + 1
            self._row |= {
                "rounds": rounds,
                "last_round": written(self._clock()),
                "troubles": json.dumps(dict(troubles), ensure_ascii=False),
            }
        self.say("waiting")

    def _beat(self) -> None:
        while True:
            self._news.wait(BEAT_S)
            self._news.clear()
            last = self._end.is_set()
            self._write()
            if last:
                return

    def _write(self) -> None:
        with self._alone:
            self._row["beat"] = written(self._clock())
            row = dict(self._row)
        try:
            self._store.transaction(lambda connection: _keep(connection, row))
        except (MlwrightError, OSError):
            return  # the step that meets the same trouble says so
        except Exception:  # it is only news: whatever is wrong with it, the next beat is tried
            log.exception("the heartbeat could not be written")


def _keep(connection: Connection, row: Mapping[str, Any]) -> None:
    same = OPERATORS.c.model == row["model"]
    if connection.execute(update(OPERATORS).where(same).values(**row)).rowcount == 0:
        connection.execute(insert(OPERATORS).values(**row))


def make_tables(connection: Connection) -> None:
    """Have the table, where it is not there yet."""
    metadata.create_all(connection)


def last_seen(store: MonitorStore, model: str) -> datetime | None:
    """The latest moment that a process which operated the model has written down."""
    row = store.reading(lambda connection: _row(connection, model))
    return None if row is None else datetime.fromisoformat(row["beat"])


def operator_status(store: MonitorStore, model: str) -> OperatorStatus | None:
    """What is known of the process that operates a model; None if there never was one."""
    row = store.reading(lambda connection: _row(connection, model))
    if row is None:
        return None
    times: dict[str, Any] = {name: datetime.fromisoformat(row[name]) for name in ("started", "beat", "step_since")}
    plain = {name: row[name] for name in ("model", "process", "host", "mlwright", "step", "rounds")}
    return OperatorStatus(
        running=OperatorLock(store, model).is_held_by_somebody(),
        **plain,
        **times,
        last_round=None if row["last_round"] is None else datetime.fromisoformat(row["last_round"]),
        troubles=json.loads(row["troubles"]),
    )


def _row(connection: Connection, model: str) -> dict[str, Any] | None:
    found = connection.execute(select(OPERATORS).where(OPERATORS.c.model == model)).mappings().first()
    return None if found is None else dict(found)
