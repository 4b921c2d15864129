"""How the budget is shared out: what is kept for the refit, what a candidate will take, and at which learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlwright.core import Deadline
from mlwright.models import FAMILIES
from mlwright.search.executor import Executor
from mlwright.search.folds import PREDICTING, EncodedFolds, TrialPlan, fold_job
from mlwright.search.pilot import Pace
from mlwright.search.portfolio import BASELINES
from mlwright.search.prototypes import FAMILY as PROTOTYPE
from mlwright.search.tempo import Tempo, expected_path, known_tempo, probe
from mlwright.search.trials import Trial, ranked
from mlwright.spec import Spec
from mlwright.statistics import Metric

#: Of the budget, at least, for fitting the chosen members on all rows; more where the fits so far say so.
REFIT_SHARE = 0.1
_MOST_FOR_REFIT = 0.45
#: At most so much more for what comes before and after the rounds of these fits: encoding, bins, calibration.
_MOST_AROUND = 0.2
#: One candidate may take so much of what is left, since others may be better; the first one more: all others are
#: compared with it.
ONE_SHARE, _FIRST_SHARE = 0.4, 0.5
#: More where it will probably need more, with a margin; but of the portfolio none may leave the others with nothing.
_MARGIN, _MOST_SHARE = 1.3, 0.5
#: Learning rates are chosen so that a candidate is done in this share of what is left, and its refit in this share of all.
_RATE_SHARE, _REFIT_SHARE_OF_ONE = 0.28, 0.25
#: A candidate is begun if what is left is so much of what it will probably take, with nothing waiting behind it a little
#: less; nothing is quicker than a trial of LightGBM by more than this.
_ENOUGH, _ENOUGH_FOR_LAST, _QUICKEST = 0.8, 0.5, 0.2
_LEAST_S = 0.05
#: Folds are put into bins side by side and in a slow moment, so that takes longer than it did in the pilot.
_SLOWER = 2.0
#: The family that the pilot times.
_PILOT = "lightgbm"
#: Fewer rows than this cost nothing, whatever is done with them.
_FEW_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """What candidates may take, given the trials made so far."""

    spec: Spec
    data: EncodedFolds
    objective: Metric
    seed: int
    deadline: Deadline
    pace: Pace
    executor: Executor

    @property
    def start_seconds(self) -> float:
        """What a fit of a fold may take before its first round."""
        return _SLOWER * self.pace.start_seconds

    def until(self, made: Sequence[Trial]) -> Deadline:
        """When the search must end, so that what is likely chosen can be fitted on all rows, in a slow moment too."""
        best = ranked((trial for trial in made if trial.usable), self.objective)[:3]
        fits = [trial.refit_seconds for trial in best for _ in range(FAMILIES[trial.family].refits)]
        needed = max(sum(fits) / self.executor.workers, max(fits, default=0.0))
        of_all = 1 / max(self.deadline.seconds, 1e-9)
        around = min(2 * self.pace.start_seconds * of_all, _MOST_AROUND)
        return self.deadline.keeping(float(np.clip(1.3 * needed * of_all, REFIT_SHARE, _MOST_FOR_REFIT)) + around)

    def too_little(self, planned: TrialPlan, left: float, cost: float, made: Sequence[Trial]) -> bool:
        """Whether a candidate is not worth beginning; without a better model than a baseline yet, any time is worth it."""
        if _has_model(made):
            enough = _ENOUGH_FOR_LAST if planned.last else _ENOUGH
            return left < max(enough * cost, _quickest(made), _LEAST_S)
        others = {trial.family for trial in made if trial.status != "left out"} - {*BASELINES, PROTOTYPE}
        return left < _LEAST_S and bool(others)

    def paced(self, planned: TrialPlan, until: Deadline, made: Sequence[Trial]) -> tuple[TrialPlan, float]:
        """The same with a learning rate at which it converges in its time, and the seconds that it will take, or 0.

        Raises
        ------
        TookTooLong
            If the family had to be timed, and did not come back.
        """
        family = planned.family.name
        if "learning_rate" not in planned.parameters:
            same = [trial.seconds for trial in made if trial.family == family and trial.usable]
            return planned, float(np.median(same)) if same else 0.0
        if self.spec.budget.trials is not None:
            return planned, 0.0
        tempo = known_tempo(family, planned.parameters, made)
        if tempo is None and family == _PILOT:
            return replace(planned, parameters=self.pace.fitted(planned.parameters)), 0.0
        tempo = tempo or self._probed(planned, until, made)
        if tempo is None:
            return planned, 0.0
        path = expected_path(family, planned.parameters, made, self.data.train.task)
        turns = -(-len(self.data.folds) // self.executor.workers) / (1 - PREDICTING)
        for_one = min(
            _RATE_SHARE * max(until.remaining(), 0.0) / turns,
            _REFIT_SHARE_OF_ONE * self.deadline.seconds * self.data.fit_share,
        )
        rate = tempo.rate(path, for_one, float(planned.parameters["learning_rate"]))
        fitted = replace(planned, parameters={**planned.parameters, "learning_rate": rate})
        return fitted, turns * tempo.seconds(path, rate)

    def _probed(self, planned: TrialPlan, until: Deadline, made: Sequence[Trial]) -> Tempo | None:
        """Of a family that was not timed yet: by a few rounds on the first fold, if there is time for a trial at all."""
        if len(self.data.train) < _FEW_ROWS or max(until.remaining(), 0.0) <= _quickest(made):
            return None
        part = self.part(planned, 0.0, until, made)
        job = fold_job(planned, self.data, 0, seed=self.seed, deadline=part, monotonic=self.spec.constraints.monotonic)
        return probe(planned.family, job, part)

    def part(self, planned: TrialPlan, cost: float, until: Deadline, made: Sequence[Trial]) -> Deadline:
        """When a candidate must be done: others may be better, so it has a share of what is left, more if it needs it."""
        if planned.family.name == "constant":
            return until
        share = ONE_SHARE if _has_model(made) else _FIRST_SHARE
        if self.spec.budget.trials is not None:
            # A trial that is cut depends on the clock: it may take all that those after it do not have a right to.
            share = max(share, 1 / max(self.spec.budget.trials - tried(made), 1))
        needed = _MARGIN * cost / max(until.remaining(), 1e-9)
        return until.keeping_of_rest(1 - max(share, min(needed, 1.0 if planned.last else _MOST_SHARE)))


def tried(made: Sequence[Trial]) -> int:
    """How many trials were made, prototypes left aside."""
    return sum(trial.family != PROTOTYPE for trial in made)


def _quickest(made: Sequence[Trial]) -> float:
    """Seconds that any other candidate takes at least, going by the first of LightGBM."""
    first = next((trial.seconds for trial in made if trial.family == _PILOT and trial.usable), 0.0)
    return _QUICKEST * first


def _has_model(made: Sequence[Trial]) -> bool:
    """Whether there is anything better than a baseline."""
    return any(trial.usable for trial in made if trial.family not in BASELINES)
