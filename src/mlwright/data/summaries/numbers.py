"""All that is kept of a column of numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlwright.data.summaries.compiled import StoredNumbers, integers, stored_floats
from mlwright.data.summaries.distinct import DistinctSketch
from mlwright.data.summaries.grid import FloatArray, IntArray, QuantileGrid, cell_bounds, count_cells
from mlwright.data.summaries.hashing import hash_numbers
from mlwright.data.summaries.heavy import HeavyHitters
from mlwright.data.summaries.moments import Moments

#: A value that makes up less than this share of a batch is not followed as a frequent one.
_FREQUENT = 0.01


def _frequent() -> HeavyHitters:
    return HeavyHitters(size=128)


@dataclass(slots=True)
class NumberSummary:
    """Moments, quantiles, distinct and frequent values of a column of numbers, and how many are odd in some way.

    `infinite` counts values that are no numbers to calculate with; they are in none of the other figures.
    """

    moments: Moments = field(default_factory=Moments)
    grid: QuantileGrid = field(default_factory=QuantileGrid)
    distinct: DistinctSketch = field(default_factory=DistinctSketch)
    frequent: HeavyHitters = field(default_factory=_frequent)
    infinite: int = 0
    whole: int = 0
    zeros: int = 0
    negative: int = 0

    def update(self, values: FloatArray) -> None:
        """Add numbers without NaN, shape (n,)."""
        stored = stored_floats(values)
        if stored is not None:
            self.update_stored(stored)
            return
        with np.errstate(over="ignore", invalid="ignore"):
            all_finite = np.isfinite(values.sum())
        finite = values if all_finite else values[np.isfinite(values)]
        self.infinite += len(values) - len(finite)
        if len(finite) == 0:
            return
        self.moments.update(finite)
        self.whole += int((np.trunc(finite) == finite).sum())
        self.zeros += int((finite == 0).sum())
        self.negative += int((finite < 0).sum())
        keys, counts, shift = count_cells(finite, least_shift=self.grid.shift)
        self.grid.add(keys, counts, shift)
        if shift == 0:
            values_once = cell_bounds(keys, 0)[0]
            self._note_distinct(values_once, counts)
            self._note_frequent(values_once, counts, len(finite))
        else:
            self._note_distinct(finite, None)
            heavy = counts > len(finite) * _FREQUENT
            if heavy.any():
                self._note_frequent(*_inside(finite, *cell_bounds(keys[heavy], shift)), len(finite))
            else:
                self.frequent.undercount += int(len(finite) * _FREQUENT)

    def update_stored(self, column: StoredNumbers) -> int:
        """Add a column by the kernel; returns how many rows are neither missing nor NaN."""
        grid, distinct = self.grid, self.distinct
        moments, odd, shift, cells, smallest, frequent = column.module.summarise(
            *column[1:5], *column.storage, grid.shift, grid.keys, grid.counts, distinct.hashes, distinct.counts
        )
        part = Moments(*moments)
        self.moments.merge(part)
        infinite, whole, zeros, negative = odd
        self.infinite += infinite
        self.whole += whole
        self.zeros += zeros
        self.negative += negative
        self.grid = QuantileGrid(shift, *map(integers, cells))
        self.distinct = DistinctSketch(integers(smallest[0]).view(np.uint64), integers(smallest[1]))
        values, counts = np.frombuffer(frequent[0], dtype=np.float64), integers(frequent[1])
        self.frequent.update(values.tolist(), counts.tolist())
        if counts.sum() < part.count:
            self.frequent.undercount += int(part.count * _FREQUENT)
        return int(part.count + infinite)

    def _note_distinct(self, values: FloatArray, counts: IntArray | None) -> None:
        hashes = hash_numbers(values)
        keep = self.distinct.candidates(hashes)
        if len(keep):
            self.distinct.update(hashes[keep], np.ones(len(keep), dtype=np.int64) if counts is None else counts[keep])

    def _note_frequent(self, values: FloatArray, counts: IntArray, n: int) -> None:
        """Follow the frequent ones of the counted values of a batch of n."""
        least = int(n * _FREQUENT)
        keep = counts > least
        self.frequent.update(values[keep].tolist(), counts[keep].tolist())
        if not keep.all() or counts.sum() < n:
            self.frequent.undercount += least

    def merge(self, other: NumberSummary) -> None:
        """Add the rows of another summary."""
        self.moments.merge(other.moments)
        self.grid.merge(other.grid)
        self.distinct.merge(other.distinct)
        self.frequent.merge(other.frequent)
        self.infinite += other.infinite
        self.whole += other.whole
        self.zeros += other.zeros
        self.negative += other.negative

    def most_common(self) -> list[tuple[float, int]]:
        """Frequent values with their counts; all values where the grid is exact."""
        if self.grid.exact:
            values, _, counts = self.grid.cells()
            order = np.lexsort([values, -counts])
            return [(float(values[i]), int(counts[i])) for i in order]
        return [(float(value), count) for value, count in self.frequent.most_common()]

    @property
    def n_distinct(self) -> float:
        """Number of distinct values; exact where the grid is."""
        return float(len(self.grid.keys)) if self.grid.exact else self.distinct.estimate()

    def state(self) -> dict[str, Any]:
        return {
            "moments": self.moments.state(),
            "grid": self.grid.state(),
            "distinct": self.distinct.state(),
            "frequent": self.frequent.state(),
            **{name: getattr(self, name) for name in ("infinite", "whole", "zeros", "negative")},
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> NumberSummary:
        return cls(
            moments=Moments.of_state(state["moments"]),
            grid=QuantileGrid.of_state(state["grid"]),
            distinct=DistinctSketch.of_state(state["distinct"]),
            frequent=HeavyHitters.of_state(state["frequent"]),
            infinite=state["infinite"],
            whole=state["whole"],
            zeros=state["zeros"],
            negative=state["negative"],
        )


def _inside(values: FloatArray, low: FloatArray, high: FloatArray) -> tuple[FloatArray, IntArray]:
    """The values that lie in any of a few cells, with their counts."""
    mask = np.zeros(len(values), dtype=bool)
    for a, b in zip(low, high, strict=True):
        mask |= (values >= a) & (values <= b)
    unique, counts = np.unique(values[mask], return_counts=True)
    return unique, counts
