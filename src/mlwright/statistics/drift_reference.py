"""What is normal: the mean of each score in the reference, how sure it is, and how much quiet windows differ.

A score is a bounded number per row whose mean would move with drift: where a value lies among the reference's (location),
how far out it lies (spread), whether it has a certain level, whether it is missing. Windows differ more than their row
counts say: Mondays are no Fridays. That surplus is learnt from windows of the reference, by the scores of a family
together, and score by score where one stands out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mlwright.core import MlwrightError
from mlwright.statistics.array_state import array_of_state, array_state
from mlwright.statistics.scored import FloatArray, IntArray
from mlwright.statistics.window_surplus import QuietWindows, learn_surplus

FEWEST_WINDOWS = 3
UNKNOWN = 1e6  # variances of a window: what is not known about a stratum that the reference never saw


class ReferenceTooShort(MlwrightError):
    """Too few windows to tell what normal differences between windows are."""

    def __init__(self, windows: int) -> None:
        super().__init__(
            f"the reference has {windows} windows of a score; how much quiet windows differ cannot be told from them",
            where="the reference of the drift detector",
            fix=f"cut the reference into at least {FEWEST_WINDOWS} windows in order of time (10 or more are better), "
            "or wait for the first quiet windows",
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreSet:
    """What the scores are, shape (n_scores,) each.

    Attributes
    ----------
    column
        The number of the column that a score is about, from 0; alarms name columns.
    family
        Scores of one kind (location, spread, level share, missing) share a number: they learn from each other.
    low, high
        The range of the score of one row: -1 to 1, or 0 to 1 for a share.
    """

    column: IntArray
    family: IntArray
    low: FloatArray
    high: FloatArray

    def __len__(self) -> int:
        return len(self.column)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftReference:
    """What the scores are like while nothing drifts.

    Attributes
    ----------
    scores
        What they are about.
    mean : shape (n_strata, n_scores)
        Mean in each stratum (say, weekday); one stratum if there are none.
    mean_variance : shape (n_strata, n_scores)
        How unsure that mean is.
    row_variance : shape (n_scores,)
        Variance between rows.
    rows : shape (n_scores,)
        Rows of a usual window.
    surplus : shape (n_scores,)
        How many times the variance that the row count explains quiet windows have; at least 1.
    degrees : shape (n_scores,)
        How sure that is, as degrees of freedom.
    persistence : shape (n_scores,)
        Factor for differences that last into the next window; 1 if windows are independent.
    """

    scores: ScoreSet
    mean: FloatArray
    mean_variance: FloatArray
    row_variance: FloatArray
    rows: FloatArray
    surplus: FloatArray
    degrees: FloatArray
    persistence: FloatArray

    @property
    def usual_variance(self) -> FloatArray:
        """Variance of a usual window with its surplus, shape (n_scores,)."""
        variance: FloatArray = self.surplus * self.persistence * self.row_variance / self.rows
        return variance

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        own = {entry.name: array_state(getattr(self, entry.name)) for entry in fields(self) if entry.name != "scores"}
        scores = {entry.name: array_state(getattr(self.scores, entry.name)) for entry in fields(self.scores)}
        return {"scores": scores, **own}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> DriftReference:
        """What `state` was taken of."""
        scores = ScoreSet(**{name: array_of_state(value) for name, value in state["scores"].items()})
        own = {name: array_of_state(value) for name, value in state.items() if name != "scores"}
        return cls(scores=scores, **own)


def learn_reference(
    means: FloatArray,
    rows: ArrayLike,
    row_variance: FloatArray,
    *,
    scores: ScoreSet,
    stratum: ArrayLike | None = None,
    n_strata: int = 1,
) -> DriftReference:
    """What is normal, from windows of the reference in order of time.

    Parameters
    ----------
    means : shape (n_windows, n_scores)
        Mean of each score in each window; NaN where a column was not there.
    rows : shape (n_windows,) or (n_windows, n_scores)
        Rows behind each mean.
    row_variance : shape (n_scores,)
        Variance of the score between rows, over the whole reference.
    stratum : shape (n_windows,)
        The number of each window's stratum, such as its weekday, if strata have means of their own. A stratum without
        windows is learnt while watching.

    Raises
    ------
    ReferenceTooShort
        If fewer than three windows (beyond one per stratum) know a score.

    """
    counts = np.asarray(rows, dtype=np.float64)
    counts = np.where(np.isfinite(means), counts[:, None] if counts.ndim == 1 else counts, 0.0)
    values = np.where(counts > 0, means, 0.0)
    where = np.zeros(len(means), dtype=np.int64) if stratum is None else np.asarray(stratum, dtype=np.int64)
    seen = _by_stratum((counts > 0).astype(np.float64), where, n_strata)
    spare = np.maximum(seen - 1, 0).sum(axis=0)
    if len(means) == 0 or (len(spare) and spare.min() < FEWEST_WINDOWS - 1):
        raise ReferenceTooShort(int(spare.min()) + 1 if len(means) else 0)
    usual = counts.sum(axis=0) / seen.sum(axis=0)
    # A window of many usual ones is not that much surer: what differs between windows runs through all of it.
    pull = np.minimum(counts, usual)
    total = _by_stratum(pull, where, n_strata)
    everywhere = (pull * values).sum(axis=0) / pull.sum(axis=0)
    mean = np.where(total > 0, _by_stratum(pull * values, where, n_strata) / np.maximum(total, 1e-12), everywhere)
    pull = pull / np.maximum(total, 1e-12)[where]
    variance = _at_least_rule_of_three(row_variance, scores, counts.sum(axis=0))
    away = np.where(counts > 0, values - mean[where], 0.0) / np.sqrt(variance)
    surplus, degrees, persistence = (np.ones(means.shape[1]) for _ in range(3))
    mean_variance = np.zeros_like(mean)
    for family in np.unique(scores.family):
        mine = scores.family == family
        windows = QuietWindows(
            away=away[:, mine], rows=counts[:, mine], pull=pull[:, mine], usual=usual[mine], stratum=where
        )
        found = learn_surplus(windows)
        surplus[mine], degrees[mine], persistence[mine] = found.factor, found.degrees, found.persistence
        mean_variance[:, mine] = windows.mean_variance(found.factor, n_strata) * found.persistence
    mean_variance = np.where(total > 0, mean_variance, UNKNOWN / usual) * variance
    return DriftReference(
        scores=scores,
        mean=mean,
        mean_variance=mean_variance,
        row_variance=variance,
        rows=usual,
        surplus=surplus,
        degrees=degrees,
        persistence=persistence,
    )


def _by_stratum(values: FloatArray, stratum: IntArray, n_strata: int) -> FloatArray:
    sums = np.zeros((n_strata, values.shape[1]))
    np.add.at(sums, stratum, values)
    return sums


def _at_least_rule_of_three(row_variance: FloatArray, scores: ScoreSet, rows: FloatArray) -> FloatArray:
    """A level that N rows never had may well have a share of 3 / N; its variance is not 0."""
    floor: FloatArray = 3 * np.square(scores.high - scores.low) / np.maximum(rows, 1)
    return np.maximum(row_variance, np.minimum(floor, np.square(scores.high - scores.low) / 4))
