"""What decisions are worth: the worth of each outcome, when acting pays, and what was earned."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mlwright.core import Interval
from mlwright.statistics.metrics import Metric
from mlwright.statistics.scored import FloatArray, IntArray, Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What each outcome of a decision is worth, in the spec's currency; each of shape (n_rows,).

    Examples
    --------
    >>> one = np.ones(2)
    >>> offers = Worth(true_positive=40 * one, false_positive=-10 * one, false_negative=0 * one, true_negative=0 * one)
    >>> offers.act(np.array([0.1, 0.3]))
    array([0, 1])
    """

    true_positive: FloatArray
    false_positive: FloatArray
    false_negative: FloatArray
    true_negative: FloatArray

    def __len__(self) -> int:
        return len(self.true_positive)

    def gain_of_acting(self, probability: FloatArray) -> FloatArray:
        """Expected worth of acting less that of waiting, at a probability of the positive class, shape (n_rows,)."""
        if_positive = self.true_positive - self.false_negative
        if_not = self.false_positive - self.true_negative
        gain: FloatArray = probability * if_positive + (1 - probability) * if_not
        return gain

    def act(self, probability: FloatArray) -> IntArray:
        """1 where acting is worth more than waiting, else 0, shape (n_rows,).

        The sign of the gain is asked rather than `p > (tn - fp) / ((tn - fp) + (tp - fn))`: that form holds only where
        its denominator is positive. Where acting pays at no or at any probability, or at low ones, the sign is right too.

        References
        ----------
        Elkan (2001), The foundations of cost-sensitive learning, IJCAI.
        """
        return (self.gain_of_acting(probability) > 0).astype(np.int64)

    def earned(self, target: FloatArray, decision: IntArray) -> FloatArray:
        """What each row was worth by its true class and what was decided, shape (n_rows,)."""
        positive = target == 1
        if_acted = np.where(positive, self.true_positive, self.false_positive)
        if_not: FloatArray = np.where(positive, self.false_negative, self.true_negative)
        return np.where(decision == 1, if_acted, if_not)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Worth:
        """The given rows (numbers or a mask)."""
        return Worth(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


#: The mean of an amount per row, for the bootstrap: amounts are skewed, and may be negative.
_MEAN = Metric(
    name="value",
    title="value per row",
    tasks=("binary",),
    higher_is_better=True,
    compute=lambda scored: scored.mean(scored.target),
)


def mean_value(
    earned: FloatArray,
    *,
    weight: FloatArray | None = None,
    group: IntArray | None = None,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> tuple[float, Interval | None, str]:
    """The (weighted) mean of an amount per row, its bootstrap interval, and the method in words.

    Parameters
    ----------
    earned : shape (n_rows,)
        Amounts, or differences of amounts of the same rows under two ways to decide.
    group : shape (n_rows,), optional
        Rows of a group are drawn together.
    """
    amounts = Scored(target=earned, prediction=earned, weight=weight, group=group)
    mean = amounts.mean(earned)
    if len(earned) < 2:
        return mean, None, "mean; too few rows for an interval"
    from mlwright.statistics.intervals import bootstrap_interval  # brings scipy, which who only decides need not load

    interval, repetitions = bootstrap_interval(_MEAN, amounts, rng=rng, confidence=confidence)
    unit = "groups" if group is not None else "rows"
    return mean, interval, f"mean; bootstrap of {unit}, {repetitions} repetitions, bias-corrected"
