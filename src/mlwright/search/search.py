"""The search: what is tried in which order, until nothing is left or the budget would not hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from mlwright.core import Deadline, Progress, Stage, silent, stage
from mlwright.data import Dataset, SplitPlan, fold_rows
from mlwright.models import Outline, error_cost, one_blas_thread
from mlwright.search.executor import Executor, Threads
from mlwright.search.folds import EncodedFolds, TrialPlan, cross_validate
from mlwright.search.in_time import TookTooLong
from mlwright.search.known import Known, noted_known, with_known
from mlwright.search.pacing import ONE_SHARE, Pacing, tried
from mlwright.search.pilot import Pace, measure_pace, usual_folds
from mlwright.search.portfolio import portfolio
from mlwright.search.prototypes import evaluate_prototype
from mlwright.search.race import Race
from mlwright.search.trials import MemoryStore, Trial, Trials, TrialStore, ranked
from mlwright.search.variation import variation
from mlwright.spec import Spec
from mlwright.statistics import Metric, objective_of

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
    known: Sequence[Known] = (),
    executor: Executor | None = None,
    observe: Callable[[Trials], str | None] | None = None,
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
    known
        What earlier runs of the project chose, the best first: tried right after the first candidates. A search that goes
        on with a store keeps to what it was given when it began.
    executor
        Who runs the fits; threads of this process, as many as the budget says, if not given.
    observe
        Called after every trial with all of them so far; what it returns is told beside the best score.

    Notes
    -----
    With the same spec, rows and seed the same trials give the same numbers, whatever the order in which they finish;
    how many of them are made, on how many folds and how fine, depends on the clock, unless `budget.trials` says how many:
    then nothing depends on it, nor on the number of workers.
    """
    deadline = deadline or Deadline.after(spec.budget.seconds)
    store = store or MemoryStore()
    cost = error_cost(spec, train)
    objective = objective_of(train.task, with_cost=cost is not None)
    with stage("search", progress) as report, one_blas_thread():
        started = time.monotonic()
        executor = executor or Threads(spec.budget.workers)
        known = noted_known(store, known)
        pace = _pace(train, plan, spec, store, deadline.seconds, executor.workers, seed)
        folds = fold_rows(train, plan, pace.folds, seed=seed)
        data = EncodedFolds(
            train,
            folds,
            seed=seed,
            keep_mb=spec.budget.memory_mb / 8,
            groups_recur=plan.kind != "grouped",
            cost=cost,
        )
        report.advance(f"{len(folds)} folds of {len(train):,} rows", done=deadline.elapsed(), total=deadline.seconds)
        run = _Search(
            spec=spec,
            data=data,
            objective=objective,
            seed=seed,
            deadline=deadline,
            store=store,
            report=report,
            executor=executor,
            pacing=Pacing(
                spec=spec,
                data=data,
                objective=objective,
                seed=seed,
                deadline=deadline,
                pace=pace,
                executor=executor,
            ),
            outline=Outline.of(train),
            observe=observe,
        )
        run.try_prototypes(prototypes)
        run.try_portfolio(known)
        run.try_variations()
        report.advance(
            run.stopped, done=min(deadline.elapsed(), deadline.seconds), total=deadline.seconds, best=run.best()
        )
        return run.trials(time.monotonic() - started)


