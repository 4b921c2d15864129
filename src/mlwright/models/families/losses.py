"""What a family measures on validation rows to choose among its own fits."""

from __future__ import annotations

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.models.families.base import Rows
from mlwright.spec import Task


def mean_loss(task: Task, predicted: FloatArray, rows: Rows) -> float:
    """Mean squared error of values, or log loss of probabilities, weighted as the rows are."""
    if task == "regression":
        per_row = (predicted - rows.y) ** 2
    else:
        given = (
            np.where(rows.y == 1, predicted, 1 - predicted)
            if predicted.ndim == 1
            else predicted[np.arange(len(rows.y)), rows.y.astype(np.int64)]
        )
        per_row = -np.log(np.clip(given, 1e-12, 1))
    weight = None if rows.weight is None or not rows.weight.any() else rows.weight
    return float(np.average(per_row, weights=weight))
