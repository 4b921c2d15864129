"""Why this answer: what each column of a record did to it, found by putting a typical value in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlwright.data import Column, ColumnSummary
from mlwright.data.dataset import FloatArray
from mlwright.features import Typed
from mlwright.models.answers import Reason
from mlwright.models.model import Model

#: From the typed values of records to what is explained of each answer, shape (n_records, n_answers).
Answering = Callable[[Sequence[Typed]], FloatArray]


class Reasons:
    """Finds the columns that moved an answer most.

    Each column in turn is given the typical value of the training rows: the median of a number or a date, the most common
    level, no words for a text; missing, where more than half of the rows had none. How far the answer then moves is the
    column's effect. That works for every model and asks nothing of it but answers. It has two limits: columns that say
    the same hide each other (each alone changes little), and effects need not sum to anything.

    References
    ----------
    Robnik-Šikonja and Kononenko (2008), Explaining classifications for individual instances, IEEE TKDE; here with one
    typical value in the place of all values.
    """

    def __init__(self, model: Model, answering: Answering) -> None:
        self._names = model.schema.names
        read = {name for encoder in model.encoders.values() for name in encoder.columns}
        self._typical = [_typical(column, model.reference.columns.get(column.name)) for column in model.schema]
        self._places = [i for i, name in enumerate(self._names) if name in read]
        self._answering = answering

    def of(self, values: Typed, most: int) -> tuple[Reason, ...]:
        """So many of them, the strongest first; none that has its typical value, or moves nothing."""
        changed = [i for i in self._places if not _same(values[i], self._typical[i])]
        if not changed:
            return ()
        asked = [values, *((*values[:i], self._typical[i], *values[i + 1 :]) for i in changed)]
        answers = self._answering(asked)
        explained = int(answers[0].argmax())
        effects = (answers[0, explained] - answers[1:, explained]).tolist()
        order = sorted(range(len(changed)), key=lambda k: (-abs(effects[k]), k))[:most]
        return tuple(Reason(column=self._names[changed[k]], effect=effects[k]) for k in order if effects[k] != 0)


def _same(a: Any, b: Any) -> bool:
    return bool(a == b or (a != a and b != b))


def _typical(column: Column, summary: ColumnSummary | None) -> Any:
    """A typed value (see `RowCode`)."""
    missing = np.nan if column.is_number or column.type == "boolean" else None
    if summary is None or 2 * summary.nulls > summary.rows:
        return missing
    if summary.levels is not None:
        common = summary.levels.levels()
        return common[0][0] if common and column.type == "category" else None
    if summary.numbers is None or summary.numbers.moments.count == 0:
        return missing
    median = float(summary.numbers.grid.quantiles(np.array([0.5]))[0])
    match column.type:
        case "integer":
            return round(median)
        case "boolean":
            return median >= 0.5
        case "datetime":
            return round(median * 1e6)
        case _:
            return median
