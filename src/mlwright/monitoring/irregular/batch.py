"""A batch: the rows of a window as they came, and beside them what the model's schema makes of them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.data import ARROW_TYPES, Column, Schema, ValueReading, read_column, to_table
from mlwright.data.dataset import FloatArray, IntArray, column_as_levels, column_as_numbers
from mlwright.monitoring.irregular.irregularity import BoolArray

_INPUT = "input."
_UNREAD = "unread"
#: How what was read once is written, and may be read again for another column.
_WRITTEN_DATES = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """Rows that arrived together.

    Attributes
    ----------
    rows
        As they came: a window of the prediction log, or a table of raw values.
    typed
        One column per column of the schema, in its type; missing where a value could not be read.
    unread
        By column of the schema: the values that could not be read, as text, missing elsewhere.
    others
        By name: the columns that the schema does not have.
    absent
        The columns of the schema that the rows do not even name.
    prefix
        What stands before the names of the schema in `rows`.
    arrived
        When the last of them came.
    """

    rows: pa.Table
    typed: pa.Table
    schema: Schema
    unread: Mapping[str, pa.Array]
    others: Mapping[str, pa.Array]
    absent: frozenset[str]
    prefix: str = ""
    arrived: datetime | None = None

    @classmethod
    def of_rows(cls, rows: Any, schema: Schema, *, arrived: datetime | None = None) -> Batch:
        """Raw rows: an Arrow table or a data frame of any library, with columns named as in the schema."""
        table = to_table(rows).combine_chunks()
        arrays, unread = [], {}
        for column in schema:
            raw = _one(table, column.name)
            read = pa.nulls(table.num_rows) if raw is None else raw
            if _is_no_value(read.type):  # lists, structures, bytes: nothing that a column can be read from
                read = _texts(read.to_pylist())
                typed, lost = pa.nulls(len(read), ARROW_TYPES[column.type]), len(read) - read.null_count
            else:
                typed, lost = read_column(read, column)
            arrays.append(typed)
            if lost:
                unread[column.name] = _unread_texts(read, typed, column)
        return cls(
            rows=table,
            typed=pa.table(arrays, names=schema.names),
            schema=schema,
            unread=unread,
            others={name: _whole(table.column(name)) for name in table.column_names if name not in schema},
            absent=frozenset(name for name in schema.names if name not in table.column_names),
            arrived=arrived,
        )

    @classmethod
    def of_window(cls, window: pa.Table | pa.RecordBatch, schema: Schema, *, arrived: datetime | None = None) -> Batch:
        """Rows of the prediction log, as `predictions.read_window` gives them: `input.age`, `unread` and so on.

        A log that was opened without schemas has the whole input as JSON; it is read as well.
        """
        table = pa.Table.from_batches([window]) if isinstance(window, pa.RecordBatch) else window.combine_chunks()
        n = table.num_rows
        given = _of_unread(table, n)
        if "input" in table.column_names:
            given = {**_of_json(table.column("input").to_pylist()), **given}
        arrays, unread = [], {}
        for column in schema:
            raw = _one(table, _INPUT + column.name)
            rest = given.get(column.name)
            typed = read_column(pa.nulls(n) if raw is None else raw, column).values
            if rest is not None and raw is None:
                typed = read_column(_texts(rest), column).values
            arrays.append(typed)
            if rest is not None:
                left = np.asarray(pc.is_null(typed)) & np.array([value is not None for value in rest])
                if left.any():
                    unread[column.name] = _texts([v if keep else None for v, keep in zip(rest, left, strict=True)])
        known = {_INPUT + name for name in schema.names} | {"input"}
        others = {name.removeprefix(_INPUT): _whole(table.column(name)) for name in table.column_names
                  if name.startswith(_INPUT) and name not in known}  # fmt: skip
        others |= {name: _texts(values) for name, values in given.items() if name not in schema}
        if arrived is None and "time" in table.column_names and n:
            arrived = pc.max(table.column("time")).as_py()
        return cls(
            rows=table,
            typed=pa.table(arrays, names=schema.names),
            schema=schema,
            unread=unread,
            others=others,
            # A log that has a column for it cannot tell a field that is not sent from one that is sent empty.
            absent=frozenset(n for n in schema.names if _INPUT + n not in table.column_names and n not in given),
            prefix=_INPUT,
            arrived=arrived,
        )

    def __len__(self) -> int:
        return int(self.typed.num_rows)

    def numbers(self, name: str) -> FloatArray:
        """A column as floats with NaN for missing, shape (n_rows,); dates as seconds since 1970."""
        return column_as_numbers(self.typed.column(name))

    def levels(self, name: str) -> tuple[IntArray, list[str]]:
        """A column as numbers of levels, -1 for missing, shape (n_rows,), and the texts of the levels."""
        return column_as_levels(self.typed.column(name))

    def missing(self, name: str) -> BoolArray:
        """Which rows have no value that could be read, shape (n_rows,)."""
        return np.asarray(pc.is_null(self.typed.column(name), nan_is_null=True))

    def unreadable(self, name: str) -> BoolArray:
        """Which rows have a value that could not be read, shape (n_rows,)."""
        found = self.unread.get(name)
        return np.zeros(len(self), dtype=bool) if found is None else np.asarray(pc.is_valid(found))

    def texts(self, name: str) -> NDArray[np.object_]:
        """A column as text, what could not be read with it, None for missing, shape (n_rows,)."""
        codes, levels = self.levels(name)
        texts = np.array([*levels, None], dtype=object)[codes]  # -1 is the last
        found = self.unread.get(name)
        if found is not None:
            rest = np.array(found.to_pylist(), dtype=object)
            texts = np.where(self.unreadable(name), rest, texts)
        return texts

    def read_as(self, name: str, column: Column) -> pa.Array:
        """The values of one column, read as those of another would be.

        Of raw rows the values as they came are read. A window of the log has them only where they could not be typed:
        what was rounded to a whole number stays so.
        """
        raw = None if self.prefix else _one(self.rows, name)
        if raw is not None and not _is_no_value(raw.type):
            read = _decoded(read_column(raw, column).values)
            if read.null_count <= raw.null_count:
                return read
            return pc.coalesce(read, read_texts(self.texts(name), column))
        types = {self.schema[name].type, column.type}
        if types <= {"number", "integer", "datetime"} and "datetime" in types:
            # A number in a column of dates was read as seconds, and a date in a column of numbers became seconds.
            seconds = self.numbers(name)
            read = read_column(pa.array(seconds, mask=np.isnan(seconds)), column.but(reading=ValueReading())).values
            return pc.coalesce(read, read_texts(self.texts(name), column)) if self.unreadable(name).any() else read
        return read_texts(self.texts(name), column)

    def with_typed(self, typed: pa.Table) -> Batch:
        """The same batch with other typed values, in `rows` too; what could not be read before is then settled."""
        rows, unread = self.rows, dict(self.unread)
        for name in typed.column_names:
            new = _whole(typed.column(name))
            if new.equals(_whole(self.typed.column(name))):
                continue
            if name in unread:
                unread[name] = pc.if_else(pc.is_null(new), unread[name], pa.scalar(None, pa.string()))
            plain = new.dictionary_decode() if pa.types.is_dictionary(new.type) else new
            field = self.prefix + name
            at = rows.schema.get_field_index(field)
            rows = rows.append_column(field, plain) if at < 0 else rows.set_column(at, field, plain)
        absent = self.absent - {name for name in typed.column_names if self.prefix + name in rows.column_names}
        return replace(self, rows=rows, typed=typed, unread=unread, absent=absent)

    def take(self, rows: BoolArray) -> Batch:
        """Some rows, by a mask."""
        mask = pa.array(rows)
        return replace(
            self,
            rows=self.rows.filter(mask),
            typed=self.typed.filter(mask).combine_chunks(),
            unread={name: values.filter(mask) for name, values in self.unread.items()},
            others={name: values.filter(mask) for name, values in self.others.items()},
        )


def read_texts(texts: Collection[Any] | NDArray[np.object_], column: Column) -> pa.Array:
    """Texts in the type of a column: as mlwright writes values itself, and where that fails as the column is read."""
    given = pa.array(list(texts), pa.string())
    reading = ValueReading(missing=column.reading.missing, formats=(*_WRITTEN_DATES, *column.reading.formats))
    plain = _decoded(read_column(given, column.but(reading=reading)).values)
    if plain.null_count == 0:
        return plain
    return pc.coalesce(plain, _decoded(read_column(given, column).values))


def _is_no_value(arrow_type: pa.DataType) -> bool:
    return bool(
        pa.types.is_nested(arrow_type)
        or pa.types.is_binary(arrow_type)
        or pa.types.is_large_binary(arrow_type)
        or pa.types.is_fixed_size_binary(arrow_type)
        or pa.types.is_interval(arrow_type)
    )


def _decoded(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _one(table: pa.Table, name: str) -> pa.Array | None:
    return _whole(table.column(name)) if name in table.column_names else None


def _whole(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def _unread_texts(raw: pa.Array, typed: pa.Array, column: Column) -> pa.Array:
    """The raw values that became missing though they do not mean it."""
    lost = np.asarray(pc.is_null(typed)) & np.asarray(pc.is_valid(raw))
    values = _decoded(raw).filter(pa.array(lost)).to_pylist()
    texts: list[str | None] = [None] * len(raw)
    for row, value in zip(np.flatnonzero(lost).tolist(), values, strict=True):
        text = _text(value)
        if text is not None and text.strip().lower() not in column.reading.missing:
            texts[row] = text
    return pa.array(texts, pa.string())


def _of_unread(table: pa.Table, n: int) -> dict[str, list[Any]]:
    """The fields of the input that the log could not type, by name."""
    found: dict[str, list[Any]] = {}
    if _UNREAD not in table.column_names:
        return found
    column = table.column(_UNREAD)
    rows = np.flatnonzero(np.asarray(pc.is_valid(column)))
    for row, text in zip(rows.tolist(), column.drop_null().to_pylist(), strict=True):
        given = json.loads(text).get("input")
        for name, value in given.items() if isinstance(given, dict) else ():
            found.setdefault(name, [None] * n)[row] = value
    return found


def _of_json(inputs: list[str | None]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row, text in enumerate(inputs):
        try:
            given = json.loads(text) if text else None
        except ValueError:
            continue
        for name, value in given.items() if isinstance(given, dict) else ():
            found.setdefault(name, [None] * len(inputs))[row] = value
    return found


def _texts(values: list[Any]) -> pa.Array:
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: Any) -> str | None:
    if value is None or value != value:  # NaN differs from itself
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()  # JSON can spell half of a surrogate pair
    return json.dumps(value, default=str) if isinstance(value, bool | list | dict) else str(value)
