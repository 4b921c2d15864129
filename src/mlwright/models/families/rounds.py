"""What boosters of every library share: when to stop adding rounds, and how many the folds settled together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlwright.core import Deadline
from mlwright.models.families.base import Settled


@dataclass(slots=True)
class Patience:
    """Watches the loss of validation rows over the rounds.

    Attributes
    ----------
    rounds
        How long no gain is waited for; a fifth of the best round where that is longer.
    """

    rounds: int
    best_round: int = 0
    best_loss: float = float("inf")

    def lost(self, done: int, loss: float) -> bool:
        """Whether there was no gain for too long, after so many rounds."""
        if loss < self.best_loss:
            self.best_round, self.best_loss = done, loss
        return done - self.best_round > max(self.rounds, 0.2 * self.best_round)


@dataclass(slots=True)
class Rounds:
    """Watches the clock over the rounds: no round is begun that would not be done in time.

    Attributes
    ----------
    deadline
        Asked once after each round, so that whoever wants to know how long rounds take sees it from there.
    """

    deadline: Deadline
    _left: float = float("inf")

    def over(self) -> bool:
        """Whether there is no time for another round like the last one."""
        left = self.deadline.remaining()
        took = self._left - left
        self._left = left
        return left <= (took if took < float("inf") else 0.0)


def mean_rounds(settled: Sequence[Settled], growth: float) -> Settled:
    """The mean number of rounds, a little more for `growth` times as many rows."""
    mean = float(np.mean([one["rounds"] for one in settled]))
    return {"rounds": max(round(mean * growth**0.5), 1)}
