"""Every metric by name: what it measures, which way is better, and whether it is a mean over rows.

A metric that is a mean over rows has `per_row`; its interval and its comparisons are then exact and cheap. Definitions
follow scikit-learn's `sklearn.metrics`, which is the oracle in the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from mlwright.core import MlwrightError, closest
from mlwright.statistics import classification, regression
from mlwright.statistics.scored import FloatArray, Scored

Task = Literal["binary", "multiclass", "regression"]
_CLASSES: tuple[Task, ...] = ("binary", "multiclass")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A function of scored rows with a direction.

    Attributes
    ----------
    per_row
        The number whose mean is the metric (or whose mean's root, see `root`); None if there is no such number.
    successes
        For a share: which rows it is a share of, and which of them count; gives an exact binomial interval.
    needs_interval, needs_cost
        Whether the rows must have predicted intervals, or say what errors cost in them (`Scored.cost`).
    """

    name: str
    title: str
    tasks: tuple[Task, ...]
    higher_is_better: bool
    compute: Callable[[Scored], float]
    per_row: Callable[[Scored], FloatArray] | None = None
    root: bool = False
    successes: Callable[[Scored], tuple[FloatArray, FloatArray]] | None = None
    unit: str | None = None
    needs_interval: bool = False
    needs_cost: bool = False

    def better(self, a: float, b: float) -> bool:
        """Whether score `a` is better than score `b`."""
        return a > b if self.higher_is_better else a < b

    def gain(self, a: float, b: float) -> float:
        """How much better score `a` is than `b`; negative if worse."""
        return a - b if self.higher_is_better else b - a


def _share(
    name: str, title: str, tasks: tuple[Task, ...], successes: Callable[[Scored], tuple[FloatArray, FloatArray]]
) -> Metric:
    """A metric that is the share of some rows that have some property."""

    def compute(scored: Scored) -> float:
        of, hit = successes(scored)
        weight = of if scored.weight is None else of * scored.weight
        return float((weight * hit).sum() / weight.sum()) if weight.sum() > 0 else float("nan")

    return Metric(name=name, title=title, tasks=tasks, higher_is_better=True, compute=compute, successes=successes)


def _mean(
    name: str,
    title: str,
    tasks: tuple[Task, ...],
    per_row: Callable[[Scored], FloatArray],
    *,
    root: bool = False,
    unit: str | None = None,
) -> Metric:
    """An error that is the mean of a number per row, or the root of that mean."""

    def compute(scored: Scored) -> float:
        mean = scored.mean(per_row(scored))
        return float(np.sqrt(mean)) if root else mean

    return Metric(
        name=name,
        title=title,
        tasks=tasks,
        higher_is_better=False,
        compute=compute,
        per_row=per_row,
        root=root,
        unit=unit,
    )


def _other(
    name: str,
    title: str,
    tasks: tuple[Task, ...],
    compute: Callable[[Scored], float],
    *,
    higher_is_better: bool = True,
) -> Metric:
    return Metric(name=name, title=title, tasks=tasks, higher_is_better=higher_is_better, compute=compute)


def _nan_without_rows(compute: Callable[[Scored], float]) -> Callable[[Scored], float]:
    return lambda scored: compute(scored) if scored.counts else float("nan")


#: All metrics by name; the first one of a task is the default objective. Without a row that counts, each is NaN.
METRICS: dict[str, Metric] = {
    metric.name: replace(metric, compute=_nan_without_rows(metric.compute))
    for metric in (
        _mean("log_loss", "log loss", _CLASSES, classification.log_loss_per_row),
        _mean("brier", "Brier score", _CLASSES, classification.brier_per_row),
        _other("roc_auc", "ROC AUC", _CLASSES, classification.roc_auc),
        _other("pr_auc", "PR AUC (average precision)", ("binary",), classification.average_precision),
        _other(
            "calibration_error",
            "expected calibration error",
            _CLASSES,
            classification.calibration_error,
            higher_is_better=False,
        ),
        _share("accuracy", "accuracy", _CLASSES, classification.correct),
        _other("balanced_accuracy", "balanced accuracy", _CLASSES, classification.balanced_accuracy),
        _share("precision", "precision", ("binary",), classification.precise),
        _share("recall", "recall", ("binary",), classification.recalled),
        _share("specificity", "specificity", ("binary",), classification.specific),
        _other("f1", "F1", _CLASSES, classification.f1),
        _other("mcc", "Matthews correlation", _CLASSES, classification.matthews),
        _mean("rmse", "RMSE", ("regression",), regression.squared_error, root=True, unit="target"),
        _mean("mae", "MAE", ("regression",), regression.absolute_error, unit="target"),
        _mean("mape", "MAPE", ("regression",), regression.relative_error),
        _other("r2", "R²", ("regression",), regression.r2),
        replace(
            _mean("error_cost", "cost of errors", ("regression",), regression.error_cost, unit="currency"),
            needs_cost=True,
        ),
        Metric(
            name="interval_coverage",
            title="coverage of the prediction interval",
            tasks=("regression",),
            higher_is_better=True,
            compute=regression.coverage,
            successes=regression.covered,
            needs_interval=True,
        ),
    )
}

_OBJECTIVES: dict[Task, str] = {"binary": "log_loss", "multiclass": "log_loss", "regression": "rmse"}


class MetricUnknown(MlwrightError):
    """A metric of that name does not exist, or not for this task."""

    def __init__(self, name: str, task: Task | None = None, *, where: str) -> None:
        from mlwright.statistics.levels import DECISION_METRICS

        possible = [m.name for m in METRICS.values() if task is None or task in m.tasks]
        possible += DECISION_METRICS if task in {None, "binary"} else ()
        of_task = f" for a {task} task" if task and (name in METRICS or name in DECISION_METRICS) else ""
        super().__init__(f"there is no metric {name!r}{of_task}", where=where, fix=closest(name, possible))


def metric_named(name: str, task: Task | None = None, *, where: str = "the metric's name") -> Metric:
    """The metric of that name.

    Raises
    ------
    MetricUnknown
        If there is none, or it does not fit the task.
    """
    metric = METRICS.get(name)
    if metric is None or (task is not None and task not in metric.tasks):
        raise MetricUnknown(name, task, where=where)
    return metric


def default_metrics(task: Task, *, with_interval: bool = False, with_cost: bool = False) -> Sequence[Metric]:
    """Every metric that is reported for a task."""
    return [
        m
        for m in METRICS.values()
        if task in m.tasks and (with_interval or not m.needs_interval) and (with_cost or not m.needs_cost)
    ]


def objective_of(task: Task, *, with_cost: bool = False) -> Metric:
    """What candidates are compared by: what errors cost where the spec says it, else a proper score."""
    return METRICS["error_cost" if with_cost and task == "regression" else _OBJECTIVES[task]]
