"""The quick curve: what a few quick learners score out of fold on an eighth to all of the rows.

Every learner is fitted at every anchor, on rows of the same folds, so the curve shows what more rows do and nothing else.
On large tables it is drawn on a sample whose size depends on rows and columns, never on the clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from mlwright.core import Stage, named_rng, named_seed
from mlwright.data import Dataset, Fold, SplitPlan, fold_rows
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.feasibility.learners import QuickLearner, quick_learners, with_averages
from mlwright.feasibility.relative import BASE_METRICS, RelativeError, relative_errors
from mlwright.features import fit_encoder
from mlwright.models import Outline, Rows, error_cost, one_blas_thread
from mlwright.search import EncodedFolds, Executor, Threads, rows_of
from mlwright.spec import Spec, Task
from mlwright.statistics import RowCost, Scored, objective_of

__all__ = ["BASE_METRICS", "Anchor", "QuickCurve", "RelativeError", "quick_curve", "sample_size"]

_SHARES = (0.125, 0.25, 0.5, 1.0)
#: An anchor needs so many rows, and so many of the rarest class, unless fewer than two anchors would be left.
_LEAST_ROWS, _LEAST_OF_CLASS = 60, 4
#: So many cells are worked on at most: a fit costs rows times columns, and a tree for each class.
_MOST_CELLS = 1_600_000
_FEWEST, _MOST = 4_000, 60_000
#: Folds: many where rows are few, since each fit then sees nearly all of them.
_FOLDS = ((5_000, 5), (12_000, 4))
_FOLDS_OF_MANY = 3
#: From so many levels of a category on, the dense view has their mean target, which only the anchor's rows may make.
_MANY_LEVELS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """One point of the curve.

    Attributes
    ----------
    rows
        Training rows of a fit, as the mean over folds.
    errors
        By metric, of the best quick learner or average there.
    """

    rows: float
    errors: Mapping[str, RelativeError]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickCurve:
    """What quick learners score out of fold, with few rows and with many.

    Attributes
    ----------
    anchors
        In rising order of their rows; the last one is all that a fold has.
    n_classes
        1 for a regression.
    rows : shape (n_rows,)
        Numbers of the training rows that have out-of-fold predictions, in rising order. On large tables it is a sample;
        of folds that go forward in time, the oldest rows have none.
    target, weight, group : shape (n_rows,)
        Of these rows; `weight` and `group` are None if they have none.
    cost
        What errors cost in these rows, if the spec says it.
    prediction : shape (n_rows,) or (n_rows, n_classes)
        Of the best learner or average at the last anchor, by the objective of the task: the probability of class 1, of each
        class, or the value.
    learner
        Which one that is.
    drift
        By metric: how much more the logarithm of the error varies from fold to fold than by chance, as a standard
        deviation; only of folds that go forward in time.
    seconds
        Of each learner for the fits of all folds at the last anchor, as one thread is busy; measured, never the same twice.
    """

    task: Task
    n_classes: int
    anchors: tuple[Anchor, ...]
    rows: IntArray = field(repr=False)
    target: FloatArray = field(repr=False)
    prediction: FloatArray = field(repr=False)
    weight: FloatArray | None = field(default=None, repr=False)
    group: IntArray | None = field(default=None, repr=False)
    cost: RowCost | None = field(default=None, repr=False)
    learner: str = ""
    drift: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def last(self) -> Anchor:
        """All rows that a fold has."""
        return self.anchors[-1]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that have a curve."""
        return tuple(self.last.errors)

    @property
    def scored(self) -> Scored:
        """The rows with their out-of-fold predictions, as metrics take them."""
        return Scored(
            target=self.target, prediction=self.prediction, weight=self.weight, group=self.group, cost=self.cost
        )


def quick_curve(
    train: Dataset,
    spec: Spec,
    plan: SplitPlan,
    *,
    seed: int,
    report: Stage | None = None,
    executor: Executor | None = None,
) -> QuickCurve:
    """Fit the quick learners at every anchor, and score them out of fold.

    Parameters
    ----------
    plan
        How rows are kept apart: its folds go forward in time, or keep groups together, as those of the search do.
    executor
        Who runs the fits; threads of this process, as many as the budget says, if not given.
    """
    executor = executor or Threads(spec.budget.workers)
    with one_blas_thread():
        chosen = sampled_rows(train, plan, seed=seed)
        sample = train if len(chosen) == len(train) else train.take(chosen)
        folds = fold_rows(sample, plan, _n_folds(sample, plan), seed=seed)
        data = EncodedFolds(sample, folds, seed=seed, keep_mb=spec.budget.memory_mb / 8, cost=error_cost(spec, sample))
        last = float(np.mean([len(fold.train) for fold in folds]))
        outline = Outline.of(sample)
        work = _Work(
            data=data,
            spec=spec,
            seed=seed,
            learners=quick_learners(outline, spec, rows=last),
            orders=[_growing(sample, fold, plan, seed=seed, number=i) for i, fold in enumerate(folds)],
            own_means=outline.most_levels > _MANY_LEVELS,
        )
        shares = _shares(sample, folds)
        fits = [(share, number) for share in reversed(shares) for number in range(len(folds))]
        of_fits: dict[tuple[float, int], _Fits] = {}
        for done, (fit, made) in enumerate(zip(fits, executor.map(work.fit, fits), strict=True)):
            of_fits[fit] = made
            if report is not None:
                report.advance("scoring quick models", done=float(done + 1), total=float(len(fits)))
        return _curve_of(data, chosen, plan, shares, of_fits)


