"""Intervals around a predicted value, from the errors on rows that the members did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlwright.data.dataset import FloatArray

_MOST_BINS = 10
_LEAST_ROWS = 100
#: With fewer errors their ends do not hold nine of ten new ones.
_LEAST_ERRORS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How far the truth lies below and above the prediction, by how large the prediction is.

    Attributes
    ----------
    edges
        Between the bins of predictions, in rising order; one fewer than there are bins.
    below, above
        What to add to the prediction in each bin to get the ends of the interval.
    coverage
        The share of new rows whose truth lies inside.

    References
    ----------
    Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world (split and Mondrian conformal prediction);
    Barber et al. (2021), Predictive inference with the jackknife+ (out-of-fold errors).
    """

    edges: tuple[float, ...]
    below: tuple[float, ...]
    above: tuple[float, ...]
    coverage: float

    def interval(self, prediction: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lower and upper ends, shape (n_rows,) each."""
        bins = np.searchsorted(self.edges, prediction)
        return prediction + np.array(self.below)[bins], prediction + np.array(self.above)[bins]

    def state(self) -> dict[str, Any]:
        return {name: list(getattr(self, name)) for name in ("edges", "below", "above")} | {"coverage": self.coverage}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Spread:
        return cls(
            edges=tuple(state["edges"]),
            below=tuple(state["below"]),
            above=tuple(state["above"]),
            coverage=state["coverage"],
        )


def fit_spread(prediction: FloatArray, target: FloatArray, *, coverage: float = 0.9) -> Spread | None:
    """Learn the spread from out-of-fold predictions; None under 20 rows, where no interval could be honest."""
    n = len(target)
    if n < _LEAST_ERRORS:
        return None
    bins = int(np.clip(n // _LEAST_ROWS, 1, _MOST_BINS))
    edges = np.unique(np.quantile(prediction, np.arange(1, bins) / bins))
    number = np.searchsorted(edges, prediction)
    error = target - prediction
    tail = (1 - coverage) / 2
    below, above = [], []
    for i in range(len(edges) + 1):
        # Where many predictions are equal a bin can be nearly empty: it takes the errors of all rows.
        of_bin = error[number == i]
        inside = np.sort(of_bin if len(of_bin) >= _LEAST_ERRORS else error)
        m = len(inside)
        # The conformal rank: one row more than were seen, so that the share holds for the next row.
        rank = int(np.floor(tail * (m + 1)))
        below.append(float(inside[max(rank - 1, 0)]))
        above.append(float(inside[min(m - rank, m - 1)]))
    return Spread(edges=tuple(edges.tolist()), below=tuple(below), above=tuple(above), coverage=coverage)
