"""The labels that are known: append-only Parquet parts by the day of the answer that they are about.

Each part has `id`, `label` (as text), `time` (when it became true) and `added` (when it was given to the log). The latest
`time` wins, then the latest `added`. The day `unknown` has labels whose answer was not found when they came.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from mlwright.predictions.columns import MICROS
from mlwright.predictions.places import LABELS
from mlwright.predictions.store import Store

SCHEMA = pa.schema([("id", pa.string()), ("label", pa.string()), ("time", MICROS), ("added", MICROS)])
UNKNOWN = "unknown"


def folder_of_day(day: str) -> str:
    """Where the labels of a day are: `labels/date=2026-01-31`."""
    return f"{LABELS}/date={day}"


def latest(table: pa.Table) -> pa.Table:
    """One row per id, the latest; the text of the label decides between two of the same moment."""
    order = [(name, "descending") for name in ("time", "added", "label")]
    ordered = table.take(pc.sort_indices(table, sort_keys=order)).combine_chunks()
    encoded = pc.dictionary_encode(ordered.column("id")).combine_chunks()
    rows = pa.table({"code": encoded.indices, "row": pa.array(range(len(encoded)), pa.int64())})
    first = rows.group_by("code").aggregate([("row", "min")]).column("row_min")
    return ordered.take(first)


class LabelsByDay:
    """Labels to join, one day of them in memory at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._day = ""
        self._known = SCHEMA.empty_table()
        self._unknown: pa.Table | None = None

    def of_day(self, day: str) -> pa.Table:
        """The latest label of each id of a day, with those whose day was not known."""
        if self._unknown is None:
            self._unknown = self._read(UNKNOWN)
        if day != self._day:
            parts = [self._unknown] if day == UNKNOWN else [self._read(day), self._unknown]
            self._day, self._known = day, latest(pa.concat_tables(parts))
        return self._known

    def _read(self, day: str) -> pa.Table:
        tables = [self._store.table(name) for name in self._store.files(folder_of_day(day))]
        return pa.concat_tables([SCHEMA.empty_table(), *tables])

    def of(self, answers: pa.Table) -> dict[str, pa.ChunkedArray]:
        """`label` and `label_time` for a table with `id` and `time`, missing where there is none."""
        days = answers.column("time").cast(pa.date32())
        label, label_time = pa.nulls(len(answers), pa.string()), pa.nulls(len(answers), MICROS)
        for day in sorted(pc.unique(days).to_pylist()):
            known = self.of_day(day.isoformat())
            found = pc.index_in(answers.column("id"), value_set=known.column("id")).combine_chunks()
            found = pc.if_else(pc.equal(days, day).combine_chunks(), found, pa.scalar(None, pa.int32()))
            label = pc.coalesce(label, known.column("label").combine_chunks().take(found))
            label_time = pc.coalesce(label_time, known.column("time").combine_chunks().take(found))
        return {"label": pa.chunked_array([label]), "label_time": pa.chunked_array([label_time])}
