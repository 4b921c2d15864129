"""What a perfect answer to every test row would score, and whether even that would prove a requirement.

No model is asked and no prediction made: only how many test rows there are, of which class, and what they are worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from mlwright.core import Interval, finite, named_rng
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models import outcome_worth
from mlwright.spec import Requirement, Spec
from mlwright.statistics import Metric, Scored, score_with_interval

#: On fewer test rows a requirement always ends as undecided.
LEAST_ROWS = 20
#: A limit that is set on training rows lets a few more or fewer test rows through: by so many deviations at most.
_DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PerfectScore:
    """The best score that test rows allow.

    Attributes
    ----------
    value
        Of a perfect answer; None if these rows have no such score.
    interval
        So wide that each end is a one-sided bound at the confidence of the requirement; None where it would be resampled.
    exact
        Whether no other answer could have a higher lower bound.
    n, counted
        The rows of the requirement, and those of them that a share is a share of (the positives, for a recall).
    rows_needed
        Of the counted rows, so that a perfect answer would prove the bound; None if that is not known.
    """

    value: float | None
    interval: Interval | None
    exact: bool
    n: int
    counted: int
    rows_needed: int | None = None


def perfect_score(
    requirement: Requirement,
    metric: Metric,
    spec: Spec,
    train: Dataset,
    test: Dataset,
    *,
    share: float | None = None,
) -> PerfectScore:
    """Score a perfect answer to the test rows that a requirement is about.

    Parameters
    ----------
    share
        Of the rows that can be acted on; a perfect decision then acts on the best of them.

    References
    ----------
    Wilson (1927) for shares; Clopper and Pearson (1934) for a ROC AUC of 1: the bounds at n of n.
    """
    scored = _perfect(metric, spec, train, test, share)
    condition = requirement.condition
    if condition is not None:
        chosen = condition.evaluate(test.expression_columns(condition.columns), rows=len(test)).astype(bool)
        scored = scored.take(chosen)
    n = len(scored)
    value = finite(metric.compute(scored)) if n else None
    counted = n
    if metric.successes is not None and n:
        counted = int(metric.successes(scored)[0].sum())
    elif metric.name == "roc_auc" and n:
        counted = int(np.unique(scored.target, return_counts=True)[1].min())
    plain = scored.weight is None and scored.group is None
    interval, needed = None, None
    if value is not None and plain and (metric.successes is not None or metric.name == "roc_auc") and n >= 2:
        found = score_with_interval(
            metric, scored, rng=named_rng(spec.seed, "perfect"), confidence=2 * requirement.confidence - 1
        )
        interval = found.interval
        needed = _rows_needed(requirement, metric)
    exact = plain and metric.successes is not None
    return PerfectScore(value=value, interval=interval, exact=exact, n=n, counted=counted, rows_needed=needed)


def _perfect(metric: Metric, spec: Spec, train: Dataset, test: Dataset, share: float | None) -> Scored:
    """Test rows with their own targets as predictions, and the best decisions under the capacity."""
    y = test.y
    if test.task == "regression":
        return Scored(target=y, prediction=y, weight=test.weight, group=test.groups, low=y, high=y)
    if len(test.classes) > 2:
        certain = np.eye(len(test.classes))[y.astype(np.int64)]
        decided = y.astype(np.int64)
        return Scored(target=y, prediction=certain, decision=decided, weight=test.weight, group=test.groups)
    scored = Scored(target=y, prediction=y, weight=test.weight, group=test.groups)
    if metric.name not in {"value", "value_per_period"}:
        return replace(scored, decision=_best_of(y, share))
    outcomes = outcome_worth(spec, train)
    if outcomes is None:
        return scored
    worth, _ = outcomes.of_rows(test.expression_columns(outcomes.columns), rows=len(test))
    acting, waiting = worth.earned(y, np.ones(len(y), dtype=np.int64)), worth.earned(y, np.zeros(len(y), np.int64))
    decision = _best_of(acting - waiting, share)
    return replace(scored, decision=decision, earned=np.where(decision == 1, acting, waiting))


def _best_of(gain: FloatArray, share: float | None) -> IntArray:
    """1 for the rows that gain, the largest gains first, on as many rows as a capacity lets through at most."""
    n = len(gain)
    if share is None or share >= 1:
        return (gain > 0).astype(np.int64)
    most = int(np.ceil(n * share + _DEVIATIONS * np.sqrt(n * share * (1 - share))))
    best = np.argsort(-gain, kind="stable")[:most]
    decision = np.zeros(n, dtype=np.int64)
    decision[best] = 1
    return decision * (gain > 0).astype(np.int64)


def _rows_needed(requirement: Requirement, metric: Metric) -> int | None:
    """How many rows, all answered right, have the bound as their lower end.

    Wilson's lower end at n of n is n / (n + z²); Clopper and Pearson's is alpha to the power of 1/n.
    """
    bound = requirement.min
    if bound is None or not 0 < bound < 1:
        return None
    if metric.name == "roc_auc":
        needed = np.log(1 - requirement.confidence) / np.log(bound)
    else:
        needed = float(ndtri(requirement.confidence)) ** 2 * bound / (1 - bound)
    return max(int(np.ceil(needed)), LEAST_ROWS)
