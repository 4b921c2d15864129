"""Source -> Dataset: summarise the raw rows, decide what each column is, read the values, give the columns their roles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.core import Progress, silent, stage
from mlwright.data.dataset import Dataset
from mlwright.data.errors import ColumnNotFound, ColumnOfKind, DataUnfit
from mlwright.data.inference import infer_schema
from mlwright.data.roles import assign_roles, required_columns
from mlwright.data.rows import fingerprint_of_rows
from mlwright.data.schema import Schema
from mlwright.data.sources import FrameSource, Source, open_source
from mlwright.data.summaries import TableSummary
from mlwright.data.summaries.table import kind_of
from mlwright.data.target import Target, settle_target
from mlwright.data.values import ARROW_TYPES, read_column
from mlwright.spec import Spec

#: Raw rows are kept between the two looks at them if they take no more than this; else the source is read again.
_KEEP_BYTES = 512 << 20
_JOIN_BYTES = 64 << 20


def read(spec: Spec, frame: Any | None = None, *, progress: Progress = silent) -> Dataset:
    """Read the table that a spec names (or a data frame in its place) into a dataset.

    Raises
    ------
    SourceNotFound, SourceUnreadable
        If there is no such table or it is damaged.
    ColumnNotFound
        If the spec names a column that is not there.
    DataUnfit
        If nothing can be learned from it: no rows, no target, one class, no features.
    """
    with stage("read", progress) as report:
        source = open_for(spec, frame)
        report.advance(f"summarising {source.description}")
        rows = _Rows(source, _of_no_use(spec), report.advance)
        summary = TableSummary()
        described = pa.schema([])
        for batch in rows.batches():
            summary.update(batch)
            described = batch.schema
        if not summary.columns or summary.rows == 0:
            raise DataUnfit("the table has no rows", where=source.description, fix="name a table with rows")
        for name, where in required_columns(spec):
            if name not in summary.columns and name not in rows.left_out:
                raise ColumnNotFound(
                    name, list(summary.columns), where=f"{where}; table read from {source.description}"
                )
        with_role = {spec.data.target, spec.data.time or "", spec.data.weight or ""}
        schema = infer_schema(summary, spec.data.columns, with_role=with_role).as_written_on(described)
        target = settle_target(spec, schema, summary, source.description)
        schema = assign_roles(spec, schema, target)
        report.advance(f"reading {summary.rows:,} rows")
        return _typed(rows, schema, target, source)


def _of_no_use(spec: Spec) -> set[str]:
    """Columns that the spec names only to leave them out; they need not even be readable."""
    mentions = Counter(name for name, _ in required_columns(spec))
    return {name for name in spec.data.must_not_use if mentions[name] == 1}


def open_for(spec: Spec, frame: Any | None = None) -> Source:
    """The source that a spec names, or a data frame in its place."""
    if frame is not None:
        return FrameSource(frame)
    return open_source(spec.data.source, folder=spec.folder, reading=spec.data.reading)


class _Rows:
    """The batches of a source, twice: kept in memory if they are few, read again if not."""

    def __init__(self, source: Source, unwanted: set[str], advance: Callable[..., None]) -> None:
        self.left_out: set[str] = set()
        self._source = source
        self._unwanted = unwanted
        self._advance = advance
        self._kept: list[pa.RecordBatch] | None = []
        self._complete = False

    def batches(self) -> Iterator[pa.RecordBatch]:
        if self._complete and self._kept is not None:
            yield from self._kept
            return
        size = done = 0
        for batch in _joined(self._usable(raw) for raw in self._source.batches()):
            done += batch.num_rows
            self._advance(f"{done:,} rows", done=done)
            if not self._complete and self._kept is not None:
                size += batch.nbytes
                self._kept.append(batch)
                if size > _KEEP_BYTES:
                    self._kept = None
            yield batch
        self._complete = True

    def _usable(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Without columns that are not wanted and could not be read."""
        for name in self._unwanted & set(batch.schema.names):
            try:
                kind_of(batch.schema.field(name).type, name)
            except ColumnOfKind:
                self.left_out.add(name)
        if not self.left_out:
            return batch
        return batch.select([name for name in batch.schema.names if name not in self.left_out])


def _joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows with small neighbouring batches as one: a batch costs something per column, however few its rows."""
    waiting: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        if waiting and (size + batch.nbytes > _JOIN_BYTES or batch.schema != waiting[0].schema):
            yield _one(waiting)
            waiting, size = [], 0
        waiting.append(batch)
        size += batch.nbytes
    if waiting:
        yield _one(waiting)


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _typed(rows: _Rows, schema: Schema, target: Target, source: Source) -> Dataset:
    unreadable: dict[str, int] = {}
    parts: dict[str, list[pa.Array]] = {column.name: [] for column in schema}
    unlabelled = 0

    def pieces() -> Iterator[pa.RecordBatch]:
        nonlocal unlabelled
        for batch in rows.batches():
            yield batch
            read_target = read_column(_column_of(batch, target.name), schema[target.name]).values
            labelled = pc.is_valid(read_target)
            unlabelled += len(labelled) - int(pc.sum(labelled).as_py() or 0)
            for column in schema:
                values, lost = read_column(_column_of(batch, column.name), column)
                unreadable[column.name] = unreadable.get(column.name, 0) + lost
                parts[column.name].append(pc.filter(values, labelled) if unlabelled else values)

    in_files = source.fingerprint()
    if in_files is None:
        in_files = fingerprint_of_rows(pieces())
    else:
        for _ in pieces():
            pass
    columns = [
        pa.chunked_array(parts[column.name], type=ARROW_TYPES[column.type]).unify_dictionaries() for column in schema
    ]
    table = pa.table(columns, names=schema.names).combine_chunks()
    dataset = Dataset(
        table=table,
        schema=schema,
        task=target.task,
        classes=target.classes,
        fingerprint=in_files,
        description=source.description,
        notes=tuple(source.notes),
        unreadable={name: count for name, count in unreadable.items() if count},
        unlabelled=unlabelled,
    )
    _refuse_odd_weights(dataset)
    return dataset


def _column_of(batch: pa.RecordBatch, name: str) -> pa.Array:
    """A column, or missing values where a file of several does not have it."""
    position = batch.schema.get_field_index(name)
    return pa.nulls(batch.num_rows) if position < 0 else batch.column(position)


def _refuse_odd_weights(dataset: Dataset) -> None:
    weight = dataset.weight
    if weight is None:
        return
    column = dataset.schema.with_role("weight")
    assert column is not None
    if not np.isfinite(weight).all() or (weight < 0).any() or weight.sum() == 0:
        raise DataUnfit(
            "some weights are missing, negative, or all are zero",
            where=f"column {column.name!r}",
            fix="repair the column, or remove data.weight",
        )
