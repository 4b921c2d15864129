"""Is the challenger's ROC AUC better? With looks planned beforehand, for no bet on an AUC is quick enough for any look."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from mlwright.core import MlwrightError
from mlwright.statistics.scored import FloatArray

POINTS = 801  # of the grid on which the path of the test statistic is followed
REACH = 8.0  # standard deviations; where nothing was spent yet, the boundary is there
NORMAL = NormalDist()


class LookNotPlanned(MlwrightError):
    """A look at a number of rows that the plan does not have; it would make the error rate wrong."""

    def __init__(self, rows: int, planned: Sequence[int]) -> None:
        super().__init__(
            f"{rows} labelled rows is no planned look at the AUC",
            where=f"the plan: {', '.join(str(look) for look in planned)} rows",
            fix="wait for the next planned look, or compare by a metric that may be read at any time (Brier, accuracy)",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AucLook:
    """What one planned look found; `gain` is the challenger's AUC minus the champion's."""

    rows: int
    gain: float
    standard_error: float
    z: float
    boundary: float

    @property
    def better(self) -> bool:
        """Whether the challenger is proven better at this look."""
        return self.z >= self.boundary


@dataclass(frozen=True, slots=True, kw_only=True)
class AucPlan:
    """Looks at a growing set of labelled rows, and the z-value that each must reach so that all err with `error`.

    The first looks ask for much and the last for little more than a single test would (O'Brien and Fleming). A look may
    be left out, but none may be added.

    Parameters
    ----------
    looks
        Numbers of labelled rows, rising; for instance 3,000, 6,000 ... 30,000.
    error
        Chance that a challenger that is no better by more than `minimum_gain` is found better at any look.

    References
    ----------
    Lan and DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika; Armitage, McPherson and Rowe
    (1969), Repeated significance tests on accumulating data, JRSS A, for the recursion.

    Examples
    --------
    >>> AucPlan(looks=(1000, 2000, 3000, 4000, 5000), error=0.025).boundaries.round(2)
    array([4.88, 3.36, 2.68, 2.29, 2.03])
    """

    looks: tuple[int, ...]
    error: float = 0.05
    minimum_gain: float = 0.0

    def __post_init__(self) -> None:
        if (
            not self.looks
            or self.looks[0] <= 0
            or any(b <= a for a, b in zip(self.looks, self.looks[1:], strict=False))
        ):
            raise ValueError("planned looks must be rising numbers of rows")

    @property
    def boundaries(self) -> FloatArray:
        """The z-value that each look must reach, shape (n_looks,)."""
        last = self.looks[-1]
        return np.array(spent_boundaries(tuple(look / last for look in self.looks), self.error))

    def look(self, target: FloatArray, champion: FloatArray, challenger: FloatArray) -> AucLook:
        """Compare two scores of the same rows at a planned look.

        Parameters
        ----------
        target : shape (n_rows,)
            True where the positive class came in; all labelled rows since the start.
        champion, challenger : shape (n_rows,)
            Their scores; higher speaks for the positive class.

        Raises
        ------
        LookNotPlanned
            If the number of rows is not in the plan.

        References
        ----------
        DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated ROC curves, Biometrics.
        """
        if len(target) not in self.looks:
            raise LookNotPlanned(len(target), self.looks)
        gain, error = auc_gain(target, champion, challenger)
        above = gain - self.minimum_gain
        z = above / error if error > 0 and math.isfinite(error) else 0.0
        boundary = float(self.boundaries[self.looks.index(len(target))])
        return AucLook(rows=len(target), gain=gain, standard_error=error, z=z, boundary=boundary)


def auc_gain(target: FloatArray, champion: FloatArray, challenger: FloatArray) -> tuple[float, float]:
    """AUC of the challenger minus that of the champion on the same rows, and its standard error.

    The error is infinite with fewer than two rows of a class.
    """
    positive = np.asarray(target) == 1
    if min(positive.sum(), (~positive).sum()) < 2:
        return 0.0, math.inf
    ups, downs = [], []
    for score in (champion, challenger):
        high, low = score[positive], score[~positive]
        ups.append(_share_below(high, low))
        downs.append(1 - _share_below(low, high))
    up, down = ups[1] - ups[0], downs[1] - downs[0]
    return float(up.mean()), math.sqrt(up.var(ddof=1) / len(up) + down.var(ddof=1) / len(down))


def _share_below(values: FloatArray, others: FloatArray) -> FloatArray:
    """For each value the share of the others below it; equal ones count half."""
    ordered = np.sort(others)
    share: FloatArray = (
        np.searchsorted(ordered, values, side="left") + np.searchsorted(ordered, values, side="right")
    ) / (2 * len(others))
    return share


@cache
def spent_boundaries(information: tuple[float, ...], error: float) -> tuple[float, ...]:
    """One-sided z-boundaries for looks at the given shares of all information, the last of which is 1.

    By the share t of the information, 2 - 2 Phi(z / sqrt(t)) of the error is spent, with z the two-sided quantile: next to
    nothing early on.
    """
    quantile = -NORMAL.inv_cdf(error / 2)
    boundaries: list[float] = []
    spent, before = 0.0, 0.0
    grid, density = np.zeros(1), np.ones(1)  # of the score z sqrt(t), and its chance so far not to have crossed
    for share in information:
        budget = 2 * NORMAL.cdf(-quantile / math.sqrt(share)) - spent
        step = math.sqrt(share - before)
        low, high = -REACH * math.sqrt(share), REACH * math.sqrt(share)
        boundary = _crossing(grid, density, step, budget, low, high)
        boundaries.append(boundary / math.sqrt(share))
        spent += budget
        following = np.linspace(low, boundary, POINTS)
        width = following[1] - following[0]
        spread = np.exp(-0.5 * ((following[:, None] - grid[None, :]) / step) ** 2) / (step * math.sqrt(2 * math.pi))
        weights = np.full(POINTS, width)
        weights[[0, -1]] = width / 2  # the trapezoid rule
        grid, density, before = following, (spread @ density) * weights, share
    return tuple(boundaries)


def _crossing(grid: FloatArray, density: FloatArray, step: float, budget: float, low: float, high: float) -> float:
    """The boundary above which the next score lies with probability `budget`, by halving."""
    for _ in range(45):
        middle = (low + high) / 2
        beyond = sum(p * NORMAL.cdf((g - middle) / step) for g, p in zip(grid, density, strict=True) if p > 0)
        low, high = (middle, high) if beyond > budget else (low, middle)
    return high
