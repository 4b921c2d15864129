"""What the decisions on the test rows were worth, beside deciding without the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlwright.core import Evidence, Interval, bounded, finite, named_rng
from mlwright.data import Split
from mlwright.data.dataset import FloatArray
from mlwright.models import Predictions, capacity_share, outcome_worth
from mlwright.search import Alternative, alternatives
from mlwright.spec import Spec
from mlwright.statistics import Scored, Worth, mean_value

BoolArray = NDArray[np.bool_]

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionValue:
    """What the model's decisions on the test rows were worth.

    Attributes
    ----------
    per_row, total
        In units of `currency`; the total of all test rows, by weight where rows have one.
    acted
        The share of rows that were acted on.
    assumed
        In so many rows the mean of the training rows stood in for a worth that the row does not say.
    per_period, period
        What decisions on `decision.volume` of the spec would be worth at that rate.
    """

    currency: str
    n: int
    per_row: float | None
    interval: Interval | None
    total: float | None
    acted: float | None
    assumed: int
    alternatives: tuple[Alternative, ...]
    method: str
    per_period: float | None = None
    period: str | None = None

    @property
    def best_without_model(self) -> Alternative:
        """Of the possible ways to decide that need no model, the one that was worth most."""
        without = [one for one in self.alternatives if not one.uses_model and one.possible]
        return max(without, key=lambda one: -np.inf if one.per_row is None else one.per_row)

    def evidence(self) -> Iterator[Evidence]:
        """The value, and for each alternative its value and what the model gains over it."""
        rows = "test rows"
        method = f"worth of the outcomes of decision.values; {self.method}"
        yield Evidence(
            id="value.per_row",
            value=self.per_row,
            interval=self.interval,
            method=method,
            rows=rows,
            n=self.n,
            unit=self.currency,
        )
        yield Evidence(
            id="value.total", value=self.total, method="sum over rows", rows=rows, n=self.n, unit=self.currency
        )
        yield Evidence(id="value.acted_share", value=self.acted, method="share of rows acted on", rows=rows, n=self.n)
        yield Evidence(
            id="value.assumed",
            value=self.assumed,
            method="rows where a mean of the training rows stands in for a worth that is not known",
            rows=rows,
            n=self.n,
        )
        if self.per_period is not None:
            yield Evidence(
                id="value.per_period",
                value=self.per_period,
                method=f"value per row times decision.volume, per {self.period}",
                rows=rows,
                n=self.n,
                unit=self.currency,
            )
        for one in self.alternatives:
            yield from one.evidence("value", rows=rows, n=self.n, unit=self.currency, method=self.method)


class Earned(NamedTuple):
    """The worth of outcomes in the test rows, where a mean of the training rows stands in, and what each row was worth."""

    worth: Worth
    assumed: BoolArray
    earned: FloatArray


def earned_on_test(predictions: Predictions, split: Split, spec: Spec) -> Earned | None:
    """What the decision on each test row was worth; None if the spec does not say what outcomes are worth.

    Worths that are known only after the decision count here as they turned out; the decision had only their means.
    """
    outcomes = outcome_worth(spec, split.train)
    if outcomes is None or predictions.decision is None:
        return None
    test = split.test
    worth, assumed = outcomes.of_rows(test.expression_columns(outcomes.columns), rows=len(test))
    if predictions.assumed is not None:
        assumed = assumed | predictions.assumed
    return Earned(worth, assumed, worth.earned(test.y, predictions.decision))


def value_of_decisions(
    predictions: Predictions, scored: Scored, split: Split, spec: Spec, *, seed: int
) -> DecisionValue | None:
    """Value the decisions on the test rows; None if the spec does not say what outcomes are worth."""
    found = earned_on_test(predictions, split, spec)
    if found is None or predictions.decision is None:
        return None
    test, share = split.test, capacity_share(spec, split.train)

    def mean(amounts: FloatArray, *purpose: str) -> tuple[float, Interval | None, str]:
        rng = named_rng(seed, "value", *purpose)
        return mean_value(amounts, weight=scored.weight, group=scored.group, rng=rng, confidence=CONFIDENCE)

    per_row, interval, method = mean(found.earned)
    beside = alternatives(
        found.earned,
        scored,
        test,
        spec,
        worth=found.worth,
        share=None if share is None else share.share,
        mean=mean,
    )
    volume = spec.decision.volume
    return DecisionValue(
        currency=spec.decision.currency,
        n=len(test),
        per_row=finite(per_row),
        interval=bounded(interval),
        total=finite(per_row * (len(test) if scored.weight is None else float(scored.weight.sum()))),
        acted=finite(scored.mean(predictions.decision.astype(np.float64))),
        assumed=int(found.assumed.sum()),
        alternatives=beside,
        method=method,
        per_period=None if volume is None else finite(per_row * volume.count),
        period=None if volume is None else volume.per,
    )
