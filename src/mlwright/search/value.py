"""What decisions are worth on training rows, out of fold: of each candidate, and of the model as a promise.

The worth of candidates is shown beside the objective that they are chosen by. It does not choose: the value is a step
function that the few rows near the threshold decide, and members chosen by it earned no more on test rows than members
chosen by log loss, and mostly less (`models/decision.py` has the figures).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mlwright.core import Evidence, Interval, bounded, finite
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.models import (
    Capacity,
    CapacityShare,
    DecisionRule,
    Model,
    OutcomeWorth,
    capacity_share,
    decision_rule,
    outcome_worth,
    weights_of,
    within_capacity,
)
from mlwright.search.alternatives import Alternative, Averaged, alternatives
from mlwright.search.ensemble import ensemble_of
from mlwright.search.folds import rows_of
from mlwright.search.trials import Trials
from mlwright.spec import Columns, Spec
from mlwright.statistics import METRICS, Scored, Worth, mean_interval

#: Of what is promised; money is promised more boldly than scores are stated, and is looked at again on the test rows.
CONFIDENCE = 0.9


class FittedRule(NamedTuple):
    """The decision rule of a model, and what the capacity has done to it; None where the spec limits nothing."""

    rule: DecisionRule
    capacity: Capacity | None


def fitted_rule(spec: Spec, train: Dataset, rows: np.ndarray, probability: FloatArray) -> FittedRule:
    """The rule of a spec: where acting pays, and within the capacity.

    Parameters
    ----------
    rows
        Which training rows have out-of-fold predictions, as a mask.
    probability
        The calibrated ones, in the order of these rows.
    """
    rule, share = decision_rule(spec, train), capacity_share(spec, train)
    if share is None:
        return FittedRule(rule, None)
    part = train.take(rows)
    return FittedRule(*_limited(rule, share, probability, part, outcome_worth(spec, train)))


def _limited(
    rule: DecisionRule, share: CapacityShare, probability: FloatArray, part: Dataset, outcomes: OutcomeWorth | None
) -> tuple[DecisionRule, Capacity]:
    columns = part.expression_columns(rule.columns)
    return within_capacity(rule, share, probability, columns, weight=part.weight, outcomes=outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFoldValue:
    """Turns out-of-fold probabilities into what decisions by them are worth.

    Attributes
    ----------
    scored, worth, columns
        Of the rows that have out-of-fold predictions: their target and weights, the worth of outcomes, and what the rule
        reads.
    share
        Of the rows that can be acted on; None without a capacity.
    """

    rule: DecisionRule
    scored: Scored
    worth: Worth
    columns: Columns
    outcomes: OutcomeWorth
    share: CapacityShare | None = None

    def per_row(self, probability: FloatArray) -> float:
        """The mean worth of a row, in the spec's currency, decided by these probabilities as they are."""
        rule = self.rule
        if self.share is not None:
            weight = self.scored.weight
            rule, _ = within_capacity(
                rule, self.share, probability, self.columns, weight=weight, outcomes=self.outcomes
            )
        decision = rule.decide(probability, self.columns).decision
        return self.scored.mean(self.worth.earned(self.scored.target, decision))


