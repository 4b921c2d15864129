"""The dataset: typed rows with a schema and a fingerprint; nothing changes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.data.schema import Column, Schema
from mlwright.data.summaries import TableSummary, summarise
from mlwright.data.values import read_column, written
from mlwright.spec import Columns, Task

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
#: A class as the source writes it.
ClassValue: TypeAlias = str | int | float | bool


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Rows in their types.

    Attributes
    ----------
    table
        One column per column of the schema, in its Arrow type (`values.ARROW_TYPES`).
    classes
        Of a classification, the values of the target as the source writes them; of two, the positive one last.
    fingerprint
        SHA-256 of what was read.
    description, notes
        Where it came from, and what was found out while reading.
    unreadable
        How many values of a column could not be read and are missing now.
    unlabelled
        How many rows were left out because their target is not known (yet).
    """

    table: pa.Table
    schema: Schema
    task: Task
    classes: tuple[ClassValue, ...] = ()
    fingerprint: str = ""
    description: str = "a table"
    notes: tuple[str, ...] = ()
    unreadable: Mapping[str, int] = field(default_factory=dict)
    unlabelled: int = 0

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def target(self) -> str:
        """The name of the target column."""
        column = self.schema.with_role("target")
        assert column is not None
        return column.name

    @property
    def features(self) -> list[str]:
        """The names of the columns that a model may look at."""
        return [column.name for column in self.schema.features]

    @property
    def y(self) -> FloatArray:
        """The target, shape (n_rows,): class numbers from 0, or values."""
        if self.task == "regression":
            return self.numbers(self.target)
        codes, levels = self.levels(self.target)
        position = {written_class(value): number for number, value in enumerate(self.classes)}
        numbers = np.array([position[level] for level in levels], dtype=np.float64)
        return numbers[codes] if len(numbers) else np.zeros(len(self))

    @property
    def weight(self) -> FloatArray | None:
        """How much each row counts, shape (n_rows,); None if all count the same."""
        column = self.schema.with_role("weight")
        return None if column is None else self.numbers(column.name)

    @property
    def groups(self) -> IntArray | None:
        """Numbers of the groups, shape (n_rows,); None if rows have none. A missing group is a group of its own row."""
        column = self.schema.with_role("group")
        if column is None:
            return None
        numbers = self.levels(column.name)[0]
        alone = numbers < 0
        numbers[alone] = numbers.max(initial=-1) + 1 + np.arange(int(alone.sum()))
        return numbers

    @property
    def times(self) -> FloatArray | None:
        """When each row was known, as seconds or in the unit of the column, shape (n_rows,); None if not known."""
        column = self.schema.with_role("time")
        return None if column is None else self.numbers(column.name)

    def numbers(self, name: str) -> FloatArray:
        """A column as floats with NaN for missing, shape (n_rows,); dates as seconds since 1970, truth as 0 and 1."""
        return column_as_numbers(self.table.column(name))

    def levels(self, name: str) -> tuple[IntArray, list[str]]:
        """A column as numbers of levels (-1 for missing), shape (n_rows,), and the texts of the levels."""
        return column_as_levels(self.table.column(name))

    def take(self, rows: NDArray[Any]) -> Dataset:
        """Some rows: by number, or by a mask."""
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return replace(self, table=self.table.take(pa.array(rows)))

    def with_column(self, name: str, values: Any, *, like: str | None = None) -> Dataset:
        """One more feature; `values` of any kind that Arrow takes, `like` an existing column whose reading it shares."""
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, from_pandas=True)
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if like is None:
            from mlwright.data.inference import infer_schema

            batch = pa.RecordBatch.from_arrays([array], names=[name])
            column = infer_schema(summarise([batch]))[name]
        else:
            column = self.schema[like].but(name=name, role="feature")
        typed = read_column(array, column).values
        return replace(self, table=self.table.append_column(name, typed), schema=Schema((*self.schema.columns, column)))

    def with_target_order(self, order: IntArray) -> Dataset:
        """The same rows with the targets of other rows: row i gets the target of row `order[i]`."""
        position = self.table.column_names.index(self.target)
        moved = self.table.column(self.target).take(pa.array(order))
        return replace(self, table=self.table.set_column(position, self.target, moved))

    def without(self, names: Sequence[str]) -> Dataset:
        """The same rows with these columns no longer features."""
        changed = [self.schema[name].but(role="unused") for name in names if self.schema[name].role == "feature"]
        return replace(self, schema=self.schema.replaced(changed))

    def summary(self) -> TableSummary:
        """The summary of the typed rows; computed once, to be read only."""
        return self._summary

    @cached_property
    def _summary(self) -> TableSummary:
        return summarise(self.table.to_batches())

    def expression_columns(self, names: Sequence[str]) -> Columns:
        """The columns as an expression takes them: numbers as floats, the rest as objects."""
        return {name: _for_expression(self.table.column(name), self.schema[name]) for name in names}


def column_as_numbers(values: pa.ChunkedArray | pa.Array) -> FloatArray:
    """Any typed column as floats with NaN for missing, shape (n_rows,)."""
    if pa.types.is_timestamp(values.type):
        micros = pc.cast(values, pa.int64())
        return _floats(micros) / 1e6
    return _floats(pc.cast(values, pa.uint8()) if pa.types.is_boolean(values.type) else values)


def _floats(values: pa.ChunkedArray | pa.Array) -> FloatArray:
    cast = pc.cast(values, pa.float64(), safe=False)
    floats: FloatArray = cast.to_numpy() if isinstance(cast, pa.ChunkedArray) else cast.to_numpy(zero_copy_only=False)
    return floats


def column_as_levels(values: pa.ChunkedArray | pa.Array) -> tuple[IntArray, list[str]]:
    """Any typed column as numbers of levels (-1 for missing), shape (n_rows,), and the texts of the levels.

    Levels that no row has may be among them, but never more levels than rows.
    """
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_dictionary(array.type) and len(array.dictionary) > len(array):
        array = array.dictionary_decode()  # a few rows of a table with a million levels
    if not pa.types.is_dictionary(array.type):
        text = array if pa.types.is_string(array.type) else pc.cast(array, pa.string())
        array = pc.dictionary_encode(text)
    codes = pc.fill_null(array.indices, -1)
    return np.asarray(codes).astype(np.int64), array.dictionary.to_pylist()


def _for_expression(values: pa.ChunkedArray, column: Column) -> NDArray[Any]:
    if column.is_number or column.type in {"boolean", "datetime"}:
        return column_as_numbers(values)
    return np.array(values.to_pylist(), dtype=object)


def written_class(value: ClassValue) -> str:
    """A class as text, as it stands in the typed target column."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(written(pa.array([value]), "number")[0]) if isinstance(value, float) else str(value)
