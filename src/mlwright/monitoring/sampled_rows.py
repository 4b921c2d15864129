"""The sample that a window keeps as rows with their answers, and rows that a table gives with their truth."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlwright.models import Model
from mlwright.monitoring.rows import AnsweredRows
from mlwright.monitoring.shapes import WindowShape
from mlwright.monitoring.windows import WindowSummary, answers_of

_INPUT = "input."


def rows_of_window(window: WindowSummary) -> AnsweredRows | None:
    """The sampled rows of a window, each standing for as many; None where nothing was sampled or answered."""
    return None if window.reservoir is None else rows_of_log(window.reservoir, window.shape, stands_for=window.rows)


def rows_of_log(table: pa.Table, shape: WindowShape, *, stands_for: float | None = None) -> AnsweredRows | None:
    """Rows with the names of `read_window`; those without an answer are left out, None if that is all of them.

    Parameters
    ----------
    stands_for
        How many rows these are a sample of.
    """
    answers = answers_of(table, shape)
    if answers is None:
        return None
    predicted, score = answers
    known = np.flatnonzero((predicted >= 0) & np.isfinite(score))
    if not len(known):
        return None
    taken = table.take(pa.array(known))
    names = [name for name in taken.column_names if name.startswith(_INPUT)]
    ids = taken.column("id").to_pylist() if "id" in taken.column_names else []
    return AnsweredRows(
        table=taken.select(names).rename_columns([name.removeprefix(_INPUT) for name in names]),
        prediction=_prediction(taken, shape, score[known]),
        decision=predicted[known] if shape.classes else None,
        weight=None if stands_for is None else np.full(len(known), stands_for / len(known)),
        ids=tuple(ids),
    )


def rows_of_table(model: Model, table: pa.Table, target: NDArray[np.float64]) -> AnsweredRows:
    """Rows that the model was not fitted on, answered by it.

    Parameters
    ----------
    target : shape (n_rows,)
        Class numbers in the order of the model's classes, or values.
    """
    typed = model.typed(table)
    found = model.predict(typed)
    return AnsweredRows(table=typed, prediction=found.prediction, decision=found.decision, target=target)


def _prediction(table: pa.Table, shape: WindowShape, score: NDArray[np.float64]) -> NDArray[np.float64]:
    """As `Predictions.prediction` has it."""
    if len(shape.classes) < 3:
        return score
    columns = [table.column(f"output.probability_{name}") for name in shape.classes]
    shares = [np.asarray(pc.fill_null(column, 0.0), dtype=np.float64) for column in columns]
    return np.column_stack(shares)