def sample_size(n_rows: int, n_columns: int, n_classes: int = 1) -> int:
    """How many rows the curve is drawn on.

    Examples
    --------
    >>> sample_size(9_000, 20), sample_size(80_000, 30), sample_size(80_000, 500)
    (9000, 53333, 4000)
    """
    per_row = max(n_columns, 10) * max(n_classes / 2, 1)
    return min(n_rows, int(np.clip(_MOST_CELLS / per_row, _FEWEST, _MOST)))


def sampled_rows(train: Dataset, plan: SplitPlan, *, seed: int, most: int | None = None) -> IntArray:
    """Row numbers of the sample, in rising order: all rows of a small table; groups come whole where the plan has them.

    Parameters
    ----------
    most
        At most so many; `sample_size` if not given.
    """
    n = len(train)
    size = min(n, most or sample_size(n, len(train.features), len(train.classes)))
    if size == n:
        return np.arange(n, dtype=np.int64)
    order = _spread(train, np.arange(n, dtype=np.int64), plan, named_rng(seed, "feasibility", "sample"))
    return np.sort(order[:size])


def _n_folds(sample: Dataset, plan: SplitPlan) -> int:
    k = next((folds for most, folds in _FOLDS if len(sample) < most), _FOLDS_OF_MANY)
    if sample.task != "regression":
        counts = np.bincount(sample.y.astype(np.int64))
        k = min(k, max(int(counts[counts > 0].min()), 3))
    if plan.kind == "grouped" and sample.groups is not None:
        k = max(min(k, len(np.unique(sample.groups))), 2)
    return k


def _shares(sample: Dataset, folds: Sequence[Fold]) -> list[float]:
    """Of the training rows of a fold: rising, the last one is 1."""
    rows = min(len(fold.train) for fold in folds)
    rarest = rows
    if sample.task != "regression":
        y = sample.y.astype(np.int64)
        rarest = min(int(np.unique(y[fold.train], return_counts=True)[1].min()) for fold in folds)
    return [s for s in _SHARES if s >= 0.5 or (s * rows >= _LEAST_ROWS and s * rarest >= _LEAST_OF_CLASS)]


def _growing(sample: Dataset, fold: Fold, plan: SplitPlan, *, seed: int, number: int) -> IntArray:
    """The training rows of a fold in an order of which every beginning is a fair, smaller table."""
    return _spread(sample, fold.train, plan, named_rng(seed, "feasibility", "anchors", number))


def _spread(table: Dataset, rows: IntArray, plan: SplitPlan, rng: np.random.Generator) -> IntArray:
    """Rows in an order of which every beginning has all classes in their shares, or whole groups."""
    n = len(rows)
    groups = table.groups if plan.kind == "grouped" else None
    if groups is not None:
        unit = np.unique(groups[rows], return_inverse=True)[1]
        return rows[np.lexsort([rng.random(n), rng.permutation(int(unit.max()) + 1)[unit]])]
    if table.task == "regression":
        return rows[rng.permutation(n)]
    y = table.y[rows].astype(np.int64)
    place = np.empty(n)
    for k in np.unique(y):
        of_class = np.flatnonzero(y == k)
        place[of_class] = (rng.permutation(len(of_class)) + rng.random()) / len(of_class)
    return rows[np.argsort(place, kind="stable")]


