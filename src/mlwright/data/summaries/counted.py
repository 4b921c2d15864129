"""The levels of one batch with their counts: what a column of text is reduced to before it is added to a summary."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.data.summaries.compiled import (
    IntArray,
    compiled_levels,
    count_codes,
    group_texts,
    integers,
    is_wide,
)
from mlwright.data.summaries.hashing import HashArray, hash_text, text_buffers
from mlwright.data.summaries.moments import Moments

#: Of a text only so many bytes make its shape.
_SHAPE_BYTES = 40


def _shape_table() -> NDArray[np.uint8]:
    table = np.arange(256, dtype=np.uint8)
    for low, high, shape in ((b"0", b"9", b"9"), (b"a", b"z", b"a"), (b"A", b"Z", b"a")):
        table[low[0] : high[0] + 1] = shape[0]
    table[128:] = ord("a")  # a letter of another alphabet becomes one `a` per byte
    table[ord("\t")] = ord(" ")
    return table


_SHAPES = _shape_table()
_SHAPE_OF_BYTE = _SHAPES.tobytes()


def shape_of(text: str) -> str:
    """The text with digits as 9 and letters as a: `2021-03-01` becomes `9999-99-99`."""
    return text.encode()[:_SHAPE_BYTES].translate(_SHAPE_OF_BYTE).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedLevels:
    """Texts of one batch, each with its count; a dictionary may hold a text twice.

    `at`, `counts` and `hashes` have the shape (n_used,), `shapes` (the place in `texts` of the first text of each
    shape) and `shape_counts` the shape (n_shapes,).
    """

    texts: pa.Array
    at: IntArray
    counts: IntArray
    hashes: HashArray
    lengths: Moments
    shapes: IntArray
    shape_counts: IntArray

    def texts_of(self, which: IntArray) -> list[str]:
        """The texts at some places of `at`."""
        return self.texts_at(self.at[which])

    def texts_at(self, places: IntArray) -> list[str]:
        """Those at some places of `texts`."""
        found: list[str] = self.texts.take(pa.array(places)).to_pylist()
        return found


def count_levels(values: pa.Array) -> CountedLevels | None:
    """Count an array of strings, or of dictionary codes without a null in the dictionary; None if all is missing."""
    texts, at, counts = _counted_codes(values) if pa.types.is_dictionary(values.type) else _counted_texts(values)
    return _described(texts, at, counts) if len(at) else None


def _counted_codes(values: pa.DictionaryArray) -> tuple[pa.Array, IntArray, IntArray]:
    counts = count_codes(values)
    if counts is None:
        codes = values.indices.drop_null().to_numpy()
        counts = np.bincount(codes, minlength=len(values.dictionary))
    used = np.flatnonzero(counts)
    return values.dictionary, used, counts[used]


def _counted_texts(values: pa.Array) -> tuple[pa.Array, IntArray, IntArray]:
    groups = group_texts(values)
    if groups is None:
        return _counted_codes(pc.dictionary_encode(values.drop_null()))
    return values, *groups


def _described(texts: pa.Array, at: IntArray, counts: IntArray) -> CountedLevels:
    module = compiled_levels()
    if module is None:
        return _described_by_numpy(texts, at, counts)
    _, offsets, data = texts.buffers()
    lengths, hashes, (shapes, shape_counts) = module.describe(
        offsets, data, texts.offset, len(texts), is_wide(texts), at, counts
    )
    return CountedLevels(
        texts=texts,
        at=at,
        counts=counts,
        hashes=np.frombuffer(hashes, dtype=np.uint64),
        lengths=Moments(*lengths),
        shapes=integers(shapes),
        shape_counts=integers(shape_counts),
    )


def _described_by_numpy(texts: pa.Array, at: IntArray, counts: IntArray) -> CountedLevels:
    used = texts.take(pa.array(at)).cast(pa.large_string())
    codes = pc.dictionary_encode(_shapes(used)).indices.to_numpy()
    _, first = np.unique(codes, return_index=True)
    return CountedLevels(
        texts=texts,
        at=at,
        counts=counts,
        hashes=hash_text(used),
        lengths=_weighted(pc.utf8_length(used).to_numpy().astype(np.float64), counts),
        shapes=at[first],
        shape_counts=np.bincount(codes, weights=counts).astype(np.int64),
    )


def _weighted(lengths: NDArray[np.float64], counts: IntArray) -> Moments:
    n, mean = int(counts.sum()), float(np.average(lengths, weights=counts))
    d = lengths - mean
    m2, m3, m4 = (float((counts * d**p).sum()) for p in (2, 3, 4))
    return Moments(count=n, mean=mean, m2=m2, m3=m3, m4=m4, low=float(lengths.min()), high=float(lengths.max()))


def _shapes(texts: pa.Array) -> pa.Array:
    data, offsets = text_buffers(texts)
    shaped = pa.py_buffer(_SHAPES[data].tobytes())
    ends = pa.py_buffer(offsets.astype(np.int64).tobytes())
    whole = pa.Array.from_buffers(pa.large_string(), len(texts), [None, ends, shaped])
    return pc.binary_slice(pc.cast(whole, pa.large_binary()), 0, _SHAPE_BYTES)
