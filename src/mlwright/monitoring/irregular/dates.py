"""Dates that cannot be: 1900 and 1970 for missing, the far future, milliseconds for seconds, day and month exchanged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from mlwright.data import Column
from mlwright.data.dataset import FloatArray
from mlwright.monitoring.irregular.irregularity import BoolArray, Irregularity, shown_share
from mlwright.monitoring.irregular.look import LEAST_COUNT, Look
from mlwright.monitoring.irregular.reference import Numbers
from mlwright.monitoring.irregular.repairs import (
    ExchangeDayAndMonth,
    Repair,
    Scale,
    SetMissing,
    with_day_and_month_exchanged,
)

_DAY, _YEAR = 86_400.0, 365.25 * 86_400.0
_YEAR_1902, _YEAR_1971, _YEAR_2200 = -68 * _YEAR, _YEAR, 230 * _YEAR
#: Dates that are left alone lie no further ahead than this beyond what the training rows did.
_AHEAD = 2 * _DAY
#: Rows with such dates are few in the beginning: three that cannot be are named.
_LEAST = 3

Problem = Literal["early", "ahead", "milliseconds", "exchanged"]


class _Found(NamedTuple):
    problem: Problem
    rows: BoolArray
    sure: float
    repair: Repair


def impossible_dates(look: Look) -> Iterator[Irregularity]:
    """Columns of dates with values that cannot be."""
    for column in look.columns("datetime"):
        known = look.numbers(column.name)
        if known is None:
            continue
        values, reference = known
        found = _too_far(look, column, values, reference) or _exchanged(column, values, reference)
        if found is None:
            continue
        share = float(found.rows.mean())
        yield look.found(
            "impossible_dates",
            (column.name,),
            found.rows,
            f"{column.name!r} {_WORDS[found.problem]} in {shown_share(share)} of the rows.",
            "Ask the source how it writes dates, and what it writes where it has none.",
            confidence=found.sure,
            evidence={"problem": found.problem, "rows": int(found.rows.sum())},
            repair=found.repair,
        )


_WORDS: dict[Problem, str] = {
    "early": "lies long before any date of training, as dates do that stand for missing ones,",
    "ahead": "lies in the future",
    "milliseconds": "is written in milliseconds instead of seconds",
    "exchanged": "has day and month exchanged",
}


def _too_far(look: Look, column: Column, values: FloatArray, reference: Numbers) -> _Found | None:
    known = np.isfinite(values)
    safe = np.where(known, values, reference.low)
    span = max(reference.high - reference.low, _DAY)
    ahead = known & (safe > _latest(look, column, values[known], reference))
    as_seconds = safe / 1000
    milli = ahead & (as_seconds > reference.low - span) & (as_seconds < reference.high + max(5 * span, 10 * _YEAR))
    if milli.sum() >= max(_LEAST, 0.8 * ahead.sum()):
        return _Found("milliseconds", milli, 0.99, Scale(column=column.name, factor=0.001))
    early = known & (safe < reference.low - max(span, _YEAR))
    for mark in (_YEAR_1902, _YEAR_1971):
        early |= known & (safe < mark) & (reference.low > mark + _YEAR)
    rows, problem = (early, "early") if early.sum() >= ahead.sum() else (ahead, "ahead")
    if rows.sum() < max(_LEAST, 0.002 * look.n):
        return None
    # Dates that are right when day and month are exchanged are that fault.
    exchanged = _exchanged(column, values, reference)
    if exchanged is not None and (exchanged.rows & rows).sum() >= 0.8 * rows.sum():
        return exchanged
    return _Found("early" if problem == "early" else "ahead", rows, 0.999, SetMissing(column=column.name))


def _latest(look: Look, column: Column, values: FloatArray, reference: Numbers) -> float:
    """Up to when a date may be."""
    now, made = look.seconds_now, look.reference.made
    span = reference.high - reference.low
    if now is not None and (made is not None or column.role == "time"):
        lead = 0.0 if made is None or column.role == "time" else max(reference.high - made.timestamp(), 0.0)
        return now + lead + _AHEAD
    if now is not None and reference.high <= now:  # training rows had none ahead, or it is long ago
        middle = float(np.median(values)) if len(values) else reference.high
        return max(now, min(middle, _YEAR_2200)) + max(span, _YEAR) if middle > now else now + max(span, _AHEAD)
    middle = float(np.median(values)) if len(values) else reference.high
    if middle > _YEAR_2200:
        return _YEAR_2200
    return max(middle, reference.high) + max(2 * span, 2 * _YEAR)


def _exchanged(column: Column, values: FloatArray, reference: Numbers) -> _Found | None:
    """Rows that lie months away from the others, and among them once day and month are exchanged."""
    other, possible = with_day_and_month_exchanged(values)
    if reference.high - reference.low > 90 * _DAY and _early_in_month(reference) > 0.8:
        return None  # dates that are always in the first days look exchanged when they are not
    sure = np.isfinite(values) & ~possible
    repair = ExchangeDayAndMonth(column=column.name)
    anchor = values[sure]
    if len(anchor) >= 20:
        low, high = np.quantile(anchor, [0.02, 0.98])
        if high - low > 70 * _DAY:
            return None
        near = 20 * _DAY
        away = possible & ((values < low - near) | (values > high + near))
        fits = away & (other >= low - near) & (other <= high + near)
        if fits.sum() >= LEAST_COUNT and fits.sum() >= 0.8 * away.sum():
            return _Found("exchanged", fits, float(fits.sum() / away.sum()), repair)
        return None
    dates, turned = values[possible], other[possible]
    if len(dates) < 20 or sure.sum() > 0.02 * len(dates):
        return None
    before, after = np.ptp(np.quantile(dates, [0.05, 0.95])), np.ptp(np.quantile(turned, [0.05, 0.95]))
    months = len(np.unique(dates.astype("datetime64[s]").astype("datetime64[M]")))
    if months >= 3 and before > 60 * _DAY and after < 15 * _DAY:
        return _Found("exchanged", possible & (values != other), float(1 - after / before), repair)
    return None


def _early_in_month(reference: Numbers) -> float:
    """The share of the training rows whose day of the month is at most 12."""
    days = np.floor(reference.middles / _DAY).astype(np.int64).astype("datetime64[D]")
    in_month = (days - days.astype("datetime64[M]")).astype(np.int64)
    return float(reference.weights[in_month < 12].sum())
