"""What the charts of an evaluation draw, thinned to what an eye can tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.spec import Task
from mlwright.statistics import (
    CalibrationBin,
    Scored,
    calibration_bins,
    lift_curve,
    precision_recall_curve,
    roc_curve,
)
from mlwright.statistics.classification import confusion_matrix

_POINTS = 150

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Of a binary task: all but `scatter`; of more classes: `confusion`; of a regression: `scatter`.

    Attributes
    ----------
    confusion
        Rows by true class (rows) and decided class (columns).
    calibration
        By tenths of the probability: what was said and what was seen.
    scatter
        Prediction and truth of at most 400 rows.
    """

    confusion: tuple[tuple[float, ...], ...] = ()
    roc: Points = ()
    precision_recall: Points = ()
    lift: Points = ()
    calibration: tuple[CalibrationBin, ...] = ()
    scatter: Points = ()


def curves_of(task: Task, scored: Scored, *, n_classes: int) -> Curves:
    """All curves of a task."""
    if task == "regression":
        thin = np.linspace(0, len(scored) - 1, min(len(scored), 400)).astype(int)
        return Curves(scatter=_pairs(scored.prediction[thin], scored.target[thin]))
    confusion = tuple(tuple(float(v) for v in row) for row in confusion_matrix(scored, n_classes))
    if task == "multiclass":
        return Curves(confusion=confusion)
    return Curves(
        confusion=confusion,
        roc=_thinned(*roc_curve(scored)),
        precision_recall=_thinned(*precision_recall_curve(scored)),
        lift=_thinned(*lift_curve(scored)),
        calibration=tuple(calibration_bins(scored)),
    )


def _thinned(x: FloatArray, y: FloatArray) -> Points:
    """At most 150 points, evenly along the curve."""
    if len(x) <= _POINTS:
        return _pairs(x, y)
    length = np.r_[0.0, np.cumsum(np.hypot(np.diff(x), np.diff(y)))]
    wanted = np.searchsorted(length, np.linspace(0, length[-1], _POINTS))
    rows = np.unique(np.clip(wanted, 0, len(x) - 1))
    return _pairs(x[rows], y[rows])


def _pairs(x: FloatArray, y: FloatArray) -> Points:
    return tuple((round(float(a), 6), round(float(b), 6)) for a, b in zip(x, y, strict=True))
