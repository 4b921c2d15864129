"""Quantiles from an adaptive grid whose final state depends on the values alone, not on how they arrived."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.data.summaries.packing import pack, unpack

CAPACITY = 2048
_SAMPLE = 4096
_DENSE = 1 << 20
_LOW_BITS = np.int64(0x7FFFFFFFFFFFFFFF)

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


def _keys(values: FloatArray) -> IntArray:
    """Integers in the order of the floats."""
    bits = (values + 0.0).view(np.int64)
    return bits ^ ((bits >> 63) & _LOW_BITS)


def _values(keys: IntArray) -> FloatArray:
    return (keys ^ ((keys >> 63) & _LOW_BITS)).view(np.float64)


def _finest_shift(keys: IntArray) -> int:
    """The least shift at which sorted, unique keys fill at most CAPACITY cells."""
    if len(keys) <= CAPACITY:
        return 0
    differing = (keys[1:] ^ keys[:-1]).view(np.uint64)
    # Two neighbours share a cell once the shift passes the highest bit in which they differ. A float64 holds 32 bits
    # exactly, so each half is asked for its highest bit.
    upper, lower = differing >> np.uint64(32), differing & np.uint64(0xFFFFFFFF)
    highest = np.where(upper > 0, 32 + np.frexp(upper.astype(np.float64))[1], np.frexp(lower.astype(np.float64))[1])
    apart = np.bincount(highest, minlength=66)[::-1].cumsum()[::-1]
    return int(np.flatnonzero(1 + np.r_[apart[1:], 0] <= CAPACITY)[0])


@dataclass(slots=True)
class QuantileGrid:
    """Counts of finite numbers in at most 2,048 cells; see README.md for why merging is exact.

    Examples
    --------
    >>> grid = QuantileGrid()
    >>> grid.update(np.arange(1.0, 101.0))
    >>> grid.quantile(0.5)
    50.0
    """

    shift: int = 0
    keys: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    counts: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def update(self, values: FloatArray, counts: IntArray | None = None) -> None:
        """Add finite numbers, shape (n,), and how often each occurred if not once."""
        if len(values) == 0:
            return
        if counts is None:
            self.add(*count_cells(values, least_shift=self.shift))
        else:
            self.add(_keys(values), counts, 0)

    def merge(self, other: QuantileGrid) -> None:
        """Add the rows of another grid."""
        self.add(other.keys, other.counts, other.shift)

    def add(self, keys: IntArray, counts: IntArray, shift: int) -> None:
        """Add counted cells, as `count_cells` gives them."""
        coarsest = max(self.shift, shift)
        both = np.concatenate([self.keys >> (coarsest - self.shift), keys >> (coarsest - shift)])
        weights = np.concatenate([self.counts, counts])
        order = np.argsort(both, kind="stable")
        both, weights = both[order], weights[order]
        starts = np.flatnonzero(np.r_[True, both[1:] != both[:-1]]) if len(both) else np.zeros(0, dtype=np.int64)
        cells, totals = both[starts], np.add.reduceat(weights, starts) if len(both) else weights
        more = _finest_shift(cells)
        if more:
            cells >>= more
            starts = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
            cells, totals = cells[starts], np.add.reduceat(totals, starts)
        self.shift, self.keys, self.counts = coarsest + more, cells, totals

    @property
    def count(self) -> int:
        return int(self.counts.sum())

    @property
    def exact(self) -> bool:
        """Whether each cell is one value."""
        return self.shift == 0

    def cells(self) -> tuple[FloatArray, FloatArray, IntArray]:
        """Lowest and highest value of each filled cell, and its count."""
        low, high = cell_bounds(self.keys, self.shift)
        return low, high, self.counts

    def quantile_bounds(self, q: float) -> tuple[float, float]:
        """Two values between which the true quantile (the ceil(q n)-th smallest value) lies.

        Parameters
        ----------
        q
            From 0 to 1.
        """
        if self.count == 0:
            return float("nan"), float("nan")
        rank = min(max(int(np.ceil(q * self.count)), 1), self.count)
        cell = int(np.searchsorted(np.cumsum(self.counts), rank))
        low, high, _ = self.cells()
        return float(low[cell]), float(high[cell])

    def quantile(self, q: float) -> float:
        """The quantile, interpolated inside its cell."""
        return float(self.quantiles(np.array([q]))[0])

    def quantiles(self, q: FloatArray) -> FloatArray:
        """Several quantiles, each interpolated inside its cell, shape (n_quantiles,)."""
        cumulative = np.cumsum(self.counts)
        count = int(cumulative[-1]) if len(cumulative) else 0
        if count == 0:
            return np.full(len(q), np.nan)
        rank = np.clip(np.ceil(q * count).astype(np.int64), 1, count)
        cell = np.searchsorted(cumulative, rank)
        low, high = cell_bounds(self.keys[cell], self.shift)
        inside = (rank - (cumulative[cell] - self.counts[cell]) - 0.5) / self.counts[cell]
        spread = np.where(low == high, 0.0, high / 2 - low / 2)  # halves: the difference may be too large for a float
        return np.asarray(low + 2 * inside * spread)

    def state(self) -> dict[str, Any]:
        return {"shift": self.shift, "keys": pack(self.keys), "counts": pack(self.counts)}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> QuantileGrid:
        return cls(shift=int(state["shift"]), keys=unpack(state["keys"]), counts=unpack(state["counts"]))


def cell_bounds(keys: IntArray, shift: int) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest finite value of each cell."""
    low = keys << shift
    high = low + ((np.int64(1) << shift) - np.int64(1))
    largest = np.finfo(np.float64).max
    # The outermost cells reach beyond the finite numbers: fmax and fmin take the bound where there is NaN.
    return np.fmax(_values(low), -largest), np.fmin(_values(high), largest)


def count_cells(values: FloatArray, *, least_shift: int = 0) -> tuple[IntArray, IntArray, int]:
    """Sorted cell keys of finite numbers with their counts, at a shift that is not too coarse for them."""
    sample = np.unique(_keys(values[:: max(len(values) // _SAMPLE, 1)]))
    shift = max(_finest_shift(sample), least_shift)
    if shift == 0 and len(sample) * 2 < min(len(values), _SAMPLE):
        # Few distinct values: count each of them.
        pairs = pc.value_counts(pa.array(values + 0.0))
        keys = _keys(pairs.field("values").to_numpy())
        order = np.argsort(keys)
        return keys[order], pairs.field("counts").to_numpy()[order], 0
    keys = _keys(values)
    if shift:
        keys >>= shift
    low, span = int(keys.min()), int(keys.max()) - int(keys.min())
    if span < _DENSE:
        keys -= low
        counts = np.bincount(keys)
        filled = np.flatnonzero(counts)
        return filled + low, counts[filled], shift
    unique, counts = np.unique(keys, return_counts=True)
    return unique, counts, shift
