"""Where may the true mean of the reference lie, and what does each place cost? For a detector that measures against it.

The mean of a reference is an estimate. Rather than to bound it once, the detector plays a second game on the rows of the
reference, for every place where their true mean may lie: "it does not lie as high as that". A place far above what was
measured is soon ruled out by that game, one far below by the new rows, and the detector needs them all to be ruled out by
both together. So a few new rows hardly pay for the error of a large reference, and the error is never counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlwright.statistics.scored import FloatArray

# Cells, in standard errors of the mean: narrow where the decision falls, then wider and wider.
NARROW, NARROW_UP_TO, WIDER = 0.1, 6.0, 1.2
# Variances of a row, in squared ranges, that the bets are made for, what is put on each, and what is not played at all.
VARIANCES, STAKES, IDLE = (0.25, 0.0625, 0.0156, 0.004), (0.6, 0.15, 0.1, 0.05), 0.1
DECIDES = 10.0  # log evidence, about, at which a bet of some size decides
LARGEST_BET = 0.8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReferenceMean:
    """Cells that cover 0 to 1, the range of a loss, one of which has the true mean of the reference.

    Attributes
    ----------
    upper : shape (n_cells,)
        The upper edge of each.
    held : shape (n_bets, n_cells)
        Log of what the bets on the rows of the reference hold where the true mean lies in that cell. For the true one
        its exponential is at most 1 on average over references.
    """

    upper: FloatArray
    held: FloatArray

    @classmethod
    def exact(cls, mean: float, *, n_bets: int) -> ReferenceMean:
        """A mean that is given and not measured."""
        return cls(upper=np.array([mean]), held=np.zeros((n_bets, 1)))

    @classmethod
    def measured(cls, mean: float, *, variance: float, rows: int, bets: Sequence[float]) -> ReferenceMean:
        """The cells around a measured mean.

        The bets on the reference are sized by its row count and by `bets` alone, never by what it shows, and each holds
        the product of 1 + bet * (edge - loss) over its rows, at the lower edge of a cell. That is at most 1 on average
        for every distribution whose mean lies above that edge. Of the rows only mean and variance are known: of all rows
        with these, those hold least that have either the largest loss or one other (the third derivative of the log is
        negative, so it lies above the parabola that touches it at the other one and meets it at the largest).

        Parameters
        ----------
        mean, variance
            Of the losses of the reference as they are, divisor `rows`, on a range of 0 to 1.
        bets
            On the new rows.

        References
        ----------
        Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B; Karlin and
        Studden (1966), Tchebycheff systems, for the rows that hold least.
        """
        edges = _edges(mean, math.sqrt(max(variance, 1 / rows) / rows))
        variance = min(variance, mean * (1 - mean))
        share = variance / (variance + (1 - mean) ** 2) if mean < 1 else 1.0
        other = mean - variance / (1 - mean) if mean < 1 else 1.0
        size, lower = _sizes(np.array(bets), rows)[:, :, None], edges[:-1]
        won = share * np.log1p(size * (lower - 1)) + (1 - share) * np.log1p(size * (lower - other))
        staked = np.log(np.array([*STAKES, IDLE]))[None, :, None]
        return cls(upper=edges[1:], held=np.logaddexp.reduce(staked + rows * won, axis=1))


def _sizes(bets: FloatArray, rows: int) -> FloatArray:
    """Bets on the reference that go with those on new rows, shape (n_bets, n_variances + 1).

    Both together do not depend on where the true mean lies if new rows times bet is the same in both; how many new rows
    it takes until a bet of some size decides follows from the variance.
    """
    new = (np.sqrt(1 + 8 * DECIDES / (np.square(bets)[:, None] * np.array(VARIANCES) * rows)) - 1) * rows / 2
    sizes: FloatArray = np.c_[np.minimum(bets[:, None] * new / rows, LARGEST_BET), np.zeros(len(bets))]
    return sizes


def _edges(mean: float, error: float) -> FloatArray:
    near = np.arange(0.0, NARROW_UP_TO, NARROW)
    steps = max(1, math.ceil(math.log(max(1 / (NARROW_UP_TO * error), WIDER)) / math.log(WIDER)) + 1)
    away = error * np.r_[near, NARROW_UP_TO * WIDER ** np.arange(steps)]
    found = np.r_[mean - away, mean + away]
    return np.unique(np.r_[0.0, found[(found > 0) & (found < 1)], 1.0])
