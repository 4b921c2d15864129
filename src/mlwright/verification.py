"""Compute every number of a run again, from its data and its package, and compare it with the evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlwright.checks import run_checks
from mlwright.core import Evidence, EvidenceStore, MlwrightError, Progress, silent
from mlwright.data import plan_split, split_rows
from mlwright.evaluation import evaluate
from mlwright.feasibility import judge_feasibility
from mlwright.runs import Run, RunFolder, RunUnfit, contradictions_evidence, data_evidence, trials_evidence
from mlwright.search import Trial, Trials, baseline_models, compared_rows, trade_off_evidence
from mlwright.statistics import METRICS
from mlwright.translation import find_contradictions
from mlwright.workflow import open_run

#: Numbers may differ by this share: other processors round otherwise.
TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A number that came out otherwise, or not at all."""

    id: str
    stored: object
    computed: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """How many numbers were computed again, which differ, and how many are times and sizes."""

    run: str
    computed: int
    measured: int
    differences: tuple[Difference, ...]

    @property
    def holds(self) -> bool:
        return not self.differences


class EvidenceDiffers(MlwrightError):
    """Some number of the run does not come out again."""

    exit_code = 1

    def __init__(self, found: Verification) -> None:
        first = found.differences[0]
        super().__init__(
            f"{len(found.differences)} of {found.computed} numbers do not come out again, first {first.id}: "
            f"stored {first.stored}, computed {first.computed}",
            where=found.run,
            fix="find out what changed: the evidence, the package, the trials, or the versions of the libraries",
        )


def verify(folder: RunFolder, frame: Any | None = None, *, progress: Progress = silent) -> Verification:
    """Recompute the evidence of a run.

    The package is loaded (checksums, golden rows), the data is read and split again (fingerprint), checks, trial scores and the
    whole evaluation are computed again; the files that the report is drawn from must say the same. Times and sizes can
    only be measured again, so they are counted but not computed.

    Raises
    ------
    PackageDamaged, RunUnfit
        If the package or the data is not what it was.
    """
    stored = folder.evidence()
    made = open_run(folder, frame, progress=progress)
    _same_split(made)
    again = EvidenceStore(_computed_again(made, progress))
    expected = [record for record in again if record.kind == "computed"]
    # What is called measured but can be computed is compared as well.
    computable = {record.id for record in expected}
    computed = [record for record in stored if record.kind == "computed" or record.id in computable]
    differences = [
        Difference(id=record.id, stored=_shown(record), computed=_shown(again.get(record.id)))
        for record in computed
        if not _same(record, again.get(record.id))
    ]
    differences += [
        Difference(id=record.id, stored=None, computed=_shown(record))
        for record in expected
        if stored.get(record.id) is None
    ]
    differences += [
        Difference(id=record.id, stored=_shown(stored.get(record.id)), computed=f"{_shown(record)} in the run's files")
        for record in made.evidence()
        if not _same(record, stored.get(record.id)) and record.id not in {one.id for one in differences}
    ]
    return Verification(
        run=folder.path.name,
        computed=len(computed),
        measured=len(stored) - len(computed),
        differences=tuple(differences),
    )


def _same_split(made: Run) -> None:
    """Scores on rows that the model was fitted on would come out again as well."""
    again = split_rows(made.dataset, plan_split(made.dataset, made.spec), seed=made.spec.seed)
    pairs = ((again.train_rows, made.split.train_rows), (again.test_rows, made.split.test_rows))
    if not all(np.array_equal(one, other) for one, other in pairs):
        raise RunUnfit(
            "the rows are not split as the spec and its seed say",
            where=str(made.folder.path / "split.arrow"),
            fix="restore the file and the spec of the run from a copy, or make a new run",
        )


def _computed_again(made: Run, progress: Progress) -> list[Evidence]:
    checks = run_checks(made.dataset, made.spec, made.split, progress=progress)
    trials = _rescored(made.trials, made)
    rescored = replace(made, trials=trials)
    board, promise = rescored.leaderboard(), rescored.promise()
    of_trials = [
        replace(record, value=board.score) if record.id == f"ensemble.{trials.objective}" else record
        for record in trials_evidence(board, made.model)
    ]
    of_promise = [] if promise is None else promise.evidence()
    records = [
        *data_evidence(made.split),
        *checks.evidence(),
        *_before_search(made, progress),
        *of_trials,
        *of_promise,
        *trade_off_evidence(rescored.trade_offs()),
    ]
    if made.evaluation is not None:
        baselines = baseline_models(trials, made.split.train, made.spec, seed=made.spec.seed)
        evaluation = evaluate(
            made.model,
            made.split,
            made.spec,
            baselines=baselines,
            package=made.folder.model_path,
            seed=made.spec.seed,
            progress=progress,
        )
        records.extend(evaluation.evidence())
    return records


def _before_search(made: Run, progress: Progress) -> list[Evidence]:
    """What was said before the search: the translation, contradictions (but for times), and the verdict."""
    spec, split, folder = made.spec, made.split, made.folder
    records = list(made.translation().evidence())
    if folder.done("contradictions"):
        found = find_contradictions(spec, split, today=folder.begun_on, measure=False, progress=progress)
        records += contradictions_evidence(found)
    if made.verdict is not None:
        verdict = judge_feasibility(
            split.train, spec, split.plan, test_rows=len(split.test_rows), seed=spec.seed, progress=progress
        )
        records += verdict.evidence()
    return records


def _rescored(trials: Trials, made: Run) -> Trials:
    """The same trials with their scores computed from the stored out-of-fold predictions."""
    rows, objective = trials.rows, METRICS[trials.objective]
    scored = compared_rows(made.split.train, rows, made.spec)

    def again(trial: Trial) -> Trial:
        if trial.predictions is None:
            return trial
        return replace(trial, score=objective.compute(replace(scored, prediction=trial.predictions[rows])))

    return replace(trials, trials=tuple(again(trial) for trial in trials))


def _same(a: Evidence, b: Evidence | None) -> bool:
    if b is None or a.kind != b.kind or a.n != b.n or not _close(a.value, b.value):
        return False
    if a.interval is None or b.interval is None:
        return a.interval is b.interval
    return all(_close(getattr(a.interval, end), getattr(b.interval, end)) for end in ("low", "high", "confidence"))


def _close(a: object, b: object) -> bool:
    if isinstance(a, int | float) and isinstance(b, int | float) and not isinstance(a, bool):
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=1e-9)
    return a == b


def _shown(record: Evidence | None) -> str:
    if record is None:
        return "nothing"
    interval = record.interval
    ends = "" if interval is None else f" ({interval.low} to {interval.high} with {interval.confidence:.4g} confidence)"
    rows = "" if record.n is None else f" on {record.n} rows"
    return f"{record.value!r}{ends}{rows}{', measured' if record.kind == 'measured' else ''}"
