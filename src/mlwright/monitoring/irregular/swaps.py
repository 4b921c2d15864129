"""Two columns that have each other's values, in all rows or in some."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.data import Column
from mlwright.data.dataset import FloatArray, column_as_levels, column_as_numbers
from mlwright.monitoring.irregular.irregularity import BoolArray, Irregularity, shown_share
from mlwright.monitoring.irregular.look import LEAST_COUNT, Look
from mlwright.monitoring.irregular.reference import Numbers
from mlwright.monitoring.irregular.repairs import Swap

_TEN_YEARS = 3.2e8
_TYPES = ("number", "integer", "boolean", "category", "datetime")
#: More columns than this are not looked at in pairs: a swap shows in two.
_MOST = 24


class _State(NamedTuple):
    """How a column looks: its distance to the reference, and which rows have a value that it never had."""

    column: Column
    far: float
    strange: BoolArray
    usual: float


class _Cross(NamedTuple):
    """A column read as another: the distance, and which rows have a value that is at home there."""

    far: float
    fits: BoolArray


def columns_swapped(look: Look) -> Iterator[Irregularity]:
    """Pairs of columns that look wrong where they are and right in each other's place."""
    suspects = [state for column in look.columns(*_TYPES) if (state := _state(look, column)) is not None]
    suspects.sort(key=lambda s: -max(s.far - s.usual, float(s.strange.mean())))
    found = []
    for a, b in combinations(suspects[:_MOST], 2):
        ab, ba = _cross(look, a.column, b.column), _cross(look, b.column, a.column)
        if ab is None or ba is None:
            continue
        gain = a.far + b.far - ab.far - ba.far
        # Where values stand that were never there, what is in their place need not fit as well.
        sure = max(a.strange.mean(), b.strange.mean()) > 0.9 and min(ab.fits.mean(), ba.fits.mean()) > 0.9
        whole = all(
            cross.far <= look.slack(to.name, look.n, sure=sure) and cross.far < (0.9 if sure else 0.5) * state.far
            for cross, to, state in ((ab, b.column, a), (ba, a.column, b))
        ) and all(state.far > 0.2 + 0.5 * state.usual for state in (a, b))  # fmt: skip
        rows = a.strange & b.strange & ab.fits & ba.fits
        some = rows.sum() >= max(LEAST_COUNT, 0.005 * look.n) and rows.sum() >= 0.5 * max(
            a.strange.sum(), b.strange.sum()
        )
        if whole and gain > (0.2 if sure else 0.4):
            found.append((gain + 1, a, b, np.ones(look.n, dtype=bool), ab, ba))
        elif some:
            found.append((float(rows.mean()), a, b, rows, ab, ba))
    found.sort(key=lambda one: -one[0])
    for _, a, b, rows, ab, ba in found:
        first, second = a.column.name, b.column.name
        if {first, second} & look.explained:
            continue
        share = float(rows.mean())
        yield look.found(
            "columns_swapped",
            (first, second),
            rows,
            f"{first!r} and {second!r} have each other's values in {shown_share(share)} of the rows.",
            "Ask the source whether the order of its columns has changed. If so, accept the rule.",
            confidence=1 - (ab.far + ba.far) / max(a.far + b.far, 1e-9) if share > 0.9 else 0.99,
            evidence={
                "distance_of_first": a.far,
                "distance_of_second": b.far,
                "first_as_second": ab.far,
                "second_as_first": ba.far,
            },
            repair=Swap(first=first, second=second),
        )


def _state(look: Look, column: Column) -> _State | None:
    """A column that does not look as it should; None of one that does."""
    unread = look.batch.unreadable(column.name)
    usual = look.shift(column.name)
    if column.type == "datetime":
        moments = look.numbers(column.name)
        if moments is None:
            return None
        strange = unread | (np.isfinite(moments[0]) & ~_near(*moments))
        far = float(strange.mean())
    elif (levels := look.levels(column.name)) is not None:
        codes, texts, reference = levels
        unseen, told = reference.unseen(texts)
        odd = np.r_[unseen | ~told, False]
        strange = odd[codes] | unread
        far = max(reference.distance(codes, texts), float(unread.mean()))
    elif (numbers := look.numbers(column.name)) is not None:
        values, distribution = numbers
        known = np.isfinite(values)
        strange = (known & distribution.outside(np.where(known, values, 0.0))) | unread
        far = max(distribution.distance(values[known]), float(unread.mean()))
    else:
        return None
    if strange.sum() < LEAST_COUNT and far < 0.2 + 0.5 * usual:
        return None
    return _State(column, far, strange, usual)


def _cross(look: Look, source: Column, to: Column) -> _Cross | None:
    """The values of one column in the place of another."""
    try:
        read = look.batch.read_as(source.name, to)
    except pa.ArrowException:
        return None
    readable = np.asarray(pc.is_valid(read))
    present = readable | look.batch.missing(source.name) & ~look.batch.unreadable(source.name)
    if to.type == "datetime":
        numbers = look.reference.numbers(to.name)
        values = column_as_numbers(read)
        if numbers is None:
            return None
        fits = readable & _near(values, numbers)
        return _Cross(1 - float(fits.mean()), fits)
    if (levels := look.reference.levels(to.name)) is not None:
        codes, texts = column_as_levels(read)
        unseen, told = levels.unseen(texts)
        fits = np.r_[~unseen & told, False][codes]
        return _Cross(max(levels.distance(codes, texts), 1 - float(present.mean())), fits)
    numbers = look.reference.numbers(to.name)
    if numbers is None:
        return None
    values = column_as_numbers(read)
    known = np.isfinite(values)
    fits = known & (values >= numbers.low) & (values <= numbers.high)
    far = numbers.distance(values[known]) if known.any() else 1.0
    return _Cross(max(far, 1 - float(present.mean())), fits)


def _near(values: FloatArray, reference: Numbers) -> BoolArray:
    """Which dates, in seconds, are where dates of a column may go on to."""
    span = reference.high - reference.low
    near: BoolArray = (values > reference.low - span) & (values < reference.high + 5 * span + _TEN_YEARS)
    return near
