"""From what outcomes are worth to the probability from which acting pays."""

from __future__ import annotations

import numpy as np

from mlwright.core import MlwrightError
from mlwright.statistics.scored import FloatArray


class CostsAllZero(MlwrightError):
    """For some row acting and waiting are worth the same whatever happens."""

    def __init__(self) -> None:
        super().__init__(
            "a wrong decision costs nothing either way, so no threshold is better than another",
            where="decision.values",
            fix="give at least one of false_positive and false_negative a worth other than the right decision's",
        )


def break_even_threshold(cost_of_false_alarm: FloatArray, cost_of_miss: FloatArray) -> FloatArray:
    """Calibrated probability from which acting is cheaper than waiting, in [0, 1], shape (n_rows,).

    Parameters
    ----------
    cost_of_false_alarm, cost_of_miss : shape (n_rows,)
        What a wrong decision loses against the right one; not negative, in the spec's currency per row.

    Raises
    ------
    CostsAllZero
        If some row costs nothing either way, so that no threshold is better than another.

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning, IJCAI.

    Examples
    --------
    >>> break_even_threshold(np.array([1.0]), np.array([4.0]))
    array([0.2])
    """
    total = cost_of_false_alarm + cost_of_miss
    if (total <= 0).any():
        raise CostsAllZero
    threshold: FloatArray = np.clip(cost_of_false_alarm / total, 0.0, 1.0)
    return threshold
