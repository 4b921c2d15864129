"""64-bit hashes of columns that are the same on every machine and in every version."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

HashArray = NDArray[np.uint64]

_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mixed(numbers: HashArray) -> HashArray:
    """Spread 64-bit integers evenly over 64 bits.

    References
    ----------
    Steele, Lea and Flood (2014), Fast splittable pseudorandom number generators (SplitMix64).
    """
    h = numbers ^ (numbers >> np.uint64(30))
    h *= _M1
    h ^= h >> np.uint64(27)
    h *= _M2
    h ^= h >> np.uint64(31)
    return h


def hash_numbers(values: NDArray[np.float64]) -> HashArray:
    """Hash floats by their bits; -0.0 and 0.0 are one value."""
    return mixed((values + 0.0).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15))


_MULTIPLIERS = mixed(np.arange(1, 513, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)) | np.uint64(1)


def text_buffers(values: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of a string array without nulls, and the n + 1 offsets into them."""
    _, offsets, data = values.buffers()
    width = np.int64 if pa.types.is_large_string(values.type) else np.int32
    ends: NDArray[Any] = np.frombuffer(offsets, dtype=width)[values.offset : values.offset + len(values) + 1]
    if data is None:
        return np.zeros(0, dtype=np.uint8), ends.astype(np.int64)
    start, stop = int(ends[0]), int(ends[-1])
    return np.frombuffer(data, dtype=np.uint8)[start:stop], ends.astype(np.int64) - start


def hash_text(values: pa.Array) -> HashArray:
    """Hash the strings of an array without nulls.

    References
    ----------
    Dietzfelbinger (1996), Universal hashing and k-wise independent random variables via integer arithmetic without
    primes: one random odd multiplier per position, summed modulo 2^64, then mixed.
    """
    if len(values) == 0:
        return np.zeros(0, dtype=np.uint64)
    data, offsets = text_buffers(values)
    lengths = np.diff(offsets)
    position = np.arange(len(data)) - np.repeat(offsets[:-1], lengths)
    multiplier = _MULTIPLIERS[position & 511]
    if len(data) and int(lengths.max()) > len(_MULTIPLIERS):
        multiplier = multiplier + ((position >> 9).astype(np.uint64) << np.uint64(1)) * _M2
    terms = np.concatenate([np.zeros(1, dtype=np.uint64), (data.astype(np.uint64) + np.uint64(1)) * multiplier])
    sums = np.cumsum(terms, dtype=np.uint64)
    return mixed(sums[offsets[1:]] - sums[offsets[:-1]] + lengths.astype(np.uint64) * _M1)
