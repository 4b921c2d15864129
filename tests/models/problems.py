"""Small problems of each task, and jobs to fit a family to them."""

from __future__ import annotations

import numpy as np

from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix
from mlwright.models import EstimatorFamily, FitJob, Outline, Rows, Settled
from mlwright.spec import Task

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
N_CLASSES = {"binary": 2, "multiclass": 3, "regression": 1}


def matrix(values: FloatArray) -> Matrix:
    return Matrix(values=values, names=tuple(f"x{i}" for i in range(values.shape[1])))


def problem(task: Task, n: int = 300, *, seed: int = 0, features: int = 4) -> tuple[FloatArray, FloatArray]:
    """Features and a target that depends on the first and a little on the second of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, features))
    raw = 2.5 * X[:, 0] + (X[:, 1] if features > 1 else 0.0) + 0.5 * rng.normal(size=n)
    if task == "regression":
        return X, 10 + 3 * raw
    return X, np.digitize(raw, [0.0] if task == "binary" else [-1.5, 1.5]).astype(np.float64)


def outline(task: Task, X: FloatArray) -> Outline:
    return Outline(task=task, n_rows=len(X), n_features=X.shape[1], n_classes=N_CLASSES[task], n_categories=1)


def job(
    family: EstimatorFamily,
    task: Task,
    X: FloatArray,
    y: FloatArray,
    *,
    weight: FloatArray | None = None,
    validation: tuple[FloatArray, FloatArray] | None = None,
    settled: Settled | None = None,
    seed: int = 1,
    deadline: Deadline | None = None,
    monotonic: tuple[int, ...] = (),
    candidate: int = 0,
) -> FitJob:
    return FitJob(
        task=task,
        n_classes=N_CLASSES[task],
        rows=Rows(matrix=matrix(X), y=y, weight=weight),
        parameters=family.candidates(outline(task, X))[candidate],
        seed=seed,
        deadline=deadline or Deadline.after(60),
        validation=None if validation is None else Rows(matrix=matrix(validation[0]), y=validation[1]),
        settled=settled,
        monotonic=monotonic,
    )


def loss(task: Task, y: FloatArray, predicted: FloatArray) -> float:
    """Squared error, or the log loss."""
    if task == "regression":
        return float(((predicted - y) ** 2).mean())
    given = (
        predicted[np.arange(len(y)), y.astype(int)] if predicted.ndim == 2 else np.where(y, predicted, 1 - predicted)
    )
    return float(-np.log(np.clip(given, 1e-12, 1)).mean())
