"""One requirement and what this data can give: how likely it is met, what stands in the way, what it would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlwright.core import Interval
from mlwright.data import Dataset
from mlwright.feasibility.demands import DemandForecast
from mlwright.feasibility.forecast import Forecast
from mlwright.feasibility.more_rows import LIKELY, MoreRows
from mlwright.feasibility.verdict import (
    FEASIBLE,
    INFEASIBLE,
    FeasibilityOutcome,
    Limit,
    RequirementVerdict,
    outcome_of,
)
from mlwright.models import capacity_share
from mlwright.spec import Requirement, Spec
from mlwright.statistics import Metric, required_metrics

#: A proof that fails more often than this makes the test rows the limit.
_PROVABLE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a forecast says about one requirement; all None, with the reason, where it says nothing."""

    probability: float | None = None
    probability_true: float | None = None
    provable: float | None = None
    expected: float | None = None
    interval: Interval | None = None
    reachable: float | None = None
    test_rows_needed: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """A requirement with its metric, its bound, and the direction of that."""

    requirement: Requirement
    metric: Metric
    bound: float
    at_least: bool


def demands_in(spec: Spec, train: Dataset) -> list[Demand]:
    """What the requirements of a spec ask.

    Raises
    ------
    MetricUnknown, LevelMissing, MoneyMissing, CapacityUnclear
        If a requirement cannot be measured.
    """
    limit = capacity_share(spec, train)
    metrics = required_metrics(spec, train.task, share=None if limit is None else limit.share)
    listed = []
    for requirement, metric in zip(spec.requirements, metrics, strict=True):
        bound = requirement.min if requirement.min is not None else requirement.max
        assert bound is not None
        listed.append(Demand(requirement=requirement, metric=metric, bound=bound, at_least=requirement.min is not None))
    return listed


def answer_of(found: Forecast | DemandForecast, demand: Demand) -> Answer:
    """What a forecast says about a demand."""
    bound, at_least, confidence = demand.bound, demand.at_least, demand.requirement.confidence
    if isinstance(found, Forecast):
        return Answer(
            probability=found.probability(bound, at_least=at_least),
            probability_true=found.truth.probability(bound, at_least=at_least),
            provable=found.provable(bound, at_least=at_least, confidence=confidence),
            expected=found.expected,
            interval=found.interval(),
            reachable=found.bound_at(FEASIBLE, at_least=at_least),
            test_rows_needed=found.rows_to_prove(bound, at_least=at_least, confidence=confidence),
        )
    return Answer(
        probability=found.probability(bound, at_least=at_least),
        probability_true=found.probability_true(bound, at_least=at_least),
        provable=found.provable(bound, at_least=at_least),
        expected=found.expected,
        interval=found.interval(),
        reachable=found.bound_at(FEASIBLE, at_least=at_least),
        reason=found.reason,
    )


def requirement_verdict(
    demand: Demand, answer: Answer, *, more: MoreRows | None = None, cause: Limit = "cannot tell", test_rows: int = 0
) -> RequirementVerdict:
    """Put together what is known of one requirement.

    Parameters
    ----------
    more
        What it would take, where the rows do not suffice.
    cause
        What more rows do not mend, as far as that is known: wrong labels or missing features.
    """
    requirement = demand.requirement
    outcome = outcome_of(answer.probability)
    limit = _limit(answer, more, cause)
    needed = answer.test_rows_needed if limit == "test rows" else None
    return RequirementVerdict(
        id=requirement.id,
        metric=requirement.metric,
        bound=demand.bound,
        at_least=demand.at_least,
        on=requirement.on,
        confidence=requirement.confidence,
        priority=requirement.priority,
        rationale=requirement.rationale,
        probability=answer.probability,
        probability_true=answer.probability_true,
        provable=answer.provable,
        outcome=outcome,
        limit=limit,
        expected=answer.expected,
        interval=answer.interval,
        reachable=answer.reachable,
        more_rows=None if limit in ("nothing", "test rows") else more,
        test_rows_needed=needed if needed is not None and needed > test_rows else None,
        at=requirement.at,
        title=demand.metric.title,
        reason=answer.reason or _reason(demand, answer, limit, more, test_rows, needed),
    )


def overall(requirements: Sequence[RequirementVerdict]) -> FeasibilityOutcome:
    """Of the musts together: infeasible if one is, feasible if all are; undecided without any."""
    musts = {one.outcome for one in requirements if one.priority == "must"}
    if "infeasible" in musts:
        return "infeasible"
    return "feasible" if musts == {"feasible"} else "undecided"


def _limit(answer: Answer, more: MoreRows | None, cause: Limit) -> Limit:
    if answer.probability is None or answer.probability_true is None:
        return "cannot tell"
    if max(answer.probability, answer.probability_true) >= FEASIBLE:
        proved = answer.provable is None or answer.provable >= _PROVABLE
        return "nothing" if answer.probability >= FEASIBLE and proved else "test rows"
    if more is None:
        return "cannot tell"
    return cause if more.fewest is None else "too few rows"


def _reason(
    demand: Demand, answer: Answer, limit: Limit, more: MoreRows | None, test_rows: int, needed: int | None
) -> str:
    title = demand.metric.title
    assert answer.probability is not None
    assert answer.expected is not None
    assert answer.interval is not None
    expected = (
        f"{title[:1].upper()}{title[1:]} of about {_told(answer.expected)} "
        f"({_told(answer.interval.low)} to {_told(answer.interval.high)}) is to be expected; "
        f"{'at least' if demand.at_least else 'at most'} {_told(demand.bound)} is asked."
    )
    if answer.probability >= FEASIBLE:
        start = "A tuned model will very likely reach it."
    elif answer.probability <= INFEASIBLE:
        start = "Out of reach with these rows and columns."
    else:
        start = "Too close to call before the search."
    return " ".join(one for one in (start, expected, _what_else(answer, limit, more, test_rows, needed)) if one)


def _what_else(answer: Answer, limit: Limit, more: MoreRows | None, test_rows: int, needed: int | None) -> str:
    match limit:
        case "test rows":
            about = f"; about {needed:,} would" if needed is not None and needed > test_rows else ""
            return f"But {test_rows:,} test rows can hardly prove it{about}."
        case "too few rows":
            assert more is not None
            times = {"< 2x": "up to twice", "2-5x": "2 to 5 times", "5-20x": "5 to 20 times"}[more.bucket]
            likely = (
                "very likely" if answer.probability_true is not None and answer.probability_true >= LIKELY else "likely"
            )
            return f"With {times} the training rows it would become {likely}."
        case "label noise":
            return "More rows will not do: labels contradict each other, so they need to be cleaner."
        case "features":
            return "More rows will not do: it takes columns that say more about the target."
        case _ if more is not None and more.fewest is None:
            return "More rows will not do: it takes columns that say more about the target, or cleaner labels."
        case "cannot tell" if answer.probability is not None and INFEASIBLE < answer.probability < FEASIBLE:
            return "Only the search can tell."
        case _:
            return ""


def _told(value: float) -> str:
    """A score as people write it: three figures, more where it is near 1."""
    return f"{value:.4f}".rstrip("0") if 0.99 <= value < 1 else f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
