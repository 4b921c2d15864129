"""An example of a record: the middle of each column by itself, so it is nobody's row."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from mlwright.data import Column, ColumnSummary
from mlwright.models import Model


def example_record(model: Model) -> dict[str, Any]:
    """A value for each column that the model reads: the median of numbers and dates, the most common level."""
    return {column.name: _value(column, model.reference.columns.get(column.name)) for column in model.schema}


def _value(column: Column, summary: ColumnSummary | None) -> Any:
    if column.type == "category":
        levels = summary.levels.levels() if summary is not None and summary.levels is not None else []
        return levels[0][0] if levels else "a level"
    if not column.is_number and column.type not in {"boolean", "datetime"}:
        return "some words"
    middle = _median(summary)
    if middle is None:
        middle = 0.0 if column.low is None else column.low
    match column.type:
        case "number":
            return float(f"{middle:.4g}")
        case "integer":
            return round(middle)
        case "boolean":
            return middle >= 0.5
        case _:
            return datetime.fromtimestamp(round(middle), tz=UTC).isoformat().replace("+00:00", "Z")


def _median(summary: ColumnSummary | None) -> float | None:
    if summary is None or summary.numbers is None or summary.numbers.moments.count == 0:
        return None
    return float(summary.numbers.grid.quantiles(np.array([0.5]))[0])
