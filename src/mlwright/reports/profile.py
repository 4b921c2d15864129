"""The profile of the columns: what each one holds, without judgement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlwright.data import Column, ColumnSummary, Schema, TableSummary
from mlwright.data.summaries import NumberSummary
from mlwright.reports.words import percent

_BARS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """One line of the profile; `bars` are heights from 0 to 1 of a small histogram."""

    name: str
    type: str
    role: str
    missing: str
    distinct: str
    values: str
    why: str
    bars: tuple[float, ...]


def profile(schema: Schema, summary: TableSummary, *, first: Mapping[str, float], most: int) -> list[ColumnProfile]:
    """A line per column: the target, then the features, then the others; of more than `most` those the model uses."""
    order = {"target": 0, "feature": 1}
    columns = [column for column in schema if column.name in summary.columns]
    if len(columns) > most:
        columns = sorted(columns, key=lambda column: (order.get(column.role, 2), -first.get(column.name, 0.0)))[:most]
    columns = sorted(columns, key=lambda column: order.get(column.role, 2))
    return [_line(column, summary[column.name]) for column in columns]


def _line(column: Column, summary: ColumnSummary) -> ColumnProfile:
    exact = (summary.numbers is None or summary.numbers.grid.exact or summary.numbers.distinct.exact) and (
        summary.levels is None or summary.levels.complete
    )
    return ColumnProfile(
        name=column.name,
        type=column.type,
        role=column.role,
        missing=percent(summary.nulls / summary.rows if summary.rows else 0.0),
        distinct=("" if exact else "≈ ") + f"{summary.n_distinct:,.0f}",
        values=_values(column, summary),
        why=column.why,
        bars=_bars(column, summary),
    )


def _values(column: Column, summary: ColumnSummary) -> str:
    if summary.numbers is not None and summary.numbers.moments.count:
        numbers = summary.numbers
        low, high = numbers.moments.low, numbers.moments.high
        if column.type == "datetime":
            return f"{_day(low)} to {_day(high)}"
        if column.type == "boolean":
            return f"{percent(numbers.moments.mean)} true"
        return f"{_short(low)} to {_short(high)}, median {_short(numbers.grid.quantile(0.5))}"
    if column.type in {"identifier", "text"} or summary.levels is None:
        return "not shown"
    levels = summary.levels.levels()[:3]
    known = max(summary.known, 1)
    return ", ".join(f"{value} {percent(count / known, digits=0)}" for value, count in levels)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _day(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s").astype("datetime64[D]"))


def _bars(column: Column, summary: ColumnSummary) -> tuple[float, ...]:
    if summary.numbers is not None and summary.numbers.grid.count:
        counts = _histogram(summary.numbers)
    elif summary.levels is not None and column.type not in {"identifier", "text"}:
        counts = np.array([count for _, count in summary.levels.levels()[:_BARS]], dtype=np.float64)
    else:
        return ()
    top = counts.max(initial=0.0)
    return tuple(round(float(c / top), 3) for c in counts) if top > 0 else ()


def _histogram(numbers: NumberSummary) -> np.ndarray:
    """Rows in 16 equal steps between the 1 % and the 99 % point."""
    low, high = numbers.grid.quantile(0.01), numbers.grid.quantile(0.99)
    lower, upper, counts = numbers.grid.cells()
    middle = (lower + upper) / 2
    if high <= low:
        return counts.astype(np.float64)[:_BARS]
    step = np.clip(((middle - low) / (high - low) * _BARS).astype(int), 0, _BARS - 1)
    inside = (middle >= low) & (middle <= high)
    return np.bincount(step[inside], weights=counts[inside], minlength=_BARS).astype(np.float64)
