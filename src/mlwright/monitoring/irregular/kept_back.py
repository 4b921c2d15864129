"""Which answers of a log are kept back, so that whoever reads the log leaves them out, and takes repaired rows instead.

A row is told by its id, its version and its hour: an id that comes again on the same day is another row.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.data.rows import hash_rows
from mlwright.monitoring.irregular.quarantine import HELD, LEFT_OUT, REPLAYED, Quarantine
from mlwright.predictions.labelled import LabelsByDay
from mlwright.predictions.store import Store, StoreFailed

_HOUR_US: Final = 3_600_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Entries whose rows are remembered by a hash each.
_REMEMBERED: Final = 64


@dataclass(frozen=True, slots=True)
class _Rows:
    """Of which version the rows of a file are, and in which hours since 1970 they were answered."""

    version: str
    hours: frozenset[int]


class KeptBack:
    """The quarantine of a log as readers of the log see it; it need not exist."""

    def __init__(self, destination: str | Path) -> None:
        self._store, self._quarantine = Store.open(destination), Quarantine(destination)
        self._rows: dict[str, _Rows] = {}
        self._keys: OrderedDict[str, NDArray[Any]] = OrderedDict()

    def names(self) -> list[str]:
        """The files of the quarantine that have rows of the log, as they are now."""
        listed = [name for folder in (HELD, REPLAYED, LEFT_OUT) for name in self._store.files(folder)]
        return [name for name in listed if self._rows_of(name).hours]

    def by_day(self) -> dict[str, list[str]]:
        """These files by the days (`2026-01-31`) on which their rows were answered."""
        found: dict[str, list[str]] = {}
        for name in self.names():
            for day in self.days_of(name):
                found.setdefault(day, []).append(name)
        return found

    def went_on(self, name: str) -> bool:
        """Whether a file has rows that were repaired and answered again."""
        return name.startswith(REPLAYED)

    def version_of(self, name: str) -> str:
        """The version that was asked."""
        return self._rows_of(name).version

    def hours_of(self, name: str) -> frozenset[int]:
        """The hours of the rows of a file, counted from 1970."""
        return self._rows_of(name).hours

    def days_of(self, name: str) -> list[str]:
        """The days of the rows of a file."""
        return sorted({day_of_hour(hour) for hour in self.hours_of(name)})

    def left(self, table: pa.Table, names: Iterable[str]) -> pa.Table:
        """The rows of a table (`id`, `version`, `time`) that none of these files has."""
        known = [self._keys_of(name) for name in names]
        if not known or not table.num_rows:
            return table
        out = np.isin(_keys(table), np.concatenate(known))
        return table.filter(pa.array(~out)) if out.any() else table

    def repaired(self, name: str) -> pa.Table:
        """The rows of a file that went on, as `read_window` gives rows; without those that were to be forgotten."""
        return self._quarantine.rows_of_replayed(name.rsplit("/", 1)[1].removesuffix(".parquet"))

    def instead(self, table: pa.Table, day: str, since: datetime) -> pa.Table:
        """Labelled answers of a day without those that are kept back, and with those of them that were repaired.

        Parameters
        ----------
        since
            Only repaired rows that were answered then or later.
        """
        names = self.by_day().get(day, [])
        if not names:
            return table
        parts, labels = [self.left(table, names)], LabelsByDay(self._store)
        for name in filter(self.went_on, names):
            rows = self.repaired(name)
            on = pa.array([day_of_hour(hour) == day for hour in hours_of_rows(rows)], pa.bool_())
            rows = rows.filter(pc.and_(on, pc.greater_equal(rows.column("time"), pa.scalar(since))))
            for column, values in labels.of(rows.select(["id", "time"])).items():
                rows = rows.append_column(column, values)
            rows = rows.filter(pc.is_valid(rows.column("label")))
            parts.append(rows.select([column for column in table.column_names if column in rows.column_names]))
        return pa.concat_tables(parts, promote_options="permissive")

    def _rows_of(self, name: str) -> _Rows:
        if name not in self._rows:
            facts = self._facts(name)
            if facts is None or not facts.num_rows:
                return _Rows("", frozenset())
            self._rows[name] = _Rows(facts.column("version")[0].as_py(), frozenset(hours_of_rows(facts)))
        return self._rows[name]

    def _keys_of(self, name: str) -> NDArray[Any]:
        if name in self._keys:
            self._keys.move_to_end(name)
            return self._keys[name]
        facts = self._facts(name)
        self._keys[name] = np.zeros(0, dtype=np.uint64) if facts is None else _keys(facts)
        while len(self._keys) > _REMEMBERED:
            self._keys.popitem(last=False)
        return self._keys[name]

    def _facts(self, name: str) -> pa.Table | None:
        """Id, version and time of the rows of a file; None of rows that did not come from a log, or if it went on just now."""
        try:
            table = self._store.table(name, ["id", "version", "time"])
        except StoreFailed:
            if name in self._store.files(name.rsplit("/", 1)[0]):
                raise
            return None
        return table if len(table.column_names) == 3 else None


def day_of_hour(hour: int) -> str:
    """The day of an hour since 1970: `2026-01-31`."""
    return f"{_EPOCH + timedelta(hours=hour):%Y-%m-%d}"


def hours_of_rows(table: pa.Table) -> list[int]:
    """The hour of each row, counted from 1970."""
    hours: list[int] = _hours(table).tolist()
    return hours


def _hours(table: pa.Table) -> NDArray[Any]:
    times = table.column("time").cast(pa.timestamp("us", "UTC")).cast(pa.int64())
    return np.asarray(times) // _HOUR_US


def _keys(table: pa.Table) -> NDArray[Any]:
    plain = pa.table({"id": table.column("id"), "version": table.column("version"), "hour": pa.array(_hours(table))})
    keys: NDArray[Any] = hash_rows(plain, plain.column_names)
    return keys
