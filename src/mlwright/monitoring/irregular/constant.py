"""A column that has only one value, though its values used to differ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mlwright.data import Column
from mlwright.monitoring.irregular.irregularity import Irregularity
from mlwright.monitoring.irregular.look import Look
from mlwright.monitoring.irregular.repairs import SetMissing

_TYPES = ("number", "integer", "boolean", "category", "text")
#: Without habits: a column of fewer values may well have only one of them for an hour or a day.
_MANY, _RARELY = 20, 0.5
#: Of a stretch, so much of one value is as good as constant; and below this it never came near it.
_ALMOST, _NEVER = 0.97, 0.7
#: What stretches of this many times the length were like says little of a batch.
_LONGER = 2.0


def constant_column(look: Look) -> Iterator[Irregularity]:
    """Columns that were never constant over so many rows before."""
    for column in look.columns(*_TYPES):
        known = ~look.batch.missing(column.name)
        count = int(known.sum())
        if count < max(20, 0.5 * look.n) or not _is_constant(look, column):
            continue
        share, distinct, top = _in_training(look, column)
        stretch, habits = look.stretch(column.name), look.reference.habits
        if stretch is None or habits is None or not habits.ordered or stretch.rows > _LONGER * look.n:
            if distinct < _MANY or top > _RARELY:
                continue
        elif stretch.top > _ALMOST:
            continue
        chance = look.rows_that_count(column.name, count) * float(np.log(min(share, 1 - 1e-9)))
        never = stretch is not None and stretch.top < _NEVER and stretch.count >= 20 and stretch.rows <= look.n
        if chance > np.log(look.alpha_each) and not never:
            continue
        yield look.found(
            "constant_column",
            (column.name,),
            known,
            f"{column.name!r} has the same value in all rows; in training it had {distinct:,.0f} different ones.",
            "Ask the source whether it is stuck or filled with a default. Until it lives again, answer without it.",
            confidence=1 - (0.01 if never else np.exp(chance)),
            evidence={"distinct_in_training": distinct, "share_of_this_value_in_training": share, "rows": count},
            repair=SetMissing(column=column.name),
        )


def _is_constant(look: Look, column: Column) -> bool:
    if column.type in {"number", "integer"}:
        values = look.batch.numbers(column.name)
        known = values[np.isfinite(values)]
        return bool(len(known)) and float(known.min()) == float(known.max())
    codes, _ = look.batch.levels(column.name)
    return len(np.unique(codes[codes >= 0])) == 1


def _in_training(look: Look, column: Column) -> tuple[float, float, float]:
    """The share of the one value among the training rows, at most; how many values they had; the share of the commonest."""
    if column.type in {"number", "integer"}:
        numbers, values = look.reference.numbers(column.name), look.batch.numbers(column.name)
        if numbers is None:
            return 1.0, 1.0, 1.0
        value = float(values[np.isfinite(values)][0])
        # A cell may hold several values: of a continuous column its share is an upper bound.
        return numbers.share_of(value) + 3 / numbers.count, numbers.n_distinct, numbers.top
    levels = look.reference.levels(column.name)
    if levels is None:
        return 1.0, 1.0, 1.0
    codes, texts = look.batch.levels(column.name)
    level = texts[int(codes[codes >= 0][0])]
    share = levels.shares.get(level, levels.fresh) + 3 / levels.count
    return share, levels.n_distinct, max(levels.shares.values(), default=1.0)
