"""What a batch is held against: the columns as the model's package describes its training rows."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from mlwright.data import Column, ColumnSummary, Schema, TableSummary
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.data.summaries import LevelSummary, NumberSummary
from mlwright.data.summaries.hashing import hash_text
from mlwright.monitoring.irregular.habits import Habits, habits_of_history
from mlwright.monitoring.irregular.irregularity import BoolArray

if TYPE_CHECKING:
    from mlwright.models import Model

#: Of the values of a column, so many lie between the bounds of what is common.
_RARE = 0.002


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """The distribution of a column of numbers: the bounds of its cells and the share of the values up to each.

    Attributes
    ----------
    points, shares : shape (n_cells,)
        The highest value of each cell, and the share of the values up to it.
    middles, weights : shape (n_cells,)
        A value inside each cell, and the share of the values in it.
    low, high
        The least and the greatest value.
    least
        The smallest distance from 0 that is not 0.
    """

    points: FloatArray
    shares: FloatArray
    middles: FloatArray
    weights: FloatArray
    low: float
    high: float
    least: float
    n_distinct: float
    top: float
    count: int
    exact: bool

    @classmethod
    def of_summary(cls, summary: NumberSummary) -> Numbers | None:
        """None of a column without finite values."""
        low, high, counts = summary.grid.cells()
        if len(low) == 0:
            return None
        weights = counts / counts.sum()
        # The outermost cells reach beyond the values; their true ends are known.
        low, high = np.maximum(low, summary.moments.low), np.minimum(high, summary.moments.high)
        middles = low / 2 + high / 2
        sizes = np.minimum(np.abs(low), np.abs(high))[(low > 0) | (high < 0)]
        common = summary.most_common()
        return cls(
            points=high,
            shares=np.cumsum(weights),
            middles=middles,
            weights=weights,
            low=float(summary.moments.low),
            high=float(summary.moments.high),
            least=float(sizes.min()) if len(sizes) else 0.0,
            n_distinct=float(summary.n_distinct),
            top=common[0][1] / counts.sum() if common else 0.0,
            count=int(counts.sum()),
            exact=summary.grid.exact,
        )

    def quantile(self, share: float) -> float:
        """The value up to which a share of the values lies."""
        return float(self.points[min(int(np.searchsorted(self.shares, share)), len(self.points) - 1)])

    @property
    def common(self) -> tuple[float, float]:
        """Outside these, values are rare."""
        return self.quantile(_RARE), self.quantile(1 - _RARE)

    def outside(self, values: FloatArray) -> BoolArray:
        """Which values no training row came near: beyond the ends, or nearer to 0 than any but 0 itself."""
        size = np.abs(values)
        return (values < self.low) | (values > self.high) | ((size > 0) & (size < self.least * (1 - 1e-9)))

    def inside_share(self, values: FloatArray) -> float:
        """How many of some values lie between the ends."""
        return float(((values >= self.low) & (values <= self.high)).mean()) if len(values) else 0.0

    def share_of(self, value: float) -> float:
        """How many of the values are in the cell of this one."""
        at = int(np.searchsorted(self.points, value))
        return float(self.weights[at]) if at < len(self.weights) and self.low <= value <= self.high else 0.0

    def distance(self, values: FloatArray) -> float:
        """The largest difference between the distributions of some values and of the reference (Kolmogorov-Smirnov)."""
        return distance(values, self.points, self.shares)

    def without_zeros(self) -> Numbers:
        """The distribution of the values that are not 0, which is what a unit multiplies."""
        zero = (self.middles == 0) & (self.points == 0)
        if not zero.any() or zero.all():
            return self
        weights = np.where(zero, 0.0, self.weights)
        weights = weights / weights.sum()
        return Numbers(
            points=self.points[~zero],
            shares=np.cumsum(weights[~zero]),
            middles=self.middles[~zero],
            weights=weights[~zero],
            low=self.low,
            high=self.high,
            least=self.least,
            n_distinct=self.n_distinct - 1,
            top=self.top,
            count=int(self.count * (1 - self.weights[zero].sum())),
            exact=self.exact,
        )


def distance(values: FloatArray, points: FloatArray, shares: FloatArray) -> float:
    """The largest difference between the share of some values up to each point and the share given for it.

    Parameters
    ----------
    values : shape (n,)
        In any order, without NaN.
    points, shares : shape (n_points,)
        Ascending.
    """
    if len(values) == 0:
        return 0.0
    ordered = np.sort(values)
    up_to = np.searchsorted(ordered, points, side="right") / len(ordered)
    below_first = np.searchsorted(ordered, points[0] if len(points) > 1 else -np.inf, side="left") / len(ordered)
    return max(float(np.abs(up_to - shares).max()), float(below_first - shares[0]) if len(points) > 1 else 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """The levels of a column of text or truth.

    Attributes
    ----------
    shares
        Of the levels that are known.
    complete
        Whether they are all that the training rows had.
    fresh
        The share of rows whose level no row before them had, as the training rows let expect (Good and Turing), at most.
    longest
        Characters of the longest value.
    """

    shares: dict[str, float]
    complete: bool
    fresh: float
    longest: float
    n_distinct: float
    count: int
    hash_bound: int = 0
    hashes: frozenset[int] = frozenset()

    @classmethod
    def of_summary(cls, summary: LevelSummary) -> Levels | None:
        """None of a column without values."""
        if summary.count == 0:
            return None
        once = int((summary.distinct.counts == 1).sum())
        seen = max(len(summary.distinct.counts), 1)
        singles = once / seen * summary.n_distinct
        return cls(
            shares={level: count / summary.count for level, count in summary.levels()},
            complete=summary.complete,
            fresh=(singles + 2 * np.sqrt(singles + 1) + 1) / summary.count,
            longest=summary.lengths.high,
            n_distinct=summary.n_distinct,
            count=summary.count,
            hash_bound=0 if summary.complete else int(summary.distinct.hashes[-1]),
            hashes=frozenset() if summary.complete else frozenset(int(h) for h in summary.distinct.hashes),
        )

    @classmethod
    def of_truth(cls, summary: NumberSummary) -> Levels | None:
        """Of a column of true and false."""
        count = summary.moments.count
        if count == 0:
            return None
        true = summary.moments.mean
        shares = {"true": true, "false": 1 - true}
        return cls({k: v for k, v in shares.items() if v > 0}, True, 3 / count, 5, len(shares), count)

    def unseen(self, levels: list[str]) -> tuple[BoolArray, BoolArray]:
        """Which of some levels no training row had, and of which that can be said at all; both shape (n_levels,).

        Of a column with more levels than the package keeps, it can be said of those with a small hash, which are a
        random part of them.
        """
        known = np.array([level in self.shares for level in levels], dtype=bool)
        if self.complete or not levels:
            return ~known, np.ones(len(levels), dtype=bool)
        hashes = hash_text(pa.array(levels, pa.large_string()))
        told = known | (hashes <= np.uint64(self.hash_bound))
        in_sketch = np.array([int(h) in self.hashes for h in hashes], dtype=bool)
        return told & ~known & ~in_sketch, told

    def distance(self, codes: IntArray, levels: list[str]) -> float:
        """Half the sum of the differences of the shares of the levels (total variation); missing values do not count."""
        codes = codes[codes >= 0]
        if len(codes) == 0:
            return 0.0
        found = np.bincount(codes, minlength=len(levels)) / len(codes)
        mine = np.array([self.shares.get(level, 0.0) for level in levels])
        return float((np.abs(found - mine).sum() + max(1.0 - mine.sum(), 0.0)) / 2)


@dataclass(slots=True, eq=False)
class Reference:
    """The training rows, as far as the package tells of them.

    Attributes
    ----------
    habits
        How windows of rows differ from each other though nothing is wrong; without them less is claimed.
    made
        When the model was trained: dates may lie as far ahead of their batch as theirs did.
    """

    schema: Schema
    summary: TableSummary
    habits: Habits | None = None
    made: datetime | None = None
    left_out: frozenset[str] = frozenset()
    _numbers: dict[str, Numbers | None] = field(default_factory=dict, repr=False)
    _levels: dict[str, Levels | None] = field(default_factory=dict, repr=False)

    @classmethod
    def of_model(
        cls,
        model: Model,
        *,
        habits: Habits | None = None,
        made: datetime | None = None,
        leave_out: Collection[str] = (),
    ) -> Reference:
        """What a model's package says.

        Parameters
        ----------
        habits
            Learnt from rows; if not given, what the package tells of the training rows by time.
        leave_out
            Columns about which nothing is to be said, such as those that the log masks.
        """
        if habits is None and model.history is not None:
            habits = habits_of_history(model.history)
        return cls(model.schema, model.reference, habits, made, frozenset(leave_out))

    def columns(self, *types: str) -> list[Column]:
        """The columns of some types of which the package has a summary."""
        return [
            c for c in self.schema if c.type in types and c.name not in self.left_out and self.of(c.name) is not None
        ]

    def of(self, name: str) -> ColumnSummary | None:
        """The summary of a column, if it has rows."""
        found = self.summary.columns.get(name)
        return found if found is not None and found.rows else None

    def numbers(self, name: str) -> Numbers | None:
        """The distribution of a column of numbers or dates (in seconds)."""
        if name not in self._numbers:
            summary = self.of(name)
            found = None if summary is None or summary.numbers is None else Numbers.of_summary(summary.numbers)
            self._numbers[name] = found
        return self._numbers[name]

    def levels(self, name: str) -> Levels | None:
        """The levels of a column of text or truth."""
        if name not in self._levels:
            summary = self.of(name)
            found = None
            if summary is not None and summary.levels is not None:
                found = Levels.of_summary(summary.levels)
            elif summary is not None and summary.kind == "boolean" and summary.numbers is not None:
                found = Levels.of_truth(summary.numbers)
            self._levels[name] = found
        return self._levels[name]

    def missing_share(self, name: str) -> float:
        """How many of the training rows had no value, as an upper bound: two standard errors above what was seen."""
        summary = self.of(name)
        if summary is None:
            return 1.0
        share = (summary.nulls + 1) / (summary.rows + 2)
        return float(min(share + 2 * np.sqrt(share * (1 - share) / summary.rows), 1.0))