def _pace(
    train: Dataset, plan: SplitPlan, spec: Spec, store: TrialStore, seconds: float, workers: int, seed: int
) -> Pace:
    """What an earlier part of this search settled; else a pilot, unless the number of trials is given: no clock then."""
    noted = store.noted("pace")
    if noted is not None:
        return Pace.of_state(noted)
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
    executor: Executor
    pacing: Pacing
    outline: Outline
    observe: Callable[[Trials], str | None] | None = None
    made: list[Trial] = field(default_factory=list)
    stopped: str = "every candidate was tried"
    told: str | None = None

    def trials(self, seconds: float) -> Trials:
        """All that were made so far."""
        return Trials(
            objective=self.objective.name,
            trials=tuple(self.made),
            rows=self.data.covered,
            n_folds=len(self.data.folds),
            fit_share=self.data.fit_share,
            seconds=seconds,
            stopped=self.stopped,
        )

    def try_prototypes(self, prototypes: Mapping[str, Any]) -> None:
        for number, (name, estimator) in enumerate(prototypes.items()):
            id_ = f"p{number}-{name.replace(' ', '-')}"
            self.report.advance(f"scoring {name}", done=self.deadline.elapsed(), total=self.deadline.seconds)
            trial = self.store.get(id_)
            if trial is None:
                until = self.deadline.keeping_of_rest(1 - ONE_SHARE)
                trial = evaluate_prototype(id_, name, estimator, self.data, self.objective, deadline=until)
                self.store.put(trial)
            self.made.append(trial)

    def try_portfolio(self, known: Sequence[Known]) -> None:
        late: list[TrialPlan] = []
        for planned in with_known(portfolio(self.outline, self.spec), known, self.outline, self.spec):
            if self._enough():
                return
            if not self._try(planned, Race(self.made, self.objective)):
                late.append(replace(planned, last=True))
        for planned in late:
            # What was too slow for its turn may still be worth the time that the others have left.
            if self._enough():
                return
            self._try(planned, Race(self.made, self.objective))

    def try_variations(self) -> None:
        since = 0
        for number in range(_MOST_VARIATIONS):
            if self._enough():
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
        if self.spec.budget.trials is not None and tried(self.made) >= self.spec.budget.trials:
            self.stopped = f"{self.spec.budget.trials} trials were asked for"
            return True
        return False

    def _try(self, planned: TrialPlan, race: Race) -> bool:
        """Make one trial, or take it from the store; False if there is no time for it."""
        kept = self.store.get(planned.id)
        if kept is not None and kept.status in {"finished", "failed", "abandoned"}:
            self.made.append(kept)
            return True
        if planned.family.view == "crossed" and not self._crosses():
            self._leave_out(planned, "no crossing pays here, so it would repeat the plain one")
            return True
        until = self.pacing.until(self.made)
        told = f"trying {planned.parameters['name']}{f', {planned.origin}' if planned.origin else ''}"
        self.report.advance(told, done=self.deadline.elapsed(), total=self.deadline.seconds, best=self.best())
        begun = self.deadline.elapsed()
        try:
            planned, cost = self.pacing.paced(planned, until, self.made)
        except TookTooLong as error:
            self._keep(planned.trial("failed", seconds=self.deadline.elapsed() - begun, reason=str(error)))
            return True
        left = max(until.remaining(), 0.0)
        if self.pacing.too_little(planned, left, cost, self.made):
            if planned.last:
                self.stopped = _USED_UP
                self._leave_out(planned, f"would take about {cost:.1f} s, {left:.1f} s were left" if cost else _NO_TIME)
            return False
        trial = cross_validate(
            planned,
            self.data,
            self.objective,
            seed=self.seed,
            deadline=self.pacing.part(planned, cost, until, self.made),
            executor=self.executor,
            monotonic=self.spec.constraints.monotonic,
            hopeless=race.hopeless,
            start_seconds=self.pacing.start_seconds,
        )
        self._keep(trial)
        return True

    def _keep(self, trial: Trial) -> None:
        self.store.put(trial)
        self.made.append(trial)
        if self.observe is not None:
            self.told = self.observe(self.trials(self.deadline.elapsed()))

    def _crosses(self) -> bool:
        """Whether the crossed view has other features than the plain one, or shows them otherwise."""
        crossed, plain = (self.data.rows(0, view)[0].matrix for view in ("crossed", "codes"))
        return (crossed.names, crossed.categorical) != (plain.names, plain.categorical)

    def _leave_out(self, planned: TrialPlan, reason: str) -> None:
        self.made.append(planned.trial("left out", reason=reason))

    def _ranked(self) -> list[Trial]:
        return ranked((trial for trial in self.made if trial.usable), self.objective)

    def _best_score(self) -> float | None:
        order = self._ranked()
        return order[0].score if order else None

    def best(self) -> str | None:
        """The best score so far, for people who wait."""
        score = self._best_score()
        if score is None:
            return None
        told = f"; {self.told}" if self.told else ""
        return f"{self.objective.title} {score:.4g}{told}"


_USED_UP = "the budget is used up"
_NO_TIME = "too little time was left for any other candidate"
