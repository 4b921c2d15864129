"""What a drift costs: as labels say where they have come, else by the rows that the model was tested on, made like those that it now gets."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from sqlalchemy import Connection

from mlwright.core import Interval, MlwrightError, named_rng
from mlwright.models import Model, ScoreCounts
from mlwright.monitoring import Finding
from mlwright.monitoring.estimating import estimate_by_rows, labels_that_would_tell
from mlwright.monitoring.expected_loss import Expected
from mlwright.monitoring.kept import close_findings, kept_windows, merged, save_findings
from mlwright.monitoring.loss_estimate import LossEstimate
from mlwright.monitoring.loss_reference import LossReference
from mlwright.monitoring.rows import AnsweredRows
from mlwright.monitoring.sampled_rows import rows_of_table, rows_of_window
from mlwright.monitoring.windows import WindowSummary
from mlwright.operate.losses import LossMeasure, expected_of, loss_of_periods
from mlwright.operate.project import Project, Watched
from mlwright.runs import RunFolder

KIND: Final = "expected_loss"
#: Fewer tested rows than this say nothing of other rows.
_LEAST_ROWS: Final = 200
#: So many labelled answers from before a change say better than the training rows what is usual.
_ENOUGH_ROWS: Final = 1_000
#: They are looked for so far back.
_BEFORE: Final = timedelta(days=180)


def judge_cost(
    project: Project, watched: Watched, since: datetime | None, *, until: datetime, now: datetime
) -> list[Finding]:
    """Estimate what the rows since a change cost, and keep what was found; `since` is None where nothing has drifted."""
    found: list[Finding] = []
    if since is not None:
        earlier, windows = project.store.reading(
            lambda connection: (
                kept_windows(connection, watched.shape, start=since - _BEFORE, end=since),
                kept_windows(connection, watched.shape, start=since, end=until, samples=True),
            )
        )
        before, whole = merged(watched.shape, earlier).counts, merged(watched.shape, windows)
        measure = LossMeasure.of(project.spec, watched.model)
        found = _found(project, watched, before, whole, measure, since) if whole.rows else []

    def write(connection: Connection) -> None:
        save_findings(connection, watched.shape, found, now=now)
        close_findings(connection, watched.shape, kinds=[KIND], still=[one.key for one in found], now=now)

    project.store.transaction(write)
    return found


def _found(
    project: Project,
    watched: Watched,
    before: ScoreCounts,
    whole: WindowSummary,
    measure: LossMeasure,
    since: datetime,
) -> list[Finding]:
    tolerance = project.spec.operation.retrain.tolerance
    told = cost_by_labels(watched.model, before, whole.counts, measure)
    if told is not None and told.verdict(measure.metric, tolerance) != "cannot tell":
        return [told.as_finding(measure.metric, tolerance, since=since, unit=measure.unit)]
    by_rows = _by_rows(project, watched, whole, measure, tolerance, since)
    if by_rows is not None:
        return [by_rows]
    expected = expected_of(whole.counts, watched.model, measure)
    if expected is None:
        return []
    estimate = LossEstimate(metrics={measure.metric: expected}, method="scores")
    return [estimate.as_finding(measure.metric, tolerance, since=since, unit=measure.unit)]


def cost_by_labels(model: Model, before: ScoreCounts, after: ScoreCounts, measure: LossMeasure) -> LossEstimate | None:
    """What the rows have cost by the labels that have come; None while there are too few.

    Compared with the labelled rows that the version answered before the change, or with those of its training where they are
    too few: the change was dated without a look at labels, so before and after are two honest samples.
    """
    said = before if before.known >= _ENOUGH_ROWS else model.history and model.history.scores
    if not said or not said.known or after.known < _LEAST_ROWS:
        return None
    now, then = loss_of_periods([after], measure), loss_of_periods([said], measure)
    # The estimates count what a row earned, or whether it was right; losses are the other way round.
    start, sign = {"value": (0.0, -1.0), "accuracy": (1.0, -1.0)}.get(measure.metric, (0.0, 1.0))
    half = math.hypot(*((one.interval.high - one.interval.low) / 2 for one in (now, then)))
    moved, confidence = sign * (now.value - then.value), now.interval.confidence
    ends = sorted(start + sign * end for end in (now.interval.low, now.interval.high))
    expected = Expected(
        metric=measure.metric,
        value=start + sign * now.value,
        interval=Interval(low=ends[0], high=ends[1], confidence=confidence),
        reference=start + sign * then.value,
        change=Interval(low=moved - half, high=moved + half, confidence=confidence),
        rows=float(after.rows),
    )
    return LossEstimate(metrics={measure.metric: expected}, method="labels")


def _by_rows(
    project: Project,
    watched: Watched,
    whole: WindowSummary,
    measure: LossMeasure,
    tolerance: float,
    since: datetime,
) -> Finding | None:
    """The same with the tested rows weighted like those of the window; None where they are not there any more."""
    sample, reference = rows_of_window(whole), tested_rows(project, watched, measure)
    if sample is None or reference is None:
        return None
    sample = _timeless(sample, watched)
    rng = named_rng(project.spec.seed, "cost", watched.version.package_version, str(whole.rows))
    counts = None if watched.model.task == "regression" else whole.scores.astype(np.float64)
    estimate = estimate_by_rows(
        sample, reference, counts=counts, rows=float(whole.rows), attribute=measure.metric, rng=rng
    )
    request = None
    if estimate.verdict(measure.metric, tolerance) == "cannot tell":
        request = labels_that_would_tell(
            estimate, sample, reference, metric=measure.metric, tolerance=tolerance, rng=rng
        )
    finding = estimate.as_finding(measure.metric, tolerance, request=request, since=since, unit=measure.unit)
    if request is None:
        return finding
    return replace(finding, evidence={**finding.evidence, "labels_needed": request.labels})


def tested_rows(project: Project, watched: Watched, measure: LossMeasure) -> LossReference | None:
    """The rows that a version was tested on, with their truth; None if its run is gone, or there are too few."""
    held = project.tested.get(watched.version.digest)
    if held is None:
        try:
            held = (_tested(project, watched, measure),)
        except (MlwrightError, OSError):  # the run, or its source, is not there any more: scores have to do
            held = (None,)
        project.tested[watched.version.digest] = held
    return held[0]


def _tested(project: Project, watched: Watched, measure: LossMeasure) -> LossReference | None:
    from mlwright.workflow import open_run

    run = open_run(RunFolder.find(watched.version.lineage.run, start=project.spec.folder))
    test = run.split.test
    if len(test) < _LEAST_ROWS:
        return None
    answered = _timeless(rows_of_table(watched.model, test.table, test.y), watched)
    return LossReference.of_rows(answered, worth=measure.worth)


def _timeless(rows: AnsweredRows, watched: Watched) -> AnsweredRows:
    """Without the times of rows: those of today are beyond all that were tested, and that says nothing."""
    times = [one.name for one in watched.model.schema if one.role == "time" and one.name in rows.table.column_names]
    return replace(rows, table=rows.table.drop_columns(times)) if times else rows


def with_costs(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of a drift with what it is expected to cost, where that was estimated."""
    listed = list(findings)
    costs = {one.slice: one for one in listed if one.kind == KIND and one.cost is not None}
    return [
        replace(one, cost=costs[one.slice].cost, cost_unit=costs[one.slice].cost_unit)
        if one.kind == "drift" and one.cost is None and one.slice in costs
        else one
        for one in listed
    ]
