"""How wrong estimates without labels get when the rows drift: tried out on the labelled reference rows.

The reference is tilted along each of its columns, up and down, as strongly as the window is. Of each tilt the truth is known,
so the error of the estimate is too; what is more than chance is the error that a drift of this size adds.
"""

from __future__ import annotations

import numpy as np

from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models.score_counts import BINS, bins_of
from mlwright.monitoring.expected_loss import metrics_of_cells
from mlwright.monitoring.rows import AnsweredRows, RowShape
from mlwright.monitoring.score_cells import ScoreCells

#: A stronger drift is taken as this one: no reference has enough rows that far out to try it.
MOST_STRENGTH = 1.5
#: Columns that are tried, and levels of a column.
_MOST_COLUMNS, _MOST_OF_LEVELS = 25, 4
_CHANCES = 8


def shift_error(
    reference: AnsweredRows, cells: ScoreCells, *, strength: float, shape: RowShape, rng: np.random.Generator
) -> dict[str, float]:
    """Standard error that a drift adds to each metric that is expected from scores, by the name of the metric.

    Parameters
    ----------
    strength
        Of the drift, as `Reweighting.strength`: 1 moves a normal column by its standard deviation.
    """
    assert reference.target is not None
    if strength <= 0 or len(reference) < 50:
        return {}
    classes = cells.classes
    decision = reference.decision if reference.decision is not None else (reference.prediction >= 0.5).astype(np.int64)
    hit = (reference.target == (1 if classes == 2 else decision)).astype(np.float64)
    cell = decision.astype(np.int64) * BINS + bins_of(reference.score)
    rate = cells.rates()[decision, bins_of(reference.score)]
    tilts = tilted_weights(shape, reference, strength)
    truths = [_of(tilt, cell, hit, cells) for tilt in tilts]
    expected = [_of(tilt, cell, rate, cells) for tilt in tilts]
    # The same errors where the rates are right by construction: chance in the labels.
    chances = [
        [_of(t, cell, (rng.random(len(rate)) < rate).astype(np.float64), cells) for t in tilts] for _ in range(_CHANCES)
    ]
    found = {}
    for name in truths[0]:
        error = np.array([float(t[name] - e[name]) for t, e in zip(truths, expected, strict=True)])
        chance = np.array([[float(t[name] - e[name]) for t, e in zip(one, expected, strict=True)] for one in chances])
        surplus = np.nanmean(error**2) - np.nanmean(chance**2) if np.isfinite(error).any() else 0.0
        found[name] = float(np.sqrt(max(surplus, 0.0)))
    return found


def tilted_weights(shape: RowShape, reference: AnsweredRows, strength: float) -> list[FloatArray]:
    """Weights of the reference rows under drifts of this size along single columns, up and down; each sums to 1."""
    weights = []
    for direction in directions(shape, reference)[: 2 * _MOST_COLUMNS]:
        for sign in (1.0, -1.0):
            tilted = np.exp(sign * min(strength, MOST_STRENGTH) * direction)
            tilted *= reference.weights
            weights.append(tilted / tilted.sum())
    return weights


def directions(shape: RowShape, reference: AnsweredRows) -> list[FloatArray]:
    """Columns as numbers of mean 0 and standard deviation 1: ranks of numbers, and having a level or not."""
    values = shape.matrix(reference.described)
    found = []
    for position, name in enumerate(shape.names):
        column = values[:, position]
        if name in shape.levels:
            common = np.bincount(column[~np.isnan(column)].astype(np.int64), minlength=1).argsort()[::-1]
            found += [(column == level).astype(np.float64) for level in common[:_MOST_OF_LEVELS].tolist()]
        else:
            found.append(_ranks(column))
    spread = [direction.std() for direction in found]
    return [(one - one.mean()) / sd for one, sd in zip(found, spread, strict=True) if sd > 1e-6]


def _ranks(column: FloatArray) -> FloatArray:
    """Mean ranks; missing values in the middle."""
    _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
    middle: FloatArray = (np.cumsum(counts) - counts / 2)[place.ravel()]
    return np.where(np.isnan(column), middle[~np.isnan(column)].mean() if (~np.isnan(column)).any() else 0.0, middle)


def _of(weight: FloatArray, cell: IntArray, hit: FloatArray, cells: ScoreCells) -> dict[str, FloatArray]:
    size = cells.classes * BINS
    hits = np.bincount(cell, weights=weight * hit, minlength=size).astype(np.float64).reshape(cells.classes, BINS)
    whole = np.bincount(cell, weights=weight, minlength=size).astype(np.float64).reshape(cells.classes, BINS)
    return metrics_of_cells(hits, whole - hits, cells)
