"""What the charts of an evaluation draw, thinned to what an eye can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.spec import Task
from mlwright.statistics import (
    CalibrationBin,
    Scored,
    Worth,
    calibration_bins,
    lift_curve,
    mean_interval,
    precision_recall_curve,
    roc_curve,
)
from mlwright.statistics.classification import confusion_matrix

_POINTS = 150
_BAND = 0.9

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitPoint:
    """What a row is worth on average when this share of the rows is acted on, the best first.

    Attributes
    ----------
    low, high
        Pointwise, with 90 % confidence: of each share by itself, not of the curve as a whole.
    """

    share: float
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfitCurve:
    """Worth by the share of rows acted on, best first by the margin of the decision rule.

    Attributes
    ----------
    acted, earned
        Where the rule of the model lies.
    capacity
        The share that can be acted on; None where nothing limits it.
    """

    currency: str
    points: tuple[ProfitPoint, ...]
    acted: float
    earned: float
    capacity: float | None = None

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> ProfitCurve:
        """The curve that had this state."""
        return cls(**{**state, "points": tuple(ProfitPoint(**one) for one in state["points"])})


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
    profit
        Where the spec says what outcomes are worth.
    """

    confusion: tuple[tuple[float, ...], ...] = ()
    roc: Points = ()
    precision_recall: Points = ()
    lift: Points = ()
    calibration: tuple[CalibrationBin, ...] = ()
    scatter: Points = ()
    profit: ProfitCurve | None = None


def curves_of(task: Task, scored: Scored, *, n_classes: int, profit: ProfitCurve | None = None) -> Curves:
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
        profit=profit,
    )


def profit_curve(
    margin: FloatArray, worth: Worth, scored: Scored, *, currency: str, capacity: float | None = None
) -> ProfitCurve:
    """What a row is worth on average, by the share of rows that is acted on.

    Rows with the same margin are acted on together, so a share between two points is not there; a line between them is
    what picking blindly among such rows is worth.

    Parameters
    ----------
    margin : shape (n_rows,)
        Of the decision rule: how much speaks for acting.
    scored
        With the decisions of the model.
    """
    if_acted, if_not = (worth.earned(scored.target, np.full(len(margin), act)) for act in (1, 0))
    weight = np.ones(len(margin)) if scored.weight is None else scored.weight
    order = np.argsort(-margin, kind="stable")
    ordered = margin[order]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    seen = np.cumsum(weight[order])[ends] / weight.sum()
    # More points on the left, where capacities lie.
    wanted = np.r_[np.linspace(0, 0.1, 21), np.linspace(0.1, 1.0, 46)[1:]]
    nearest = np.unique(np.searchsorted(seen, wanted - 1e-9).clip(0, len(seen) - 1))
    points = []
    for share, last in [(0.0, -1), *((float(seen[i]), int(ends[i])) for i in nearest)]:
        earned = if_not.copy()
        earned[order[: last + 1]] = if_acted[order[: last + 1]]
        interval = mean_interval(earned, weight=scored.weight, group=scored.group, confidence=_BAND)
        points.append(ProfitPoint(share=share, value=scored.mean(earned), low=interval.low, high=interval.high))
    acts = scored.decided()
    return ProfitCurve(
        currency=currency,
        points=tuple(points),
        acted=scored.mean(acts.astype(np.float64)),
        earned=scored.mean(np.where(acts == 1, if_acted, if_not)),
        capacity=capacity,
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
