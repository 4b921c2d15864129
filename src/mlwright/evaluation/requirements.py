"""Each requirement of the spec ends as met, not met, or undecided; undecided says what would decide it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mlwright.core import Evidence, Interval, MlwrightError, bounded, finite, named_rng
from mlwright.data import Dataset
from mlwright.spec import Requirement, Spec
from mlwright.statistics import METRICS, Metric, Scored, required_metrics, score_with_interval

Outcome = Literal["met", "not met", "undecided"]
_LEAST_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RequirementResult:
    """One requirement and how it ended.

    Attributes
    ----------
    interval
        Two-sided, so wide that each of its ends is a one-sided bound at the confidence that was asked.
    at
        The level that the metric is measured at, where it has one.
    title
        Of the metric at its level; empty where an earlier version wrote the result.
    rows_needed
        About how many test rows would decide it, if the score stays where it is.
    labels_needed
        About how many more labelled rows that takes, if as large a share of them is used for the test.
    """

    id: str
    metric: str
    bound: float
    at_least: bool
    on: str
    confidence: float
    priority: str
    rationale: str | None
    outcome: Outcome
    value: float | None
    interval: Interval | None
    n: int
    reason: str
    rows_needed: int | None = None
    at: float | None = None
    title: str = ""
    labels_needed: int | None = None

    def sentence(self) -> str:
        """What was asked, in words."""
        where = "" if self.on == "overall" else f" where {self.on}"
        return f"{self.title or METRICS[self.metric].title}{where} {'at least' if self.at_least else 'at most'} {self.bound:g}"

    def evidence(self) -> list[Evidence]:
        """The score with its interval, and the outcome."""
        rows = "test rows" if self.on == "overall" else f"test rows where {self.on}"
        base = f"requirements.{self.id}"
        return [
            Evidence(
                id=base,
                value=self.outcome,
                method=f"one-sided bound at {self.confidence:.0%} confidence against {self.bound:g}",
                rows=rows,
                n=self.n,
            ),
            Evidence(
                id=f"{base}.{self.metric}",
                value=self.value,
                interval=self.interval,
                method=self.reason,
                rows=rows,
                n=self.n,
            ),
        ]


class RequirementsNotMet(MlwrightError):
    """A requirement of priority `must` is not met."""

    exit_code: ClassVar[int] = 1

    def __init__(self, missed: Sequence[RequirementResult]) -> None:
        first = missed[0]
        more = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
        score = "" if first.value is None else f"; the score is {first.value:.4g}"
        super().__init__(
            f"{first.id} is not met: {first.sentence()}{score}{more}",
            where=f"{first.n:,} test rows, {first.confidence:.0%} confidence",
            fix="lower the bound, bring rows or columns that say more, or raise budget.seconds; the report shows more",
        )


def judge_requirements(
    spec: Spec, test: Dataset, scored: Scored, *, seed: int, share: float | None = None, labelled: int | None = None
) -> list[RequirementResult]:
    """Judge every requirement of the spec on the test rows.

    Parameters
    ----------
    scored
        With what the decisions earned, where a requirement is about that.
    share
        Of the rows that the capacity allows to act on: the level of metrics at the top that name none.
    labelled
        How many labelled rows there are in all; without it nothing is said about how many more there should be.

    Raises
    ------
    MetricUnknown, LevelMissing, MoneyMissing
        If a requirement cannot be measured.
    """
    return [
        _judge(requirement, metric, test, scored, seed, labelled)
        for requirement, metric in zip(spec.requirements, required_metrics(spec, test.task, share=share), strict=True)
    ]


def _judge(
    requirement: Requirement,
    metric: Metric,
    test: Dataset,
    scored: Scored,
    seed: int,
    labelled: int | None,
) -> RequirementResult:
    bound = requirement.min if requirement.min is not None else requirement.max
    assert bound is not None
    condition = requirement.condition
    if condition is not None:
        chosen = condition.evaluate(test.expression_columns(condition.columns), rows=len(test)).astype(bool)
        scored = scored.take(chosen)
    n = len(scored)
    at_least = requirement.min is not None
    outcome: Outcome
    value: float | None = None
    interval, needed = None, None
    if n < _LEAST_ROWS:
        outcome, reason = "undecided", _too_few(n, requirement.on)
    else:
        found = score_with_interval(
            metric,
            scored,
            rng=named_rng(seed, "requirement", requirement.id),
            confidence=2 * requirement.confidence - 1,
        )
        value, interval, reason = finite(found.value), bounded(found.interval), found.method
        outcome = _outcome(interval, bound, at_least)
        if value is None:
            reason = f"{metric.title} cannot be computed on these {n} rows: {_why_not(scored)}"
        if outcome == "undecided" and interval is not None and value is not None:
            needed = _rows_needed(value, interval, bound, n, metric)
    more = None if needed is None or labelled is None else max(round(labelled * (needed / n - 1)), 0)
    return RequirementResult(
        id=requirement.id,
        metric=requirement.metric,
        bound=bound,
        at_least=at_least,
        on=requirement.on,
        confidence=requirement.confidence,
        priority=requirement.priority,
        rationale=requirement.rationale,
        outcome=outcome,
        value=value,
        interval=interval,
        n=n,
        reason=reason,
        rows_needed=needed,
        at=requirement.at,
        title=metric.title,
        labels_needed=more,
    )


def _too_few(n: int, on: str) -> str:
    where = "" if on == "overall" else f" where {on}"
    return f"only {n} test rows{where}; at least {_LEAST_ROWS} are needed to say anything"


def _why_not(scored: Scored) -> str:
    if not scored.counts:
        return "none of them has a weight"
    if scored.prediction.ndim == 1 and len(np.unique(scored.target)) == 1:
        return "all of them are of one class"
    return "what it divides by is 0"


def _outcome(interval: Interval | None, bound: float, at_least: bool) -> Outcome:
    if interval is None:
        return "undecided"
    low_clears, high_clears = (
        (interval.low >= bound, interval.high >= bound) if at_least else (interval.high <= bound, interval.low <= bound)
    )
    if low_clears:
        return "met"
    return "undecided" if high_clears else "not met"


def _rows_needed(value: float, interval: Interval, bound: float, n: int, metric: Metric) -> int | None:
    """Half the interval shrinks with the root of the rows: how many bring it below the distance to the bound."""
    half = (interval.high - interval.low) / 2
    distance = abs(value - bound)
    if distance <= 1e-3 * max(half, 1e-12) or not np.isfinite(half) or metric.needs_interval:
        return None
    return int(np.ceil(n * (half / distance) ** 2))
