"""While the search runs: what its trials make of the verdict, told beside the best score."""

from __future__ import annotations

import time

from mlwright.core import Clock
from mlwright.data import Dataset
from mlwright.feasibility.updating import updated
from mlwright.feasibility.verdict import Verdict
from mlwright.search import Trials
from mlwright.spec import Spec

#: Of the time since the last telling that the next one may take: telling must not use up the budget.
_SHARE = 0.05


class Watch:
    """Takes in the trials of a search, as `search(..., observe=Watch(...))`; `now` is the verdict after the last of them.

    Parameters
    ----------
    verdict
        From before the search; it is not changed, so what was promised stays what was promised.
    clock
        In seconds.
    """

    def __init__(
        self, verdict: Verdict, train: Dataset, spec: Spec, *, seed: int, clock: Clock = time.monotonic
    ) -> None:
        self.before, self.now = verdict, verdict
        self._train, self._spec, self._seed, self._clock = train, spec, seed, clock
        self._took, self._told_at = 0.0, -float("inf")

    def __call__(self, trials: Trials) -> str | None:
        """The chances after these trials, in words."""
        begun = self._clock()
        if begun - self._told_at >= self._took / _SHARE:
            self.now = updated(self.before, trials, self._train, self._spec, seed=self._seed)
            self._told_at = self._clock()
            self._took = self._told_at - begun
        return chances(self.now)


def chances(verdict: Verdict) -> str | None:
    """The chance of each `must` (or of each requirement, if there is no `must`); None if nothing is asked or known."""
    known = [(one, one.probability) for one in verdict.requirements if one.probability is not None]
    shown = [(one, p) for one, p in known if one.priority == "must"] or known
    return ", ".join(f"chance of {one.id} now {100 * p:.0f} %" for one, p in shown[:2]) or None