def out_of_fold_value(spec: Spec, train: Dataset, rows: np.ndarray, scored: Scored) -> OutOfFoldValue | None:
    """How decisions on these training rows are valued; None if the spec does not say what outcomes are worth."""
    outcomes = outcome_worth(spec, train)
    if outcomes is None:
        return None
    rule = decision_rule(spec, train)
    part = train.take(rows)
    return OutOfFoldValue(
        rule=rule,
        scored=scored,
        worth=outcomes.of_rows(part.expression_columns(outcomes.columns), rows=len(part)).worth,
        columns=part.expression_columns(rule.columns),
        outcomes=outcomes,
        share=capacity_share(spec, train),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What the decisions of a model are expected to be worth, before any test row is looked at.

    Attributes
    ----------
    n
        Training rows with out-of-fold predictions.
    acted
        The share of them that the model acts on.
    per_row, interval
        In units of `currency`, with 90 % confidence; None if the spec does not say what outcomes are worth.
    alternatives
        Other ways to decide, on the same rows.
    per_period, period
        What that is for `decision.volume` of the spec.
    """

    n: int
    acted: float
    currency: str
    method: str
    per_row: float | None = None
    interval: Interval | None = None
    alternatives: tuple[Alternative, ...] = ()
    per_period: float | None = None
    period: str | None = None
    capacity: Capacity | None = None

    @property
    def note(self) -> str | None:
        """In words, that it could be chance that the model earns more than without it; None if it is not."""
        possible = [one for one in self.alternatives if one.possible and not one.uses_model]
        best = max(possible, key=lambda one: -np.inf if one.per_row is None else one.per_row, default=None)
        if best is None or best.gain_interval is None or best.gain_interval.low > 0:
            return None
        return (
            f"on the training rows the decisions do not clearly earn more than without a model ({best.title}): there are "
            "too few labelled rows to be sure, or there is nothing to gain"
        )

    def evidence(self) -> Iterator[Evidence]:
        """Every number of it."""
        rows, n = "training rows, out of fold", self.n
        yield Evidence(
            id="promise.acted_share", value=self.acted, method="share of rows that the rule acts on", rows=rows, n=n
        )
        if self.capacity is not None:
            yield from _evidence_of_capacity(self.capacity, rows, n, self.currency)
        if self.per_row is None:
            return
        yield Evidence(
            id="promise.per_row",
            value=self.per_row,
            interval=self.interval,
            method=self.method,
            rows=rows,
            n=n,
            unit=self.currency,
        )
        if self.per_period is not None:
            yield Evidence(
                id="promise.per_period",
                value=self.per_period,
                method=f"value per row times decision.volume, per {self.period}",
                rows=rows,
                n=n,
                unit=self.currency,
            )
        for one in self.alternatives:
            yield from one.evidence("promise", rows=rows, n=n, unit=self.currency, method=self.method)


def _evidence_of_capacity(capacity: Capacity, rows: str, n: int, currency: str) -> Iterator[Evidence]:
    of = capacity.of
    numbers: dict[str, tuple[float | bool | None, str]] = {
        "share": (of.share, of.sentence()),
        "binding": (capacity.binding, "whether there are more rows to act on than can be"),
        "limit": (capacity.limit, "margin above which it acts: halfway between the last row acted on and the next"),
    }
    if capacity.paying is not None:
        numbers["paying_share"] = capacity.paying, "share of rows in which acting pays"
        numbers["worth_of_one_more"] = capacity.worth_of_one_more, f"gain of acting at the limit ({currency})"
    for name, (value, method) in numbers.items():
        yield Evidence(id=f"promise.capacity.{name}", value=value, method=method, rows=rows, n=n)


def promise_of(model: Model, trials: Trials, train: Dataset, spec: Spec) -> Promise | None:
    """What a model promises: its rule on the calibrated out-of-fold predictions of its members.

    The rule comes from prices and calibrated probabilities and from no search over thresholds, so what it earns on these
    rows is hardly flattered, and the plain interval of a mean holds. None if there is no decision in the spec: neither
    worths nor a capacity.

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning, IJCAI.
    """
    outcomes = outcome_worth(spec, train)
    if train.task != "binary" or (outcomes is None and spec.decision.capacity is None):
        return None
    scored = rows_of(train, trials.rows)
    ensemble = ensemble_of(trials, weights_of(model.members), scored, METRICS[trials.objective])
    scored = replace(scored, prediction=model.calibration.apply(ensemble.predictions[trials.rows]))
    part = train.take(trials.rows)
    decision = model.rule.decide(scored.prediction, part.expression_columns(model.rule.columns)).decision
    _, capacity = fitted_rule(spec, train, trials.rows, scored.prediction)
    method = "mean worth of what the model decides on calibrated out-of-fold predictions; Student interval of the mean"
    promise = Promise(
        n=len(part),
        acted=scored.mean(decision.astype(np.float64)),
        currency=spec.decision.currency,
        method=method,
        capacity=capacity,
    )
    if outcomes is None:
        return promise
    worth = outcomes.of_rows(part.expression_columns(outcomes.columns), rows=len(part)).worth
    earned = worth.earned(scored.target, decision)

    def mean(amounts: FloatArray, _: str) -> Averaged:
        interval = mean_interval(amounts, weight=scored.weight, group=scored.group, confidence=CONFIDENCE)
        return scored.mean(amounts), interval, method

    per_row, interval, _ = mean(earned, "")
    volume = spec.decision.volume
    return replace(
        promise,
        per_row=finite(per_row),
        interval=bounded(interval),
        alternatives=alternatives(
            earned,
            scored,
            part,
            spec,
            worth=worth,
            share=None if capacity is None else capacity.of.share,
            mean=mean,
        ),
        per_period=None if volume is None else finite(per_row * volume.count),
        period=None if volume is None else volume.per,
    )
