"""A few rows of a window, each row as likely as any other: those with the smallest of random numbers, which merge."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.monitoring.shapes import WindowShape

MOST_ROWS = 2000
PRIORITY = "priority"
_FACTS = ("id", "time")


def sampled_columns(shape: WindowShape) -> set[str]:
    """What is kept of a row; texts and identifiers are not, since they are long and somebody's."""
    inputs = {f"input.{column.name}" for column in shape if column.kind in {"number", "levels"}}
    return {*inputs, *_FACTS}


def sample_of(batch: pa.RecordBatch, shape: WindowShape, *, seed: tuple[int, ...], below: float) -> pa.Table | None:
    """The rows of a batch that may be among the smallest; None if there are none.

    Parameters
    ----------
    seed
        Of the random numbers: another one for each batch of a window.
    below
        The largest number that may still be among the smallest.
    """
    numbers = np.random.default_rng(seed).random(batch.num_rows)
    rows = np.flatnonzero(numbers < below)
    if len(rows) > MOST_ROWS:
        rows = np.sort(rows[np.argpartition(numbers[rows], MOST_ROWS)[:MOST_ROWS]])
    if not len(rows):
        return None
    wanted = sampled_columns(shape)
    names = [name for name in batch.schema.names if name in wanted or name.startswith("output.")]
    taken = pa.Table.from_batches([batch.select(names)]).take(pa.array(rows))
    columns = {name: _stored(column) for name, column in zip(names, taken.columns, strict=True)}
    return pa.table({PRIORITY: pa.array(numbers[rows]), **columns})


def smallest(parts: list[pa.Table]) -> pa.Table:
    """The rows with the smallest numbers, in the order of these."""
    whole = pa.concat_tables(parts, promote_options="permissive")
    order = pc.sort_indices(whole, sort_keys=[(PRIORITY, "ascending")])
    return whole.take(order[:MOST_ROWS]).combine_chunks()


def _stored(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        return pc.cast(column, pa.string())
    return column


def sample_bytes(sample: pa.Table) -> bytes:
    """A sample as bytes; numbers with seven digits, which is enough to tell rows apart."""
    columns = []
    for name, column in zip(sample.column_names, sample.columns, strict=True):
        if pa.types.is_float64(column.type) and name != PRIORITY:
            column = pc.cast(column, pa.float32(), safe=False)
        elif pa.types.is_string(column.type) and name != "id":
            column = pc.dictionary_encode(column)
        columns.append(column)
    sink = pa.BufferOutputStream()
    table = pa.table(columns, names=sample.column_names)
    with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def sample_of_bytes(content: bytes) -> pa.Table:
    """What `sample_bytes` was given."""
    table = pa.ipc.open_file(pa.py_buffer(content)).read_all()
    columns = []
    for column in table.columns:
        if pa.types.is_dictionary(column.type):
            column = pc.cast(column, pa.string())
        elif pa.types.is_float32(column.type):
            column = pc.cast(column, pa.float64())
        columns.append(column)
    return pa.table(columns, names=table.column_names)
