"""Which trials answer together, and with which weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.search.trials import Trial, Trials
from mlwright.statistics import Metric, Scored

_STEPS = 25
MOST_MEMBERS = 4
#: What a further member must gain, as a share of the score, to be worth its latency and size.
_PRICE = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Chosen trials with weights that sum to 1, and what they score together out of fold."""

    weights: dict[str, float]
    score: float
    predictions: FloatArray

    def describe(self) -> str:
        """`lightgbm 60 %, linear 40 %`."""
        return ", ".join(f"{trial} {weight:.0%}" for trial, weight in self.weights.items())


def choose_members(trials: Trials, scored: Scored, objective: Metric) -> Ensemble:
    """Greedy selection with replacement on out-of-fold predictions, at most four members.

    Parameters
    ----------
    scored
        Target, weights and groups of the rows that have out-of-fold predictions; its prediction is not looked at.

    References
    ----------
    Caruana et al. (2004), Ensemble selection from libraries of models, ICML.
    """
    candidates = trials.usable
    rows = trials.rows
    predictions = {trial.id: _of(trial)[rows] for trial in candidates}
    order = sorted(candidates, key=lambda trial: _loss(trial.score, objective))
    first = order[0].id
    picks, total = [first], predictions[first].copy()
    best = _score(total, scored, objective)
    for _ in range(_STEPS):
        found, found_score = None, best
        for trial in order:
            if trial.id not in picks and len(set(picks)) >= MOST_MEMBERS:
                continue
            mean = (total + predictions[trial.id]) / (len(picks) + 1)
            score = _score(mean, scored, objective)
            price = 0.0 if trial.id in picks else _PRICE * abs(best)
            if objective.gain(score, found_score) > price:
                found, found_score = trial.id, score
        if found is None:
            break
        picks.append(found)
        total += predictions[found]
        best = found_score
    weights = {trial.id: picks.count(trial.id) / len(picks) for trial in order if trial.id in picks}
    return ensemble_of(trials, weights, scored, objective)


def ensemble_of(trials: Trials, weights: Mapping[str, float], scored: Scored, objective: Metric) -> Ensemble:
    """The ensemble with given weights, scored on the rows that have out-of-fold predictions."""
    mean = sum(weight * _of(trials[id_])[trials.rows] for id_, weight in weights.items())
    whole = np.full_like(_of(trials[next(iter(weights))]), np.nan)
    whole[trials.rows] = mean
    score = _score(whole[trials.rows], scored, objective)
    return Ensemble(weights=dict(weights), score=score, predictions=whole)


def _of(trial: Trial) -> FloatArray:
    assert trial.predictions is not None
    return trial.predictions


def _score(prediction: FloatArray, scored: Scored, objective: Metric) -> float:
    return objective.compute(replace(scored, prediction=prediction))


def _loss(score: float | None, objective: Metric) -> float:
    if score is None or not np.isfinite(score):
        return float("inf")
    return -score if objective.higher_is_better else score
