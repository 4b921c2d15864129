"""The summary of a table: one column summary each, however many rows there were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.data.errors import ColumnOfKind
from mlwright.data.summaries.compiled import stored_numbers
from mlwright.data.summaries.levels import LevelSummary
from mlwright.data.summaries.numbers import NumberSummary

Kind = Literal["number", "integer", "boolean", "datetime", "text", "null"]

#: Rows are summarised in pieces of this size, so that a piece of a column stays in the processor's cache.
_PIECE = 131_072


def kind_of(arrow_type: pa.DataType, column: str) -> Kind:
    """What a column is by its storage alone.

    Raises
    ------
    ColumnOfKind
        If its values are lists, structures or bytes, which have no summary.
    """
    if pa.types.is_dictionary(arrow_type):
        return kind_of(arrow_type.value_type, column)
    if pa.types.is_boolean(arrow_type):
        return "boolean"
    if pa.types.is_integer(arrow_type):
        return "integer"
    if pa.types.is_floating(arrow_type) or pa.types.is_decimal(arrow_type):
        return "number"
    if pa.types.is_temporal(arrow_type) and not pa.types.is_interval(arrow_type):
        return "number" if pa.types.is_duration(arrow_type) or pa.types.is_time(arrow_type) else "datetime"
    if pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type) or pa.types.is_string_view(arrow_type):
        return "text"
    if pa.types.is_null(arrow_type):
        return "null"
    raise ColumnOfKind(column, str(arrow_type))


def plain(values: pa.Array) -> pa.Array:
    """The same values in a storage that Arrow computes with: no views of strings, no nulls inside a dictionary."""
    if pa.types.is_string_view(values.type):
        return pc.cast(values, pa.large_string())
    if not pa.types.is_dictionary(values.type):
        return values
    levels = plain(values.dictionary)
    if levels.null_count:
        return levels.take(values.indices)
    return values if levels is values.dictionary else pa.DictionaryArray.from_arrays(values.indices, levels)


def as_numbers(values: pa.Array, kind: Kind) -> NDArray[np.float64]:
    """A column without nulls as float64; times as seconds (moments since 1970 in UTC, times of day since midnight)."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if kind == "boolean":
        values = pc.cast(values, pa.uint8())
    elif pa.types.is_temporal(values.type):
        if pa.types.is_date(values.type):
            values = pc.cast(values, pa.timestamp("s"))
        micros = pc.cast(pc.cast(values, _in_micros(values.type), safe=False), pa.int64())
        seconds: NDArray[np.float64] = micros.to_numpy(zero_copy_only=False) / 1e6
        return seconds
    if not pa.types.is_float64(values.type):
        values = pc.cast(values, pa.float64(), safe=False)
    numbers: NDArray[np.float64] = values.to_numpy(zero_copy_only=False)
    return numbers


def _in_micros(arrow_type: pa.DataType) -> pa.DataType:
    if pa.types.is_time(arrow_type):
        return pa.time64("us")
    return pa.duration("us") if pa.types.is_duration(arrow_type) else pa.timestamp("us", tz=arrow_type.tz)


@dataclass(slots=True)
class ColumnSummary:
    """What is known of one column: how many rows, how many without a value, and its numbers or its levels."""

    kind: Kind
    rows: int = 0
    nulls: int = 0
    numbers: NumberSummary | None = None
    levels: LevelSummary | None = None

    def update(self, values: pa.Array, kind: Kind) -> None:
        """Add the values of one batch."""
        self.kind = _wider(self.kind, kind)
        self.rows += len(values)
        if kind == "null":
            self.nulls += len(values)
            return
        if kind == "text":
            self.levels = self.levels or LevelSummary()
            self.nulls += len(values) - self.levels.update(values)
            return
        self.numbers = self.numbers or NumberSummary()
        stored = stored_numbers(values)
        if stored is not None:
            self.nulls += len(values) - self.numbers.update_stored(stored)
            return
        numbers = as_numbers(values.drop_null(), kind)
        if kind == "number" and np.isnan(numbers.min(initial=0.0)):
            numbers = numbers[~np.isnan(numbers)]
        self.nulls += len(values) - len(numbers)
        self.numbers.update(numbers)

    def merge(self, other: ColumnSummary) -> None:
        """Add the rows of another summary."""
        self.kind = _wider(self.kind, other.kind)
        self.rows += other.rows
        self.nulls += other.nulls
        if other.numbers is not None:
            self.numbers = self.numbers or NumberSummary()
            self.numbers.merge(other.numbers)
        if other.levels is not None:
            self.levels = self.levels or LevelSummary()
            self.levels.merge(other.levels)

    @property
    def known(self) -> int:
        """Rows with a value."""
        return self.rows - self.nulls

    @property
    def n_distinct(self) -> float:
        """Number of distinct values."""
        return sum(part.n_distinct for part in (self.numbers, self.levels) if part is not None)

    def state(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "rows": self.rows,
            "nulls": self.nulls,
            "numbers": None if self.numbers is None else self.numbers.state(),
            "levels": None if self.levels is None else self.levels.state(),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> ColumnSummary:
        return cls(
            kind=state["kind"],
            rows=state["rows"],
            nulls=state["nulls"],
            numbers=None if state["numbers"] is None else NumberSummary.of_state(state["numbers"]),
            levels=None if state["levels"] is None else LevelSummary.of_state(state["levels"]),
        )


def _wider(a: Kind, b: Kind) -> Kind:
    """The kind that holds both: files of one table may disagree about a column without values or decimals."""
    if a == b or b == "null":
        return a
    if a == "null":
        return b
    return "number" if {a, b} <= {"number", "integer", "boolean"} else "text"


@dataclass(slots=True)
class TableSummary:
    """The summaries of all columns of a table, and its number of rows."""

    rows: int = 0
    columns: dict[str, ColumnSummary] = field(default_factory=dict)

    def update(self, batch: pa.RecordBatch) -> None:
        """Add the rows of one batch.

        Raises
        ------
        ColumnOfKind
            If a column has values that cannot be summarised.
        """
        self.rows += batch.num_rows
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            kind = kind_of(values.type, name)
            column = self.columns.setdefault(name, ColumnSummary(kind))
            whole = plain(values)
            for start in range(0, len(values), _PIECE):
                column.update(whole.slice(start, _PIECE), kind)

    def merge(self, other: TableSummary) -> None:
        """Add the rows of another summary."""
        self.rows += other.rows
        for name, column in other.columns.items():
            self.columns.setdefault(name, ColumnSummary(column.kind)).merge(column)

    def __getitem__(self, column: str) -> ColumnSummary:
        return self.columns[column]

    def state(self) -> dict[str, Any]:
        return {
            "format_version": 1,
            "rows": self.rows,
            "columns": {name: column.state() for name, column in self.columns.items()},
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> TableSummary:
        return cls(
            rows=state["rows"],
            columns={name: ColumnSummary.of_state(column) for name, column in state["columns"].items()},
        )


def summarise(batches: Iterable[pa.RecordBatch]) -> TableSummary:
    """Fold batches into a summary; memory is bounded by the state, not by the rows."""
    summary = TableSummary()
    for batch in batches:
        summary.update(batch)
    return summary
