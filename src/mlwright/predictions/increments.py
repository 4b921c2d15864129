"""A log for readers that remember what they have read: one sealed file after the other, each answer and label once.

Sealed files never change but for rows that were asked to be forgotten. An id that a version answers again is left out if a
file of the same hour, or of the one before or after, that was read before has it, as `read_window` leaves it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from mlwright.data.rows import hash_rows
from mlwright.data.sources.base import BATCH_ROWS
from mlwright.predictions.columns import flat
from mlwright.predictions.erasures import Erasures
from mlwright.predictions.hours import END_US, HOUR_US, date_of, hour_of, micros_of
from mlwright.predictions.labelled import SCHEMA, UNKNOWN, latest
from mlwright.predictions.places import LABELS
from mlwright.predictions.repeats import Hashes
from mlwright.predictions.store import Store
from mlwright.predictions.windows import sealed_files

_OWN = ["id", "version"]


class LogFiles:
    """The sealed files of a prediction log by name.

    Raises
    ------
    LogNotFound, StoreFailed
        If there is no log, or it cannot be read.
    """

    def __init__(self, destination: str | Path) -> None:
        self._store = Store.existing(destination)
        self._erasures = Erasures.read(self._store).unapplied()
        self._ids: dict[str, Hashes] = {}

    def answers(self, until: datetime) -> tuple[list[str], int]:
        """The files with answers of hours that began before a moment, the oldest first, and how many are of later ones."""
        whole = sealed_files(self._store)
        hour = -(-micros_of(until, otherwise=END_US) // HOUR_US)
        mine = [name for name in whole if hour_of(name) < hour]
        return mine, len(whole) - len(mine)

    def labels(self) -> list[str]:
        """The files with labels."""
        return self._store.files(LABELS)

    @staticmethod
    def hour(name: str) -> int:
        """The hour of a file of answers, counted from 1970."""
        return hour_of(name)

    @staticmethod
    def day(name: str) -> str:
        """The day of the answers in a file of answers or of labels; `unknown` of some labels."""
        if name.startswith(LABELS):
            return name.rsplit("/", 2)[1].removeprefix("date=")
        return date_of(hour_of(name))

    def read(self, name: str, before: Iterable[str], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The answers of a file, flat, some at a time.

        Parameters
        ----------
        before
            The files that were read before: what they have of the hours around is left out.
        columns
            Such as `time` or `input.age`, beside `id` and `version`; those that the file does not have are left out.
        """
        near = [other for other in before if other != name and abs(hour_of(other) - hour_of(name)) <= 1]
        self._ids = {other: run for other, run in self._ids.items() if abs(hour_of(other) - hour_of(name)) <= 2}
        runs = [self.ids(other) for other in near]
        for table in self._tables(name, columns):
            hashes = hash_rows(table, _OWN)
            fresh = np.zeros(len(hashes), dtype=bool)
            fresh[np.unique(hashes, return_index=True)[1]] = True
            for run in runs:
                fresh &= ~_among(hashes, run)
            runs.append(np.unique(hashes))
            yield flat(table if fresh.all() else table.filter(pa.array(fresh)))

    def ids(self, name: str) -> Hashes:
        """Hashes of the ids and versions in a file, sorted."""
        if name not in self._ids:
            parts = [hash_rows(table, _OWN) for table in self._tables(name, _OWN)]
            self._ids[name] = np.unique(np.concatenate(parts)) if parts else np.zeros(0, dtype=np.uint64)
        return self._ids[name]

    def _tables(self, name: str, columns: Sequence[str] | None) -> Iterator[pa.Table]:
        with self._store.parquet(name) as file:
            schema = file.schema_arrow
        if columns is None:
            wanted = schema.names
        else:
            asked = {*columns, *_OWN, "time", *(column.partition(".")[0] for column in self._erasures.fields())}
            wanted = sorted({column for column in asked if _has(schema, column)})
        for batch in self._store.batches(name, BATCH_ROWS, wanted, lambda _: True):
            yield self._erasures.left(pa.Table.from_batches([batch]))

    def known_labels(self, names: Iterable[str], day: str) -> pa.Table:
        """The latest label of each id by the files of a day among these, and those of an unknown day."""
        own = [name for name in names if self.day(name) in {day, UNKNOWN}]
        return latest(pa.concat_tables([SCHEMA.empty_table(), *(self._store.table(name) for name in own)]))

    def label_rows(self, name: str) -> pa.Table:
        """What a file of labels has."""
        return self._store.table(name)


def _among(hashes: Hashes, run: Hashes) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    if not len(run):
        return np.zeros(len(hashes), dtype=bool)
    nearest = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = run[nearest] == hashes
    return found


def _has(schema: pa.Schema, column: str) -> bool:
    head, _, inner = column.partition(".")
    if head not in schema.names:
        return False
    kind = schema.field(head).type
    return not inner or (pa.types.is_struct(kind) and kind.get_field_index(inner) >= 0)
