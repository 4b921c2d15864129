"""The workflow: from a spec to a proven, documented model. This page is the map of mlwright.

Each stage is a function that knows only what comes before it; what it made is kept in the run's folder, so that a run
that was killed at any moment goes on with what was finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from mlwright.checks import CheckReport, run_checks
from mlwright.core import Deadline, Progress, ProgressEvent, silent
from mlwright.data import Dataset, Split, plan_split, read, split_rows
from mlwright.evaluation import evaluate
from mlwright.feasibility import Verdict, judge_feasibility
from mlwright.feasibility.watching import Watch
from mlwright.models import Model, add_document, capacity_share, decision_rule, error_cost
from mlwright.registry import register_run
from mlwright.reports import answer, model_card, report_page
from mlwright.runs import Run, RunFolder, RunUnfit, earlier_tests, known_candidates, name_of_test_rows
from mlwright.search import Executor, assemble, baseline_models, search
from mlwright.spec import Spec, load_spec, raise_if_contradictory
from mlwright.statistics import required_metrics
from mlwright.translation import Contradiction, find_contradictions, raise_if_certain

#: A shorter search is not forecast: that would take as long.
_LEAST_SECONDS, _LEAST_TRIALS = 20.0, 5


def run(
    spec: Spec | str | Path,
    frame: Any | None = None,
    *,
    resume: RunFolder | None = None,
    progress: Progress = silent,
    prototypes: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
) -> Run:
    """Do everything: read, check, search, fit, evaluate, report, and register the model as a version of its project's.

    Parameters
    ----------
    spec
        A spec, or the path of a `mlwright.yaml`.
    frame
        A data frame of any library in place of the source that the spec names.
    resume
        A run that was begun earlier: it goes on with what was finished.
    prototypes
        Your own scikit-learn estimators or pipelines by name: scored on the same folds and shown on the leaderboard.
    executor
        Who runs the fits of the search; threads of this process if not given.

    Raises
    ------
    ChecksFailed
        If the data is not fit; before any model is fitted.
    RequirementsNotMet
        If a requirement of priority `must` is not met; the report is written, and the model registered as refused.
    RegistryBusy, RegistryUnreachable, NameTaken
        If it cannot be registered; the run is whole all the same, and `register_run` does it later.
    """
    trained = train(spec, frame, resume=resume, progress=progress, prototypes=prototypes, executor=executor)
    evaluated = evaluate_run(trained, progress=progress)
    report_run(evaluated)
    register_run(evaluated)
    assert evaluated.evaluation is not None
    evaluated.evaluation.raise_if_not_met()
    return evaluated


def train(
    spec: Spec | str | Path,
    frame: Any | None = None,
    *,
    resume: RunFolder | None = None,
    progress: Progress = silent,
    prototypes: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
) -> Run:
    """Read, check, say what can be expected, search and fit; no test row is scored."""
    spec = resume.spec() if resume is not None else _loaded(spec)
    raise_if_contradictory(spec, today=_today() if resume is None else resume.begun_on)
    folder = resume or RunFolder.create(spec)
    with folder.locked():
        dataset = read(spec, frame, progress=progress)
        split = _split(folder, dataset, spec)
        checks = _checks(folder, dataset, spec, split, progress)
        checks.raise_if_failed()
        _raise_if_undecidable(spec, split.train)
        error_cost(spec, dataset)  # that of the test rows must be known as well
        contradictions = _contradictions(folder, spec, split, progress)
        raise_if_certain(contradictions)
        verdict = _verdict(folder, spec, split, progress, executor)
        if folder.done("fit"):
            trials, model = folder.trials(), Model.load(folder.model_path)
        else:
            train_rows = split.train
            deadline = Deadline.after(_seconds_left(folder, spec))
            trials = search(
                train_rows,
                spec,
                split.plan,
                seed=spec.seed,
                deadline=deadline,
                store=folder.trial_store(),
                progress=progress,
                prototypes=prototypes or {},
                known=known_candidates(folder, dataset) if spec.budget.starts_warm else (),
                executor=executor,
                observe=None if verdict is None else Watch(verdict, train_rows, spec, seed=spec.seed),
            )
            folder.write_search(trials)
            model = assemble(
                trials, train_rows, spec, seed=spec.seed, deadline=deadline, progress=progress, executor=executor
            )
            model.save(folder.model_path)
            folder.finish("fit", seconds=deadline.elapsed())
        made = Run(
            folder=folder,
            spec=spec,
            dataset=dataset,
            split=split,
            checks=checks,
            contradictions=contradictions,
            verdict=verdict,
            trials=trials,
            model=model,
        )
        folder.write_evidence(made.evidence())
        return made


def evaluate_run(made: Run, *, progress: Progress = silent) -> Run:
    """Score the test rows, once, and judge the requirements."""
    folder, spec, split = made.folder, made.spec, made.split
    with folder.locked():
        evaluation = folder.evaluation()
        if evaluation is None:
            baselines = baseline_models(made.trials, split.train, spec, seed=spec.seed)
            evaluation = evaluate(
                made.model,
                split,
                spec,
                baselines=baselines,
                package=folder.model_path,
                seed=spec.seed,
                progress=progress,
            )
            folder.write_predictions(split, made.model.predict(split.test))
            folder.write_evaluation(evaluation)
            folder.finish("evaluate", test_rows=name_of_test_rows(split), earlier_tests=earlier_tests(folder, split))
        evaluated = replace(made, evaluation=evaluation)
        folder.write_evidence(evaluated.evidence())
        return evaluated


def report_run(made: Run) -> Path:
    """Write the report and the model card; returns the path of the report."""
    with made.folder.locked():
        card = model_card(made)
        made.folder.write_text("model_card.md", card)
        add_document(made.folder.model_path, "model_card.md", card)
        return made.folder.write_text("report.html", report_page(made))


def check(
    spec: Spec | str | Path, frame: Any | None = None, *, progress: Progress = silent
) -> tuple[Split, CheckReport]:
    """Read and check; nothing is written."""
    spec = _loaded(spec)
    raise_if_contradictory(spec, today=_today())
    dataset = read(spec, frame, progress=progress)
    split = split_rows(dataset, plan_split(dataset, spec), seed=spec.seed)
    return split, run_checks(dataset, spec, split, progress=progress)


def judge(
    spec: Spec | str | Path, frame: Any | None = None, *, progress: Progress = silent, executor: Executor | None = None
) -> tuple[Split, CheckReport, Verdict]:
    """Say before any search whether it can be done, how well at best, and what it would take; nothing is written.

    Raises
    ------
    ChecksFailed, SpecInvalid, ContradictionFound
        If the data is not fit, or what is asked cannot all be: no forecast is needed then.
    """
    spec = _loaded(spec)
    split, checks = check(spec, frame, progress=progress)
    checks.raise_if_failed()
    raise_if_certain(find_contradictions(spec, split, today=_today(), progress=progress))
    verdict = judge_feasibility(
        split.train,
        spec,
        split.plan,
        test_rows=len(split.test_rows),
        seed=spec.seed,
        progress=progress,
        executor=executor,
    )
    return split, checks, verdict


def open_run(folder: RunFolder, frame: Any | None = None, *, progress: Progress = silent) -> Run:
    """A finished run with its data, read again from the source.

    Raises
    ------
    RunUnfit
        If the run never came to a model, or the source is not what it was.
    """
    if not folder.done("fit"):
        raise RunUnfit(
            "the run has no model yet",
            where=str(folder.path),
            fix=f"go on with it: mlwright train --resume {folder.path.name}",
        )
    spec = folder.spec()
    dataset = read(spec, frame, progress=progress)
    _same_data(folder, dataset)
    return Run(
        folder=folder,
        spec=spec,
        dataset=dataset,
        split=folder.split(dataset),
        checks=folder.checks(),
        contradictions=folder.contradictions(),
        verdict=folder.verdict(),
        trials=folder.trials(),
        model=Model.load(folder.model_path),
        evaluation=folder.evaluation(),
    )


def _today() -> date:
    return datetime.now(tz=UTC).date()


def _loaded(spec: Spec | str | Path) -> Spec:
    return spec if isinstance(spec, Spec) else load_spec(spec)


def _split(folder: RunFolder, dataset: Dataset, spec: Spec) -> Split:
    if folder.done("split"):
        _same_data(folder, dataset)
        return folder.split(dataset)
    split = split_rows(dataset, plan_split(dataset, spec), seed=spec.seed)
    folder.write_data(split)
    folder.finish("split")
    return split


def _checks(folder: RunFolder, dataset: Dataset, spec: Spec, split: Split, progress: Progress) -> CheckReport:
    if folder.done("check"):
        return folder.checks()
    report = run_checks(dataset, spec, split, progress=progress)
    folder.write_checks(report)
    folder.finish("check", status=report.status)
    return report


def _contradictions(folder: RunFolder, spec: Spec, split: Split, progress: Progress) -> tuple[Contradiction, ...]:
    if folder.done("contradictions") or folder.done("fit"):
        return folder.contradictions()
    found = find_contradictions(spec, split, today=folder.begun_on, progress=progress)
    folder.write_contradictions(found)
    folder.finish("contradictions", certain=sum(one.certain for one in found))
    return found


def _verdict(
    folder: RunFolder, spec: Spec, split: Split, progress: Progress, executor: Executor | None
) -> Verdict | None:
    """What is promised before the search; it is an estimate, so even a bad one does not stop the run."""
    if folder.done("feasibility") or folder.done("fit"):
        return folder.verdict()
    why_not = _too_short_to_judge(spec)
    if why_not:
        folder.finish("feasibility", left_out=why_not)
        return None
    verdict = judge_feasibility(
        split.train,
        spec,
        split.plan,
        test_rows=len(split.test_rows),
        seed=spec.seed,
        progress=progress,
        executor=executor,
    )
    folder.write_verdict(verdict)
    folder.finish("feasibility", outcome=verdict.outcome)
    said = answer(verdict, spec, split)
    text = f"{said.short}. {said.sentence}{'' if verdict.outcome == 'feasible' else f' {said.advice}'}"
    progress(ProgressEvent(stage="feasibility", kind="told", elapsed_s=verdict.seconds, detail=text))
    return verdict


def _too_short_to_judge(spec: Spec) -> str | None:
    """Why a search is over too soon for a forecast of it; None if it is not. By the spec, so that runs can be repeated."""
    budget = spec.budget
    if budget.trials is not None and budget.trials < _LEAST_TRIALS:
        return (
            f"a search of {budget.trials} trial{'s' if budget.trials > 1 else ''} takes no longer than a forecast of it"
        )
    if budget.seconds < _LEAST_SECONDS:
        return f"a search of {budget.seconds:g} s takes no longer than a forecast of it"
    return None


def _raise_if_undecidable(spec: Spec, train: Dataset) -> None:
    """Worths, costs, capacities and requirements that cannot be computed end the run here rather than after the search."""
    decision_rule(spec, train)
    share = capacity_share(spec, train)
    required_metrics(spec, train.task, share=None if share is None else share.share)


def _same_data(folder: RunFolder, dataset: Dataset) -> None:
    if folder.data()["fingerprint"] != dataset.fingerprint:
        raise RunUnfit(
            "the data is no longer what the run was made of",
            where=f"{dataset.description}, {folder.path}",
            fix="bring back the data as it was, or start a new run",
        )


def _seconds_left(folder: RunFolder, spec: Spec) -> float:
    """The budget without what finished trials have used; a resumed run gets at least a tenth of it for the fit."""
    used = sum(trial.seconds for trial in folder.trial_store().all() if trial.status != "cut")
    return max(spec.budget.seconds - used, 0.1 * spec.budget.seconds)
