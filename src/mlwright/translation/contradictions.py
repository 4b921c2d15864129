"""What cannot all hold on these rows: found before any search, each with the numbers that show it.

What a spec says by itself is judged in `spec/contradictions.py`, before a row is read. Here the rows count: how many there
are, of which class, in which slice, what they are worth. Of the test rows only these counts are looked at; no prediction is
made for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np

from mlwright.core import Progress, silent, stage
from mlwright.data import Dataset, Split
from mlwright.models import capacity_share, nothing_to_decide
from mlwright.spec import Requirement, Spec
from mlwright.spec.contradictions import labels_after_deadline
from mlwright.statistics import Metric, required_metrics
from mlwright.translation.contradiction import Contradiction
from mlwright.translation.eligibility import taking_part
from mlwright.translation.fairness import fairness_contradictions
from mlwright.translation.lightest import measure_lightest
from mlwright.translation.line import amount
from mlwright.translation.perfection import LEAST_ROWS, PerfectScore, perfect_score

#: What adding up may lose.
_ROUNDING = 1e-9


def find_contradictions(
    spec: Spec, split: Split, *, today: date | None = None, measure: bool = True, progress: Progress = silent
) -> tuple[Contradiction, ...]:
    """Everything that is asked and cannot be on these rows, the certain ones first.

    Parameters
    ----------
    today
        What a deadline is counted from; without it deadlines are not looked at.
    measure
        Whether to fit the lightest model and time its answers, where the spec limits the latency.

    Raises
    ------
    MetricUnknown, LevelMissing
        If a requirement names a metric that does not fit the task, or leaves out what it is measured at.
    CapacityUnclear
        If a capacity is no share of the rows.
    """
    with stage("contradictions", progress) as report:
        report.advance("what is asked against the rows")
        found = [
            *_values(spec, split.train),
            *_monotonic(spec, split.train),
            *_families(spec),
            *_requirements(spec, split),
            *fairness_contradictions(spec, split),
            *_deadline(spec, split, today),
        ]
        if measure and spec.constraints.latency_ms is not None:
            report.advance("how quickly the lightest model answers")
            found += _latency(spec, split.train)
    return tuple(sorted(found, key=lambda one: not one.certain))


def _values(spec: Spec, train: Dataset) -> Iterator[Contradiction]:
    """Worths of outcomes by which every training row asks for the same."""
    said = nothing_to_decide(spec, train)
    if said is None or (spec.decision.capacity is not None and "every row" in said):
        return
    yield Contradiction(
        what=f"{said} (all {len(train):,} training rows)",
        where=spec.where("decision", "values"),
        numbers={"training_rows": len(train)},
        fix="correct decision.values: costs are negative numbers, true_positive is worth more than false_negative, and "
        "false_positive less than true_negative",
        certain=True,
    )


def _monotonic(spec: Spec, train: Dataset) -> Iterator[Contradiction]:
    wanted = spec.constraints.monotonic
    if wanted and train.task == "multiclass":
        yield Contradiction(
            what=f"with {len(train.classes)} classes there is no one prediction that a column could push one way",
            where=spec.where("constraints", "monotonic"),
            numbers={"classes": len(train.classes)},
            fix="remove constraints.monotonic, or make the target one of two classes or a number",
            certain=True,
        )
        return
    for name in wanted:
        column = train.schema[name]
        where = spec.where("constraints", "monotonic", name)
        if column.role != "feature":
            yield Contradiction(
                what=f"{name!r} is to push the prediction one way, but is not a feature: {column.why or column.role}",
                where=where,
                fix="remove the constraint, or say in data.columns what the column is",
                certain=True,
            )
        elif not (column.is_number or column.type == "boolean"):
            levels = len(train.levels(name)[1]) if column.type == "category" else None
            yield Contradiction(
                what=f"{name!r} is to push the prediction one way, but its values ({column.type}) have no order",
                where=where,
                numbers={} if levels is None else {"levels": levels},
                fix=f"remove the constraint, or store {name!r} as numbers in the order that is meant",
                certain=True,
            )
        elif name in spec.data.sensitive:
            values = train.numbers(name)
            low, high = float(np.nanmin(values)), float(np.nanmax(values))
            yield Contradiction(
                what=f"the prediction is to move with {name!r} ({low:g} to {high:g} in the training rows), which the spec "
                "calls sensitive: people are then treated differently by it on purpose",
                where=where,
                numbers={"low": low, "high": high},
                fix="keep it only if it protects people (such as: a higher age never counts against anybody); else remove "
                "the constraint, or put the column into data.must_not_use",
                certain=False,
            )


def _families(spec: Spec) -> Iterator[Contradiction]:
    """Constraints that leave no family of estimators."""
    if taking_part(spec):
        return
    yield Contradiction(
        what="no installed family of estimators can keep both constraints.interpretability and constraints.monotonic",
        where=spec.where("constraints"),
        numbers={"families": 0},
        fix="give up one of the two",
        certain=True,
    )


def _requirements(spec: Spec, split: Split) -> Iterator[Contradiction]:
    test = split.test
    share = capacity_share(spec, split.train)
    of_rows = None if share is None else share.share
    metrics = required_metrics(spec, test.task, share=of_rows)
    for number, (requirement, metric) in enumerate(zip(spec.requirements, metrics, strict=True)):
        empty = _empty_slice(spec, split, requirement, number)
        if empty is not None:
            yield empty
            continue
        if requirement.min is None or not metric.higher_is_better:
            continue  # a perfect answer has no error at all
        best = perfect_score(requirement, metric, spec, split.train, test, share=of_rows)
        found = _too_few_actions(spec, requirement, number, test, of_rows) if requirement.on == "overall" else None
        found = found or _beyond_perfection(spec, requirement, number, metric, best)
        if found is not None:
            yield found


def _where(spec: Spec, number: int, key: str) -> str:
    return spec.where("requirements", number, key)


def _empty_slice(spec: Spec, split: Split, requirement: Requirement, number: int) -> Contradiction | None:
    condition = requirement.condition
    if condition is None:
        return None
    rows = [
        int(condition.evaluate(part.expression_columns(condition.columns), rows=len(part)).astype(bool).sum())
        for part in (split.dataset, split.test)
    ]
    if rows[0] > 0:
        return None
    return Contradiction(
        what=f"{requirement.id} is about rows where {requirement.on}, and none of the {len(split.dataset):,} rows is one",
        where=_where(spec, number, "on"),
        numbers={"rows": 0, "of": len(split.dataset)},
        fix="correct the condition: the names and spellings of levels are those of the data, text stands in quotes",
        certain=True,
    )


def _too_few_actions(
    spec: Spec, requirement: Requirement, number: int, test: Dataset, share: float | None
) -> Contradiction | None:
    """A recall that a capacity does not allow: each row that is found must be acted on."""
    if share is None or requirement.metric != "recall" or requirement.min is None or test.task != "binary":
        return None
    weight = np.ones(len(test)) if test.weight is None else test.weight
    base = float(np.average(test.y, weights=weight))
    wanted = requirement.min * base
    slack = 3 * float(np.sqrt(share * (1 - share) / max(len(test), 1)))
    if wanted <= share + slack:
        return None
    return Contradiction(
        what=f"{requirement.id} asks to find {requirement.min:.0%} of the positive rows, which are {base:.1%} of all: that is "
        f"{wanted:.1%} of the rows, and the capacity acts on {share:.1%}; the precision would have to be "
        f"{wanted / share:.2f}",
        where=_where(spec, number, "min"),
        numbers={"base_rate": base, "share_wanted": wanted, "capacity_share": share, "precision": wanted / share},
        fix=f"ask for a recall of at most {share / base:.2f}, or raise decision.capacity to {wanted:.1%} of the rows or more",
        certain=requirement.priority == "must",
    )


def _beyond_perfection(
    spec: Spec, requirement: Requirement, number: int, metric: Metric, best: PerfectScore
) -> Contradiction | None:
    """A bound that a perfect answer to the test rows does not reach, or does not prove."""
    assert requirement.min is not None
    of = "test rows" if requirement.on == "overall" else f"test rows where {requirement.on}"
    must = requirement.priority == "must"
    numbers: dict[str, float | int | str | None] = {"test_rows": best.n, "bound": requirement.min}
    more = "bring more rows, raise split.test_share, or give it `priority: should`"
    if best.n < LEAST_ROWS:
        return Contradiction(
            what=f"{requirement.id} is about {best.n} {of}; under {LEAST_ROWS} nothing can be said",
            where=_where(spec, number, "min" if requirement.on == "overall" else "on"),
            numbers=numbers,
            fix=more,
            certain=must,
        )
    if best.value is None:
        return Contradiction(
            what=f"{requirement.id} cannot be measured: none of the {best.n:,} {of} is one that {metric.title} is about",
            where=_where(spec, number, "metric"),
            numbers=numbers,
            fix="bring rows of both classes, raise split.test_share, or measure something else",
            certain=must,
        )
    numbers["perfect"] = best.value
    if best.value < requirement.min - _ROUNDING * max(abs(requirement.min), 1.0):
        limits = [f"a capacity of {capacity}"] if (capacity := _capacity(spec)) else []
        return Contradiction(
            what=f"{requirement.id} asks for {metric.title} of at least {amount(requirement.min)}, and perfect foresight of the "
            f"{best.n:,} {of} would give {amount(best.value)}{f' under {limits[0]}' if limits else ''}",
            where=_where(spec, number, "min"),
            numbers=numbers,
            fix=f"ask for less than {amount(best.value)}{', or raise decision.capacity' if limits else ''}",
            certain=must,
        )
    if best.interval is None or best.interval.low >= requirement.min:
        return None
    numbers |= {"counted": best.counted, "lower_end": best.interval.low, "rows_needed": best.rows_needed}
    needed = "" if best.rows_needed is None else f"; about {best.rows_needed:,} would be needed"
    return Contradiction(
        what=f"{requirement.id} asks to prove {metric.title} of at least {requirement.min:g} at {requirement.confidence:.0%} "
        f"confidence, and even without a single error the {best.counted:,} rows that count ({of}) prove only "
        f"{best.interval.low:.4f}{needed}",
        where=_where(spec, number, "min"),
        numbers=numbers,
        fix=f"lower the bound or the confidence, {more}",
        certain=must and best.exact,
    )


def _capacity(spec: Spec) -> str | None:
    capacity = spec.decision.capacity
    if capacity is None:
        return None
    return f"{capacity.share:.1%}" if capacity.share is not None else f"{capacity.count} per {capacity.per}"


def _deadline(spec: Spec, split: Split, today: date | None) -> Iterator[Contradiction]:
    """A deadline before labels arrive that rows or requirements still wait for."""
    late = None if today is None else labels_after_deadline(spec, today=today)
    if late is None or today is None or spec.project.deadline is None:
        return
    waiting = split.dataset.unlabelled
    yield Contradiction(
        what=late.what + (f"; so do the labels of {waiting:,} rows here that have none yet" if waiting else ""),
        where=late.where,
        numbers={
            "days_left": (spec.project.deadline - today).days,
            "label_delay_days": spec.operation.label_delay.days,
            "unlabelled_rows": waiting,
        },
        fix=late.fix,
        certain=False,
    )


def _latency(spec: Spec, train: Dataset) -> Iterator[Contradiction]:
    limit = spec.constraints.latency_ms
    found = measure_lightest(spec, train, seed=spec.seed)
    if found is None or limit is None or found.p95 <= limit:
        return
    certain = found.range95.low > limit
    yield Contradiction(
        what=f"an answer may take {limit:g} ms, and the lightest model that may take part ({found.family}) takes "
        f"{found.p95:.3g} ms on this machine (95th percentile of {found.n} answers, {found.range95.low:.3g} to "
        f"{found.range95.high:.3g})",
        where=spec.where("constraints", "latency_ms"),
        numbers={
            "limit_ms": limit,
            "p50_ms": found.p50,
            "p95_ms": found.p95,
            "p95_low_ms": found.range95.low,
            "p95_high_ms": found.range95.high,
        },
        fix="allow more time, leave out columns (texts take longest), or use a faster machine",
        certain=certain,
        measured=("p50_ms", "p95_ms", "p95_low_ms", "p95_high_ms"),
    )
