"""A trial: one family with one set of parameters, fitted and scored on every fold."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from mlwright.core import Deadline, MlwrightError, named_seed
from mlwright.data import Dataset, Fold
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix, View, fit_encoder
from mlwright.models import EstimatorFamily, FitJob, FittedEstimator, Parameters, Rows, Settled
from mlwright.search.trials import Trial
from mlwright.statistics import Metric, Scored


class EncodedFolds:
    """The folds of the training rows in the views that families want, encoded once and kept while memory allows.

    Parameters
    ----------
    keep_mb
        How much may be kept; what does not fit is encoded again when it is needed.
    """

    def __init__(self, train: Dataset, folds: Sequence[Fold], *, seed: int, keep_mb: float = 512.0) -> None:
        self.train = train
        self.folds = list(folds)
        self.y = train.y
        self.weight = train.weight
        self.covered = np.zeros(len(train), dtype=bool)
        for fold in folds:
            self.covered[fold.validation] = True
        self._seed = seed
        self._keep_bytes = keep_mb * 1e6
        self._kept: OrderedDict[tuple[int, View], tuple[Rows, Rows]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def fit_share(self) -> float:
        """How many of the training rows a fold is fitted on, as a share."""
        return float(np.mean([len(fold.train) for fold in self.folds])) / len(self.train)

    def rows(self, number: int, view: View) -> tuple[Rows, Rows]:
        """Training and validation rows of a fold; the encoder is fitted on the training rows of that fold."""
        with self._lock:
            if (number, view) in self._kept:
                self._kept.move_to_end((number, view))
                return self._kept[number, view]
        fold = self.folds[number]
        part = self.train.take(fold.train)
        encoder, matrix = fit_encoder(part, view, seed=self._seed)
        validation = encoder.encode(self.train.take(fold.validation).table)
        pair = self._of(matrix, fold.train), self._of(validation, fold.validation)
        with self._lock:
            self._kept[number, view] = pair
            while sum(_bytes(p) for p in self._kept.values()) > self._keep_bytes and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return pair

    def _of(self, matrix: Matrix, rows: np.ndarray) -> Rows:
        return Rows(matrix=matrix, y=self.y[rows], weight=None if self.weight is None else self.weight[rows])

    def scored(self, predictions: FloatArray) -> Scored:
        """The rows that are in a validation fold, with out-of-fold predictions."""
        return replace(rows_of(self.train, self.covered), prediction=predictions[self.covered])

    def joined(self, of_folds: Iterable[FloatArray]) -> FloatArray:
        """What was predicted for each fold in turn, shape (n_rows,) or (n_rows, n_classes); NaN for rows in none.

        Raises
        ------
        ValueError
            If it has the wrong shape or is not finite.
        """
        n_classes = len(self.train.classes)
        predictions = np.full((len(self.train), n_classes) if n_classes > 2 else len(self.train), np.nan)
        for fold, predicted in zip(self.folds, of_folds, strict=True):
            if predicted.shape != predictions[fold.validation].shape or not np.isfinite(predicted).all():
                raise ValueError("its predictions have the wrong shape or are not finite")
            predictions[fold.validation] = predicted
        return predictions


def rows_of(train: Dataset, rows: np.ndarray) -> Scored:
    """Some training rows as metrics take them; their prediction is still to come."""
    weight, groups = train.weight, train.groups
    return Scored(
        target=train.y[rows],
        prediction=np.zeros(int(rows.sum())),
        weight=None if weight is None else weight[rows],
        group=None if groups is None else groups[rows],
    )


def _bytes(pair: tuple[Rows, Rows]) -> int:
    return sum(rows.matrix.values.nbytes for rows in pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """What is to be tried."""

    id: str
    family: EstimatorFamily
    parameters: Parameters


def monotonic_signs(matrix: Matrix, train: Dataset, wanted: Mapping[str, str]) -> tuple[int, ...]:
    """For each feature 1, -1 or 0; only a feature that is a column itself can be constrained."""
    signs = {"increasing": 1, "decreasing": -1}
    usable = {name for name in wanted if name in train.features}
    return tuple(signs[wanted[name]] if name in usable else 0 for name in matrix.names)


#: Of what is left when a trial begins, for predicting after its fits.
_PREDICTING = 0.2


def cross_validate(
    plan: TrialPlan,
    data: EncodedFolds,
    objective: Metric,
    *,
    seed: int,
    deadline: Deadline,
    workers: int,
    monotonic: Mapping[str, str] | None = None,
    hopeless: Callable[[Sequence[float]], str | None] | None = None,
) -> Trial:
    """Fit and score one trial on all folds; never raises for a family that fails, the trial says so.

    Parameters
    ----------
    hopeless
        Given the scores of the first folds (as many as there are workers), says why not to go on, or None.
    """
    started = time.monotonic()
    until = deadline.keeping_of_rest(_PREDICTING)
    n_folds = len(data.folds)

    def fit(number: int) -> _FoldFit:
        rows, validation = data.rows(number, plan.family.view)
        begun = time.monotonic()
        job = FitJob(
            task=data.train.task,
            n_classes=max(len(data.train.classes), 1),
            rows=rows,
            parameters=plan.parameters,
            seed=named_seed(seed, plan.id, number),
            deadline=_for_fold(until, number, n_folds, workers),
            validation=validation,
            monotonic=monotonic_signs(rows.matrix, data.train, monotonic or {}),
        )
        return _FoldFit(plan.family.fit(job), time.monotonic() - begun)

    try:
        with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="mlwright-fold") as pool:
            fits = list(pool.map(fit, range(min(workers, n_folds))))
            if hopeless is not None and len(fits) < n_folds:
                scores = [_early_score(one.estimator, data, plan, objective, i) for i, one in enumerate(fits)]
                if reason := hopeless(scores):
                    return Trial(
                        id=plan.id,
                        family=plan.family.name,
                        parameters=plan.parameters,
                        status="abandoned",
                        fold_scores=tuple(scores),
                        seconds=time.monotonic() - started,
                        reason=reason,
                    )
            fits += pool.map(fit, range(len(fits), n_folds))
            fitted = [one.estimator for one in fits]
            converged = [one.settled for one in fitted if not one.cut] or [one.settled for one in fitted]
            settled = plan.family.combine(converged, growth=1.0)
            predictions = _out_of_fold(fitted, data, plan, settled, pool)
    except MlwrightError:
        raise
    except Exception as error:
        # A family is somebody else's code: whatever it raises ends this trial and not the run.
        return Trial(
            id=plan.id,
            family=plan.family.name,
            parameters=plan.parameters,
            status="failed",
            seconds=time.monotonic() - started,
            reason=f"{type(error).__name__}: {error}"[:300],
        )
    cut = any(one.cut for one in fitted)
    return Trial(
        id=plan.id,
        family=plan.family.name,
        parameters=plan.parameters,
        status="cut" if cut else "finished",
        score=objective.compute(data.scored(predictions)),
        fold_scores=fold_scores(predictions, data, objective),
        settled=plan.family.combine(converged, growth=1 / data.fit_share),
        seconds=time.monotonic() - started,
        refit_seconds=float(np.mean([one.seconds for one in fits])) / data.fit_share,
        reason="the budget ended its fits early" if cut else "",
        predictions=predictions,
    )


def _for_fold(until: Deadline, number: int, n_folds: int, workers: int) -> Deadline:
    """Its turn of what is left: the folds of one turn run at once, and none may take the time of those after it."""
    turns = -(-(n_folds - number) // workers)
    return until.keeping_of_rest(1 - 1 / turns)


def _early_score(
    estimator: FittedEstimator, data: EncodedFolds, plan: TrialPlan, objective: Metric, number: int
) -> float:
    """Of one fold by itself, with what its own validation rows settled; good enough to see who is far behind."""
    _, validation = data.rows(number, plan.family.view)
    predicted = estimator.predict(validation.matrix.values)
    return objective.compute(Scored(target=validation.y, prediction=predicted, weight=validation.weight))


class _FoldFit(NamedTuple):
    estimator: FittedEstimator
    seconds: float


def _out_of_fold(
    fitted: Sequence[FittedEstimator],
    data: EncodedFolds,
    plan: TrialPlan,
    settled: Settled,
    pool: ThreadPoolExecutor,
) -> FloatArray:
    """All folds predict with what they settled together, so that none profits from its own validation rows."""

    def predict(number: int) -> FloatArray:
        _, validation = data.rows(number, plan.family.view)
        estimator = fitted[number]
        return estimator.predict(validation.matrix.values, settled=None if estimator.cut else settled)

    return data.joined(pool.map(predict, range(len(fitted))))


def fold_scores(predictions: FloatArray, data: EncodedFolds, objective: Metric) -> tuple[float, ...]:
    """Of each fold by itself."""
    scores = []
    for fold in data.folds:
        rows = fold.validation
        weight = None if data.weight is None else data.weight[rows]
        scores.append(objective.compute(Scored(target=data.y[rows], prediction=predictions[rows], weight=weight)))
    return tuple(scores)
