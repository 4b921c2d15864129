"""Errors relative to knowing nothing, with their standard errors: the scale on which all metrics share one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlwright.data.dataset import FloatArray, IntArray
from mlwright.spec import Task
from mlwright.statistics import Scored

#: The metrics with a law of their own, by task; every other metric follows from predictions moved along with them.
BASE_METRICS: Mapping[Task, tuple[str, ...]] = {
    "binary": ("roc_auc", "log_loss", "accuracy"),
    "multiclass": ("roc_auc", "log_loss", "accuracy"),
    "regression": ("rmse",),
}
#: Probabilities are kept this far from 0 and 1 in a logarithm: one sure mistake of a quick learner would drown the rest.
_CLIP = 1e-4
#: Nothing is told from less than this share of the error of knowing nothing.
_LEAST_SHARE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class RelativeError:
    """An error as a share of the error of knowing nothing.

    (1 - AUC) / 0.5, log loss / entropy of the shares of classes, share of mistakes / that of always saying the commonest
    class, RMSE / standard deviation of the target.

    Attributes
    ----------
    error
        0 is perfect, 1 is knowing nothing; always positive.
    standard_error
        Of `error`, from the rows (or groups of rows) that it was measured on.
    unit
        The metric's own error is `error` times this.
    learner
        Which quick learner or average of them had it.
    """

    error: float
    standard_error: float
    unit: float
    learner: str = ""


def relative_errors(scored: Scored, task: Task, *, learner: str = "") -> dict[str, RelativeError]:
    """The relative error by each base metric of the task; without those that mean nothing for these rows.

    Rows of a group count as one for the standard error, weights count everywhere.

    References
    ----------
    Hampel (1974), The influence curve and its role in robust estimation, JASA; for the AUC it is what DeLong, DeLong and
    Clarke-Pearson (1988) have.
    """
    weight = np.ones(len(scored)) if scored.weight is None else scored.weight
    listed = {}
    for metric in BASE_METRICS[task]:
        found = _MEASURES[metric](scored, weight)
        if found is not None and found.unit > 0 and np.isfinite(found.error):
            least = max(found.least, _LEAST_SHARE * found.unit)
            deviation = standard_error(found.influence, weight, scored.group)
            listed[metric] = RelativeError(
                error=max(found.error, least) / found.unit,
                standard_error=max(deviation, least) / found.unit,
                unit=found.unit,
                learner=learner,
            )
    return listed


def standard_error(influence: FloatArray, weight: FloatArray, group: IntArray | None) -> float:
    """Of a weighted mean, or of what behaves like one, where rows of a group move together."""
    total = float(weight.sum())
    parts = weight * (influence - float(weight @ influence) / total)
    if group is not None:
        parts = np.bincount(np.unique(group, return_inverse=True)[1], weights=parts).astype(np.float64)
    n = len(parts)
    return float(np.sqrt((parts**2).sum() * n / max(n - 1, 1)) / total)


class _Measured(NamedTuple):
    """An error in the metric's own unit.

    `influence` is what each row adds to it, `unit` the error of knowing nothing, and `least` half a mistake: without any
    mistake the error is not 0, since half a mistake more would not have been surprising.
    """

    error: float
    influence: FloatArray
    unit: float
    least: float


def _auc(scored: Scored, weight: FloatArray) -> _Measured | None:
    if scored.prediction.ndim == 1:
        found = _one_against_rest(scored.target == 1, scored.prediction, weight)
        return None if found is None else _Measured(1 - found.area, -found.influence, 0.5, found.least)
    total = float(weight.sum())
    area, share_of_known, influence, least = 0.0, 0.0, np.zeros(len(scored)), 0.0
    for k in range(scored.prediction.shape[1]):
        positive = scored.target == k
        share = float(weight[positive].sum()) / total
        one = _one_against_rest(positive, scored.prediction[:, k], weight)
        if one is None:
            continue
        area += share * one.area
        share_of_known += share
        # The share of a class is random as well: a row of it pulls the mean towards its area.
        influence += share * one.influence + positive * one.area
        least += share * one.least
    if share_of_known == 0:
        return None
    return _Measured(1 - area / share_of_known, -influence / share_of_known, 0.5, least)


class _Area(NamedTuple):
    area: float
    influence: FloatArray
    least: float


def _one_against_rest(positive: np.ndarray, score: FloatArray, weight: FloatArray) -> _Area | None:
    """The AUC of one class against the others, and what each row adds to it; None if one side is empty."""
    up, down = np.where(positive, weight, 0.0), np.where(positive, 0.0, weight)
    w_up, w_down = float(up.sum()), float(down.sum())
    if w_up <= 0 or w_down <= 0:
        return None
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    of_run = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(score)]))
    ups, downs = np.add.reduceat(up[order], starts), np.add.reduceat(down[order], starts)
    below = (np.cumsum(downs) - downs / 2) / w_down  # other rows ranked below, ties by half
    above = (w_up - np.cumsum(ups) + ups / 2) / w_up  # positive rows ranked above
    placed = np.empty(len(score))
    placed[order] = np.where(positive[order], below[of_run], above[of_run])
    area = float(up @ placed) / w_up
    share = w_up / (w_up + w_down)
    influence = (placed - area) / np.where(positive, share, 1 - share)
    fewer = min(int((up > 0).sum()), int((down > 0).sum()))
    return _Area(area, influence, 0.05 / fewer)


def _log_loss(scored: Scored, weight: FloatArray) -> _Measured:
    probability = _probabilities(scored)
    given = probability[np.arange(len(scored)), scored.target.astype(np.int64)]
    loss = -np.log(given)
    shares = _shares(scored, weight)
    known = shares[shares > 0]
    entropy = -float((known * np.log(known)).sum())
    return _Measured(float(weight @ loss) / float(weight.sum()), loss, entropy, 0.0)


def _mistakes(scored: Scored, weight: FloatArray) -> _Measured:
    wrong = (scored.decided() != scored.target).astype(np.float64)
    total = float(weight.sum())
    counted = total**2 / float((weight**2).sum())
    return _Measured(float(weight @ wrong) / total, wrong, 1 - float(_shares(scored, weight).max()), 0.5 / counted)


def _rmse(scored: Scored, weight: FloatArray) -> _Measured:
    total = float(weight.sum())
    squared = (scored.prediction - scored.target) ** 2
    rmse = float(np.sqrt(weight @ squared / total))
    middle = float(weight @ scored.target) / total
    spread = float(np.sqrt(weight @ (scored.target - middle) ** 2 / total))
    return _Measured(rmse, squared / (2 * rmse) if rmse > 0 else squared, spread, 0.0)


def _probabilities(scored: Scored) -> FloatArray:
    """Of each class, shape (n_rows, n_classes), in the clip's bounds."""
    given = scored.prediction
    both = given if given.ndim == 2 else np.column_stack([1 - given, given])
    inside = np.clip(both, _CLIP, 1 - _CLIP)
    shares: FloatArray = inside / inside.sum(axis=1, keepdims=True)
    return shares


def _shares(scored: Scored, weight: FloatArray) -> FloatArray:
    shares: FloatArray = np.bincount(scored.target.astype(np.int64), weights=weight) / weight.sum()
    return shares


_MEASURES: Mapping[str, Callable[[Scored, FloatArray], _Measured | None]] = {
    "roc_auc": _auc,
    "log_loss": _log_loss,
    "accuracy": _mistakes,
    "rmse": _rmse,
}
