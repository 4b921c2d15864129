"""The verdict while the search is under way: every finished trial says more than any forecast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mlwright.core import Interval
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.feasibility.forecast import Forecast
from mlwright.feasibility.learnt import Learnt, load_learnt
from mlwright.feasibility.outlook import forecast_of
from mlwright.feasibility.relative import RelativeError, relative_errors
from mlwright.feasibility.requirements import Demand, answer_of, demands_in, overall, requirement_verdict
from mlwright.feasibility.verdict import CurvePoint, Limit, RequirementVerdict, Verdict
from mlwright.search import Trial, Trials, compared_rows
from mlwright.spec import Spec
from mlwright.statistics import Scored, objective_of

#: A plain mean of so many of the best trials is tried as a stand-in for the ensemble.
_MOST_IN_MEAN = 4
#: Other metrics follow from fewer draws than before the search, since they are drawn after every trial.
_DRAWS = 60
_BASELINE = "constant"


def updated(
    verdict: Verdict,
    trials: Trials,
    train: Dataset,
    spec: Spec,
    *,
    seed: int,
    ensemble: FloatArray | None = None,
    known: Learnt | None = None,
) -> Verdict:
    """The verdict with what finished trials have shown; the same one while no trial is usable.

    The best trial (or a mean of the best ones) has an out-of-fold error. What a search usually still gains is taken off,
    less and less of it the more trials there are; what the fit on all rows adds follows from the power law. That and the
    forecast from before the search are weighed by how sure each is.

    Parameters
    ----------
    trials
        So far; their predictions are of the same training rows.
    ensemble : shape (n_rows,) or (n_rows, n_classes)
        Out-of-fold predictions of the ensemble that was chosen, when the search has ended: nothing more is gained then, and
        they take the place of the forecast.
    """
    tried = [one for one in trials.usable if one.family != _BASELINE]
    if not verdict.forecasts or (not tried and ensemble is None):
        return verdict
    known = known or load_learnt()
    scored = compared_rows(train, trials.rows, spec)
    best, errors = _best(tried, scored, trials, train, ensemble)
    left = 0.0 if ensemble is not None else _left(len(tried), known)
    forecasts = {
        one.metric: _combined(
            one, errors[one.metric], left, trials.fit_share, len(scored), known, ended=ensemble is not None
        )
        if one.metric in errors
        else one
        for one in verdict.forecasts
    }
    rows = np.flatnonzero(trials.rows)

    def again(old: RequirementVerdict, demand: Demand) -> RequirementVerdict:
        found = forecast_of(
            demand,
            forecasts,
            train=train,
            spec=spec,
            scored=best,
            rows=rows,
            test_rows=verdict.test_rows,
            seed=seed,
            draws=_DRAWS,
        )
        cause: Limit = old.limit if old.limit in ("label noise", "features") else "cannot tell"
        answer = answer_of(found, demand)
        return requirement_verdict(demand, answer, more=old.more_rows, cause=cause, test_rows=verdict.test_rows)

    requirements = tuple(
        again(old, one) for old, one in zip(verdict.requirements, demands_in(spec, train), strict=True)
    )
    return replace(
        verdict,
        forecasts=tuple(forecasts.values()),
        points=tuple(_moved(point, verdict, forecasts) for point in verdict.points),
        requirements=requirements,
        outcome=overall(requirements),
        trials=len(tried),
    )


def _best(
    tried: Sequence[Trial], scored: Scored, trials: Trials, train: Dataset, ensemble: FloatArray | None
) -> tuple[Scored, dict[str, RelativeError]]:
    """Predictions with the best objective, and by each metric the smallest error; of the ensemble alone if there is one."""
    objective = objective_of(train.task, with_cost=scored.cost is not None)
    if ensemble is not None:
        means = [ensemble[trials.rows]]
    else:
        sign = -1.0 if objective.higher_is_better else 1.0
        order = sorted(tried, key=lambda one: sign * one.score if one.score is not None else np.inf)[:_MOST_IN_MEAN]
        of_trials = [one.predictions[trials.rows] for one in order if one.predictions is not None]
        means = [np.mean(of_trials[: n + 1], axis=0) for n in range(len(of_trials))]
    candidates = [replace(scored, prediction=mean) for mean in means]
    errors: dict[str, RelativeError] = {}
    for candidate in candidates:
        for metric, found in relative_errors(candidate, train.task).items():
            if metric not in errors or found.error < errors[metric].error:
                errors[metric] = found
    best = candidates[0]
    for candidate in candidates[1:]:
        if objective.better(objective.compute(candidate), objective.compute(best)):
            best = candidate
    return best, errors


def _left(tried: int, known: Learnt) -> float:
    """What the search usually still takes off the logarithm of the error."""
    return float(known.updates["gain"] * 0.5 ** ((tried - 1) / known.updates["halved_after"]))


def _combined(
    before: Forecast, seen: RelativeError, left: float, fit_share: float, n: int, known: Learnt, *, ended: bool
) -> Forecast:
    """The forecast from before the search, and what trials say, weighed by how sure each is."""
    relative = seen.standard_error / seen.error
    # A fold was fitted on fewer rows than the model will be.
    of_trials = float(np.log(seen.error)) - left + before.slope * float(np.log(1 / fit_share))
    doubt = float(np.hypot(known.updates["floor"], known.updates["spread"] * left))
    if ended:
        mu, own = of_trials, doubt**2
    else:
        sure, sure_before = 1 / doubt**2, 1 / before.sigma_truth**2
        mu = (sure * of_trials + sure_before * before.mu) / (sure + sure_before)
        own = 1 / (sure + sure_before)
    truth = min(float(np.sqrt(own + relative**2)), before.sigma_truth)
    test_error = relative * float(np.sqrt(n / max(before.test_rows, 1)))
    return replace(
        before,
        mu=mu,
        sigma=min(float(np.hypot(truth, test_error)), before.sigma),
        sigma_truth=truth,
        test_error=min(test_error, before.test_error) if test_error else before.test_error,
    )


def _moved(point: CurvePoint, verdict: Verdict, forecasts: Mapping[str, Forecast]) -> CurvePoint:
    """A forecast point of the picture, moved as the forecast was; what was seen stays."""
    before = verdict.forecast(point.metric)
    if point.kind == "seen" or before is None:
        return point
    now = forecasts[point.metric]
    narrower = now.sigma_truth / before.sigma_truth
    middle = before.log_error(point.score)
    ends = [
        now.score(now.mu - before.mu + middle + narrower * (before.log_error(end) - middle))
        for end in (point.interval.low, point.interval.high)
    ]
    return replace(
        point,
        score=now.score(now.mu - before.mu + middle),
        interval=Interval(low=min(ends), high=max(ends), confidence=point.interval.confidence),
    )
