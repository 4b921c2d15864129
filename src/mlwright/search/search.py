"""The search: what is tried in which order, until nothing is left or the budget would not hold."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from mlwright.core import Deadline, Progress, Stage, silent, stage
from mlwright.data import Dataset, SplitPlan, fold_rows
from mlwright.models import FAMILIES, Outline, one_blas_thread
from mlwright.search.folds import EncodedFolds, TrialPlan, cross_validate
from mlwright.search.pilot import Pace, measure_pace, usual_folds
from mlwright.search.portfolio import BASELINES, portfolio
from mlwright.search.prototypes import FAMILY as PROTOTYPE
from mlwright.search.prototypes import evaluate_prototype
from mlwright.search.race import Race
from mlwright.search.trials import MemoryStore, Trial, Trials, TrialStore, ranked
from mlwright.search.variation import variation
from mlwright.spec import Spec
from mlwright.statistics import Metric, objective_of

#: Of the budget, at least, for fitting the chosen members on all rows; more where the fits so far say so.
REFIT_SHARE = 0.1
#: One candidate of a family never tried may take so much of what is left: others may be better.
_ONE_SHARE = 0.35
#: Variations end when so many in a row were no better, or after so many: the best of very many is best by luck.
_PATIENCE = 12
_MOST_VARIATIONS = 60
_NONE: Mapping[str, Any] = MappingProxyType({})


def search(
    train: Dataset,
    spec: Spec,
    plan: SplitPlan,
    *,
    seed: int,
    deadline: Deadline | None = None,
    store: TrialStore | None = None,
    progress: Progress = silent,
    prototypes: Mapping[str, Any] = _NONE,
) -> Trials:
    """Try candidates on folds of the training rows within the budget.

    Parameters
    ----------
    deadline
        The budget for search and refit together; starts now if not given.
    store
        Where finished trials are kept and looked up, so that a killed search goes on.
    prototypes
        The team's own scikit-learn estimators or pipelines by name: scored on the same folds, for comparison.

    Notes
    -----
    With the same spec, rows and seed the same trials give the same numbers, whatever the order in which they finish;
    how many of them are made, on how many folds and how fine, depends on the clock, unless `budget.trials` says how many:
    then nothing depends on it.
    """
    deadline = deadline or Deadline.after(spec.budget.seconds)
    store = store or MemoryStore()
    objective = objective_of(train.task)
    with stage("search", progress) as report, one_blas_thread():
        started = time.monotonic()
        workers = max(min(spec.budget.workers, os.cpu_count() or 1), 1)
        pace = _pace(train, plan, spec, store, deadline.seconds, workers, seed)
        folds = fold_rows(train, plan, pace.folds, seed=seed)
        data = EncodedFolds(train, folds, seed=seed, keep_mb=spec.budget.memory_mb / 8)
        report.advance(f"{len(folds)} folds of {len(train):,} rows", done=deadline.elapsed(), total=deadline.seconds)
        run = _Search(
            spec=spec,
            data=data,
            objective=objective,
            seed=seed,
            deadline=deadline,
            store=store,
            report=report,
            pace=pace,
            workers=max(min(workers, len(folds)), 1),
            outline=Outline.of(train),
        )
        run.try_prototypes(prototypes)
        run.try_portfolio()
        run.try_variations()
        report.advance(
            run.stopped, done=min(deadline.elapsed(), deadline.seconds), total=deadline.seconds, best=run.best()
        )
        return Trials(
            objective=objective.name,
            trials=tuple(run.made),
            rows=data.covered,
            n_folds=len(folds),
            fit_share=data.fit_share,
            seconds=time.monotonic() - started,
            stopped=run.stopped,
        )


def _pace(
    train: Dataset, plan: SplitPlan, spec: Spec, store: TrialStore, seconds: float, workers: int, seed: int
) -> Pace:
    """What an earlier part of this search settled; else a pilot, unless the number of trials is given: no clock then."""
    noted = store.noted("pace")
    if noted is not None:
        return Pace(folds=int(noted["folds"]), least_rate=float(noted["least_rate"]))
    if spec.budget.trials is not None:
        pace = Pace(folds=usual_folds(train, plan))
    else:
        pace = measure_pace(train, plan, seconds=seconds, workers=workers, seed=seed)
    store.note("pace", pace.state())
    return pace


@dataclass(slots=True, kw_only=True)
class _Search:
    """One search under way."""

    spec: Spec
    data: EncodedFolds
    objective: Metric
    seed: int
    deadline: Deadline
    store: TrialStore
    report: Stage
    pace: Pace
    workers: int
    outline: Outline
    made: list[Trial] = field(default_factory=list)
    stopped: str = "every candidate was tried"

    def try_prototypes(self, prototypes: Mapping[str, Any]) -> None:
        for number, (name, estimator) in enumerate(prototypes.items()):
            id_ = f"p{number}-{name.replace(' ', '-')}"
            self.report.advance(f"scoring {name}", done=self.deadline.elapsed(), total=self.deadline.seconds)
            trial = self.store.get(id_)
            if trial is None:
                until = self.deadline.keeping_of_rest(1 - _ONE_SHARE)
                trial = evaluate_prototype(id_, name, estimator, self.data, self.objective, deadline=until)
                self.store.put(trial)
            self.made.append(trial)

    def try_portfolio(self) -> None:
        for planned in portfolio(self.outline, self.spec):
            if self._enough():
                return
            fitted = TrialPlan(id=planned.id, family=planned.family, parameters=self.pace.fitted(planned.parameters))
            self._try(fitted, Race(self.made, self.objective))

    def try_variations(self) -> None:
        since = 0
        for number in range(_MOST_VARIATIONS):
            if self._enough() or self.stopped == _USED_UP:
                return
            planned = variation(self.made, self.outline, self.spec, self.objective, number=number, seed=self.seed)
            if planned is None:
                return
            before = self._best_score()
            if not self._try(planned, Race(self.made, self.objective, strict=True)):
                return
            after = self._best_score()
            since = 0 if before is None or (after is not None and self.objective.gain(after, before) > 0) else since + 1
            if since >= _PATIENCE:
                self.stopped = f"{_PATIENCE} variations in a row were no better"
                return
        self.stopped = f"{_MOST_VARIATIONS} variations were tried"

    def _enough(self) -> bool:
        tried = sum(trial.family != PROTOTYPE for trial in self.made)
        if self.spec.budget.trials is not None and tried >= self.spec.budget.trials:
            self.stopped = f"{self.spec.budget.trials} trials were asked for"
            return True
        return False

    def _try(self, planned: TrialPlan, race: Race) -> bool:
        """Make one trial, or take it from the store; False if there is no time for it."""
        known = self.store.get(planned.id)
        if known is not None and known.status in {"finished", "failed", "abandoned"}:
            self.made.append(known)
            return True
        if planned.family.view == "crossed" and not self._crosses():
            self._leave_out(planned, "no crossing pays here, so it would repeat the plain one")
            return True
        until = self.deadline.keeping(self._share_for_refit())
        cost = self._predicted_cost(planned)
        left = max(until.remaining(), 0.0)
        if any(trial.usable for trial in self.made if trial.family not in BASELINES) and left < max(0.8 * cost, 0.05):
            self.stopped = _USED_UP
            self._leave_out(planned, f"would take about {cost:.1f} s, {left:.1f} s were left")
            return False
        self.report.advance(
            f"trying {planned.parameters['name']}",
            done=self.deadline.elapsed(),
            total=self.deadline.seconds,
            best=self.best(),
        )
        if cost == 0.0 and planned.family.name not in {*BASELINES, "lightgbm"}:
            until = until.keeping_of_rest(1 - _ONE_SHARE)
        trial = cross_validate(
            planned,
            self.data,
            self.objective,
            seed=self.seed,
            deadline=until,
            workers=self.workers,
            monotonic=self.spec.constraints.monotonic,
            hopeless=race.hopeless,
        )
        self.store.put(trial)
        self.made.append(trial)
        return True

    def _crosses(self) -> bool:
        """Whether the crossed view has other features than the plain one."""
        crossed, plain = (self.data.rows(0, view)[0].matrix.names for view in ("crossed", "codes"))
        return crossed != plain

    def _leave_out(self, planned: TrialPlan, reason: str) -> None:
        self.made.append(
            Trial(
                id=planned.id,
                family=planned.family.name,
                parameters=planned.parameters,
                status="left out",
                reason=reason,
            )
        )

    def _share_for_refit(self) -> float:
        """What must be kept of the budget so that what is likely chosen can be fitted on all rows, in a slow moment too."""
        fits = [trial.refit_seconds for trial in self._ranked()[:3] for _ in range(FAMILIES[trial.family].refits)]
        needed = max(sum(fits) / self.workers, max(fits, default=0.0))
        return float(np.clip(1.3 * needed / self.deadline.seconds, REFIT_SHARE, 0.45))

    def _predicted_cost(self, planned: TrialPlan) -> float:
        """Seconds that a trial will take, from those of its family; 0 if nothing is known."""
        same = [trial.seconds for trial in self.made if trial.family == planned.family.name and trial.usable]
        return float(np.median(same)) if same else 0.0

    def _ranked(self) -> list[Trial]:
        return ranked((trial for trial in self.made if trial.usable), self.objective)

    def _best_score(self) -> float | None:
        order = self._ranked()
        return order[0].score if order else None

    def best(self) -> str | None:
        """The best score so far, for people who wait."""
        score = self._best_score()
        return None if score is None else f"{self.objective.title} {score:.4g}"


_USED_UP = "the budget is used up"
