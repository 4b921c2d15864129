"""Read a window of time: sealed files by their hour and, where asked, the segments that are not sealed yet.

What comes out is flat (`id`, `time`, `version`, `input.age`, `output.probability`, …) and has one schema, whatever the
versions in the window had. Memory is bounded by a batch, the answers of two hours at 8 bytes each and the labels of a day.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlwright.data import ColumnNotFound
from mlwright.data.sources.base import BATCH_ROWS
from mlwright.predictions.columns import MICROS, flat, flat_types
from mlwright.predictions.erasures import Erasures
from mlwright.predictions.hours import END_US, HOUR_US, hour_of, hour_of_date, micros_of, stem_of
from mlwright.predictions.labelled import LabelsByDay
from mlwright.predictions.places import ANSWERS
from mlwright.predictions.repeats import SeenAnswers
from mlwright.predictions.sealing import read_segment
from mlwright.predictions.segments import segments_in
from mlwright.predictions.store import Store

_FACTS = {"id": pa.string(), "time": MICROS, "version": pa.string()}
_LABEL = {"label": pa.string(), "label_time": MICROS}


def read_window(
    destination: str | Path,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    columns: Sequence[str] | None = None,
    version: str | None = None,
    labels: bool = False,
    segments: str | Path | None = None,
) -> pa.RecordBatchReader:
    """The answers with `start <= time < end`, hour by hour; within an hour they are in no particular order.

    An id that a version answers again within the hour or the next one is a repetition and is left out.

    Parameters
    ----------
    start, end
        In UTC if they have no zone; None is open.
    columns
        Names such as `id`, `time`, `version`, `input.age`, `output.probability`, `unread`, `label`; all if not given.
    version
        Only the answers of this one.
    labels
        Whether to join `label` (as text) and `label_time`, missing where the truth is not known.
    segments
        A folder whose segments are read too: what is not sealed yet.

    Raises
    ------
    ColumnNotFound
        If no answer in the window has a column.
    StoreFailed
        If the log cannot be read.
    """
    store = Store.open(destination)
    span = _Span(micros_of(start, otherwise=0), micros_of(end, otherwise=END_US), version)
    unsealed = _unsealed(segments)
    # The segments come first: one that is sealed meanwhile is in both, and its files are then left out.
    held = {path.stem for path, _ in unsealed}
    files = [name for name in sealed_files(store, span.start, span.end) if stem_of(name) not in held]
    erasures = Erasures.read(store)
    parts = [erasures.left(table) for _, table in unsealed]
    types = _types([*_file_schemas(store, files), *(part.schema for part in parts)])
    if labels:
        types |= _LABEL
    wanted = list(types) if columns is None else list(columns)
    for name in wanted:
        if name not in types:
            raise ColumnNotFound(name, list(types), where=f"the prediction log {store.shown}")
    schema = pa.schema([(name, types[name]) for name in wanted])
    tables = _tables(store, files, span, erasures.unapplied(), wanted, parts)
    joined = LabelsByDay(store) if labels else None
    return pa.RecordBatchReader.from_batches(schema, _batches(tables, schema, joined))


@dataclass(frozen=True, slots=True)
class _Span:
    start: int
    end: int
    version: str | None

    def inside(self, table: pa.Table) -> pa.Table:
        times = table.column("time").cast(pa.int64())
        mask = pc.and_(pc.greater_equal(times, self.start), pc.less(times, self.end))
        if self.version is not None:
            mask = pc.and_(mask, pc.equal(table.column("version"), self.version))
        return table.filter(mask)


def sealed_files(store: Store, start_us: int = 0, end_us: int = END_US) -> list[str]:
    """The sealed files that may have answers with `start_us <= time < end_us`, the oldest first."""
    first, stop = start_us // HOUR_US, -(-end_us // HOUR_US)
    names: list[str] = []
    for day in store.folders(ANSWERS):
        if hour_of_date(day.rsplit("=", 1)[1]) + 24 > first and hour_of_date(day.rsplit("=", 1)[1]) < stop:
            names += [name for name in store.files(day) if first <= hour_of(name) < stop]
    return names


def _unsealed(segments: str | Path | None) -> list[tuple[Path, pa.Table]]:
    found = []
    for path in [] if segments is None else segments_in(Path(segments)):
        with suppress(FileNotFoundError):  # sealed just now: its files will be listed
            descriptor = os.open(path, os.O_RDONLY)
            try:
                found.append((path, read_segment(path, descriptor)[0]))
            finally:
                os.close(descriptor)
    return found


def _file_schemas(store: Store, files: Iterable[str]) -> Iterator[pa.Schema]:
    """One per segment: all files of one have the same."""
    for name in {stem_of(name): name for name in files}.values():
        with store.parquet(name) as file:
            yield file.schema_arrow


def _types(schemas: Iterable[pa.Schema]) -> dict[str, pa.DataType]:
    """The type of each column, wide enough for every version in the window."""
    types: dict[str, pa.DataType] = dict(_FACTS)
    for schema in schemas:
        for name, found in flat_types(schema).items():
            if name not in types or types[name] == found:
                types[name] = found
            elif all(pa.types.is_integer(t) or pa.types.is_floating(t) for t in (types[name], found)):
                types[name] = pa.float64()
            else:
                types[name] = pa.string()
    return types


def _tables(
    store: Store,
    files: Sequence[str],
    span: _Span,
    erasures: Erasures,
    wanted: Sequence[str],
    parts: Sequence[pa.Table],
) -> Iterator[pa.Table]:
    """Rows of the window, each once."""
    seen = SeenAnswers()
    for name in files:
        seen.forget_before(hour_of(name) - 1)
        for table in _of_file(store, name, span, erasures, wanted):
            yield seen.first(span.inside(table), hour_of(name))
    for part in parts:
        for batch in part.to_batches(max_chunksize=BATCH_ROWS):
            inside = span.inside(pa.Table.from_batches([batch]))
            yield seen.first(inside, None)


def _of_file(store: Store, name: str, span: _Span, erasures: Erasures, wanted: Sequence[str]) -> Iterator[pa.Table]:
    needed = sorted({"id", "time", "version", *wanted, *erasures.fields()})
    for batch in store.batches(name, BATCH_ROWS, needed, lambda group: _may_have(group, span)):
        yield erasures.left(pa.Table.from_batches([batch]))


def _may_have(group: Any, span: _Span) -> bool:
    """Whether a row group may have rows of the window, by its statistics."""
    bounds = {group.column(i).path_in_schema: group.column(i).statistics for i in range(min(group.num_columns, 3))}
    time, version = bounds.get("time"), bounds.get("version")
    if time is not None and time.has_min_max:
        low, high = micros_of(time.min, otherwise=0), micros_of(time.max, otherwise=END_US)
        if high < span.start or low >= span.end:
            return False
    if version is None or not version.has_min_max or span.version is None:
        return True
    return bool(version.min <= span.version <= version.max)


def _batches(tables: Iterable[pa.Table], schema: pa.Schema, labels: LabelsByDay | None) -> Iterator[pa.RecordBatch]:
    for table in tables:
        if not table.num_rows:
            continue
        columns: dict[str, pa.ChunkedArray] = dict(zip((f := flat(table)).column_names, f.columns, strict=True))
        if labels is not None:
            columns |= labels.of(table.select(["id", "time"]))
        arrays = [as_type(columns.get(field.name), field.type, table.num_rows) for field in schema]
        yield from pa.table(arrays, schema=schema).to_batches()


def as_type(column: pa.ChunkedArray | None, wanted: pa.DataType, rows: int) -> pa.ChunkedArray:
    """A column in the type that all versions share; missing where a version does not have it."""
    if column is None:
        return pa.chunked_array([pa.nulls(rows, wanted)])
    return column if column.type == wanted else pc.cast(column, wanted, safe=False)
