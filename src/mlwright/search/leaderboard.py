"""The leaderboard: every candidate with its interval, what is a tie, and what each member adds to the ensemble."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mlwright.core import Interval, bounded, finite, named_rng
from mlwright.data import Dataset
from mlwright.search.assembly import eligible_trials
from mlwright.search.ensemble import Ensemble, choose_members, ensemble_of
from mlwright.search.folds import compared_rows
from mlwright.search.trials import Trial, Trials, ranked
from mlwright.search.value import OutOfFoldValue, out_of_fold_value
from mlwright.spec import Spec
from mlwright.statistics import METRICS, Metric, Scored, compare, score_with_interval, smallest_detectable_difference

CONFIDENCE = 0.95
#: Parts of the rows for the honest score: chosen on all but one, scored on that one.
_PARTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One candidate on the leaderboard.

    Attributes
    ----------
    behind, behind_interval
        How much better the best single candidate is on the same rows; 0 for the best itself.
    tied
        Whether that could be chance.
    weight
        Its share of the ensemble; 0 if it is no member.
    adds
        How much worse the ensemble would be without it, chosen again from the others; None if it is no member.
    value
        What a row decided by its out-of-fold predictions is worth on average, before calibration; None if the spec does not
        say what outcomes are worth.
    """

    trial: Trial
    interval: Interval | None = None
    behind: float | None = None
    behind_interval: Interval | None = None
    tied: bool = False
    weight: float = 0.0
    adds: float | None = None
    value: float | None = None

    def state(self) -> dict[str, Any]:
        """As JSON."""
        of_trial = ("id", "name", "family", "status", "reason", "score", "seconds")
        own = ("behind", "tied", "weight", "adds", "value")
        return {
            **{name: getattr(self.trial, name) for name in of_trial},
            **{name: getattr(self, name) for name in own},
            "interval": _ends(self.interval),
            "behind_interval": _ends(self.behind_interval),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaderboard:
    """All candidates, the best first, those without a score last.

    Attributes
    ----------
    score, interval
        Of the ensemble, out of fold, on the rows that it was chosen by.
    honest_score
        The same on rows that the choice did not see: the best of many is best by luck as well.
    detectable
        The smallest true difference between two candidates that these rows would show in four of five cases; None where
        the score is no mean over rows or there is one candidate.
    value
        Of the ensemble, as that of its members; in units of `currency`.
    """

    objective: str
    standings: tuple[Standing, ...]
    score: float
    interval: Interval | None
    honest_score: float | None
    detectable: float | None
    n: int
    value: float | None = None
    currency: str = "units"

    @property
    def members(self) -> list[Standing]:
        """Those that answer together, the weightiest first."""
        return sorted((one for one in self.standings if one.weight > 0), key=lambda one: -one.weight)

    def state(self) -> dict[str, Any]:
        """As JSON; the predictions are left out."""
        shown = {
            name: getattr(self, name)
            for name in ("objective", "score", "honest_score", "detectable", "n", "value", "currency")
        }
        standings = [one.state() for one in self.standings]
        return {**shown, "interval": _ends(self.interval), "standings": standings}


def _ends(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else asdict(interval)


def leaderboard(
    trials: Trials, train: Dataset, spec: Spec, *, seed: int, weights: Mapping[str, float] | None = None
) -> Leaderboard:
    """Rank the trials of a search by their out-of-fold predictions.

    Parameters
    ----------
    weights
        Of the trials in the model; chosen anew if not given. A model may have fewer members than would have been chosen,
        where the budget or a limit of the spec allowed no more.

    References
    ----------
    Tibshirani and Tibshirani (2009), A bias correction for the minimum error rate in cross-validation, AOAS: why the
    honest score is shown beside the one that the choice was made by.
    """
    objective = METRICS[trials.objective]
    scored = compared_rows(train, trials.rows, spec)
    chosen = eligible_trials(trials, spec)
    ensemble = ensemble_of(chosen, weights, scored, objective) if weights else choose_members(chosen, scored, objective)
    order = ranked((trial for trial in trials if trial.predictions is not None), objective)
    listed = {trial.id for trial in order}
    standings = [_standing(trial, order[0], chosen, ensemble, scored, objective, seed) for trial in order] + [
        Standing(trial=trial) for trial in trials if trial.id not in listed
    ]
    own = score_with_interval(
        objective,
        replace(scored, prediction=ensemble.predictions[trials.rows]),
        rng=named_rng(seed, "leaderboard"),
        confidence=CONFIDENCE,
    )
    valued = out_of_fold_value(spec, train, trials.rows, scored)
    return Leaderboard(
        objective=objective.name,
        standings=tuple(_with_value(one, trials, valued) for one in standings),
        score=ensemble.score,
        interval=bounded(own.interval),
        honest_score=_honest_score(chosen, scored, objective, seed),
        detectable=_detectable(order, trials, scored, objective),
        n=len(scored),
        value=None if valued is None else finite(valued.per_row(ensemble.predictions[trials.rows])),
        currency=spec.decision.currency,
    )


def _with_value(standing: Standing, trials: Trials, valued: OutOfFoldValue | None) -> Standing:
    predictions = standing.trial.predictions
    if valued is None or predictions is None:
        return standing
    return replace(standing, value=finite(valued.per_row(predictions[trials.rows])))


def _standing(
    trial: Trial, best: Trial, trials: Trials, ensemble: Ensemble, scored: Scored, objective: Metric, seed: int
) -> Standing:
    own = _scored(trial, trials, scored)
    found = score_with_interval(objective, own, rng=named_rng(seed, "leaderboard", trial.id), confidence=CONFIDENCE)
    weight = ensemble.weights.get(trial.id, 0.0)
    adds = None
    if weight and len([t for t in trials.usable if t.id != trial.id]):
        others = replace(trials, trials=tuple(t for t in trials if t.id != trial.id))
        adds = finite(objective.gain(ensemble.score, choose_members(others, scored, objective).score))
    if trial.id == best.id:
        return Standing(trial=trial, interval=bounded(found.interval), behind=0.0, tied=True, weight=weight, adds=adds)
    difference = compare(
        objective,
        _scored(best, trials, scored),
        own,
        rng=named_rng(seed, "leaderboard", best.id, trial.id),
        confidence=CONFIDENCE,
    )
    return Standing(
        trial=trial,
        interval=bounded(found.interval),
        behind=finite(difference.gain),
        behind_interval=bounded(difference.interval),
        tied=difference.interval.low <= 0,
        weight=weight,
        adds=adds,
    )


def _scored(trial: Trial, trials: Trials, scored: Scored) -> Scored:
    assert trial.predictions is not None
    return replace(scored, prediction=trial.predictions[trials.rows])


def _honest_score(trials: Trials, scored: Scored, objective: Metric, seed: int) -> float | None:
    """Choose on four fifths of the rows, answer for the last fifth, and score all the answers together."""
    unit = np.arange(len(scored)) if scored.group is None else np.unique(scored.group, return_inverse=True)[1]
    if len(scored) < 10 * _PARTS or int(unit.max()) + 1 < _PARTS:
        return None
    part = (named_rng(seed, "leaderboard parts").permutation(int(unit.max()) + 1) % _PARTS)[unit]
    positions = np.flatnonzero(trials.rows)
    answers = np.full_like(_scored(trials.usable[0], trials, scored).prediction, np.nan)
    for number in range(_PARTS):
        seen = part != number
        rows = np.zeros_like(trials.rows)
        rows[positions[seen]] = True
        weights = choose_members(replace(trials, rows=rows), scored.take(np.flatnonzero(seen)), objective).weights
        answers[~seen] = sum(
            weight * _scored(trials[id_], trials, scored).prediction[~seen] for id_, weight in weights.items()
        )
    return finite(objective.compute(replace(scored, prediction=answers)))


def _detectable(order: list[Trial], trials: Trials, scored: Scored, objective: Metric) -> float | None:
    """Between the two best, which are the ones that a user would like to tell apart."""
    if objective.per_row is None or len(order) < 2:
        return None
    first, second = (objective.per_row(_scored(trial, trials, scored)) for trial in order[:2])
    difference = smallest_detectable_difference(second - first)
    # d sqrt(m) = dm / (2 sqrt(m)), at the middle of the two.
    roots = sum(float(trial.score or 0.0) for trial in order[:2]) if objective.root else 1.0
    return finite(difference / roots) if roots > 0 else None
