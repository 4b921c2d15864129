"""What grows old: the model, the values of its columns, its skill, labels that do not come, and rows that are unlike all others."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from mlwright.core import named_rng
from mlwright.models import Model
from mlwright.monitoring import Finding, WindowShape
from mlwright.monitoring.anomalies import AnomalyReference, OddRow
from mlwright.monitoring.kept import (
    KeptWindow,
    close_findings,
    first_window,
    kept_windows,
    merged,
    moment,
    save_findings,
    start_of_period,
)
from mlwright.monitoring.sampled_rows import rows_of_window
from mlwright.monitoring.skill import forecast_skill
from mlwright.monitoring.staleness import column_ages, label_backlog, model_age
from mlwright.operate.living import champions
from mlwright.operate.losses import LossMeasure, in_periods, loss_of_periods, tolerated
from mlwright.operate.project import Project, Watched
from mlwright.spec import Spec

KINDS: Final = ("old_model", "label_backlog", "stale_column", "fading_skill", "anomalous_rows")
_DAY: Final = timedelta(days=1)
#: So far back labels, and the loss by the age of the model, are looked for.
_BACK: Final = timedelta(days=60)
#: Windows whose newest values say how fresh a column usually is, and a window with fewer labels says little of its loss.
_WINDOWS, _LEAST_WINDOWS, _LABELS = 15, 5, 30
#: Looked at in each window, so it has to be sure; and it is a forecast, which nobody is woken for.
_SURE: Final = 0.99
#: Of the first windows of a version, the sampled rows that say what is usual, once there are so many.
_FIRST, _USUAL_ROWS = timedelta(days=14), 500
_SHOWN: Final = 3
_LOOK_AT_THEM: Final = "Look at these answers, and at what sends them."


def judge_age(
    connection: Connection, project: Project, watched: Watched, *, drifting: bool, until: datetime, now: datetime
) -> list[Finding]:
    """Judge what is out of date, and keep what was found.

    Parameters
    ----------
    drifting
        Whether columns are known to have moved: that rows are then unlike those of before is no news.
    """
    delay = max(project.spec.operation.label_delay, timedelta(hours=1))
    windows = kept_windows(connection, watched.shape, start=until - _BACK - 2 * delay, end=until)
    latest = kept_windows(
        connection, watched.shape, start=until - _WINDOWS * project.spec.operation.window, end=until, samples=True
    )
    found = [
        model_age(watched.version.created, at=now, usual=_usual_life(project)),
        _backlog(windows, delay, project.spec.operation.window, now=now),
        *stale_columns(latest, watched.shape, project.spec.operation.window),
        fading_skill(windows, watched.model, project.spec),
        None if drifting else _odd_rows(connection, latest, watched, project.spec.operation.window),
    ]
    told = [one for one in found if one is not None]
    save_findings(connection, watched.shape, told, now=now)
    close_findings(connection, watched.shape, kinds=list(KINDS), still=[one.key for one in told], now=now)
    return told


def _usual_life(project: Project) -> timedelta | None:
    """For how long versions of this project have usually been champion; None with fewer than two."""
    began = [datetime.fromisoformat(entry.at) for entry in champions(project)]
    lives = sorted(later - earlier for earlier, later in itertools.pairwise(began))
    return max(lives[len(lives) // 2], _DAY) if len(lives) >= 2 else None


def _backlog(windows: Sequence[KeptWindow], delay: timedelta, window: timedelta, *, now: datetime) -> Finding | None:
    """Whether labels have stopped coming."""
    ages = [(now - one.end, one.summary.rows, one.summary.counts.known) for one in windows]
    shares = sorted(known / rows for age, rows, known in ages if rows and known and age >= delay)
    if not shares:
        return None
    # Labels come some time after they could: what is due is counted late rather than early.
    late = delay + window
    backlog = label_backlog(ages, share=shares[len(shares) // 2], delays=[(late, 0.0), (late + delay, 1.0)])
    return backlog.as_finding() if backlog.overdue else None


def stale_columns(windows: Sequence[KeptWindow], shape: WindowShape, window: timedelta) -> list[Finding]:
    """Columns of dates whose newest value, among the sampled rows of the last window, is far older than it ever was.

    Parameters
    ----------
    windows
        With their samples, the oldest first; what is usual is learnt from all but the last.
    window
        How long they are judged together.
    """
    dates = [one.name for one in shape.columns if one.type == "datetime"]
    newest: list[tuple[datetime, dict[str, datetime | None]]] = []
    for _, group in itertools.groupby(windows, key=lambda one: start_of_period(one.start, window)):
        parts = list(group)
        tables = [one.summary.reservoir for one in parts if one.summary.reservoir is not None]
        if tables:
            newest.append((parts[-1].end, {name: _newest(tables, f"input.{name}") for name in dates}))
    if not dates or len(newest) <= _LEAST_WINDOWS:
        return []
    *before, (end, last) = newest
    usual = {}
    for name in dates:
        ages = sorted(at - known for at, values in before if (known := values[name]) is not None)
        if len(ages) >= _LEAST_WINDOWS:
            usual[name] = max(ages[-1], timedelta(0))  # the newest of few values has been as old as this
    return [one.as_finding() for one in column_ages(last, usual, at=end) if one.stale]


def _newest(tables: Sequence[pa.Table], name: str) -> datetime | None:
    values = [pc.max(one.column(name)).cast(pa.timestamp("us")).value for one in tables if name in one.column_names]
    known = [value for value in values if value is not None]
    return moment(max(known)) if known else None


def fading_skill(windows: Sequence[KeptWindow], model: Model, spec: Spec) -> Finding | None:
    """Whether the loss grows with the age of a version, and when it will be too much."""
    measure = LossMeasure.of(spec, model)
    limit = tolerated(model, measure, spec)
    periods = in_periods(list(windows), spec.operation.window)
    labelled = {start: counts for start, counts in periods.items() if counts.known >= _LABELS}
    if limit is None or len(labelled) < 2:
        return None
    losses = [loss_of_periods([counts], measure) for counts in labelled.values()]
    half = np.array([(one.interval.high - one.interval.low) / 2 for one in losses])
    deviations = NormalDist().inv_cdf(0.5 + losses[0].interval.confidence / 2)
    first = min(labelled)
    forecast = forecast_skill(
        np.array([(start - first) / 8.64e10 for start in labelled]),
        np.array([one.value for one in losses]),
        np.square(half / deviations),
        limit=limit,
        rng=named_rng(spec.seed, "skill", str(first)),
        confidence=_SURE,
    )
    found = None if forecast is None else forecast.as_finding(earned=measure.metric == "value")
    return None if found is None else replace(found, level="info")


def _odd_rows(
    connection: Connection, windows: Sequence[KeptWindow], watched: Watched, window: timedelta
) -> Finding | None:
    """Whether more rows of the latest window are unlike those of the version's first windows than chance explains."""
    if not windows:
        return None
    start = start_of_period(windows[-1].start, window)
    sample = rows_of_window(merged(watched.shape, [one for one in windows if one.start >= start]))
    reference = None if sample is None else _usual_rows(connection, watched, before=start)
    if sample is None or reference is None:
        return None
    odd = reference.find(_undated(sample.table))
    finding = odd.as_finding()
    if finding is None:
        return None
    named = {f"oddest {place}": _in_words(one, sample.ids) for place, one in enumerate(odd.worst[:_SHOWN], 1)}
    return replace(finding, since=start, evidence={**finding.evidence, **named}, advice=_LOOK_AT_THEM)


def _undated(table: pa.Table) -> pa.Table:
    """Without dates, which go on: each is beyond all that were before."""
    return table.select([one.name for one in table.schema if not pa.types.is_timestamp(one.type)])


def _in_words(row: OddRow, ids: Sequence[str]) -> str:
    name = f"answer {ids[row.row]}" if ids else f"row {row.row}"
    why = "; ".join(f"{column} {odd}" for column, odd in row.reasons)
    return f"{name}: {why}"


def _usual_rows(connection: Connection, watched: Watched, *, before: datetime) -> AnomalyReference | None:
    """What is usual, by the samples of the first windows; None while there are too few rows."""
    if watched.usual is None:
        first = first_window(connection, watched.shape)
        if first is None:
            return None
        kept = kept_windows(connection, watched.shape, start=first, end=min(first + _FIRST, before), samples=True)
        rows = rows_of_window(merged(watched.shape, kept))
        if rows is None or len(rows) < _USUAL_ROWS:
            return None
        rng = named_rng(0, "odd rows", watched.version.package_version)
        watched.usual = AnomalyReference.of_rows(_undated(rows.table), rng=rng)
    return watched.usual
