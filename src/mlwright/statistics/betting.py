"""Is a mean gain above a bound? A game of bets on the rows as they come, that may be read after any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mlwright.core import MlwrightError
from mlwright.statistics.scored import FloatArray

FIXED_BETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
LARGEST_BET = 0.5
FIRST_SQUARES = 0.25  # as if one gain of half the bound had been seen: the first bets stay small
BLOCK = 65_536  # rows worked on at once; bounds the memory of one update


class GainOutOfBounds(MlwrightError):
    """A gain below what was declared to be possible, or not a number; the test stops, for its error rate rests on it."""

    def __init__(self, *, unit: int, bound: float) -> None:
        super().__init__(
            f"a gain is not a number or is below the bound of -{bound:g}, which was declared before the test",
            where=f"unit {unit} of the comparison (a row, or a cluster of rows that belong together)",
            fix="declare a larger bound and start the test again, or limit what one row can lose",
        )


class BoundTooSmall(MlwrightError):
    """A test without room to lose: the bound must be positive, and the mean in question above minus the bound."""

    def __init__(self, *, bound: float, mean: float) -> None:
        super().__init__(
            f"a bound of {bound:g} leaves nothing to bet on for a mean of {mean:g}",
            where="the bound of the gains",
            fix="give the most that one row can lose, as a positive number",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bets:
    """The capital of a game that is fair, or worse, as long as the mean gain is at most `mean`.

    Half of the capital follows a bet that grows with what was won so far; the other half is spread over fixed bets, so
    that a few large losses cannot ruin it. The capital exceeds 1 / a with probability at most a, over all times, for
    every distribution with gains of at least -`bound`. The memory is a dozen numbers.

    Attributes
    ----------
    bound
        No gain is below -`bound`; declared beforehand.
    mean
        The mean gain that is in doubt: evidence is gathered that the true one is higher.
    units
        How many gains were seen.
    highest
        The largest log capital after any single gain so far: the evidence that was reached.

    References
    ----------
    Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, JRSS B.

    Examples
    --------
    >>> game = Bets(bound=1.0).update(np.ones(8))
    >>> bool(game.log_e > Bets(bound=1.0).log_e)
    True
    """

    bound: float
    mean: float = 0.0
    units: int = 0
    total: float = 0.0
    squares: float = 0.0
    growing: float = 0.0
    fixed: tuple[float, ...] = (0.0,) * len(FIXED_BETS)
    highest: float = 0.0

    def __post_init__(self) -> None:
        if not (self.bound > 0 and self.mean > -self.bound):
            raise BoundTooSmall(bound=self.bound, mean=self.mean)

    @property
    def log_e(self) -> float:
        """Natural log of the capital now; 0 is where it began."""
        many = np.logaddexp.reduce(np.array(self.fixed)) - np.log(len(FIXED_BETS))
        return float(np.logaddexp(self.growing, many) - np.log(2))

    def update(self, gain: ArrayLike, *, cluster: ArrayLike | None = None) -> Bets:
        """The game after more gains, in their order, shape (n_rows,); the same for one chunk as for many.

        Parameters
        ----------
        cluster : shape (n_rows,)
            Rows of one customer, or of one day, belong together: their gains above `mean` are summed, and the bound is
            that of such a sum. The clusters are independent of each other, so all rows of one must come at once.

        Raises
        ------
        GainOutOfBounds
            If a gain is below the bound or not a number; nothing of this chunk is counted then.
        """
        excess = np.asarray(gain, dtype=np.float64) - self.mean
        if cluster is not None:
            excess = cluster_sums(excess, cluster)
        scaled = excess / (self.bound + self.mean)
        wrong = ~(scaled >= -1 - 1e-9)
        if wrong.any():
            raise GainOutOfBounds(unit=self.units + int(wrong.argmax()) + 1, bound=self.bound)
        game = self
        for start in range(0, len(scaled), BLOCK):
            game = game._after(np.maximum(scaled[start : start + BLOCK], -1.0))
        return game

    def _after(self, gain: FloatArray) -> Bets:
        totals, squares = self.total + np.cumsum(gain), self.squares + np.cumsum(gain * gain)
        # A bet may know the past only, so each row is met by the sums before it.
        before, before_squares = np.r_[self.total, totals[:-1]], np.r_[self.squares, squares[:-1]]
        bet = np.clip(before / (FIRST_SQUARES + before_squares), 0.0, LARGEST_BET)
        growing = self.growing + np.cumsum(np.log1p(bet * gain))
        many = np.full(len(gain), -np.inf)
        fixed = []
        for part, size in zip(self.fixed, FIXED_BETS, strict=True):
            path = part + np.cumsum(np.log1p(size * gain))
            many = np.logaddexp(many, path)
            fixed.append(float(path[-1]))
        path = np.logaddexp(growing, many - np.log(len(FIXED_BETS))) - np.log(2)
        return replace(
            self,
            units=self.units + len(gain),
            total=float(totals[-1]),
            squares=float(squares[-1]),
            growing=float(growing[-1]),
            fixed=tuple(fixed),
            highest=max(self.highest, float(path.max())),
        )

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        return {**asdict(self), "fixed": list(self.fixed)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Bets:
        """What `state` was taken of."""
        return cls(**{**state, "fixed": tuple(state["fixed"])})


def cluster_sums(values: ArrayLike, cluster: ArrayLike) -> FloatArray:
    """The sum of the values of each cluster, in the order in which the clusters first appear.

    Examples
    --------
    >>> cluster_sums([1.0, 2.0, 4.0], ["b", "a", "b"])
    array([5., 2.])
    """
    _, first, number = np.unique(np.asarray(cluster), return_index=True, return_inverse=True)
    sums = np.zeros(len(first))
    np.add.at(sums, number.ravel(), np.asarray(values, dtype=np.float64))
    ordered: FloatArray = sums[np.argsort(first)]
    return ordered
