"""All that is kept of a column of text: its levels, their lengths and their shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.data.summaries.distinct import DistinctSketch
from mlwright.data.summaries.hashing import hash_text, text_buffers
from mlwright.data.summaries.heavy import HeavyHitters
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


def shapes_of(values: pa.Array) -> pa.Array:
    """Each text with digits as 9 and letters as a: `2021-03-01` becomes `9999-99-99`."""
    data, offsets = text_buffers(values)
    shaped = pa.py_buffer(_SHAPES[data].tobytes())
    ends = pa.py_buffer(offsets.astype(np.int64).tobytes())
    whole = pa.Array.from_buffers(pa.large_string(), len(values), [None, ends, shaped])
    return pc.binary_slice(pc.cast(whole, pa.large_binary()), 0, _SHAPE_BYTES).cast(pa.string())


@dataclass(slots=True)
class LevelSummary:
    """Frequent and distinct values of a column of text, the lengths in characters, and the shapes (`99/99/9999`)."""

    count: int = 0
    lengths: Moments = field(default_factory=Moments)
    frequent: HeavyHitters = field(default_factory=lambda: HeavyHitters(size=1000))
    distinct: DistinctSketch = field(default_factory=DistinctSketch)
    shapes: HeavyHitters = field(default_factory=lambda: HeavyHitters(size=256))

    def update(self, values: pa.Array) -> None:
        """Add texts without nulls: an array of strings, or of dictionary codes."""
        if len(values) == 0:
            return
        self.count += len(values)
        if not pa.types.is_dictionary(values.type):
            values = pc.dictionary_encode(values)
        counts = np.bincount(values.indices.to_numpy(), minlength=len(values.dictionary))
        used = np.flatnonzero(counts)
        texts, counts = values.dictionary.take(pa.array(used)), counts[used]
        texts = texts.cast(pa.large_string()) if not pa.types.is_large_string(texts.type) else texts
        self._note_lengths(pc.utf8_length(texts).to_numpy().astype(np.float64), counts)
        self._note_values(texts, counts)
        self._note_shapes(texts, counts)

    def _note_lengths(self, lengths: NDArray[np.float64], counts: NDArray[np.int64]) -> None:
        n, mean = int(counts.sum()), float(np.average(lengths, weights=counts))
        d = lengths - mean
        m2, m3, m4 = (float((counts * d**p).sum()) for p in (2, 3, 4))
        low, high = float(lengths.min()), float(lengths.max())
        self.lengths.merge(Moments(count=n, mean=mean, m2=m2, m3=m3, m4=m4, low=low, high=high))

    def _note_values(self, texts: pa.Array, counts: NDArray[np.int64]) -> None:
        hashes = hash_text(texts)
        keep = self.distinct.candidates(hashes)
        if len(keep):
            self.distinct.update(hashes[keep], counts[keep], _objects(texts.take(pa.array(keep))))
        most, cut = _top(counts, self.frequent.size)
        self.frequent.undercount += cut
        self.frequent.update(texts.take(pa.array(most)).to_pylist(), (counts[most] - cut).tolist())

    def _note_shapes(self, texts: pa.Array, counts: NDArray[np.int64]) -> None:
        encoded = pc.dictionary_encode(shapes_of(texts))
        totals = np.bincount(encoded.indices.to_numpy(), weights=counts).astype(np.int64)
        most, cut = _top(totals, self.shapes.size)
        self.shapes.undercount += cut
        self.shapes.update(encoded.dictionary.take(pa.array(most)).to_pylist(), (totals[most] - cut).tolist())

    def merge(self, other: LevelSummary) -> None:
        """Add the rows of another summary."""
        self.count += other.count
        self.lengths.merge(other.lengths)
        self.frequent.merge(other.frequent)
        self.distinct.merge(other.distinct)
        self.shapes.merge(other.shapes)

    def levels(self) -> list[tuple[str, int]]:
        """Values with counts, most frequent first; exact and complete if `complete` says so."""
        if self.distinct.exact:
            values = [] if self.distinct.values is None else self.distinct.values.tolist()
            pairs = zip(values, self.distinct.counts.tolist(), strict=True)
            return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))
        return self.frequent.most_common()

    @property
    def complete(self) -> bool:
        """Whether `levels` are all levels with their exact counts."""
        return self.distinct.exact

    @property
    def n_distinct(self) -> float:
        return self.distinct.estimate()

    def state(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "lengths": self.lengths.state(),
            "frequent": self.frequent.state(),
            "distinct": self.distinct.state(),
            "shapes": self.shapes.state(),
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> LevelSummary:
        return cls(
            count=state["count"],
            lengths=Moments.of_state(state["lengths"]),
            frequent=HeavyHitters.of_state(state["frequent"]),
            distinct=DistinctSketch.of_state(state["distinct"]),
            shapes=HeavyHitters.of_state(state["shapes"]),
        )


def _objects(texts: pa.Array) -> NDArray[Any]:
    values = np.empty(len(texts), dtype=object)
    values[:] = texts.to_pylist()
    return values


def _top(counts: NDArray[np.int64], size: int) -> tuple[NDArray[np.int64], int]:
    """The positions of the `size` largest counts, and what must be taken off each: the next largest count."""
    if len(counts) <= size:
        return np.arange(len(counts)), 0
    order = np.argsort(-counts, kind="stable")
    cut = int(counts[order[size]])
    most = order[:size]
    return most[counts[most] > cut], cut
