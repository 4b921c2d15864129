"""What predicted values without labels are expected to lose: learnt from labelled rows, by the row and by what was predicted."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal

import numpy as np

from mlwright.core import Interval
from mlwright.data.dataset import FloatArray
from mlwright.models import ScoreCounts
from mlwright.monitoring.boosters import fit_folded
from mlwright.monitoring.expected_loss import Expected
from mlwright.monitoring.reweighting import Reweighting
from mlwright.monitoring.rows import AnsweredRows, RowShape
from mlwright.monitoring.shift_error import tilted_weights

#: Where more rows of the window than this share lie outside what the reference has seen, trees say the same of all of them,
#: and nobody can tell.
MOST_OUTSIDE = 0.1
#: A column's outermost values, this share on either side, are no place where a tree has learnt.
_EDGE = 0.0005
#: The mean error of a bin of predictions is held at that of the bins around it as strongly as so many rows.
_PRIOR_ROWS = 20.0
#: How far bins count as around another one: a standard deviation, in bins.
_NEAR = 6.0


def expected_error(
    reference: AnsweredRows,
    window: AnsweredRows,
    loss: FloatArray,
    *,
    metric: str,
    reweighting: Reweighting,
    rows: float,
    root: bool = False,
    rng: np.random.Generator,
    confidence: float = 0.9,
) -> Expected:
    """The mean loss that rows of a window are expected to have.

    A booster learns the loss of the reference rows; what it gets wrong there, weighted to be like the window, is added. So
    the estimate is right if either the booster or the weights are.

    Parameters
    ----------
    reference
        Labelled rows that the model was not fitted on.
    window
        A sample of the rows of the window.
    loss : shape (n_reference_rows,)
        Per row: squared or absolute error, or what it costs.
    metric
        The metric's name, for the answer.
    rows
        Of the whole window.
    root
        Whether the metric is the root of the mean loss.

    References
    ----------
    NannyML's direct loss estimation (DLE) for the booster; Robins, Rotnitzky and Zhao (1994), JASA, for what is added.
    """
    shape = reweighting.shape
    booster = fit_folded(
        shape.matrix(reference.described),
        loss,
        objective="regression",
        categorical=shape.categorical,
        weight=reference.weights / reference.weights.mean(),
        rng=rng,
    )
    learnt = np.clip(booster.raw(shape.matrix(window.described)), loss.min(), loss.max())
    outside = np.clip(booster.outside, loss.min(), loss.max())
    w, v = reweighting.weight / reweighting.weight.sum(), window.weights / window.weights.sum()
    left = loss - outside
    value = max(float(v @ learnt + w @ left), float(loss.min()))
    base = reference.weights / reference.weights.sum()
    before = float(base @ loss)
    # The mean of what is left, of the sample of the window, and of the labels of the window itself.
    middle = float(w @ left)
    of_rest = float(np.sqrt((w**2 * (left - middle) ** 2).sum()))
    drawn_rows = float(np.sqrt((v**2 * (learnt - v @ learnt) ** 2).sum()))
    of_sample = drawn_rows if len(window) < rows else 0.0
    of_labels = float(np.sqrt((w @ (left - middle) ** 2) / max(rows, 1)))
    of_shift = _error_of_drift(reference, left, reweighting.strength, shape)
    of_reference = float(np.sqrt((base**2 * (loss - before) ** 2).sum()))
    spread = float(np.linalg.norm([of_rest, of_sample, of_labels, of_shift]))
    change = float(np.linalg.norm([of_rest, drawn_rows, of_shift, of_reference]))
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    ends = np.array([value - z * spread, value + z * spread, before])
    low, high, of_before = (_size(float(end), root=root) for end in ends)
    at = _size(value, root=root)
    half = z * change / (2 * max(of_before, at, 1e-300) if root else 1.0)
    moved = at - of_before
    return Expected(
        metric=metric,
        value=at,
        interval=Interval(low=low, high=high, confidence=confidence),
        reference=of_before,
        change=Interval(low=moved - half, high=moved + half, confidence=confidence),
        rows=rows,
    )


def share_outside(reference: AnsweredRows, window: AnsweredRows, shape: RowShape) -> float:
    """The largest share, over the columns, of rows of the window outside what nearly all reference rows have."""
    known, new = shape.matrix(reference.described), shape.matrix(window.described)
    weight = window.weights / window.weights.sum()
    worst = 0.0
    for position, name in enumerate(shape.names):
        values, column = new[:, position], known[:, position]
        column = column[~np.isnan(column)]
        if name in shape.levels:
            outside = ~np.isnan(values) & ~np.isin(values, np.unique(column))
        elif len(column):
            low, high = np.quantile(column, [_EDGE, 1 - _EDGE])
            outside = (values < low) | (values > high)
        else:
            outside = ~np.isnan(values)
        worst = max(worst, float(weight @ outside))
    return worst


def _error_of_drift(reference: AnsweredRows, left: FloatArray, strength: float, shape: RowShape) -> float:
    """As `shift_error`: what the booster gets wrong, more than by chance, if the reference is tilted this much."""
    if strength <= 0 or len(reference) < 50:
        return 0.0
    surplus = []
    for w in tilted_weights(shape, reference, strength):
        middle = float(w @ left)
        surplus.append(middle**2 - float((w**2 * (left - left.mean()) ** 2).sum()))
    return math.sqrt(max(float(np.mean(surplus)), 0.0))


def expected_error_by_score(
    counts: FloatArray, reference: ScoreCounts, *, metric: Literal["mae", "rmse"], confidence: float = 0.9
) -> Expected:
    """The same from counts alone: each bin of predictions keeps the mean error that it had.

    Parameters
    ----------
    counts : shape (256,)
        Rows of the window by bin of the predicted value.
    reference
        Counted rows with their truth: those of a package's history.
    """
    rows, _, sizes, squares = np.asarray(reference.labelled, dtype=np.float64)
    sums, root = (sizes, False) if metric == "mae" else (squares, True)
    n, m = float(rows.sum()), float(counts.sum())
    overall = float(sums.sum()) / n
    mean = _smooth(sums, rows)
    # Of squares only the mean is known: their spread is that of normal errors.
    of_squares = _smooth(squares, rows)
    spread: FloatArray = 2 * mean**2 if root else np.clip(of_squares - mean**2, 0.0, None)
    q, p = counts / max(m, 1.0), rows / n
    value, before = float(q @ mean), overall
    of_rates = float((q**2 * spread / (rows + _PRIOR_ROWS)).sum())
    of_labels = float(q @ spread) / max(m, 1.0)
    of_reference = float(p @ spread) / n
    of_rows = float(q @ mean**2 - (q @ mean) ** 2) / max(m, 1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    half, moved = z * (of_rates + of_labels) ** 0.5, z * (of_rates + of_reference + of_rows) ** 0.5
    low, at, high, start = (_size(x, root=root) for x in (value - half, value, value + half, before))
    slope = 2 * max(start, at, 1e-300) if root else 1.0
    return Expected(
        metric=metric,
        value=at,
        interval=Interval(low=low, high=high, confidence=confidence),
        reference=start,
        change=Interval(low=at - start - moved / slope, high=at - start + moved / slope, confidence=confidence),
        rows=m,
    )


def _smooth(sums: FloatArray, rows: FloatArray) -> FloatArray:
    """The mean of each bin, held at that of the bins around it, and this at that of all rows; shape (256,)."""
    places = np.arange(len(rows))
    near = np.exp(-0.5 * ((places[:, None] - places) / _NEAR) ** 2)
    around = (near @ sums + sums.sum() / rows.sum()) / (near @ rows + 1)
    found: FloatArray = (sums + _PRIOR_ROWS * around) / (rows + _PRIOR_ROWS)
    return found


def _size(value: float, *, root: bool) -> float:
    inside = max(float(value), 0.0)
    return math.sqrt(inside) if root else inside
