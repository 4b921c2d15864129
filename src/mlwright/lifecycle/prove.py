"""Look at new labelled rows and go on with the comparisons: of champion and challenger, and of the champion with the one before.

Both packages score the inputs that the log has, so a challenger needs no traffic of its own. Only rows that were answered
after the last one that it was trained on count. A look may come at any time and be killed at any point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from mlwright.data.dataset import IntArray
from mlwright.lifecycle.comparison import SET_ASIDE, Comparison
from mlwright.lifecycle.labelled import LabelledRows, micros
from mlwright.lifecycle.objective import objective_of_spec
from mlwright.lifecycle.store import LifecycleStore
from mlwright.models import Model, Predictions
from mlwright.registry import Version
from mlwright.spec import Spec

#: The labelled rows that a model can read, from a moment on.
ReadRows = Callable[[Model, datetime | None], LabelledRows]


def compare(
    comparison: Comparison,
    new: Version,
    old: Version,
    spec: Spec,
    *,
    read: ReadRows,
    store: LifecycleStore,
    now: datetime,
) -> Comparison:
    """Go on with a comparison: count the rows whose truth became known since the last look.

    Parameters
    ----------
    new, old
        The versions that the comparison names.
    read
        Gives labelled rows in the order in which their truth became known.
    """
    comparison = store.begin(comparison, now=now)
    models = Model.load(new.package), Model.load(old.package)
    if comparison.objective is None:
        comparison = _declared(comparison, models[1], spec, read, store)
        if comparison.objective is None:
            return comparison  # too few rows to declare a bound from
    rows = read(models[1], comparison.since)
    rows = rows.take(store.uncounted(comparison, rows.ids))
    if not len(rows):
        return comparison
    answers = _answers(models[0], rows), _answers(models[1], rows)
    shadow = {new.package_version, old.package_version} <= rows.versions

    def counted(current: Comparison, which: IntArray) -> Comparison:
        taken = [_taken(one, which) for one in answers]
        return current.after(rows.take(which), *taken, shadow=shadow)

    return store.count(comparison, rows.ids, counted)


def _declared(comparison: Comparison, old: Model, spec: Spec, read: ReadRows, store: LifecycleStore) -> Comparison:
    """Declare the objective and its bound from rows that are not compared: earlier ones, else the first ones, set aside."""
    all_rows = read(old, None)
    before = all_rows.take(np.flatnonzero(all_rows.times < micros(comparison.since)))
    if len(before) >= SET_ASIDE:
        rows, aside = before.last(10 * SET_ASIDE), None
    elif spec_needs_no_rows(spec, old):
        rows, aside = before, None
    else:
        later = all_rows.take(np.flatnonzero(all_rows.times >= micros(comparison.since)))
        if len(later) < SET_ASIDE:
            return comparison
        rows = aside = later.take(np.arange(SET_ASIDE))
    objective = objective_of_spec(spec, rows.rows, _answers(old, rows))
    ids = np.zeros(0, dtype=object) if aside is None else aside.ids
    return store.declare(comparison, objective, ids)


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
