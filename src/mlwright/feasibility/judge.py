"""The stage itself: from training rows and a spec to a verdict."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mlwright.core import Interval, Progress, Stage, named_rng, silent, stage
from mlwright.data import Dataset, DataUnfit, SplitPlan
from mlwright.feasibility.budgets import budget_points, run_time
from mlwright.feasibility.ceiling import ceiling_of
from mlwright.feasibility.curve import QuickCurve, quick_curve
from mlwright.feasibility.forecast import CONFIDENCE, Forecast, fit_laws, score_of
from mlwright.feasibility.more_rows import MoreRows, more_rows
from mlwright.feasibility.noise import NoiseOutcome, find_noise
from mlwright.feasibility.outlook import FEW_DRAWS, Outlook
from mlwright.feasibility.requirements import Answer, Demand, answer_of, demands_in, overall, requirement_verdict
from mlwright.feasibility.simple_rules import find_simple_rule
from mlwright.feasibility.unlike import Unlike, compare_with_corpus, properties_of
from mlwright.feasibility.verdict import FEASIBLE, CurvePoint, Limit, RequirementVerdict, Verdict
from mlwright.search import Executor
from mlwright.spec import Spec, Task

#: Fewer training rows, or rows of a class, than this say nothing.
LEAST_ROWS, LEAST_OF_CLASS = 60, 8
#: What the picture shows beyond what was seen, as multiples of the rows at hand.
MULTIPLES = (1.0, 1.5, 2.0, 5.0, 20.0)
#: The picture and the budgets are about the metric of the first requirement, else about what people know best.
_MAIN: Mapping[Task, str] = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}
#: What more rows do not mend, by what is known of wrong labels.
_CAUSES: Mapping[NoiseOutcome, Limit] = {
    "labels": "label noise",
    "features": "features",
    "cannot tell": "cannot tell",
}
#: Standard errors on either side, for 90 %.
_DEVIATIONS = 1.645


def judge_feasibility(
    train: Dataset,
    spec: Spec,
    plan: SplitPlan,
    *,
    test_rows: int,
    seed: int,
    progress: Progress = silent,
    executor: Executor | None = None,
) -> Verdict:
    """Say before the search what these rows can give, and what each requirement would take.

    Parameters
    ----------
    train
        Training rows only.
    plan
        How rows are kept apart.
    test_rows
        How many rows the final test has; their target is not looked at.

    Notes
    -----
    The same rows, spec and seed give the same verdict: only what is marked as measured (seconds, and what to expect of
    budgets) depends on the clock.
    """
    begun = time.perf_counter()
    with stage("feasibility", progress) as report:
        reason = _why_nothing(train)
        verdict = None
        if not reason:
            try:
                curve = quick_curve(train, spec, plan, seed=seed, report=report, executor=executor)
            except DataUnfit as error:
                reason = error.what
            else:
                if curve.metrics:
                    verdict = _judged(curve, train, spec, test_rows, seed, report)
                else:
                    reason = "all rows that could be scored have the same target"
        if verdict is None:
            verdict = _nothing(train, spec, test_rows, reason)
        return replace(verdict, seconds=time.perf_counter() - begun)


def _why_nothing(train: Dataset) -> str:
    """Why nothing can be said about these rows; empty if something can."""
    if len(train) < LEAST_ROWS:
        return f"there are only {len(train)} training rows, and it takes at least {LEAST_ROWS}"
    if not train.features:
        return "there is no column that a model may use"
    if all(train.table.column(name).null_count == len(train) for name in train.features):
        return "every column that a model may use is empty"
    weight = train.weight
    if weight is not None and not (np.isfinite(weight).all() and (weight > 0).sum() >= LEAST_ROWS):
        return f"fewer than {LEAST_ROWS} training rows have a weight"
    if train.task == "regression":
        return "all rows have the same target" if np.ptp(train.y) == 0 else ""
    counts = np.bincount(train.y.astype(np.int64), minlength=len(train.classes))
    rarest = int(counts.argmin())
    if counts[rarest] < LEAST_OF_CLASS:
        name = str(train.classes[rarest])
        return f"only {counts[rarest]} training rows are of class {name!r}, and it takes at least {LEAST_OF_CLASS}"
    return ""


def _nothing(train: Dataset, spec: Spec, test_rows: int, reason: str) -> Verdict:
    """Undecided in everything, with the reason."""
    told = f"Nothing can be said: {reason}."
    return Verdict(
        task=train.task,
        n_rows=len(train),
        test_rows=test_rows,
        n_columns=len(train.features),
        metric=_MAIN[train.task],
        forecasts=(),
        ceilings=(),
        points=(),
        requirements=tuple(requirement_verdict(one, Answer(reason=told)) for one in demands_in(spec, train)),
        outcome="undecided",
        budgets=(),
        run_time=None,
        noise=None,
        simple_rule=None,
        unlike=None,
        notes=(told,),
    )


def _judged(curve: QuickCurve, train: Dataset, spec: Spec, test_rows: int, seed: int, report: Stage) -> Verdict:
    rows, columns = len(train), len(train.features)
    laws = fit_laws(curve)
    apart = compare_with_corpus(properties_of(curve, rows=rows, columns=columns))
    outlook = Outlook(
        curve=curve, laws=laws, train=train, spec=spec, test_rows=test_rows, seed=seed, widened=apart.factor
    )
    forecasts = outlook.at(1.0)
    main = _main_metric(spec, train.task, forecasts)
    report.advance("looking for wrong labels and simple rules")
    noise = find_noise(train, curve.scored, curve.rows, rng=named_rng(seed, "feasibility", "noise"))
    cause = _CAUSES[noise.outcome]
    rule = find_simple_rule(train, spec, curve.scored, curve.rows, rng=named_rng(seed, "feasibility", "rule"))
    report.advance("judging the requirements")
    requirements = tuple(_requirement(one, outlook, cause) for one in demands_in(spec, train))
    return Verdict(
        task=train.task,
        n_rows=rows,
        test_rows=test_rows,
        n_columns=columns,
        metric=main,
        forecasts=tuple(forecasts.values()),
        ceilings=tuple(ceiling_of(metric, law, curve.last.errors[metric], rows) for metric, law in laws.items()),
        points=tuple(_points(outlook)),
        requirements=requirements,
        outcome=overall(requirements),
        budgets=tuple(budget_points(curve, forecasts[main], spec, rows=rows)),
        run_time=run_time(curve, spec, rows=rows, columns=columns),
        noise=noise,
        simple_rule=rule,
        unlike=apart,
        notes=tuple(_notes(curve, apart, rows)),
    )


def _main_metric(spec: Spec, task: Task, forecasts: Mapping[str, Forecast]) -> str:
    asked = [one.metric for one in spec.requirements if one.metric in forecasts]
    usual = [_MAIN[task]] if _MAIN[task] in forecasts else []
    return next(iter([*asked, *usual, *forecasts]))


def _requirement(demand: Demand, outlook: Outlook, cause: Limit) -> RequirementVerdict:
    answer = answer_of(outlook.of(demand), demand)
    return requirement_verdict(
        demand, answer, more=_more(demand, answer, outlook), cause=cause, test_rows=outlook.test_rows
    )


def _more(demand: Demand, answer: Answer, outlook: Outlook) -> MoreRows | None:
    """What it would take, where the rows do not suffice."""
    if answer.probability_true is None or answer.probability_true >= FEASIBLE:
        return None

    def probability(multiple: float) -> float | None:
        found = outlook.of(demand, multiple, draws=FEW_DRAWS)
        return answer_of(found, demand).probability_true

    decision = outlook.spec.decision
    return more_rows(
        probability,
        answer.probability_true,
        rows=len(outlook.train),
        price=decision.label_price,
        currency=decision.currency,
    )


def _points(outlook: Outlook) -> Iterator[CurvePoint]:
    """The picture: what quick learners scored, and what a tuned model will."""
    n = len(outlook.train)
    for metric in outlook.laws:
        for anchor in outlook.curve.anchors:
            seen = anchor.errors.get(metric)
            if seen is not None:
                around = (max(seen.error + side * _DEVIATIONS * seen.standard_error, 0.0) for side in (-1, 1))
                low, high = sorted(score_of(metric, error, seen.unit) for error in around)
                yield CurvePoint(
                    metric=metric,
                    rows=round(anchor.rows),
                    multiple=anchor.rows / n,
                    score=score_of(metric, seen.error, seen.unit),
                    interval=Interval(low=low, high=high, confidence=CONFIDENCE),
                    kind="seen",
                )
        for multiple in MULTIPLES:
            forecast = outlook.at(multiple)[metric].truth
            yield CurvePoint(
                metric=metric,
                rows=round(multiple * n),
                multiple=multiple,
                score=forecast.expected,
                interval=forecast.interval(),
                kind="forecast",
            )


def _notes(curve: QuickCurve, apart: Unlike, rows: int) -> Iterator[str]:
    if len(curve.rows) < rows and not curve.drift:
        yield f"Learned from {len(curve.rows):,} of the {rows:,} training rows; the rest follows from the curve."
    if apart.unusual:
        yield (
            f"The table {_listed(apart.unusual)} than those that forecasts were tested on, so ranges are "
            f"{apart.factor:.1f} times as wide."
        )
    if any(drift > 0.1 for drift in curve.drift.values()):
        yield "Scores differ from one time to the next by more than chance, so ranges are wider."


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
