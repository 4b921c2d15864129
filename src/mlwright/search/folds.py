"""A trial: one family with one set of parameters, fitted and scored on every fold."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from mlwright.core import Deadline, MlwrightError, named_seed
from mlwright.data import Dataset, Fold
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix, View, fit_encoder
from mlwright.models import ErrorCost, EstimatorFamily, FitJob, FittedEstimator, Parameters, Rows, Settled, error_cost
from mlwright.search.executor import Executor
from mlwright.search.in_time import in_time
from mlwright.search.tempo import Stopwatch, Tempo
from mlwright.search.trials import Status, Trial
from mlwright.spec import Spec
from mlwright.statistics import Metric, RowCost, Scored


class EncodedFolds:
    """The folds of the training rows in the views that families want, encoded once and kept while memory allows.

    Parameters
    ----------
    keep_mb
        How much may be kept; what does not fit is encoded again when it is needed.
    groups_recur
        Whether validation rows may be of groups that training rows have (see `fit_encoder`).
    cost
        What errors cost, if the spec says it: what is fitted, how much rows count in it, and what candidates are scored by.
    """

    def __init__(
        self,
        train: Dataset,
        folds: Sequence[Fold],
        *,
        seed: int,
        keep_mb: float = 512.0,
        groups_recur: bool = False,
        cost: ErrorCost | None = None,
    ) -> None:
        self.train = train
        self.folds = list(folds)
        self.y = train.y
        self.weight = train.weight
        self.fit_weight = self.weight if cost is None else cost.fit_weight(train)
        self.quantile = None if cost is None else cost.quantile
        self.cost: RowCost | None = None if cost is None else cost.after_offset(train)
        self.covered = np.zeros(len(train), dtype=bool)
        for fold in folds:
            self.covered[fold.validation] = True
        self._seed = seed
        self._groups_recur = groups_recur
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
        encoder, matrix = fit_encoder(part, view, seed=self._seed, groups_recur=self._groups_recur)
        validation = encoder.encode(self.train.take(fold.validation).table)
        pair = self._of(matrix, fold.train), self._of(validation, fold.validation)
        with self._lock:
            self._kept[number, view] = pair
            while sum(_bytes(p) for p in self._kept.values()) > self._keep_bytes and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return pair

    def _of(self, matrix: Matrix, rows: np.ndarray) -> Rows:
        return Rows(matrix=matrix, y=self.y[rows], weight=None if self.fit_weight is None else self.fit_weight[rows])

    def scored(self, predictions: FloatArray) -> Scored:
        """The rows that are in a validation fold, with out-of-fold predictions."""
        return replace(rows_of(self.train, self.covered, self.cost), prediction=predictions[self.covered])

    def scored_fold(self, number: int, predicted: FloatArray) -> Scored:
        """The validation rows of a fold, with what was predicted for them."""
        rows = self.folds[number].validation
        return Scored(
            target=self.y[rows],
            prediction=predicted,
            weight=None if self.weight is None else self.weight[rows],
            cost=None if self.cost is None else self.cost.take(rows),
        )

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


def rows_of(train: Dataset, rows: np.ndarray, cost: RowCost | None = None) -> Scored:
    """Some training rows as metrics take them; their prediction is still to come.

    Parameters
    ----------
    cost
        What errors cost in all training rows, if candidates are compared by that.
    """
    weight, groups = train.weight, train.groups
    return Scored(
        target=train.y[rows],
        prediction=np.zeros(int(rows.sum())),
        weight=None if weight is None else weight[rows],
        group=None if groups is None else groups[rows],
        cost=None if cost is None else cost.take(rows),
    )


def compared_rows(train: Dataset, rows: np.ndarray, spec: Spec) -> Scored:
    """Some training rows as candidates are compared on them: with what errors cost, if the spec says it."""
    cost = error_cost(spec, train)
    return rows_of(train, rows, None if cost is None else cost.after_offset(train))


def _bytes(pair: tuple[Rows, Rows]) -> int:
    return sum(rows.matrix.values.nbytes for rows in pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlan:
    """What is to be tried.

    Attributes
    ----------
    origin
        Where the parameters come from, if not from the family: the trial of an earlier run.
    last
        Whether no other candidate waits behind it: it may take all the time that is left.
    """

    id: str
    family: EstimatorFamily
    parameters: Parameters
    origin: str = ""
    last: bool = False

    def trial(self, status: Status, **known: Any) -> Trial:
        """The record of how it went."""
        named: dict[str, Any] = {"id": self.id, "family": self.family.name, "parameters": self.parameters}
        return Trial(**named, origin=self.origin, status=status, **known)


def monotonic_signs(matrix: Matrix, train: Dataset, wanted: Mapping[str, str]) -> tuple[int, ...]:
    """For each feature 1, -1 or 0; only a feature that is a column itself can be constrained."""
    signs = {"increasing": 1, "decreasing": -1}
    usable = {name for name in wanted if name in train.features}
    return tuple(signs[wanted[name]] if name in usable else 0 for name in matrix.names)


#: Of what is left when a trial begins, for predicting after its fits.
PREDICTING = 0.2
#: The race is decided on so many folds, however many are fitted at once.
_RACED = 2
#: A fit that is not back so long after its deadline is given up: as long as it had, and a bit of the budget.
_GRACE_OF_FIT, _GRACE_OF_BUDGET, _GRACE_S = 1.0, 0.05, 0.5


def cross_validate(
    plan: TrialPlan,
    data: EncodedFolds,
    objective: Metric,
    *,
    seed: int,
    deadline: Deadline,
    executor: Executor,
    monotonic: Mapping[str, str] | None = None,
    hopeless: Callable[[Sequence[float]], str | None] | None = None,
    start_seconds: float = 0.0,
) -> Trial:
    """Fit and score one trial on all folds; never raises for a family that fails or does not come back: the trial says so.

    Parameters
    ----------
    hopeless
        Given the scores of the first folds, says why not to go on, or None.
    start_seconds
        What a fit may take before it looks at the clock for the first time, as far as that is known: it is waited for.
    """
    started = time.monotonic()
    until = deadline.keeping_of_rest(PREDICTING)
    n_folds = len(data.folds)

    def fit(number: int) -> _FoldFit:
        turn = _for_fold(until, number, n_folds, executor.workers)
        job = fold_job(plan, data, number, seed=seed, deadline=turn, monotonic=monotonic or {})
        watch = Stopwatch(turn.clock)
        begun = time.monotonic()
        estimator = in_time(patience(turn) + start_seconds, plan.family.fit, replace(job, deadline=watch.timed(turn)))
        return _FoldFit(estimator, time.monotonic() - begun, watch.tempo())

    try:
        first = min(max(executor.workers, _RACED), n_folds)
        fits = list(executor.map(fit, range(first)))
        if hopeless is not None and first < n_folds:
            scores = tuple(_early_score(fits[i], data, plan, objective, i, deadline) for i in range(_RACED))
            if reason := hopeless(scores):
                seconds = time.monotonic() - started
                return plan.trial(
                    "abandoned", fold_scores=scores, seconds=seconds, reason=reason, **_pace_of(fits, plan)
                )
        fits += executor.map(fit, range(first, n_folds))
        fitted = [one.estimator for one in fits]
        cut = any(one.cut for one in fitted)
        converged = [one.settled for one in fitted if not one.cut] or [one.settled for one in fitted]
        settled = plan.family.combine(converged, growth=1.0)
        predictions = _out_of_fold(fits, data, plan, settled, executor, deadline)
    except MlwrightError:
        raise
    except Exception as error:
        # A family is somebody else's code: whatever it raises ends this trial and not the run.
        reason = f"{type(error).__name__}: {error}"[:300]
        return plan.trial("failed", seconds=time.monotonic() - started, reason=reason)
    return plan.trial(
        "cut" if cut else "finished",
        score=objective.compute(data.scored(predictions)),
        fold_scores=fold_scores(predictions, data, objective),
        settled=plan.family.combine(converged, growth=1 / data.fit_share),
        seconds=time.monotonic() - started,
        refit_seconds=float(np.mean([one.seconds for one in fits])) / data.fit_share,
        reason="the budget ended its fits early" if cut else "",
        predictions=predictions,
        **_pace_of(fits, plan),
    )


def fold_job(
    plan: TrialPlan, data: EncodedFolds, number: int, *, seed: int, deadline: Deadline, monotonic: Mapping[str, str]
) -> FitJob:
    """What a family is asked for one fold."""
    rows, validation = data.rows(number, plan.family.view)
    return FitJob(
        task=data.train.task,
        n_classes=max(len(data.train.classes), 1),
        rows=rows,
        parameters=plan.parameters,
        seed=named_seed(seed, plan.id, number),
        deadline=deadline,
        validation=validation,
        monotonic=monotonic_signs(rows.matrix, data.train, monotonic),
        quantile=data.quantile,
    )


def _for_fold(until: Deadline, number: int, n_folds: int, workers: int) -> Deadline:
    """Its turn of what is left: the folds of one turn run at once, and none may take the time of those after it."""
    turns = -(-(n_folds - number) // workers)
    return until.keeping_of_rest(1 - 1 / turns)


def patience(turn: Deadline) -> float:
    """How many seconds a fit is waited for: its time and a little more, since some look at the clock now and then only."""
    left = max(turn.remaining(), 0.0)
    return (1 + _GRACE_OF_FIT) * left + _GRACE_OF_BUDGET * turn.seconds + _GRACE_S


def _pace_of(fits: Sequence[_FoldFit], plan: TrialPlan) -> dict[str, float]:
    """What came before the first round and what a round took, for families that have rounds."""
    known = [one.tempo for one in fits if one.tempo is not None]
    if "learning_rate" not in plan.parameters or not known:
        return {}
    return {
        "start_seconds": float(np.mean([one.start for one in known])),
        "round_seconds": float(np.mean([one.per_round for one in known])),
    }


class _FoldFit(NamedTuple):
    estimator: FittedEstimator
    seconds: float
    tempo: Tempo | None

    def predict(self, values: FloatArray, deadline: Deadline, settled: Settled | None = None) -> FloatArray:
        """What it says, waited for as long as its fit took beyond the deadline."""
        return in_time(patience(deadline) + self.seconds, lambda: self.estimator.predict(values, settled=settled))


def _early_score(
    fit: _FoldFit, data: EncodedFolds, plan: TrialPlan, objective: Metric, number: int, deadline: Deadline
) -> float:
    """Of one fold by itself, with what its own validation rows settled; good enough to see who is far behind."""
    _, validation = data.rows(number, plan.family.view)
    predicted = fit.predict(validation.matrix.values, deadline)
    return objective.compute(data.scored_fold(number, predicted))


def _out_of_fold(
    fits: Sequence[_FoldFit],
    data: EncodedFolds,
    plan: TrialPlan,
    settled: Settled,
    executor: Executor,
    deadline: Deadline,
) -> FloatArray:
    """All folds predict with what they settled together, so that none profits from its own validation rows."""

    def predict(number: int) -> FloatArray:
        _, validation = data.rows(number, plan.family.view)
        fit = fits[number]
        return fit.predict(validation.matrix.values, deadline, None if fit.estimator.cut else settled)

    return data.joined(executor.map(predict, range(len(fits))))


def fold_scores(predictions: FloatArray, data: EncodedFolds, objective: Metric) -> tuple[float, ...]:
    """Of each fold by itself."""
    return tuple(
        objective.compute(data.scored_fold(number, predictions[fold.validation]))
        for number, fold in enumerate(data.folds)
    )
