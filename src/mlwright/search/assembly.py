"""From trials to a model: choose members, fit them on all training rows, calibrate, set the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlwright.core import Deadline, MlwrightError, Progress, named_rng, named_seed, silent, stage
from mlwright.data import Column, Dataset, Schema, TableSummary, plan_split
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features import Encoder, Matrix, View, fit_encoder
from mlwright.models import (
    FAMILIES,
    Calibration,
    DecisionRule,
    ErrorCost,
    FitJob,
    Member,
    Model,
    Offset,
    OutOfFold,
    Rows,
    ScoreCounts,
    error_cost,
    fit_calibration,
    fit_offset,
    fit_spread,
    one_blas_thread,
    rows_like_now,
    training_history,
    weights_of,
    with_group_limits,
)
from mlwright.search.ensemble import Ensemble, choose_members, ensemble_of
from mlwright.search.executor import Executor, Threads
from mlwright.search.folds import compared_rows, monotonic_signs, patience
from mlwright.search.in_time import in_time
from mlwright.search.limits import within_limits
from mlwright.search.trials import Trials
from mlwright.search.value import fitted_rule
from mlwright.spec import Spec
from mlwright.statistics import METRICS, Scored, objective_of
from mlwright.translation import eligible

#: Of what is left when the refits begin, for what comes after them.
_FINISHING = 0.15
#: More levels than this are not listed in the schema.
_LISTED_LEVELS = 1000


class NothingWorked(MlwrightError):
    """No candidate gave usable predictions."""

    def __init__(self, trials: Trials) -> None:
        reasons = "; ".join(f"{trial.name}: {trial.reason}" for trial in trials if trial.reason) or "no trial was made"
        super().__init__(
            "no candidate could be fitted",
            where=reasons[:500],
            fix="raise budget.seconds, or look at the reasons above",
        )


def assemble(
    trials: Trials,
    train: Dataset,
    spec: Spec,
    *,
    seed: int,
    deadline: Deadline | None = None,
    progress: Progress = silent,
    executor: Executor | None = None,
) -> Model:
    """Choose members on their out-of-fold predictions and fit them on all training rows.

    Parameters
    ----------
    executor
        Who runs the fits; threads of this process, as many as the budget says, if not given.

    Raises
    ------
    NothingWorked
        If no trial has predictions.
    """
    return _assembled(eligible_trials(trials, spec), train, spec, seed, deadline, progress, executor)


def eligible_trials(trials: Trials, spec: Spec) -> Trials:
    """The trials of families that can keep what the spec demands of a model."""
    return replace(
        trials, trials=tuple(t for t in trials if t.family in FAMILIES and eligible(FAMILIES[t.family], spec))
    )


def _assembled(
    trials: Trials,
    train: Dataset,
    spec: Spec,
    seed: int,
    deadline: Deadline | None = None,
    progress: Progress = silent,
    executor: Executor | None = None,
) -> Model:
    if not trials.usable:
        raise NothingWorked(trials)
    objective = METRICS[trials.objective]
    deadline = deadline or Deadline.after(spec.budget.seconds)
    with stage("fit", progress) as report, one_blas_thread():
        ensemble = choose_members(trials, compared_rows(train, trials.rows, spec), objective)
        report.advance(f"fitting on all {len(train):,} rows: {ensemble.describe()}")
        encoders, members = _fit_members(
            ensemble, trials, train, spec, seed, deadline, executor or Threads(spec.budget.workers)
        )
        return within_limits(members, partial(_model_of, encoders, trials, train, spec, seed), spec, train)


def _model_of(
    encoders: Mapping[View, Encoder], trials: Trials, train: Dataset, spec: Spec, seed: int, members: tuple[Member, ...]
) -> Model:
    """The model of fitted members, calibrated on what their trials said out of fold."""
    cost = error_cost(spec, train)
    out_of_fold = compared_rows(train, trials.rows, spec)
    ensemble = ensemble_of(trials, weights_of(members), out_of_fold, METRICS[trials.objective])
    predictions = ensemble.predictions[trials.rows]
    calibration = Calibration()
    if train.task != "regression":
        calibration = fit_calibration(
            predictions, out_of_fold.target, weight=out_of_fold.weight, rng=named_rng(seed, "calibration")
        )
    offset = None if cost is None else _offset(cost, train, spec, trials, out_of_fold, predictions)
    moved = predictions if offset is None else offset.apply(predictions)
    summary = train.summary()
    views = {member.view for member in members}
    calibrated = calibration.apply(predictions)
    rule, capacity = fitted_rule(spec, train, trials.rows, calibrated)
    rule = with_group_limits(rule, calibrated, spec, train.take(trials.rows))
    encoded = {name for view in views for name in encoders[view].columns}
    read = [name for name in train.schema.names if name in encoded or name in rule.columns]
    # Golden rows are drawn from the reference, and an identifier there would be somebody's.
    described = [c.name for c in train.schema.select(read) if c.type != "identifier" and c.role != "group"]
    like_now = rows_like_now(train, spec.operation.reference_from)
    recent = train if like_now is None else train.take(like_now)
    now = summary if like_now is None else recent.summary()
    reference = TableSummary(rows=now.rows, columns={name: now[name] for name in [*described, train.target]})
    answers = moved if train.task == "regression" else calibrated
    return Model(
        task=train.task,
        classes=train.classes,
        target=train.target,
        schema=learned_schema(train.schema.select(read), summary),
        encoders={view: encoder for view, encoder in encoders.items() if view in views},
        members=members,
        calibration=calibration,
        rule=rule,
        offset=offset,
        spread=fit_spread(moved, out_of_fold.target) if train.task == "regression" else None,
        reference=reference,
        history=training_history(
            recent,
            reference,
            window=spec.operation.window,
            out_of_fold=_said_of(rule, out_of_fold, answers, recent, trials.rows, like_now),
        ),
        facts={
            "project": spec.project.name,
            "id": spec.data.id,
            "seed": seed,
            "training_rows": len(train),
            "data_fingerprint": train.fingerprint,
            "objective": trials.objective,
            "out_of_fold_score": ensemble.score,
            **({} if cost is None else {"error_cost": str(cost.expression)}),
            **({} if capacity is None else {"capacity": capacity.state()}),
        },
    )


def _offset(
    cost: ErrorCost, train: Dataset, spec: Spec, trials: Trials, out_of_fold: Scored, predictions: FloatArray
) -> Offset | None:
    """What moves the answers to where errors cost least; the mean is there already where they cost by their square."""
    if cost.kind == "squared":
        return None
    of_rows = cost.of_training_rows(train).take(trials.rows)
    return fit_offset(
        predictions,
        out_of_fold.target,
        of_rows,
        weight=out_of_fold.weight,
        group=out_of_fold.group,
        in_bands=not spec.constraints.monotonic,
    )


def _said_of(
    rule: DecisionRule,
    out_of_fold: Scored,
    answers: FloatArray,
    train: Dataset,
    answered: NDArray[np.bool_],
    of_these: IntArray | None,
) -> OutOfFold:
    """What the ensemble answered for rows that it had not seen, by score and truth.

    Parameters
    ----------
    train
        The rows of the history.
    answered : shape (n_training_rows,)
        Which of all training rows were answered.
    of_these
        The numbers of the rows of the history among those; None if it has all.
    """
    rows = np.flatnonzero(answered)
    if of_these is not None:
        inside = np.isin(rows, of_these)
        out_of_fold, answers = out_of_fold.take(inside), answers[inside]
        rows = np.searchsorted(of_these, rows[inside])
    if train.task == "regression":
        low, high = np.quantile(answers, [0.0005, 0.9995]) if len(answers) else (0.0, 1.0)
        counts = ScoreCounts.none_yet(0, low=float(low), high=float(high) if high > low else float(low) + 1.0)
        decided, score = np.zeros(len(answers), dtype=np.int64), answers
    elif answers.ndim == 2:
        counts = ScoreCounts.none_yet(len(train.classes))
        decided, score = answers.argmax(axis=1).astype(np.int64), answers.max(axis=1)
    else:
        counts = ScoreCounts.none_yet(2)
        columns = train.take(rows).expression_columns(rule.columns)
        decided, score = rule.decide(answers, columns).decision, answers
    truth = out_of_fold.target if train.task == "regression" else out_of_fold.target.astype(np.int64)
    counts.add(decided, score)
    counts.add_truth(truth, decided, score)
    return OutOfFold(rows=rows, predicted=decided, score=score, counts=counts)


class _Refit(NamedTuple):
    trial: str
    number: int
    weight: float


def _fit_members(
    ensemble: Ensemble,
    trials: Trials,
    train: Dataset,
    spec: Spec,
    seed: int,
    deadline: Deadline,
    executor: Executor,
) -> tuple[dict[View, Encoder], tuple[Member, ...]]:
    # The last of the budget is for calibration and the summary; a baseline has no deadline to keep.
    until = deadline.keeping_of_rest(_FINISHING)
    refits = _within(until, ensemble, trials, executor.workers)
    views: list[View] = sorted({FAMILIES[trials[refit.trial].family].view for refit in refits})
    recur = plan_split(train, spec).kind != "grouped"
    encoded: dict[View, tuple[Encoder, Matrix]] = {
        view: fit_encoder(train, view, seed=seed, groups_recur=recur) for view in views
    }

    cost = error_cost(spec, train)
    weight = train.weight if cost is None else cost.fit_weight(train)

    def fit(refit: _Refit) -> Member | Exception:
        trial = trials[refit.trial]
        family = FAMILIES[trial.family]
        matrix = encoded[family.view][1]
        job = FitJob(
            task=train.task,
            n_classes=max(len(train.classes), 1),
            rows=Rows(matrix=matrix, y=train.y, weight=weight),
            parameters=trial.parameters,
            seed=named_seed(seed, "refit", refit.trial, refit.number),
            deadline=until,
            settled=trial.settled,
            monotonic=monotonic_signs(matrix, train, spec.constraints.monotonic),
            quantile=None if cost is None else cost.quantile,
        )
        try:
            estimator = in_time(patience(until), family.fit, job)
        except MlwrightError:
            raise
        except Exception as error:  # somebody else's code: the other members answer without it
            return error
        return Member(family=trial.family, trial=trial.id, weight=refit.weight, estimator=estimator)

    made = list(executor.map(fit, refits))
    fitted = [one for one in made if isinstance(one, Member)]
    if not fitted:
        cause = next(one for one in made if isinstance(one, Exception))
        raise MlwrightError(
            "no member could be fitted on all training rows",
            where=f"{ensemble.describe()}; {type(cause).__name__}: {cause}"[:500],
            fix="raise budget.seconds, or leave out the family that fails",
        ) from cause
    whole = [member for member in fitted if not member.estimator.cut] or fitted
    total = sum(member.weight for member in whole)
    members = tuple(replace(member, weight=member.weight / total) for member in whole)
    used = {member.view for member in members}
    return {view: encoder for view, (encoder, _) in encoded.items() if view in used}, members


def _within(deadline: Deadline, ensemble: Ensemble, trials: Trials, workers: int) -> list[_Refit]:
    """What to fit on all rows: every member with all its seeds; with one seed, or only the weightiest, if time is short."""
    by_weight = sorted(ensemble.weights.items(), key=lambda item: -item[1])
    left = deadline.remaining() * workers
    for kept, most_seeds in [(len(by_weight), 9), *((kept, 1) for kept in range(len(by_weight), 0, -1))]:
        members = by_weight[:kept]
        seeds = {trial: min(FAMILIES[trials[trial].family].refits, most_seeds) for trial, _ in members}
        cost = sum(trials[trial].refit_seconds * seeds[trial] for trial, _ in members)
        if cost <= 0.8 * left or (kept, most_seeds) == (1, 1):
            total = sum(weight for _, weight in members)
            return [
                _Refit(trial, number, weight / total / seeds[trial])
                for trial, weight in members
                for number in range(seeds[trial])
            ]
    raise AssertionError("the last case always holds")  # pragma: no cover


def learned_schema(schema: Schema, summary: TableSummary) -> Schema:
    """The schema with what the training rows had: levels, ranges, whether values were missing."""
    return Schema(tuple(_learned(column, summary) for column in schema))


def _learned(column: Column, summary: TableSummary) -> Column:
    known = summary[column.name]
    levels = None
    if column.type == "category" and known.levels is not None and known.levels.complete:
        listed = [value for value, _ in known.levels.levels()]
        levels = tuple(sorted(listed)) if len(listed) <= _LISTED_LEVELS else None
    numbers = known.numbers
    bounded = numbers is not None and numbers.moments.count > 0
    return column.but(
        nullable=known.nulls > 0,
        levels=levels,
        low=numbers.moments.low if bounded and numbers else None,
        high=numbers.moments.high if bounded and numbers else None,
    )


def baseline_models(trials: Trials, train: Dataset, spec: Spec, *, seed: int) -> dict[str, Model]:
    """The baselines that every score is shown beside: what is known without a model, and a linear model."""
    listed = {}
    for name in ("constant", "linear"):
        of_family = [trial for trial in trials.usable if trial.family == name]
        if of_family:
            only = Trials(
                objective=trials.objective,
                trials=(of_family[0],),
                rows=trials.rows,
                n_folds=trials.n_folds,
                fit_share=trials.fit_share,
            )
            listed[name] = _assembled(only, train, spec, seed)
    return listed | _mean_model(trials, train, spec, seed)


def _mean_model(trials: Trials, train: Dataset, spec: Spec, seed: int) -> dict[str, Model]:
    """Where errors cost other than by their square: the first boosted candidate, fitted and answering as if they did not."""
    cost = error_cost(spec, train)
    boosted = next((trial for trial in trials.usable if trial.family == "lightgbm"), None)
    if cost is None or cost.kind == "squared" or boosted is None:
        return {}
    plain = spec.but(decision=spec.decision.model_copy(update={"error_cost": None}))
    only = replace(trials, trials=(boosted,), objective=objective_of(train.task).name)
    return {"mean": _assembled(only, train, plain, seed)}
