"""Quick out-of-fold predictions: of one column by the mean target in its bins, of all columns by a small booster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.core import named_rng
from mlwright.data import Column, Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.statistics import METRICS, Scored

_FOLDS = 5
_BINS = 64
_SMOOTHING = {"classes": 5.0, "numbers": 1.0}
_MOST_CLASSES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OneColumn:
    """How well one column alone predicts the target.

    `score` is the cross-fitted ROC AUC (for more than two classes the mean of one class against the rest), or for a
    regression the share of the variance of the target's ranks that is explained, in [0, 1]. The purities are the largest
    share of a minor class among the rows with a value, and among those without.
    """

    score: float
    present_purity: float | None = None
    absent_purity: float | None = None


def fold_numbers(dataset: Dataset, *, seed: int, folds: int = _FOLDS) -> IntArray:
    """A fold for each row at random, the same number of each class in every fold, shape (n_rows,)."""
    rng = named_rng(seed, "checks", "folds", folds)
    strata = dataset.y if dataset.task != "regression" else np.zeros(len(dataset))
    order = np.lexsort([rng.random(len(dataset)), strata])
    numbers = np.empty(len(dataset), dtype=np.int64)
    numbers[order] = np.arange(len(dataset)) % folds
    return numbers


def bins_of(dataset: Dataset, column: Column, *, most: int = _BINS) -> IntArray:
    """Each value as the number of a bin (of which there are at most so many) or level from 1, missing as 0."""
    if column.type in {"category", "text", "identifier"}:
        return dataset.levels(column.name)[0] + 1
    numbers = dataset.numbers(column.name)
    known = np.isfinite(numbers)
    if not known.any():
        return np.zeros(len(numbers), dtype=np.int64)
    edges = np.unique(np.quantile(numbers[known], np.arange(1, most) / most))
    bins = np.zeros(len(numbers), dtype=np.int64)
    bins[known] = 1 + np.searchsorted(edges, numbers[known], side="left")
    return bins


def targets_of(dataset: Dataset) -> FloatArray:
    """The target as columns of numbers, shape (n_rows, n): ranks in [0, 1], or 0 and 1 for each of the larger classes."""
    y = dataset.y
    if dataset.task == "regression":
        ranks = np.argsort(np.argsort(y, kind="stable"), kind="stable")
        return (ranks / max(len(y) - 1, 1))[:, None]
    counts = np.bincount(y.astype(np.int64))
    classes = [1] if len(dataset.classes) == 2 else np.argsort(-counts)[:_MOST_CLASSES].tolist()
    return np.column_stack([(y == k).astype(np.float64) for k in classes])


def cross_fitted_means(bins: IntArray, targets: FloatArray, folds: IntArray, *, smoothing: float) -> FloatArray:
    """For each row the mean target of its bin in the other folds, drawn a little towards the mean of all."""
    width, k = int(bins.max()) + 1, int(folds.max()) + 1
    cell = folds * width + bins
    counts = np.bincount(cell, minlength=k * width).reshape(k, width)
    predicted = np.empty_like(targets)
    for j, target in enumerate(targets.T):
        sums = np.bincount(cell, weights=target, minlength=k * width).reshape(k, width)
        others, n_others = sums.sum(axis=0) - sums, counts.sum(axis=0) - counts
        overall = (others.sum(axis=1) / np.maximum(n_others.sum(axis=1), 1))[:, None]
        means = (others + smoothing * overall) / (n_others + smoothing)
        predicted[:, j] = means[folds, bins]
    return predicted


def one_column_scores(dataset: Dataset, *, seed: int) -> dict[str, OneColumn]:
    """Score every feature alone."""
    folds, targets = fold_numbers(dataset, seed=seed), targets_of(dataset)
    return {column.name: _one_column(dataset, column, targets, folds) for column in dataset.schema.features}


def _one_column(dataset: Dataset, column: Column, targets: FloatArray, folds: IntArray) -> OneColumn:
    if dataset.task == "regression":
        # The means themselves count here, not only their order: a few rows in each bin must tell them well.
        bins = bins_of(dataset, column, most=int(np.clip(len(dataset) // 20, 8, _BINS)))
        predicted = cross_fitted_means(bins, targets, folds, smoothing=_SMOOTHING["numbers"])
        error, spread = ((predicted - targets) ** 2).mean(), targets.var()
        return OneColumn(score=float(max(1 - error / spread, 0.0)) if spread > 0 else 0.0)
    bins = bins_of(dataset, column)
    predicted = cross_fitted_means(bins, targets, folds, smoothing=_SMOOTHING["classes"])
    auc = METRICS["roc_auc"]
    scores = [
        auc.compute(Scored(target=target, prediction=guess))
        for target, guess in zip(targets.T, predicted.T, strict=True)
        if 0 < target.sum() < len(target)
    ]
    return OneColumn(
        score=float(np.mean(scores)) if scores else 0.5,
        present_purity=_purity(targets, bins > 0),
        absent_purity=_purity(targets, bins == 0),
    )


def _purity(targets: FloatArray, rows: NDArray[np.bool_]) -> float | None:
    """The largest share that a class of less than half of all rows has among some rows; None for few or nearly all."""
    if not 20 <= rows.sum() <= len(rows) - 20:
        return None
    both = np.column_stack([targets, 1 - targets]) if targets.shape[1] == 1 else targets
    minor = both[:, both.mean(axis=0) <= 0.5]
    return float(minor[rows].mean(axis=0).max()) if minor.shape[1] else None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickModel:
    """Out-of-fold predictions of a quick model.

    Attributes
    ----------
    prediction : shape (n_rows,) or (n_rows, n_classes)
    score
        ROC AUC, or the share of the variance of the target that is explained.
    """

    prediction: FloatArray = field(repr=False)
    score: float


def quick_out_of_fold(
    dataset: Dataset,
    *,
    seed: int,
    leave_out: Sequence[str] = (),
    folds: IntArray | None = None,
    y: FloatArray | None = None,
) -> QuickModel:
    """A small booster on all features but those left out, cross-fitted.

    Parameters
    ----------
    y : shape (n_rows,), optional
        Another target in place of the dataset's own, of the same kind.
    """
    values, categorical = _matrix(dataset, leave_out)
    y = dataset.y if y is None else y
    folds = fold_numbers(dataset, seed=seed) if folds is None else folds
    n_classes = len(dataset.classes)
    prediction = np.zeros((len(y), n_classes) if n_classes > 2 else len(y))
    for fold in range(int(folds.max()) + 1):
        inside, outside = folds == fold, folds != fold
        prediction[inside] = _boosted(values[outside], y[outside], values[inside], categorical, dataset, seed)
    return QuickModel(prediction=prediction, score=quick_score(dataset, y, prediction))


def quick_score(dataset: Dataset, y: FloatArray, prediction: FloatArray) -> float:
    """ROC AUC, or R² not below 0."""
    scored = Scored(target=y, prediction=prediction)
    if dataset.task == "regression":
        return max(METRICS["r2"].compute(scored), 0.0)
    return METRICS["roc_auc"].compute(scored)


def _matrix(dataset: Dataset, leave_out: Sequence[str]) -> tuple[FloatArray, list[int]]:
    columns = [column for column in dataset.schema.features if column.name not in leave_out and column.type != "text"]
    parts, categorical = [], []
    for position, column in enumerate(columns):
        if column.type == "category":
            codes = dataset.levels(column.name)[0]
            parts.append(np.where(codes < 0, np.nan, codes).astype(np.float64))
            categorical.append(position)
        else:
            parts.append(dataset.numbers(column.name))
    return (np.column_stack(parts) if parts else np.zeros((len(dataset), 1))), categorical


def _boosted(
    values: FloatArray, y: FloatArray, new: FloatArray, categorical: list[int], dataset: Dataset, seed: int
) -> FloatArray:
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import lightgbm

    n = len(y)
    parameters: dict[str, Any] = {
        "objective": {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}[dataset.task],
        "verbosity": -1,
        "num_threads": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "learning_rate": 0.06,
        "num_leaves": 15,
        "min_data_in_leaf": int(np.clip(n // 100, 3, 20)),
        "feature_fraction_bynode": 0.7 if values.shape[1] >= 8 else 1.0,
        "min_data_per_group": int(np.clip(n // 50, 5, 100)),
    }
    if dataset.task == "multiclass":
        parameters["num_class"] = len(dataset.classes)
    data = lightgbm.Dataset(values, y, categorical_feature=categorical, params={"verbosity": -1})
    booster = lightgbm.train(parameters, data, 100)
    predicted: FloatArray = np.asarray(booster.predict(new, num_threads=1))
    return predicted
