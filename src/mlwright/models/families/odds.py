"""From what a booster adds up to probabilities."""

from __future__ import annotations

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.spec import Task


def probabilities(raw: FloatArray, task: Task) -> FloatArray:
    """Log odds, shape (n_rows,) or (n_rows, n_classes), as probabilities; values as they are.

    Examples
    --------
    >>> probabilities(np.array([0.0, 800.0, -800.0]), "binary").round(3).tolist()
    [0.5, 1.0, 0.0]
    """
    if task == "regression":
        return raw
    if task == "binary":
        from scipy.special import expit

        return np.asarray(expit(raw))
    odds: FloatArray = np.exp(raw - raw.max(axis=1, keepdims=True))
    shares: FloatArray = odds / odds.sum(axis=1, keepdims=True)
    return shares
