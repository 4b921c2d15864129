"""From the columns of an Arrow batch to counts in fixed cells: through the kernels where they are built, by numpy elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright._kernels import kernel
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.data.summaries.compiled import count_codes, group_texts, integers, stored_numbers
from mlwright.data.summaries.table import as_numbers, kind_of, plain
from mlwright.monitoring.shapes import CELLS, ColumnShape

_INFINITE = float("inf")


class Counted(NamedTuple):
    """One column of a batch.

    Attributes
    ----------
    cells : shape (n_cells,)
    known, nulls, infinite
        Rows with a value (infinite ones are none of them and in no cell), without one, and with an infinite one.
    sum, squares
        Of the distances to the centre of the column's shape.
    low, high
        The lowest and highest value.
    """

    cells: IntArray
    known: int
    nulls: int
    infinite: int = 0
    sum: float = 0.0
    squares: float = 0.0
    low: float = _INFINITE
    high: float = -_INFINITE


def count_column(values: pa.Array, shape: ColumnShape) -> Counted:
    """Count a column of any storage; values that are not of the column's kind are missing."""
    kind = kind_of(values.type, shape.name)
    if kind == "null":
        return Counted(np.zeros(shape.size, np.int64), 0, len(values))
    whole = plain(values)
    is_text = kind == "text"
    if shape.kind == "levels":
        return _counted_levels(whole if is_text else _as_texts(whole, kind), shape)
    if shape.kind == "text" and is_text:
        return _counted_numbers(pc.utf8_length(_decoded(whole)), shape)
    if shape.kind == "number" and not is_text:
        return _counted_numbers(whole, shape)
    lost = len(values) if shape.kind != "other" else values.null_count
    return Counted(np.zeros(shape.size, np.int64), len(values) - lost, lost)


def _decoded(values: pa.Array) -> pa.Array:
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def _as_texts(values: pa.Array, kind: str) -> pa.Array:
    """Truth values, or numbers that stand for levels, as the training rows had them."""
    values = _decoded(values)
    if kind == "boolean":
        return pa.DictionaryArray.from_arrays(pc.cast(values, pa.int8()), pa.array(["false", "true"]))
    return pc.cast(values, pa.string())


def _counted_numbers(values: pa.Array, shape: ColumnShape) -> Counted:
    module = kernel("_grid")
    stored = None if module is None else stored_numbers(values)
    if module is None or stored is None:
        return count_by_numpy(values, shape)
    counts, (known, infinite, total, squares, low, high) = module.count(
        *stored[1:5], *stored.storage, shape.by_bits, shape.start, shape.inverse_width, CELLS, shape.centre
    )
    nulls = len(values) - known - infinite
    return Counted(integers(counts), known, nulls, infinite, total, squares, low, high)


def count_by_numpy(values: pa.Array, shape: ColumnShape) -> Counted:
    """What the kernel does."""
    present = values.drop_null()
    numbers = as_numbers(present, kind_of(present.type, shape.name))
    finite = numbers[np.isfinite(numbers)]
    infinite = int(np.isinf(numbers).sum())
    cells = np.bincount(shape.cell_of(finite), minlength=CELLS + 2).astype(np.int64)
    nulls = len(values) - len(finite) - infinite
    if not len(finite):
        return Counted(cells, 0, nulls, infinite)
    with np.errstate(over="ignore"):
        distance = finite - shape.centre
        total, squares = float(distance.sum()), float((distance * distance).sum())
    return Counted(cells, len(finite), nulls, infinite, total, squares, float(finite.min()), float(finite.max()))


def _counted_levels(values: pa.Array, shape: ColumnShape) -> Counted:
    texts, at, counts = _grouped(values)
    places = level_places(texts.take(pa.array(at)), shape)
    cells = np.bincount(places, weights=counts, minlength=shape.size).astype(np.int64)
    known = int(counts.sum())
    return Counted(cells, known, len(values) - known)


def _grouped(values: pa.Array) -> tuple[pa.Array, IntArray, IntArray]:
    """Texts, the places of those that occur, and how often each does."""
    if not pa.types.is_dictionary(values.type):
        groups = group_texts(values)
        if groups is not None:
            return values, *groups
        values = pc.dictionary_encode(values.drop_null())
    counts = count_codes(values)
    if counts is None:
        counts = np.bincount(values.indices.drop_null().to_numpy(), minlength=len(values.dictionary))
    used = np.flatnonzero(counts)
    return values.dictionary, used, counts[used]


def level_places(texts: pa.Array, shape: ColumnShape) -> IntArray:
    """The cell of each text: its own, that of other levels, or that of new ones; shape (n,)."""
    n = len(shape.levels)
    place = {level: number for number, level in enumerate(shape.levels)}
    if not shape.complete:
        return np.array([place.get(text, n) for text in texts.to_pylist()], dtype=np.int64)
    others = frozenset(shape.others)
    return np.array(
        [place.get(text, n if text in others else n + 1) for text in texts.to_pylist()],
        dtype=np.int64,
    )


def numbers_of(values: pa.Array, shape_name: str) -> FloatArray:
    """A column as floats with NaN for missing, shape (n_rows,)."""
    kind = kind_of(values.type, shape_name)
    if kind in {"null", "text"}:
        return np.full(len(values), np.nan)
    known = np.asarray(pc.is_valid(values))
    numbers = np.full(len(values), np.nan)
    numbers[known] = as_numbers(plain(values).drop_null(), kind)
    return numbers


def class_codes(values: pa.Array, classes: tuple[str, ...]) -> IntArray:
    """The number of the class of each row, -1 for one that is missing or unknown; shape (n_rows,)."""
    if pa.types.is_boolean(values.type):
        values = _as_texts(values, "boolean")
    known = pa.array(classes, pa.string())
    if pa.types.is_dictionary(values.type):
        texts = pc.cast(values.dictionary, pa.string())
        of_level = np.asarray(pc.fill_null(pc.index_in(texts, value_set=known), -1))
        codes = np.asarray(pc.fill_null(values.indices, -1))
        return np.where(codes < 0, -1, of_level[codes]) if len(of_level) else np.full(len(codes), -1)
    found = pc.index_in(pc.cast(values, pa.string()), value_set=known)
    return np.asarray(pc.fill_null(found, -1)).astype(np.int64)


def unread_fields(values: pa.Array) -> Counter[str]:
    """How often each field of the input could not be read, from the JSON that the log keeps of such values."""
    found: Counter[str] = Counter()
    for text in values.drop_null().to_pylist():
        rest: Any = json.loads(text).get("input")
        if isinstance(rest, dict):
            found.update(rest.keys())
    return found
