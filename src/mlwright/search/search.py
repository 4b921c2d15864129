"""The search: what is tried in which order, until nothing is left or the budget would not hold."""

from __future__ import annotations

import os
import time

import numpy as np

from mlwright.core import Deadline, Progress, Stage, silent, stage
from mlwright.data import Dataset, SplitPlan, fold_rows
from mlwright.models import FAMILIES, Outline
from mlwright.search.folds import EncodedFolds, TrialPlan, cross_validate
from mlwright.search.trials import MemoryStore, Trial, Trials, TrialStore
from mlwright.spec import Spec
from mlwright.statistics import Metric, objective_of

#: Of the budget, at least, for fitting the chosen members on all rows.
REFIT_SHARE = 0.2
#: Families in the order in which their first candidates are tried: what is known without a model, then the likely best.
_ORDER = ("constant", "lightgbm", "linear")


def search(
    train: Dataset,
    spec: Spec,
    plan: SplitPlan,
    *,
    seed: int,
    deadline: Deadline | None = None,
    store: TrialStore | None = None,
    progress: Progress = silent,
) -> Trials:
    """Try candidates on folds of the training rows within the budget.

    Parameters
    ----------
    deadline
        The budget for search and refit together; starts now if not given.
    store
        Where finished trials are kept and looked up, so that a killed search goes on.

    Notes
    -----
    With the same spec, rows and seed the same trials give the same numbers, whatever the order in which they finish;
    how many of them are made depends on the clock, unless `budget.trials` says it.
    """
    deadline = deadline or Deadline.after(spec.budget.seconds)
    store = store or MemoryStore()
    objective = objective_of(train.task)
    with stage("search", progress) as report:
        started = time.monotonic()
        folds = fold_rows(train, plan, n_folds(train, plan), seed=seed)
        data = EncodedFolds(train, folds, seed=seed, keep_mb=spec.budget.memory_mb / 8)
        report.advance(f"{len(folds)} folds of {len(train):,} rows", done=deadline.elapsed(), total=deadline.seconds)
        made, stopped = _try_all(train, spec, data, objective, seed, deadline, store, report)
        return Trials(
            objective=objective.name,
            trials=tuple(made),
            rows=data.covered,
            n_folds=len(folds),
            fit_share=data.fit_share,
            seconds=time.monotonic() - started,
            stopped=stopped,
        )


def n_folds(train: Dataset, plan: SplitPlan) -> int:
    """More folds where rows are few: each model then sees nearly all of them."""
    if plan.folds is not None:
        return plan.folds
    n = len(train)
    k = 8 if n < 3000 else 5 if n < 30_000 else 3
    if train.task != "regression":
        counts = np.bincount(train.y.astype(np.int64))
        k = min(k, max(int(counts[counts > 0].min()), 3))
    return min(k, 4) if plan.kind == "temporal" else k


def plans(train: Dataset) -> list[TrialPlan]:
    """Every candidate in the order in which they are tried: the first of each family, then the others."""
    outline = Outline.of(train)
    listed = {name: list(FAMILIES[name].candidates(outline)) for name in _ORDER}
    longest = max(len(candidates) for candidates in listed.values())
    ordered = [
        (name, candidates[position])
        for position in range(longest)
        for name, candidates in listed.items()
        if position < len(candidates)
    ]
    return [
        TrialPlan(
            id=f"{number:02d}-{str(parameters['name']).replace(' ', '-')}", family=FAMILIES[name], parameters=parameters
        )
        for number, (name, parameters) in enumerate(ordered)
    ]


def _try_all(
    train: Dataset,
    spec: Spec,
    data: EncodedFolds,
    objective: Metric,
    seed: int,
    deadline: Deadline,
    store: TrialStore,
    report: Stage,
) -> tuple[list[Trial], str]:
    made: list[Trial] = []
    stopped = "every candidate was tried"
    workers = max(min(spec.budget.workers, os.cpu_count() or 1, len(data.folds)), 1)
    for planned in plans(train):
        if spec.budget.trials is not None and len(made) >= spec.budget.trials:
            stopped = f"{spec.budget.trials} trials were asked for"
            break
        known = store.get(planned.id)
        if known is not None and known.status in {"finished", "failed"}:
            made.append(known)
            continue
        until = deadline.keeping(_share_for_refit(made, deadline, workers))
        cost = _predicted_cost(planned, made)
        if any(trial.usable for trial in made if trial.family != "constant") and until.remaining() < 0.7 * cost:
            stopped = "the budget is used up"
            reason = f"would take about {cost:.0f} s, {max(until.remaining(), 0):.0f} s were left"
            made.append(
                Trial(
                    id=planned.id,
                    family=planned.family.name,
                    parameters=planned.parameters,
                    status="left out",
                    reason=reason,
                )
            )
            continue
        report.advance(
            f"trying {planned.parameters['name']}",
            done=deadline.elapsed(),
            total=deadline.seconds,
            best=_best(made, objective),
        )
        trial = cross_validate(
            planned,
            data,
            objective,
            seed=seed,
            deadline=until,
            workers=workers,
            monotonic=spec.constraints.monotonic,
        )
        store.put(trial)
        made.append(trial)
    report.advance(
        stopped, done=min(deadline.elapsed(), deadline.seconds), total=deadline.seconds, best=_best(made, objective)
    )
    return made, stopped


def _share_for_refit(made: list[Trial], deadline: Deadline, workers: int) -> float:
    """What must be kept of the budget so that whatever is chosen can be fitted on all rows, with room for a slow moment."""
    longest = max((trial.refit_seconds for trial in made if trial.usable), default=0.0)
    fits = -(-max(family.refits for family in FAMILIES.values()) // workers)
    return float(np.clip(1.5 * longest * fits / deadline.seconds, REFIT_SHARE, 0.5))


def _predicted_cost(planned: TrialPlan, made: list[Trial]) -> float:
    """Seconds that a trial will take, from those of its family; 0 if nothing is known."""
    same = [trial.seconds for trial in made if trial.family == planned.family.name and trial.usable]
    return max(same) if same else 0.0


def _best(made: list[Trial], objective: Metric) -> str | None:
    scores = [trial.score for trial in made if trial.score is not None and np.isfinite(trial.score)]
    if not scores:
        return None
    best = max(scores) if objective.higher_is_better else min(scores)
    return f"{objective.title} {best:.4g}"
