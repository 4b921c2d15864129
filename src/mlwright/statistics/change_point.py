"""When did it begin? A short memory of past windows, finer for the near past, and the windows a change may date from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.statistics.array_state import array_of_state, array_state
from mlwright.statistics.scored import FloatArray, IntArray

KEPT = 8  # stretches of each length (1, 2, 4 ... windows): a change k windows ago is dated to about k / 8 windows


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """When the mean of a score changed, counted in windows from 1, and what it was before and after.

    The change began about with window `began`, and with probability `confidence` between `earliest` and `latest`.
    """

    began: int
    earliest: int
    latest: int
    confidence: float
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PastWindows:
    """Sums of past windows for some scores; stretches grow with their age, so that years take some dozen of them.

    Attributes
    ----------
    first : shape (n_stretches,)
        The first window of each stretch.
    windows : shape (n_stretches,)
        How many windows it has.
    weight, weighted : shape (n_stretches, n_scores)
        Sums over its windows of 1 / variance, and of difference / variance; 0 where a score is missing.
    """

    first: IntArray
    windows: IntArray
    weight: NDArray[np.float32]
    weighted: NDArray[np.float32]

    @classmethod
    def none_yet(cls, n_scores: int) -> PastWindows:
        """A memory without windows."""
        nothing = np.zeros((0, n_scores), dtype=np.float32)
        count = np.zeros(0, dtype=np.int64)
        return cls(first=count, windows=count, weight=nothing, weighted=nothing)

    def with_window(self, window: int, *, difference: FloatArray, variance: FloatArray) -> PastWindows:
        """The memory with one more window, shape (n_scores,) each; NaN differences are missing."""
        known = np.isfinite(difference) & np.isfinite(variance)
        weight = np.where(known, 1 / np.where(known, variance, 1.0), 0.0)
        first = np.append(self.first, window)
        windows = np.append(self.windows, 1)
        weights = np.vstack([self.weight, weight.astype(np.float32)])
        weighted = np.vstack([self.weighted, (np.where(known, difference, 0.0) * weight).astype(np.float32)])
        length = 1
        while len(same := np.flatnonzero(windows == length)) > KEPT:
            at = int(same[0])  # the two oldest of this length are neighbours
            windows[at] *= 2
            weights[at] += weights[at + 1]
            weighted[at] += weighted[at + 1]
            first, windows = np.delete(first, at + 1), np.delete(windows, at + 1)
            weights, weighted = np.delete(weights, at + 1, axis=0), np.delete(weighted, at + 1, axis=0)
            length *= 2
        return PastWindows(first=first, windows=windows, weight=weights, weighted=weighted)

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        return {entry.name: array_state(getattr(self, entry.name)) for entry in fields(self)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> PastWindows:
        """What `state` was taken of."""
        return cls(**{name: array_of_state(value) for name, value in state.items()})

    def change_point(self, score: int, *, before: float, typical: float, confidence: float = 0.9) -> ChangePoint | None:
        """When the mean of one score changed, if it did so once; None without any window.

        Each start is as likely beforehand as any other; the means before and after it are integrated out.

        Parameters
        ----------
        before
            Variance with which the mean before the change may differ from 0: the reference's own error.
        typical
            Variance of one window; a change may be several times its root.

        References
        ----------
        Barry and Hartigan (1993), A Bayesian analysis for change point problems, JASA, for one change.
        """
        weight, weighted = self.weight[:, score].astype(float), self.weighted[:, score].astype(float)
        if not weight.any():
            return None
        after_weight, after = np.cumsum(weight[::-1])[::-1], np.cumsum(weighted[::-1])[::-1]
        fit = _log_marginal(weighted.sum() - after, weight.sum() - after_weight, before)
        fit = fit + _log_marginal(after, after_weight, before + 25 * typical) + np.log(self.windows)
        chance = np.exp(fit - fit.max())
        chance /= chance.sum()
        summed = np.cumsum(chance)
        edge = (1 - confidence) / 2
        low, middle, high = (min(int(np.searchsorted(summed, q)), len(chance) - 1) for q in (edge, 0.5, 1 - edge))
        last = int(self.first[-1] + self.windows[-1]) - 1
        # A start inside a long stretch is seen at one of its ends, so the range reaches to the neighbours.
        earliest = int(self.first[low - 1]) + 1 if low else int(self.first[0])
        latest = int(self.first[high + 1]) - 1 if high + 1 < len(chance) else last
        old = weight.sum() - after_weight[middle]
        return ChangePoint(
            began=int(self.first[middle]),
            earliest=earliest,
            latest=latest,
            confidence=confidence,
            before=float((weighted.sum() - after[middle]) / old) if old > 0 else 0.0,
            after=float(after[middle] / after_weight[middle]) if after_weight[middle] > 0 else 0.0,
        )


def _log_marginal(weighted: FloatArray, weight: FloatArray, spread: float) -> FloatArray:
    """Log likelihood of some windows whose common mean is normal around 0, up to what all starts share."""
    result: FloatArray = 0.5 * weighted**2 / (weight + 1 / spread) - 0.5 * np.log1p(weight * spread)
    return result
