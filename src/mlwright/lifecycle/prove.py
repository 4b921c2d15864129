"""Look at new labelled rows and go on with the comparisons: of champion and challenger, and of the champion with the one before.

Both packages score the inputs that the log has, so a challenger needs no traffic of its own. Only rows that were answered
after the last one that it was trained on count. A look may come at any time and be killed at any point: each day of the log
is counted in a transaction of its own, and read again only once it has something new.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from mlwright.data.dataset import IntArray
from mlwright.lifecycle.comparison import SET_ASIDE, Comparison
from mlwright.lifecycle.labelled import LabelledRows, concatenated, moment_of
from mlwright.lifecycle.labelled_log import LabelledLog, day_of, label_horizon
from mlwright.lifecycle.objective import objective_of_spec
from mlwright.lifecycle.store import OVER, LifecycleStore
from mlwright.models import Model, Predictions
from mlwright.registry import Version
from mlwright.spec import Spec


def compare(
    comparison: Comparison,
    new: Version,
    old: Version,
    spec: Spec,
    *,
    log: LabelledLog,
    store: LifecycleStore,
    now: datetime,
) -> Comparison:
    """Go on with a comparison: count the rows whose truth became known since the last look.

    Parameters
    ----------
    new, old
        The versions that the comparison names.

    Raises
    ------
    LogMasked
        If the log does not have what one of them reads.
    LogNotFound, StoreFailed
        If the log cannot be read.
    """
    comparison = store.begin(comparison, now=now)
    first = now - label_horizon(spec)
    seen = store.seen(comparison)
    days = {
        day: mark for day, mark in log.days(max(comparison.since, first)).items() if seen.get(day) not in {mark, OVER}
    }
    if not days:
        return comparison
    models = Model.load(new.package), Model.load(old.package)
    for model in models:
        log.raise_if_masked(model)
    if comparison.objective is None:
        comparison = _declared(comparison, models[1], spec, log, store, list(days))
        if comparison.objective is None:
            return comparison  # too few rows to declare a bound from
    for day, mark in days.items():
        rows = log.of_day(day, models[1], since=comparison.since)
        rows = rows.take(store.uncounted(comparison, day, rows.ids))
        comparison = _counted(comparison, day, mark, rows, models, versions=(new, old), store=store)
    store.forget_rows(comparison, before=day_of(first))
    return comparison


def _counted(
    comparison: Comparison,
    day: date,
    mark: str,
    rows: LabelledRows,
    models: tuple[Model, Model],
    *,
    versions: tuple[Version, Version],
    store: LifecycleStore,
) -> Comparison:
    """Count the rows of a day."""
    shadow = {one.package_version for one in versions} <= rows.versions
    answers = [_answers(model, rows) for model in models] if len(rows) else []

    def change(current: Comparison, which: IntArray) -> Comparison:
        taken = [_taken(one, which) for one in answers]
        return current.after(rows.take(which), *taken, shadow=shadow)

    return store.count(comparison, day, rows.ids, change, mark=mark)


def _declared(
    comparison: Comparison, old: Model, spec: Spec, log: LabelledLog, store: LifecycleStore, days: list[date]
) -> Comparison:
    """Declare the objective and its bound from rows that are not compared: earlier ones, else the first ones, set aside."""
    rows = log.latest(old, most=10 * SET_ASIDE, until=comparison.since)
    aside: dict[date, Any] = {}
    if len(rows) < SET_ASIDE and not spec_needs_no_rows(spec, old):
        rows = _first_rows(comparison, old, log, days)
        if len(rows) < SET_ASIDE:
            return comparison
        on = [day_of(moment_of(time)) for time in rows.times]
        aside = {day: rows.ids[[one == day for one in on]] for day in set(on)}
    objective = objective_of_spec(spec, rows.rows, _answers(old, rows))
    return store.declare(comparison, objective, aside)


def _first_rows(comparison: Comparison, old: Model, log: LabelledLog, days: list[date]) -> LabelledRows:
    """The first labelled rows since a comparison began."""
    parts: list[LabelledRows] = []
    for day in days:
        parts.append(log.of_day(day, old, since=comparison.since))
        if sum(map(len, parts)) >= SET_ASIDE:
            break
    whole = concatenated(parts, old)
    return whole.first(SET_ASIDE)


def spec_needs_no_rows(spec: Spec, model: Model) -> bool:
    """Whether the bound follows from the spec alone: a Brier score has one by itself."""
    if model.task == "regression":
        return False
    return spec.decision.values is None or model.task != "binary"


def _answers(model: Model, rows: LabelledRows) -> Predictions:
    return model.predict(rows.rows.table)


def _taken(answers: Predictions, which: IntArray) -> Predictions:
    """Some of the answers."""

    def some(values: Any | None) -> Any | None:
        return None if values is None else values[which]

    return replace(
        answers,
        prediction=answers.prediction[which],
        decision=some(answers.decision),
        assumed=some(answers.assumed),
        low=some(answers.low),
        high=some(answers.high),
    )
