"""The pilot: a few boosting rounds say how fast this machine is, and so how many folds and how fine a rate it can afford."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from mlwright.core import Deadline, named_seed
from mlwright.data import Dataset, SplitPlan
from mlwright.features import fit_encoder
from mlwright.models import FAMILIES, FitJob, Parameters, Rows
from mlwright.search.tempo import COARSEST, PATH, Stopwatch

#: Folds to choose from, the largest that the budget affords; many only where rows are few.
_FOLDS = (8, 5, 3, 2)
_SMALL, _MEDIUM = 3_000, 30_000
#: Fewer rows than this cost nothing, whatever is done with them.
_TINY = 100
#: A rate above this costs more quality than further folds bring.
_COARSEST_FOR_FOLDS = 0.1
#: A table may need a longer way than most, folds fitted side by side are slower, and a fit goes on beyond its best round.
_SURE = 3.0
#: Of the budget, what the first candidate may take; and what the pilot may.
_FIRST_SHARE = 0.25
_PILOT_SHARE = 0.03
_ROUNDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What was settled before the first trial.

    Attributes
    ----------
    folds
        How many folds every trial is scored on.
    least_rate
        LightGBM begins with no finer steps: it would not converge in its share of the budget. 0 if it can.
    start_seconds
        What passes before the first round of a fit on all rows, which the fits at the end pay once more.
    """

    folds: int
    least_rate: float = 0.0
    start_seconds: float = 0.0

    def fitted(self, parameters: Parameters) -> Parameters:
        """Parameters whose learning rate the budget affords."""
        rate = parameters.get("learning_rate")
        if rate is None or self.least_rate <= _FINE:
            return parameters
        return {**parameters, "learning_rate": round(min(max(rate * self.least_rate / _FINE, rate), COARSEST), 4)}

    def state(self) -> Mapping[str, float]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, float]) -> Pace:
        return cls(
            folds=int(state["folds"]),
            least_rate=float(state["least_rate"]),
            start_seconds=float(state.get("start_seconds", 0.0)),
        )


#: The rate of the first candidate, which the pilot is about.
_FINE = 0.05


def usual_folds(train: Dataset, plan: SplitPlan) -> int:
    """More folds where rows are few: each model then sees nearly all of them."""
    if plan.folds is not None:
        return plan.folds
    n = len(train)
    k = 8 if n < _SMALL else 5 if n < _MEDIUM else 3
    if train.task != "regression":
        counts = np.bincount(train.y.astype(np.int64))
        k = min(k, max(int(counts[counts > 0].min()), 3))
    return min(k, 4) if plan.kind == "temporal" else k


def measure_pace(train: Dataset, plan: SplitPlan, *, seconds: float, workers: int, seed: int) -> Pace:
    """Time a few rounds on all rows, and take the most folds whose needed learning rate is still fine enough.

    Parameters
    ----------
    seconds
        The budget of search and refit.
    """
    most = usual_folds(train, plan)
    if len(train) < _TINY:
        return Pace(folds=most)
    begun = time.monotonic()
    per_round = _seconds_per_round(train, Deadline.after(max(_PILOT_SHARE * seconds, 0.2)), seed)
    start = max(time.monotonic() - begun - _ROUNDS * per_round, 0.0)
    rates = {k: _rate(k, per_round, seconds, workers) for k in {most, *(k for k in _FOLDS if k < most)}}
    if plan.folds is not None or plan.kind == "temporal":
        return Pace(folds=most, least_rate=_SURE * rates[most], start_seconds=start)
    affordable = [k for k, rate in rates.items() if rate <= _COARSEST_FOR_FOLDS]
    folds = max(affordable) if affordable else min(rates)
    return Pace(folds=folds, least_rate=_SURE * rates[folds], start_seconds=start)


def _rate(folds: int, per_round: float, seconds: float, workers: int) -> float:
    """The learning rate at which the first candidate converges on all folds in its share of the budget."""
    in_turn = -(-folds // workers)
    rounds = _FIRST_SHARE * seconds / (in_turn * per_round * (1 - 1 / folds))
    return float(PATH / max(rounds, 1.0))


def _seconds_per_round(train: Dataset, deadline: Deadline, seed: int) -> float:
    """Of the first boosted candidate on all rows with one thread."""
    family = FAMILIES["lightgbm"]
    _, matrix = fit_encoder(train, family.view, seed=seed)
    job = FitJob(
        task=train.task,
        n_classes=max(len(train.classes), 1),
        rows=Rows(matrix=matrix, y=train.y, weight=train.weight),
        parameters={"name": "pilot", "learning_rate": 0.1, "num_leaves": 31, "min_data_in_leaf": 5},
        seed=named_seed(seed, "pilot"),
        deadline=deadline,
        settled={"rounds": float(_ROUNDS)},
    )
    watch = Stopwatch()
    try:
        family.fit(replace(job, deadline=watch.timed(deadline)))
    except Exception:  # LightGBM refuses some tables (no features, one row); then nothing is slow either
        return 1e-6
    tempo = watch.tempo()
    return 1e-6 if tempo is None else tempo.per_round
