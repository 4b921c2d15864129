"""Mean targets of cells: from all rows, and for the training rows from other rows. A cell is a level or a cross of two."""

from __future__ import annotations

import numpy as np

from mlwright.core import named_rng
from mlwright.data.dataset import FloatArray, IntArray

#: A mean is drawn towards the mean of all as if that had been seen so many times.
SMOOTHING = 20.0
INNER_FOLDS = 5
#: A cell of fewer rows is left out: the mean of one row is that row's own target.
LEAST_ROWS = 2


def smoothed_means(
    cells: IntArray, n_cells: int, target: FloatArray, weight: FloatArray | None = None
) -> tuple[FloatArray, IntArray, FloatArray]:
    """The mean target of each cell, shape (n_cells, n_targets), the rows of each, and the mean of all.

    Parameters
    ----------
    cells : shape (n_rows,)
        Numbers from 0 to `n_cells` - 1.
    target : shape (n_rows, n_targets)
    weight : shape (n_rows,), optional
        With a mean of 1, so that the smoothing means the same as without.
    """
    rows = np.bincount(cells, minlength=n_cells).astype(np.int64)
    if weight is None or not weight.sum() > 0:
        weight = np.ones(len(cells))
    weighted = target * weight[:, None]
    overall = weighted.sum(axis=0) / weight.sum()
    total = np.bincount(cells, weights=weight, minlength=n_cells)
    sums = np.column_stack([np.bincount(cells, weights=column, minlength=n_cells) for column in weighted.T])
    return (sums + SMOOTHING * overall) / (total + SMOOTHING)[:, None], rows, overall


def means_of_other_rows(
    cells: IntArray, n_cells: int, target: FloatArray, fold: IntArray, weight: FloatArray | None = None
) -> FloatArray:
    """Of each row the mean target of its cell in the other folds, less the mean of all there, shape (n_rows, n_targets).

    Each fold has its own middle: the mean of the other rows is lower where a row's own fold is higher, which would tell
    on it. Sums are made anew for each fold, never as a difference, whose rounding would tell as well.
    """
    features = np.zeros((len(cells), target.shape[1]))
    for number in np.unique(fold):
        inside = fold == number
        outside = ~inside
        if not outside.any():
            continue
        others = None if weight is None else weight[outside]
        means, rows, overall = smoothed_means(cells[outside], n_cells, target[outside], others)
        features[inside] = np.where(rows[:, None] >= LEAST_ROWS, means - overall, 0.0)[cells[inside]]
    return features


def inner_folds(
    n_rows: int, name: str, *, seed: int, groups: IntArray | None = None, folds: int = INNER_FOLDS
) -> IntArray:
    """Which rows do not see each other's targets, shape (n_rows,).

    Rows of one group are in one fold, where there are enough groups: a new row is of a new group too.
    """
    rng = named_rng(seed, "level means", name)
    if groups is not None:
        numbers, position = np.unique(groups, return_inverse=True)
        if len(numbers) >= 2 * folds:
            of_groups: IntArray = (rng.permutation(len(numbers)) % folds)[position]
            return of_groups
    return rng.permutation(n_rows) % folds
