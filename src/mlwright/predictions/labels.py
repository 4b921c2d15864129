"""Truths that arrive late: joined to answers by id, the same ones as often as one likes."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlwright.core import MlwrightError
from mlwright.data import ColumnNotFound, to_table
from mlwright.predictions.columns import MICROS
from mlwright.predictions.hours import micros_of
from mlwright.predictions.labelled import SCHEMA, UNKNOWN, LabelsByDay, folder_of_day, latest
from mlwright.predictions.masking import text_of
from mlwright.predictions.store import Store
from mlwright.predictions.windows import read_window


class LabelTimeUnreadable(MlwrightError):
    """The times of labels are not times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What became of labels.

    Attributes
    ----------
    given
        Rows.
    empty
        Without an id or a label; left out.
    repeated
        Known already with that label, or given twice; left out.
    matched, unknown
        Ids of which the log has an answer or not; a label of the latter is kept and joined if its answer appears.
    changed
        Take the place of another label, since they are later.
    outdated
        Differ from a later one; left out.
    added
        Written: new ones, changed ones, and repeated ones of a later time.
    """

    given: int = 0
    empty: int = 0
    repeated: int = 0
    matched: int = 0
    unknown: int = 0
    changed: int = 0
    outdated: int = 0
    added: int = 0


def add_labels(
    destination: str | Path,
    table: Any,
    *,
    id: str = "id",  # noqa: A002 - the log's word
    label: str = "label",
    time: str | None = None,
    since: datetime | None = None,
    segments: str | Path | None = None,
    now: datetime | None = None,
) -> Labelled:
    """Give the log what turned out to be true.

    Parameters
    ----------
    table
        A data frame of any library, with an id and a label per row.
    id, label, time
        The names of its columns; `time` is when the label became true, so that of two the later one counts. Without it,
        labels are as late as they are given: later rows replace earlier ones.
    since
        Look only for answers from then on; a long log is then searched faster.
    segments
        A folder whose segments are searched too.
    now
        The time of labels that have none; the clock's if not given.

    Raises
    ------
    ColumnNotFound, LabelTimeUnreadable
        If the table lacks a column, or its times cannot be read.
    LogNotFound, StoreFailed
        If there is no log, or it cannot be written.
    """
    store = Store.existing(destination)
    given = _given(to_table(table), id, label, time, now or datetime.now(tz=UTC))
    whole = given.drop_null()
    fresh = latest(whole)
    days = _days_of_answers(destination, fresh.column("id"), since, segments)
    known = LabelsByDay(store)
    counts = Counter(
        given=given.num_rows,
        empty=given.num_rows - whole.num_rows,
        repeated=whole.num_rows - fresh.num_rows,
        matched=len(pc.unique(days.column("id"))),
    )
    for day, part in _by_day(fresh, days):
        to_add, found = _compared(part, known.of_day(day), timed=time is not None)
        counts.update(found, added=to_add.num_rows, unknown=part.num_rows if day == UNKNOWN else 0)
        if to_add.num_rows:
            store.write_table(f"{folder_of_day(day)}/{secrets.token_hex(8)}.parquet", to_add)
    return Labelled(**counts)


def _given(table: pa.Table, id_name: str, label_name: str, time_name: str | None, now: datetime) -> pa.Table:
    for name in (id_name, label_name, time_name):
        if name is not None and name not in table.column_names:
            raise ColumnNotFound(name, table.column_names, where="the labels")
    rows, moment = table.num_rows, micros_of(now, otherwise=0)
    added = pa.array([moment], pa.int64()).cast(MICROS).take(pa.array([0] * rows, pa.int64()))
    # Without times, rows further down are later by their number, which `added` then says in microseconds.
    in_order = pa.array(range(moment, moment + rows), pa.int64()).cast(MICROS)
    times = in_order if time_name is None else _times(table.column(time_name))
    return pa.table([_texts(table.column(id_name)), _texts(table.column(label_name)), times, added], schema=SCHEMA)


def _texts(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([None if _missing(value) else text_of(value) for value in column.to_pylist()], pa.string())


def _missing(value: Any) -> bool:
    return value is None or value == "" or value != value  # NaN differs from itself


def _times(column: pa.ChunkedArray) -> pa.ChunkedArray:
    try:
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            return column.cast(pa.timestamp("us")).cast(MICROS)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return pa.array([_moment(text) for text in column.to_pylist()], MICROS)
        return column.cast(MICROS)
    except (pa.ArrowException, ValueError) as error:
        raise LabelTimeUnreadable(
            "the times of the labels cannot be read",
            where="the labels",
            fix="write them as 2026-01-31 or 2026-01-31T12:00:00+00:00",
        ) from error


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _days_of_answers(
    destination: str | Path, ids: pa.ChunkedArray, since: datetime | None, segments: str | Path | None
) -> pa.Table:
    """The days on which the log has answers of some ids, as a table of `id` and `day`."""
    found = [pa.table({"id": pa.array([], pa.string()), "day": pa.array([], pa.date32())})]
    for batch in read_window(destination, since, columns=["id", "time"], segments=segments):
        rows = batch.filter(pc.is_in(batch.column("id"), value_set=ids))
        found.append(pa.table({"id": rows.column("id"), "day": rows.column("time").cast(pa.date32())}))
    return pa.concat_tables(found).group_by(["id", "day"]).aggregate([])


def _by_day(labels: pa.Table, days: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The labels of each day; last those of unknown ids."""
    for day in sorted(pc.unique(days.column("day")).to_pylist()):
        ids = days.filter(pc.equal(days.column("day"), day)).column("id")
        yield day.isoformat(), labels.filter(pc.is_in(labels.column("id"), value_set=ids))
    unknown = labels.filter(pc.invert(pc.is_in(labels.column("id"), value_set=days.column("id"))))
    if unknown.num_rows:
        yield UNKNOWN, unknown


def _compared(given: pa.Table, known: pa.Table, *, timed: bool) -> tuple[pa.Table, dict[str, int]]:
    """Which labels are to be written, beside those that are known, and how many are what."""
    row = pc.index_in(given.column("id"), value_set=known.column("id"))
    old = known.take(row.combine_chunks()) if known.num_rows else None
    if old is None:
        return given, {}
    is_known = pc.is_valid(old.column("label"))
    same = pc.fill_null(pc.equal(given.column("label"), old.column("label")), False)
    later = pc.fill_null(pc.greater_equal(given.column("time"), old.column("time")), True)
    differs = pc.and_not(is_known, same)
    counts = {
        "repeated": _count(same),
        "changed": _count(pc.and_(differs, later)),
        "outdated": _count(pc.and_not(differs, later)),
    }
    # The same label of a later time is written too: it decides against a third one from between the two.
    newer = pc.fill_null(pc.greater(given.column("time"), old.column("time")), False)
    to_add = pc.and_not(later, same)
    return given.filter(pc.or_(to_add, pc.and_(same, newer)) if timed else to_add), counts


def _count(mask: pa.ChunkedArray) -> int:
    return int(pc.sum(mask).as_py() or 0)
