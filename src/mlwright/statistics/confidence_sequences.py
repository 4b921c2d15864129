"""Intervals for a mean that hold at all times at once, so that one may look after every row and stop when one likes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mlwright.core import Interval


def asymptotic_radius(count: int, deviation: float, *, error: float, expected: int) -> float:
    """Half the width, after `count` values, of an interval that holds at all times with probability 1 - `error`.

    It is narrowest near `expected` values. It rests on the central limit theorem, so the first few hundred values (a
    thousand, where losses are rare and large) are not to be trusted.

    References
    ----------
    Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), Time-uniform central limit theory and asymptotic confidence
    sequences, Annals of Statistics: the mixture of Robbins (1970).

    Examples
    --------
    >>> round(asymptotic_radius(1000, 1.0, error=0.05, expected=1000), 3)
    0.096
    """
    if count < 2:
        return math.inf
    # Above 1 only if both sides share more than all error there is.
    error = min(error, 1.0)
    rate = (-2 * math.log(error) + math.log(1 - 2 * math.log(error))) / expected
    grown = count * rate + 1
    return deviation * math.sqrt(grown / (count * count * rate) * math.log(grown / error**2))


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSequence:
    """The running mean of any values with finite variance, and asymptotic bounds for it.

    Rare large losses make every method of this kind too sure of itself: wait for `burn_in` values.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0  # of the distances from the mean
    burn_in: int = 100

    def update(self, values: ArrayLike) -> MeanSequence:
        """The sequence after more values, shape (n,); the same for one chunk as for many."""
        new = np.asarray(values, dtype=np.float64)
        if len(new) == 0:
            return self
        count, mean = self.count + len(new), float(new.mean())
        away = mean - self.mean
        squares = self.squares + float(np.square(new - mean).sum()) + away * away * self.count * len(new) / count
        return replace(self, count=count, mean=self.mean + away * len(new) / count, squares=squares)

    @property
    def deviation(self) -> float:
        """Standard deviation of the values."""
        return math.sqrt(self.squares / self.count) if self.count else 0.0

    def interval(self, *, error: float = 0.05, expected: int = 1000) -> Interval:
        """Both bounds for the mean; unbounded before `burn_in` values."""
        radius = self._radius(error, expected)
        return Interval(low=self.mean - radius, high=self.mean + radius, confidence=1 - error)

    def lower(self, *, error: float = 0.05, expected: int = 1000) -> float:
        """The bound that the mean is above with probability 1 - `error`; one-sided, so closer than `interval`."""
        return self.mean - self._radius(2 * error, expected)

    def upper(self, *, error: float = 0.05, expected: int = 1000) -> float:
        """The bound that the mean is below with probability 1 - `error`; one-sided, so closer than `interval`."""
        return self.mean + self._radius(2 * error, expected)

    def _radius(self, error: float, expected: int) -> float:
        if self.count < self.burn_in:
            return math.inf
        return asymptotic_radius(self.count, self.deviation, error=error, expected=expected)

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> MeanSequence:
        """What `state` was taken of."""
        return cls(**state)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedSequence:
    """Bounds for the mean of values between `low` and `high` that need no central limit: true from the first row on.

    The price is width: two or three times as many rows as `MeanSequence` for the same radius.

    References
    ----------
    Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B, theorem 2: the
    empirical Bernstein bounds with predictable mixing.
    """

    low: float = 0.0
    high: float = 1.0
    error: float = 0.05
    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    bets: float = 0.0
    won: float = 0.0
    cost: float = 0.0

    def update(self, values: ArrayLike) -> BoundedSequence:
        """The bounds after more values, shape (n,), in their order; the same for one chunk as for many.

        Raises
        ------
        ValueError
            If a value is outside the range or not a number.
        """
        x = (np.asarray(values, dtype=np.float64) - self.low) / (self.high - self.low)
        if len(x) == 0:
            return self
        if not ((x >= -1e-9) & (x <= 1 + 1e-9)).all():
            raise ValueError(f"values must be between {self.low:g} and {self.high:g}")
        number = self.count + np.arange(1, len(x) + 1)
        totals = self.total + np.cumsum(x)
        mean_before = (0.5 + np.r_[self.total, totals[:-1]]) / number
        squares = self.squares + np.cumsum(np.square(x - (0.5 + totals) / (number + 1)))
        variance_before = (0.25 + np.r_[self.squares, squares[:-1]]) / number
        bet = np.sqrt(2 * math.log(2 / self.error) / (variance_before * number * np.log1p(number)))
        bet = np.minimum(bet, 0.5)
        # v_i psi_E(bet) of the paper; the 4 of the one and the 1/4 of the other are gone.
        cost = np.square(x - mean_before) * (-np.log1p(-bet) - bet)
        return replace(
            self,
            count=self.count + len(x),
            total=float(totals[-1]),
            squares=float(squares[-1]),
            bets=self.bets + float(bet.sum()),
            won=self.won + float(bet @ x),
            cost=self.cost + float(cost.sum()),
        )

    def interval(self) -> Interval:
        """Both bounds for the mean, which hold at all times with probability 1 - `error`."""
        low, high = 0.0, 1.0
        if self.bets > 0:
            middle, radius = self.won / self.bets, (math.log(2 / self.error) + self.cost) / self.bets
            low, high = max(0.0, middle - radius), min(1.0, middle + radius)
        span = self.high - self.low
        return Interval(low=self.low + span * low, high=self.low + span * high, confidence=1 - self.error)

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> BoundedSequence:
        """What `state` was taken of."""
        return cls(**state)


def share_interval(hits: int, rows: int, *, error: float = 0.05) -> Interval:
    """Bounds for a share from the count of hits, exact for independent rows, that hold at all times at once.

    The counts are all there is to remember, and those of two parts add up.

    References
    ----------
    Robbins (1970), Statistical methods related to the law of the iterated logarithm: the capital of a mixture of bets
    with the prior of Jeffreys, and all shares at which it stays below 1 / `error`.

    Examples
    --------
    >>> found = share_interval(30, 100)
    >>> round(found.low, 2), round(found.high, 2)
    (0.17, 0.46)
    """
    misses = rows - hits
    mixed = _log_beta(hits + 0.5, misses + 0.5) - math.log(math.pi)

    def capital(share: float) -> float:
        return mixed - hits * math.log(share) - misses * math.log1p(-share) + math.log(error)

    middle = (hits + 0.5) / (rows + 1)  # strictly inside, and below the bound: the mixture peaks there
    low = 0.0 if hits == 0 else _root(capital, 0.0, hits / rows if misses else middle)
    high = 1.0 if misses == 0 else _root(capital, 1.0, hits / rows if hits else middle)
    return Interval(low=low, high=high, confidence=1 - error)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _root(function: Callable[[float], float], outside: float, inside: float) -> float:
    """Where the function crosses 0 between a point above and one below it; on the side of the point above."""
    for _ in range(60):
        middle = (outside + inside) / 2
        if middle in (0.0, 1.0) or function(middle) > 0:
            outside = middle
        else:
            inside = middle
    return outside
