"""Golden rows: made up from the reference summary, so that a package holds no person's row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from mlwright.data import ARROW_TYPES, Column, ColumnSummary

if TYPE_CHECKING:
    from mlwright.models.model import Model

N_ROWS = 100


def golden_rows(model: Model) -> pa.Table:
    """Rows whose values are drawn column by column from what the training rows had, some missing and some never seen.

    Drawn independently, they are nobody's row; texts are made of single words of the encoder.
    """
    rng = np.random.default_rng(0)
    arrays = [_values(column, model, rng) for column in model.schema]
    return pa.table(arrays, names=model.schema.names)


def _values(column: Column, model: Model, rng: np.random.Generator) -> pa.Array:
    summary = model.reference.columns.get(column.name)
    values = _drawn(column, summary, rng) if column.type != "text" else _words(column, model, rng)
    missing = rng.random(N_ROWS) < 0.1
    values = [None if gone else value for value, gone in zip(values, missing, strict=True)]
    if column.type == "category":
        values[0] = "a level never seen"
        return pa.array(values, pa.string()).dictionary_encode().cast(ARROW_TYPES["category"])
    if column.type == "datetime":
        micros = [None if value is None else int(value * 1e6) for value in values]
        return pa.array(micros, pa.int64()).cast(pa.timestamp("us"))
    return pa.array(values, ARROW_TYPES[column.type])


def _drawn(column: Column, summary: ColumnSummary | None, rng: np.random.Generator) -> list[Any]:
    if summary is not None and summary.levels is not None:
        levels = [value for value, _ in summary.levels.levels()[:1000]]
        return [levels[i] for i in rng.integers(0, len(levels), N_ROWS)] if levels else [None] * N_ROWS
    if summary is None or summary.numbers is None or summary.numbers.grid.count == 0:
        return [None] * N_ROWS
    numbers: list[float] = summary.numbers.grid.quantiles(rng.random(N_ROWS)).tolist()
    if column.type == "boolean":
        return [value >= 0.5 for value in numbers]
    if column.type == "integer":
        return [round(value) for value in numbers]
    return numbers


def _words(column: Column, model: Model, rng: np.random.Generator) -> list[Any]:
    from mlwright.features.words import Words

    known = [
        word
        for encoder in model.encoders.values()
        for step in encoder.steps
        if isinstance(step, Words) and step.column == column.name
        for word in step.words
    ] or ["word"]
    return [" ".join(known[i] for i in rng.integers(0, len(known), 3)) for _ in range(N_ROWS)]