class _Fits(NamedTuple):
    """Of all learners on one share of one fold: what they predict for its validation rows, and the seconds they took."""

    predictions: dict[str, FloatArray]
    seconds: dict[str, float]
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    """What every fit of the curve needs."""

    data: EncodedFolds
    spec: Spec
    seed: int
    learners: list[QuickLearner]
    orders: list[IntArray]
    own_means: bool

    def fit(self, job: tuple[float, int]) -> _Fits:
        share, number = job
        fold, order = self.data.folds[number], self.orders[number]
        rows = np.sort(order[: max(round(share * len(order)), 2)])
        predictions, seconds = {}, {}
        for learner in self.learners:
            fit, validation = self._rows(learner, number, fold, rows)
            begun = time.thread_time()
            seed = named_seed(self.seed, "feasibility", learner.name, number)
            predicted = learner.fit_predict(fit, validation, self.data, self.spec, seed=seed)
            predictions[learner.name] = predicted
            seconds[learner.name] = time.thread_time() - begun
        predictions["constant"] = self._constant(rows, len(fold.validation))
        return _Fits(predictions, seconds, len(rows))

    def _rows(self, learner: QuickLearner, number: int, fold: Fold, rows: IntArray) -> tuple[Rows, FloatArray]:
        """For fitting, and the matrix of the validation rows."""
        if learner.view == "dense" and self.own_means and len(rows) < len(fold.train):
            part = self.data.train.take(rows)
            encoder, matrix = fit_encoder(part, learner.view, seed=self.seed)
            weight = None if self.data.fit_weight is None else self.data.fit_weight[rows]
            fit = Rows(matrix=matrix, y=part.y, weight=weight)
            return fit, encoder.encode(self.data.train.take(fold.validation).table).values
        whole, validation = self.data.rows(number, learner.view)
        if len(rows) == len(fold.train):
            return whole, validation.matrix.values
        return whole.taken(np.searchsorted(fold.train, rows)), validation.matrix.values

    def _constant(self, rows: IntArray, n: int) -> FloatArray:
        """Knowing nothing: the shares of classes, or the mean."""
        y, weight = self.data.y[rows], None if self.data.weight is None else self.data.weight[rows]
        classes = len(self.data.train.classes)
        if weight is not None and not weight.sum() > 0:
            weight = None
        if classes > 2:
            return np.tile([float(np.average(y == k, weights=weight)) for k in range(classes)], (n, 1))
        return np.full(n, float(np.average(y, weights=weight)))


def _curve_of(
    data: EncodedFolds,
    chosen: IntArray,
    plan: SplitPlan,
    shares: Sequence[float],
    of_fits: Mapping[tuple[float, int], _Fits],
) -> QuickCurve:
    """The best learner or average at each anchor, by each metric."""
    task, numbers = data.train.task, range(len(data.folds))
    scored = rows_of(data.train, data.covered, data.cost)
    anchors: list[Anchor] = []
    known: dict[str, FloatArray] = {}
    for share in shares:
        fits = [of_fits[share, number] for number in numbers]
        joined = {name: data.joined([one.predictions[name] for one in fits]) for name in fits[0].predictions}
        known = {name: values[data.covered] for name, values in with_averages(joined).items()}
        anchors.append(Anchor(rows=float(np.mean([one.rows for one in fits])), errors=_best(known, scored, task)))
    of_last = [of_fits[1.0, number] for number in numbers]
    learner = _best_learner(known, scored, anchors[-1], task)
    fold = np.full(len(data.train), -1)
    for number in numbers:
        fold[data.folds[number].validation] = number
    best = replace(scored, prediction=known[learner])
    return QuickCurve(
        task=task,
        n_classes=max(len(data.train.classes), 1),
        anchors=tuple(anchors),
        rows=chosen[data.covered],
        target=best.target,
        prediction=best.prediction,
        weight=best.weight,
        group=best.group,
        cost=best.cost,
        learner=learner,
        drift=_drift(best, fold[data.covered], task) if plan.kind == "temporal" else {},
        seconds={name: sum(one.seconds[name] for one in of_last) for name in of_last[0].seconds},
    )


def _best(predictions: Mapping[str, FloatArray], scored: Scored, task: Task) -> dict[str, RelativeError]:
    """By each metric the smallest error of any learner or average."""
    best: dict[str, RelativeError] = {}
    for name, prediction in predictions.items():
        for metric, found in relative_errors(replace(scored, prediction=prediction), task, learner=name).items():
            if metric not in best or found.error < best[metric].error:
                # To know nothing has an AUC of exactly a half; how near a learner comes to it is chance all the same.
                least = best[metric].standard_error if metric in best and found.standard_error < 1e-3 else 0.0
                best[metric] = replace(found, standard_error=max(found.standard_error, least))
    return best


def _best_learner(predictions: Mapping[str, FloatArray], scored: Scored, last: Anchor, task: Task) -> str:
    """By what a search would choose."""
    objective = objective_of(task, with_cost=scored.cost is not None)
    if objective.name in last.errors or scored.cost is None:
        found = last.errors.get(objective.name)
        return "constant" if found is None else found.learner
    return min(predictions, key=lambda name: objective.compute(replace(scored, prediction=predictions[name])))


def _drift(scored: Scored, fold: IntArray, task: Task) -> dict[str, float]:
    """How much more the logarithm of the error varies between folds than their standard errors explain."""
    of_folds = [relative_errors(scored.take(fold == number), task) for number in np.unique(fold)]
    listed = {}
    for metric in BASE_METRICS[task]:
        known = [errors[metric] for errors in of_folds if metric in errors]
        if len(known) >= 2:
            logs = np.log([one.error for one in known])
            chance = np.mean([(one.standard_error / one.error) ** 2 for one in known])
            listed[metric] = float(np.sqrt(max(logs.var(ddof=1) - chance, 0.0)))
    return listed
