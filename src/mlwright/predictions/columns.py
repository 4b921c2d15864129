"""From JSON to typed columns: the fields of records and answers as the model reads them.

A sealed file has `id`, `time` (UTC, microseconds), `version`, `input` and `output` (structures with a typed column per
field, or JSON where the log was opened without schemas) and `unread`: as JSON, what did not fit its column or has none.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.data import Column, Schema, read_column
from mlwright.predictions.records import Record

MICROS = pa.timestamp("us", tz="UTC")
_SIDES = ("input", "output")


def typed_table(records: Sequence[Record], layout: Mapping[str, Any]) -> pa.Table:
    """Records as a table.

    Parameters
    ----------
    layout
        `input` and `output` as the header of the segment has them: the columns of a `Schema`, or None for JSON.
    """
    unread: list[dict[str, Any]] = [{} for _ in records]
    sides = {}
    for side in _SIDES:
        raw = [getattr(record, side) for record in records]
        columns = layout.get(side)
        if not columns:
            sides[side] = pa.array([text.decode("utf-8", "replace") for text in raw], pa.string())
        else:
            sides[side] = _structure(raw, Schema.of_state({"columns": columns}), side, unread)
    return pa.table(
        {
            "id": pa.array([record.id for record in records], pa.string()),
            "time": pa.array([record.time_us for record in records], pa.int64()).cast(MICROS),
            "version": pa.array([record.version for record in records], pa.string()),
            **sides,
            "unread": pa.array([json.dumps(rest) if rest else None for rest in unread], pa.string()),
        }
    )


def _structure(raw: Sequence[bytes], schema: Schema, side: str, unread: list[dict[str, Any]]) -> pa.StructArray:
    names = set(schema.names)
    trees = _trees(raw)
    for row, tree in enumerate(trees):
        if not isinstance(tree, dict):
            if raw[row] != b"null":
                unread[row][side] = raw[row].decode("utf-8", "replace")
            trees[row] = {}
        elif not tree.keys() <= names:
            unread[row][side] = {name: value for name, value in tree.items() if name not in names}
    columns = []
    for column in schema:
        values = [tree.get(column.name) for tree in trees]
        typed = _typed(values, column)
        for row in np.flatnonzero(np.asarray(pc.is_null(typed))).tolist():
            if values[row] is not None:
                unread[row].setdefault(side, {})[column.name] = values[row]
        columns.append(typed)
    return pa.StructArray.from_arrays(columns, names=schema.names)


def _trees(raw: Sequence[bytes]) -> list[Any]:
    """Each text as JSON, None where it is none.

    All at once, since one call for all costs a third of a call for each. What is between two texts cannot be guessed, so
    that no text can pass for two, or two for one.
    """
    between = json.dumps(secrets.token_hex(16)).encode()
    try:
        parsed = json.loads(b"[" + b"".join((b",", between, b",")).join(raw) + b"]")
    except (ValueError, RecursionError):
        return [_tree(text) for text in raw]
    marks = parsed[1::2]
    if len(parsed) != 2 * len(raw) - 1 or marks != [json.loads(between)] * len(marks):
        return [_tree(text) for text in raw]
    return list(parsed[::2])


def _tree(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _typed(values: list[Any], column: Column) -> pa.Array:
    """Values of JSON in the type of a column; lists and structures are missing.

    Those of each kind are read by themselves, so that what becomes of a value does not depend on those of other records.
    """
    if len(kind := set(map(type, values)) - {type(None)}) == 1 and kind <= _STORAGE.keys():
        with suppress(pa.ArrowException, OverflowError, UnicodeEncodeError):  # then one by one, as below
            return _decoded(read_column(pa.array(values, _STORAGE[kind.pop()]), column).values)
    kinds = [_kind(value) for value in values]
    typed = [
        _decoded(read_column(_stored(values, kinds, kind), column).values)
        for kind in (bool, int, float, str)
        if kind in kinds
    ]
    if not typed:
        return _decoded(read_column(pa.nulls(len(values)), column).values)
    return typed[0] if len(typed) == 1 else pc.coalesce(*typed)


def _kind(value: Any) -> type | None:
    if isinstance(value, int) and not isinstance(value, bool) and not -(2**63) <= value < 2**63:
        return float
    return type(value) if type(value) in {bool, int, float, str} else None


def _stored(values: list[Any], kinds: list[type | None], kind: type) -> pa.Array:
    """The values of one kind, others missing."""
    own = [value if found is kind else None for value, found in zip(values, kinds, strict=True)]
    try:
        return pa.array(own, _STORAGE[kind])
    except (pa.ArrowException, OverflowError):  # whole numbers that a float does not hold exactly, or not at all
        return pa.array([None if value is None else _float(value) for value in own], pa.float64())
    except UnicodeEncodeError:  # JSON can spell half of a surrogate pair, which UTF-8 cannot
        return pa.array(
            [None if text is None else text.encode("utf-8", "replace").decode() for text in own], pa.string()
        )


_STORAGE: dict[type, pa.DataType] = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string()}


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _decoded(values: pa.Array) -> pa.Array:
    """Levels as texts: Parquet keeps them in a dictionary of its own."""
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def flat(table: pa.Table) -> pa.Table:
    """Structures as columns of their own, called `input.age` and so on."""
    columns: dict[str, pa.ChunkedArray] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not pa.types.is_struct(column.type):
            columns[name] = column
            continue
        for number, field in enumerate(column.type):
            parts = [chunk.flatten()[number] for chunk in column.chunks]
            columns[f"{name}.{field.name}"] = pa.chunked_array(parts, type=field.type)
    return pa.table(columns)


def flat_types(schema: pa.Schema) -> dict[str, pa.DataType]:
    """The names and types that `flat` gives to a table of this schema."""
    types: dict[str, pa.DataType] = {}
    for field in schema:
        if pa.types.is_struct(field.type):
            types |= {f"{field.name}.{inner.name}": inner.type for inner in field.type}
        else:
            types[field.name] = field.type
    return types


def field_values(table: pa.Table, name: str) -> list[Any]:
    """The values of a field of the input, wherever it is: in its column, in `unread`, or inside the JSON."""
    if pa.types.is_string(table.schema.field("input").type):
        trees = [_tree(text.encode()) if text else None for text in table.column("input").to_pylist()]
        return [tree.get(name) if isinstance(tree, dict) else None for tree in trees]
    columns = flat(table.select(["input"]))
    typed = columns.column(f"input.{name}").to_pylist() if f"input.{name}" in columns.column_names else None
    values: list[Any] = typed or [None] * table.num_rows
    for row, rest in enumerate(table.column("unread").to_pylist()):
        if rest is not None and values[row] is None:
            given = json.loads(rest).get("input")
            values[row] = given.get(name) if isinstance(given, dict) else None
    return values
