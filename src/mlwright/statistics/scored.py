"""Rows with what was true and what was predicted: the one input of every metric."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class RowCost(Protocol):
    """What errors cost in each of some rows."""

    def of(self, prediction: FloatArray, target: FloatArray) -> FloatArray:
        """The cost of these predictions, where this is true, shape (n_rows,) each; not negative."""
        ...

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> RowCost:
        """What errors cost in the given rows (numbers or a mask)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What was true and what was predicted, row by row.

    Attributes
    ----------
    target : shape (n_rows,)
        Class numbers from 0 (of two classes, 1 is the positive one), or values for a regression.
    prediction : shape (n_rows,) or (n_rows, n_classes)
        Probability of class 1; or of each class if there are more than two; or the predicted value.
    decision : shape (n_rows,), optional
        The class number decided for. By default class 1 from a probability of a half, or the likeliest class.
    weight : shape (n_rows,), optional
        How much each row counts; not negative.
    group : shape (n_rows,), optional
        Numbers of the groups that rows belong to; intervals then resample groups, not rows.
    low, high : shape (n_rows,), optional
        A predicted interval for each value (regression), and its stated coverage.
    earned : shape (n_rows,), optional
        What the decision on each row was worth, in the spec's currency.
    cost : of n_rows rows, optional
        What errors cost in each row (regression), in the spec's currency.
    """

    target: FloatArray
    prediction: FloatArray
    decision: IntArray | None = None
    weight: FloatArray | None = None
    group: IntArray | None = None
    low: FloatArray | None = None
    high: FloatArray | None = None
    coverage: float = 0.9
    earned: FloatArray | None = None
    cost: RowCost | None = None

    def __len__(self) -> int:
        return len(self.target)

    @property
    def counts(self) -> bool:
        """Whether there is a row that has a weight."""
        return len(self) > 0 and (self.weight is None or bool((self.weight > 0).any()))

    def decided(self) -> IntArray:
        """The class number decided for, shape (n_rows,)."""
        if self.decision is not None:
            return self.decision
        if self.prediction.ndim == 2:
            likeliest: IntArray = np.argmax(self.prediction, axis=1).astype(np.int64)
            return likeliest
        return (self.prediction >= 0.5).astype(np.int64)

    def mean(self, per_row: FloatArray) -> float:
        """The mean of a number per row, by weight; NaN if no row counts."""
        if not self.counts:
            return float("nan")
        if self.weight is None:
            return float(per_row.mean())
        return float(np.average(per_row, weights=self.weight))

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Scored:
        """The given rows (numbers or a mask)."""
        return Scored(
            target=self.target[rows],
            prediction=self.prediction[rows],
            decision=None if self.decision is None else self.decision[rows],
            weight=None if self.weight is None else self.weight[rows],
            group=None if self.group is None else self.group[rows],
            low=None if self.low is None else self.low[rows],
            high=None if self.high is None else self.high[rows],
            coverage=self.coverage,
            earned=None if self.earned is None else self.earned[rows],
            cost=None if self.cost is None else self.cost.take(rows),
        )

    def weighted(self, weight: FloatArray) -> Scored:
        """The same rows with other weights."""
        return replace(self, weight=weight)
