"""The pilot: a few boosting rounds say how fast this machine is, and so how many folds and how fine a rate it can afford."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlwright.core import Deadline, named_seed
from mlwright.data import Dataset, SplitPlan
from mlwright.features import fit_encoder
from mlwright.models import FAMILIES, FitJob, Parameters, Rows

#: Folds to choose from, the largest that the budget affords; many only where rows are few.
_FOLDS = (8, 5, 3, 2)
_SMALL, _MEDIUM = 3_000, 30_000
#: Fewer rows than this cost nothing, whatever is done with them.
_TINY = 100
#: A booster has converged when rate times rounds is about this.
_PATH = 18.0
#: A rate above this costs more quality than further folds or candidates bring.
_COARSEST, _COARSEST_FOR_FOLDS = 0.15, 0.1
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
        No booster learns in finer steps: it would not converge in its share of the budget. 0 if all of them can.
    """

    folds: int
    least_rate: float = 0.0

    def fitted(self, parameters: Parameters) -> Parameters:
        """Parameters whose learning rate the budget affords; those of others in proportion."""
        rate = parameters.get("learning_rate")
        if rate is None or self.least_rate <= _FINE:
            return parameters
        return {**parameters, "learning_rate": round(min(max(rate * self.least_rate / _FINE, rate), _COARSEST), 4)}

    def state(self) -> Mapping[str, float]:
        """As JSON."""
        return {"folds": self.folds, "least_rate": self.least_rate}


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
    per_round = _seconds_per_round(train, Deadline.after(max(_PILOT_SHARE * seconds, 0.2)), seed)
    rates = {k: _rate(k, per_round, seconds, workers) for k in {most, *(k for k in _FOLDS if k < most)}}
    if plan.folds is not None or plan.kind == "temporal":
        return Pace(folds=most, least_rate=rates[most])
    affordable = [k for k, rate in rates.items() if rate <= _COARSEST_FOR_FOLDS]
    folds = max(affordable) if affordable else min(rates)
    return Pace(folds=folds, least_rate=rates[folds])


def _rate(folds: int, per_round: float, seconds: float, workers: int) -> float:
    """The learning rate at which the first candidate converges on all folds in its share of the budget."""
    in_turn = -(-folds // workers)
    rounds = _FIRST_SHARE * seconds / (in_turn * per_round * (1 - 1 / folds))
    return float(_PATH / max(rounds, 1.0))


def _seconds_per_round(train: Dataset, deadline: Deadline, seed: int) -> float:
    """Of the first boosted candidate on all rows with one thread."""
    family = FAMILIES["lightgbm"]
    _, matrix = fit_encoder(train, family.view, seed=seed)
    parameters = {"name": "pilot", "learning_rate": 0.1, "num_leaves": 31, "min_data_in_leaf": 5}
    n_classes = max(len(train.classes), 1)

    def seconds(rounds: int) -> tuple[float, float]:
        job = FitJob(
            task=train.task,
            n_classes=n_classes,
            rows=Rows(matrix=matrix, y=train.y, weight=train.weight),
            parameters=parameters,
            seed=named_seed(seed, "pilot"),
            deadline=deadline,
            settled={"rounds": float(rounds)},
        )
        begun = time.monotonic()
        fitted = family.fit(job)
        return time.monotonic() - begun, max(fitted.settled.get("rounds", rounds), 1)

    try:
        (first, few), (second, many) = seconds(2), seconds(_ROUNDS)
    except Exception:  # LightGBM refuses some tables (no features, one row); then nothing is slow either
        return 1e-6
    # The difference leaves out what binning the columns takes, which is done once a fit.
    return max((second - first) / (many - few) if many > few else second / many, 1e-6)
