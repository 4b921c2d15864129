"""The race: after its first folds a candidate that is far behind is given up, so that others get its time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlwright.search.trials import Trial, ranked
from mlwright.statistics import Metric

#: Given up when it is behind the best by so much of what the best gains over no model. A candidate of another kind may
#: still help the ensemble from behind; a variation of what is there hardly.
_BEHIND, _BEHIND_STRICT = 0.25, 0.06


class Race:
    """Compares the first folds of a candidate with the same folds of the best trial so far."""

    def __init__(self, made: Sequence[Trial], objective: Metric, *, strict: bool = False) -> None:
        self._objective = objective
        self._behind = _BEHIND_STRICT if strict else _BEHIND
        order = ranked((trial for trial in made if trial.usable and trial.family != "constant"), objective)
        self._best = order[0] if order else None
        self._constant = next((trial for trial in made if trial.usable and trial.family == "constant"), None)

    def hopeless(self, fold_scores: Sequence[float]) -> str | None:
        """Why not to go on after the first folds; None if there is hope."""
        n = len(fold_scores)
        if self._best is None or self._constant is None or n >= len(self._best.fold_scores):
            return None
        best = float(np.mean(self._best.fold_scores[:n]))
        room = self._objective.gain(best, float(np.mean(self._constant.fold_scores[:n])))
        behind = self._objective.gain(best, float(np.mean(fold_scores)))
        if not np.isfinite(behind):
            return "its scores are not finite"
        if room > 0 and behind > self._behind * room:
            return f"after {n} folds it was behind {self._best.name} by {behind / room:.0%} of what that gains"
        return None
