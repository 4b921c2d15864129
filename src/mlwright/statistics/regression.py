"""Metrics of values; definitions as in scikit-learn's `sklearn.metrics`."""

from __future__ import annotations

import numpy as np

from mlwright.statistics.scored import FloatArray, Scored


def squared_error(scored: Scored) -> FloatArray:
    """Per row, in squared units of the target."""
    return (scored.prediction - scored.target) ** 2


def absolute_error(scored: Scored) -> FloatArray:
    """Per row, in units of the target."""
    error: FloatArray = np.abs(scored.prediction - scored.target)
    return error


def relative_error(scored: Scored) -> FloatArray:
    """Absolute error as a share of the true value; huge where that is near 0."""
    return absolute_error(scored) / np.maximum(np.abs(scored.target), np.finfo(np.float64).eps)


def error_cost(scored: Scored) -> FloatArray:
    """What the error of each row costs, in the spec's currency; NaN where it is not known what errors cost."""
    if scored.cost is None:
        return np.full(len(scored), np.nan)
    return scored.cost.of(scored.prediction, scored.target)


def r2(scored: Scored) -> float:
    """Share of the variance explained; NaN if the target is constant."""
    counted = scored.target if scored.weight is None else scored.target[scored.weight > 0]
    if np.ptp(counted) == 0:  # rounding of the mean would give it a tiny variance
        return float("nan")
    spread = scored.mean((scored.target - scored.mean(scored.target)) ** 2)
    return 1 - scored.mean(squared_error(scored)) / spread


def covered(scored: Scored) -> tuple[FloatArray, FloatArray]:
    """Which rows have an interval, and whether it holds the truth."""
    assert scored.low is not None
    assert scored.high is not None
    inside = (scored.low <= scored.target) & (scored.target <= scored.high)
    return np.ones(len(scored)), inside.astype(np.float64)


def coverage(scored: Scored) -> float:
    """Share of rows whose predicted interval holds the truth."""
    return scored.mean(covered(scored)[1])
