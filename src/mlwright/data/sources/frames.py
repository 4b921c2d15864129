"""Data frames of any library, through Narwhals; and plain arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from mlwright.data.errors import SourceUnreadable
from mlwright.data.sources.base import BATCH_ROWS
from mlwright.data.sources.sniffing import refuse_duplicates


class FrameSource:
    """A pandas, Polars, Arrow or DuckDB table that is already in memory."""

    def __init__(self, frame: Any, description: str = "a data frame") -> None:
        self._table = to_table(frame)
        self.description = f"{description} ({self._table.num_rows:,} rows)"
        self.notes: list[str] = []

    def fingerprint(self) -> None:
        """There are no files: the rows themselves are hashed."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._table.to_batches(max_chunksize=BATCH_ROWS)


def to_table(frame: Any) -> pa.Table:
    """Any data frame as an Arrow table.

    Raises
    ------
    SourceUnreadable
        If it is no data frame, or has two columns of one name.
    """
    if isinstance(frame, pa.Table):
        table = frame
    elif isinstance(frame, pa.RecordBatch):
        table = pa.Table.from_batches([frame])
    else:
        table = _by_narwhals(frame)
    refuse_duplicates(table.column_names, "the data frame")
    return table


def _by_narwhals(frame: Any) -> pa.Table:
    import narwhals as nw

    try:
        native = nw.from_native(frame)
        if isinstance(native, nw.LazyFrame):
            native = native.collect("pyarrow")
        names = [str(name) for name in native.columns]
        refuse_duplicates(names, "the data frame")
        if names != list(native.columns):
            native = native.rename(dict(zip(native.columns, names, strict=True)))
        try:
            table = native.to_arrow()
        except (pa.ArrowException, OverflowError, TypeError):
            table = pa.table([_mixed(native[name].to_list()) for name in names], names=names)
    except nw.exceptions.DuplicateError:
        refuse_duplicates([str(name) for name in frame.columns], "the data frame")
        raise
    except (TypeError, nw.exceptions.NarwhalsError, ValueError) as error:
        raise SourceUnreadable(
            f"a {type(frame).__name__} is not a data frame that can be read",
            where="the data frame",
            fix="pass a pandas, Polars, Arrow or DuckDB table, or a path",
        ) from error
    return table.rename_columns(names) if table.num_columns == len(names) else table.select(names)


def _mixed(values: list[Any]) -> pa.Array:
    """A column of Python objects: in its own type if they agree, else as text."""
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if _is_missing(value) else str(value) for value in values], pa.string())


def _is_missing(value: Any) -> bool:
    """Whether an object means missing: None, NaN, or what pandas has for it."""
    return (
        value is None or (isinstance(value, float) and np.isnan(value)) or type(value).__name__ in {"NAType", "NaTType"}
    )
