"""How differently groups are treated on the test rows, whether the fairness limits of the spec hold, and what limits by group cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlwright.core import Evidence, Interval, bounded, finite, named_rng
from mlwright.data import Dataset, Split
from mlwright.evaluation.groups import (
    CONFIDENCE,
    AttributeFairness,
    FairnessGap,
    attribute_fairness,
    compared,
    gaps_of_state,
    with_intervals,
)
from mlwright.evaluation.requirements import Outcome, RequirementResult
from mlwright.models import LEAST_ROWS, Model, Predictions, outcome_worth
from mlwright.spec import Fairness, Spec
from mlwright.statistics import FAIRNESS_TITLES, Scored, fairness_gap, mean_value

#: So many times as many rows, squared, are too many to name.
_FARTHEST = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLimitsPrice:
    """What the limits by group cost on the test rows, beside one limit for everybody.

    Attributes
    ----------
    limits
        Of the margin of the decision rule, by group.
    value, alike
        Of a row, decided with the limits by group, and with one limit; in `unit`.
    gain, gain_interval
        The difference: what the limits by group bring, mostly less than nothing.
    before
        The gaps with one limit.
    """

    attribute: str
    unit: str
    limits: dict[str, float]
    usual_limit: float
    value: float | None
    alike: float | None
    gain: float | None
    gain_interval: Interval | None
    changed: int
    before: tuple[FairnessGap, ...]
    method: str
    n: int

    def evidence(self) -> Iterator[Evidence]:
        """The value both ways, their difference, and the gaps that one limit leaves."""
        unit = None if self.unit == "accuracy" else self.unit
        what = "share of right decisions" if unit is None else "mean worth of a row"
        listed = {
            "value": (self.value, None, f"{what} with limits by group"),
            "alike": (self.alike, None, f"{what} with one limit for everybody"),
            "gain": (self.gain, self.gain_interval, f"{what}, by group less alike, paired; {self.method}"),
        }
        for name, (value, interval, method) in listed.items():
            yield Evidence(
                id=f"fairness.price.{name}",
                value=value,
                interval=interval,
                method=method,
                rows="test rows",
                n=self.n,
                unit=unit,
            )
        yield Evidence(
            id="fairness.price.changed",
            value=self.changed,
            method="rows that limits by group decide otherwise",
            rows="test rows",
            n=self.n,
        )
        for gap in self.before:
            yield Evidence(
                id=f"fairness.price.before.{gap.metric}",
                value=gap.value,
                interval=gap.interval,
                method=f"{gap.title}, with one limit for everybody; intervals of pairs of groups",
                rows="test rows",
                n=self.n,
            )

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> GroupLimitsPrice:
        """What had this state."""
        return cls(**{**with_intervals(state), "before": gaps_of_state(state["before"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessFound:
    """What was found about how groups are treated."""

    attributes: tuple[AttributeFairness, ...]
    price: GroupLimitsPrice | None = None

    def of(self, attribute: str) -> AttributeFairness:
        """The groups of one attribute."""
        return next(one for one in self.attributes if one.attribute == attribute)

    def evidence(self) -> Iterator[Evidence]:
        """Every rate and every gap, and the price of limits by group."""
        for one in self.attributes:
            yield from one.evidence()
        if self.price is not None:
            yield from self.price.evidence()

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> FairnessFound:
        """What had this state."""
        price = state["price"]
        return cls(
            attributes=tuple(AttributeFairness.of_state(one) for one in state["attributes"]),
            price=None if price is None else GroupLimitsPrice.of_state(price),
        )


def compare_groups(split: Split, spec: Spec, scored: Scored) -> FairnessFound | None:
    """Compare the groups of every attribute that the spec limits or calls sensitive; None if there is none to compare.

    Only decisions between two classes can be compared.

    Raises
    ------
    GroupsUnclear, ExpressionInvalid
        If the attribute of a limit names no groups.
    """
    if split.test.task != "binary":
        return None
    limited = [fairness.attribute for fairness in spec.constraints.fairness]
    attributes = dict.fromkeys([*limited, *(name for name in spec.data.sensitive if _has_groups(split.train, name))])
    if not attributes:
        return None
    return FairnessFound(attributes=tuple(attribute_fairness(attribute, split, scored) for attribute in attributes))


def with_price(
    found: FairnessFound | None, model: Model, predictions: Predictions, split: Split, spec: Spec, *, seed: int
) -> FairnessFound | None:
    """The same with what the limits by group of the model cost, if it has any."""
    rule, test = model.rule, split.test
    if found is None or rule.by_group is None:
        return found
    alike = replace(rule, by_group=None)
    decision = predictions.decision
    assert decision is not None
    other = alike.decide(predictions.prediction, test.expression_columns(alike.columns)).decision
    outcomes = outcome_worth(spec, split.train)
    if outcomes is None:
        with_limits, without = (decision == test.y).astype(np.float64), (other == test.y).astype(np.float64)
    else:
        worth = outcomes.of_rows(test.expression_columns(outcomes.columns), rows=len(test)).worth
        with_limits, without = worth.earned(test.y, decision), worth.earned(test.y, other)
    rng = named_rng(seed, "fairness", "price")
    gain, interval, method = mean_value(
        with_limits - without, weight=test.weight, group=test.groups, rng=rng, confidence=CONFIDENCE
    )
    scored = Scored(target=test.y, prediction=predictions.prediction, weight=test.weight, group=test.groups)
    attribute = rule.by_group.attribute
    price = GroupLimitsPrice(
        attribute=attribute,
        unit="accuracy" if outcomes is None else spec.decision.currency,
        limits=dict(rule.by_group.limits),
        usual_limit=rule.usual_limit,
        value=finite(scored.mean(with_limits)),
        alike=finite(scored.mean(without)),
        gain=finite(gain),
        gain_interval=bounded(interval),
        changed=int((decision != other).sum()),
        before=attribute_fairness(attribute, split, replace(scored, decision=other)).gaps,
        method=method,
        n=len(test),
    )
    return replace(found, price=price)


def judge_fairness(spec: Spec, split: Split, scored: Scored) -> list[RequirementResult]:
    """Judge every fairness limit of the spec on the test rows, as requirements are; the first of them is `F1`."""
    return [
        _judged(fairness, f"F{number + 1}", split, scored) for number, fairness in enumerate(spec.constraints.fairness)
    ]


def _judged(fairness: Fairness, id_: str, split: Split, scored: Scored) -> RequirementResult:
    value: float | None = None
    interval: Interval | None = None
    n, left_out = len(split.test), ""
    if split.test.task != "binary":
        reason = "fairness is about acting or not, which takes two classes"
    else:
        found = compared(fairness.attribute, split, scored)
        n = int(found.rates.n[found.large].sum())
        if found.small:
            left_out = f"; left out, with fewer than {LEAST_ROWS} rows: {', '.join(found.left_out())}"
        if len(found.large) < 2:
            who = f"only the group {found.names[found.large[0]]} has" if found.large else "no group has"
            reason = f"{who} {LEAST_ROWS} test rows, and two such groups are needed"
        else:
            gap = fairness_gap(fairness.metric, found.of_large(), confidence=2 * fairness.confidence - 1)
            value, interval = finite(gap.value), bounded(gap.interval)
            reason = f"{FAIRNESS_TITLES[fairness.metric]}; intervals of pairs of groups"
            if value is None:
                reason = f"fewer than two groups have the rows that this is about; {reason}"
    outcome = _outcome(interval, fairness.bound, fairness.is_ratio)
    return RequirementResult(
        id=id_,
        metric=fairness.metric,
        bound=fairness.bound,
        at_least=fairness.is_ratio,
        on="overall",
        confidence=fairness.confidence,
        priority=fairness.priority,
        rationale=None,
        outcome=outcome,
        value=value,
        interval=interval,
        n=n,
        reason=f"{reason}{left_out}",
        rows_needed=_rows_needed(value, interval, fairness, n) if outcome == "undecided" else None,
        title=f"{FAIRNESS_TITLES[fairness.metric]} between groups of {fairness.attribute}",
    )


def _outcome(interval: Interval | None, bound: float, at_least: bool) -> Outcome:
    if interval is None:
        return "undecided"
    if interval.low >= bound if at_least else interval.high <= bound:
        return "met"
    return "not met" if (interval.high < bound if at_least else interval.low > bound) else "undecided"


def _rows_needed(value: float | None, interval: Interval | None, fairness: Fairness, n: int) -> int | None:
    """The interval shrinks with the root of the rows: how many bring the end that matters to the bound."""
    if value is None or interval is None:
        return None
    over = value < fairness.bound if fairness.is_ratio else value > fairness.bound
    end = interval.high if over == fairness.is_ratio else interval.low
    distance = abs(value - fairness.bound)
    if distance <= abs(end - value) / _FARTHEST:
        return None  # the bound is where the value is: no number of rows that anybody has would decide it
    return int(np.ceil(n * (abs(end - value) / distance) ** 2))


def _has_groups(rows: Dataset, name: str) -> bool:
    return rows.schema[name].type not in {"text", "datetime", "identifier", "constant"}
