"""Columns as Arrow stores them, through the compiled kernels; None where these are not built or do not read a storage."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlwright._kernels import kernel

IntArray = NDArray[np.int64]

#: The letters of Arrow's C data interface.
_LETTERS = {
    pa.bool_(): "b",
    pa.int8(): "c",
    pa.uint8(): "C",
    pa.int16(): "s",
    pa.uint16(): "S",
    pa.int32(): "i",
    pa.uint32(): "I",
    pa.int64(): "l",
    pa.uint64(): "L",
    pa.float32(): "f",
    pa.float64(): "g",
}
#: What whole numbers of a unit must be multiplied with, and then divided by, to be microseconds.
_MICROS = {"s": (1_000_000, 1), "ms": (1_000, 1), "us": (1, 1), "ns": (1, 1_000)}
_DAY = 86_400_000_000


class Storage(NamedTuple):
    """How a type of numbers lies in its buffer; moments are multiplied with `times` and divided by `parts`."""

    letter: str
    times: int = 0
    parts: int = 1


class StoredNumbers(NamedTuple):
    """The buffers of a column of numbers, the rows in them, and the kernel that reads them (`numbers.c`)."""

    module: Any
    values: Any
    validity: Any
    offset: int
    length: int
    storage: Storage


def compiled_levels() -> Any | None:
    """The kernel for columns of text (`levels.c`)."""
    return kernel("_levels")


def stored_numbers(values: pa.Array) -> StoredNumbers | None:
    """A column for the kernel, nulls and NaN with it; None where numpy must read it."""
    storage, module = _storage_of(values.type), kernel("_numbers")
    if storage is None or module is None:
        return None
    validity, data = values.buffers()
    return StoredNumbers(module, data, validity if values.null_count else None, values.offset, len(values), storage)


def stored_floats(values: NDArray[np.float64]) -> StoredNumbers | None:
    """The same for an array of numpy, shape (n,)."""
    module = kernel("_numbers")
    if module is None:
        return None
    return StoredNumbers(module, np.ascontiguousarray(values, dtype=np.float64), None, 0, len(values), Storage("g"))


@lru_cache(maxsize=256)
def _storage_of(arrow_type: pa.DataType) -> Storage | None:
    if arrow_type in _LETTERS:
        return Storage(_LETTERS[arrow_type])
    if pa.types.is_date32(arrow_type):
        return Storage("i", _DAY, 1)
    if pa.types.is_time32(arrow_type):
        return Storage("i", *_MICROS[arrow_type.unit])
    if pa.types.is_timestamp(arrow_type) or pa.types.is_duration(arrow_type) or pa.types.is_time64(arrow_type):
        return Storage("l", *_MICROS[arrow_type.unit])
    return None


def count_codes(values: pa.DictionaryArray) -> IntArray | None:
    """How often each level of a dictionary occurs, shape (n_levels,)."""
    module = compiled_levels()
    if module is None:
        return None
    codes = values.indices
    validity, data = codes.buffers()
    validity = validity if codes.null_count else None
    letter = _LETTERS[codes.type]
    return integers(module.count_codes(data, validity, codes.offset, len(codes), letter, len(values.dictionary)))


def group_texts(values: pa.Array) -> tuple[IntArray, IntArray] | None:
    """The first row of each text, in the order of these rows, and how often the text occurs."""
    module = compiled_levels()
    if module is None:
        return None
    validity, offsets, data = values.buffers()
    validity = validity if values.null_count else None
    firsts, counts = module.group(offsets, data, validity, values.offset, len(values), is_wide(values))
    return integers(firsts), integers(counts)


def is_wide(texts: pa.Array) -> bool:
    """Whether the offsets of a string array have 64 bits."""
    return bool(pa.types.is_large_string(texts.type))


def integers(given: bytearray) -> IntArray:
    """Whole numbers that a kernel has written."""
    return np.frombuffer(given, dtype=np.int64)
