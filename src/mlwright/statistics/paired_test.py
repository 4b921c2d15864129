"""Champion against challenger on the same rows: promote on proof, at any look, with a stated chance of being wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from mlwright.statistics.betting import Bets, cluster_sums
from mlwright.statistics.confidence_sequences import MeanSequence

PairedVerdict = Literal["better", "worse", "guarded", "undecided"]
"""`better`: proven, and no guard speaks against it. `worse`: proven the other way round. `guarded`: better, but harm to a
guard is not ruled out yet. `undecided`: more rows are needed."""

GUARDS_FROM = (
    1000  # units; before that the bounds of the guards are too sure of themselves where losses are rare and large
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A second metric that must not lose more than `margin` a row; `excess` holds its gains above -`margin`."""

    margin: float
    error: float = 0.05
    excess: MeanSequence = field(default_factory=lambda: MeanSequence(burn_in=GUARDS_FROM))

    @property
    def holds(self) -> bool:
        """Whether a loss of more than the margin is ruled out."""
        return self.excess.lower(error=self.error) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Is the challenger better than the champion by more than `minimum_gain` a row? Read it as often as you like.

    Feed it the gains (challenger minus champion, higher is better) of rows whose truth is known, as they come: money,
    the difference of the Brier scores, or of right answers. The gains of all rows lie between -`bound` and `bound`. If the
    challenger is no better, then the verdict is ever `better` with probability at most `error`; the same holds for `worse`.

    For a rollback change places: the champion of before is the challenger. A test that must stay quick after months of
    quiet is `RiskDetector`.

    Attributes
    ----------
    better, worse
        The games on "the gain is above `minimum_gain`" and on "it is below 0".
    gains
        All gains, for the interval to show; the verdict does not rest on it.
    guards
        Metrics that may not be harmed, by name.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> right = lambda share: (rng.random(4000) < share).astype(float)
    >>> PairedTest.start(bound=1.0).update(right(0.75) - right(0.70)).verdict
    'better'
    """

    better: Bets
    worse: Bets
    gains: MeanSequence = field(default_factory=MeanSequence)
    guards: Mapping[str, Guard] = field(default_factory=dict)
    error: float = 0.05

    @classmethod
    def start(
        cls,
        *,
        bound: float,
        minimum_gain: float = 0.0,
        error: float = 0.05,
        guards: Mapping[str, float] | None = None,
    ) -> PairedTest:
        """A test before its first row.

        Parameters
        ----------
        bound
            The most that one row (or one cluster of rows, in sum) can gain or lose; declared now, kept to the end.
        minimum_gain
            Mean gain a row that makes a promotion worth its trouble, in units of the gain.
        error
            Chance that a challenger that is no better is ever called better.
        guards
            For each guard metric how much it may lose, as a mean per row.

        Raises
        ------
        BoundTooSmall
            If the bound is not positive.
        """
        return cls(
            better=Bets(bound=bound, mean=minimum_gain),
            worse=Bets(bound=bound),
            guards={name: Guard(margin=margin) for name, margin in (guards or {}).items()},
            error=error,
        )

    def update(
        self, gain: ArrayLike, *, guards: Mapping[str, ArrayLike] | None = None, cluster: ArrayLike | None = None
    ) -> PairedTest:
        """The test after more rows, in the order in which their truth became known.

        Parameters
        ----------
        gain : shape (n_rows,)
            What the challenger gained over the champion.
        guards : shape (n_rows,) each
            The gains in each guard metric, for the same rows; higher is better.
        cluster : shape (n_rows,)
            Rows of one customer or one day count as one: see `Bets.update`.

        Raises
        ------
        GainOutOfBounds
            If a gain is beyond the bound; the test is void from here.
        KeyError
            If the gains of a guard are missing.
        """
        gains = np.asarray(gain, dtype=np.float64)
        watched = {}
        for name, guard in self.guards.items():
            excess = np.asarray((guards or {})[name], dtype=np.float64) + guard.margin
            if cluster is not None:
                excess = cluster_sums(excess, cluster)
            watched[name] = replace(guard, excess=guard.excess.update(excess))
        return replace(
            self,
            better=self.better.update(gains, cluster=cluster),
            worse=self.worse.update(-gains, cluster=cluster),
            gains=self.gains.update(gains if cluster is None else cluster_sums(gains, cluster)),
            guards=watched,
        )

    @property
    def e_value(self) -> float:
        """The largest evidence so far that the challenger is better; 1 / `error` decides."""
        return math.exp(min(self.better.highest, 700.0))

    @property
    def verdict(self) -> PairedVerdict:
        """What is proven by now."""
        needed = -math.log(self.error)
        if self.better.highest >= needed:
            return "better" if all(guard.holds for guard in self.guards.values()) else "guarded"
        return "worse" if self.worse.highest >= needed else "undecided"

    def rows_needed(self, gain: float) -> float:
        """About how many more rows (or clusters) decide, if the true mean gain is `gain`; infinite if it proves nothing.

        An even chance, from the spread of the gains so far and the best fixed bet, with 2.5 for the search of that bet.
        """
        above = gain - self.better.mean
        if above <= 0 or self.gains.count < 2 or self.gains.deviation == 0:
            return math.inf
        scale = self.better.bound + self.better.mean
        square = (self.gains.deviation**2 + above * above) / scale**2
        bet = min(above / scale / square, 0.5)
        growth = bet * above / scale - bet * bet * square / 2
        return max(0.0, (2.5 - math.log(self.error) - max(self.better.log_e, 0.0)) / growth)

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        return {
            "better": self.better.state(),
            "worse": self.worse.state(),
            "gains": self.gains.state(),
            "guards": {
                name: {"margin": guard.margin, "error": guard.error, "excess": guard.excess.state()}
                for name, guard in self.guards.items()
            },
            "error": self.error,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> PairedTest:
        """What `state` was taken of."""
        return cls(
            better=Bets.of_state(state["better"]),
            worse=Bets.of_state(state["worse"]),
            gains=MeanSequence.of_state(state["gains"]),
            guards={
                name: Guard(**{**guard, "excess": MeanSequence.of_state(guard["excess"])})
                for name, guard in state["guards"].items()
            },
            error=state["error"],
        )
