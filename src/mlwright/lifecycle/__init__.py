"""The lower row of the loop, on one page: decide about what was found, act, prove, promote or roll back.

`workflow.py` ends with a model; here is what becomes of it. The monitor says what happened and what it costs (`Finding`s);
`decide` says what is worth doing about it; `act` makes a challenger; `compare` plays it against the champion on the rows
whose truth becomes known; `settle` promotes or rolls back on evidence. Each step can be killed at any point: what was done
is found by the next turn, and nothing is done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlwright.core import MlwrightError, Progress, closest, named_rng, silent
from mlwright.lifecycle.act import NothingToDo, Project, act, recent
from mlwright.lifecycle.comparison import Comparison
from mlwright.lifecycle.decide import Situation, decide, due
from mlwright.lifecycle.decision import Action, Decision
from mlwright.lifecycle.labelled import LabelledRows, labelled_rows, read_labelled
from mlwright.lifecycle.objective import GuardUnfit, Objective, objective_of_spec
from mlwright.lifecycle.priors import PriorShift, prior_shift, reweighted
from mlwright.lifecycle.promote import Settled, champion_since, comparisons_due, requirements_now, settle
from mlwright.lifecycle.prove import compare
from mlwright.lifecycle.recalibrate import Recalibration, recalibration
from mlwright.lifecycle.refresh import Refresh
from mlwright.lifecycle.retrain import TooFewLabels, Window, choose_window, make_challenger, training_table
from mlwright.lifecycle.store import Decided, LifecycleStore
from mlwright.models import Model, ScoreCounts
from mlwright.monitoring.findings import Finding
from mlwright.registry import Version
from mlwright.search import Executor

__all__ = [
    "Action",
    "Comparison",
    "Decided",
    "Decision",
    "Finding",
    "GuardUnfit",
    "LabelledRows",
    "LifecycleStore",
    "NothingToDo",
    "Objective",
    "PriorShift",
    "Project",
    "Recalibration",
    "Refresh",
    "Seen",
    "Settled",
    "Situation",
    "TooFewLabels",
    "Turn",
    "Window",
    "accept",
    "act",
    "champion_since",
    "choose_window",
    "compare",
    "comparisons_due",
    "decide",
    "due",
    "labelled_rows",
    "make_challenger",
    "objective_of_spec",
    "prior_shift",
    "prove",
    "read_labelled",
    "recalibration",
    "requirements_now",
    "reweighted",
    "settle",
    "situation_of",
    "training_table",
    "turn",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the monitor has seen since the last turn.

    Attributes
    ----------
    findings
        Those that are open.
    scores
        Of the answers of the latest windows, since the change if one is dated; None if they were not counted.
    accepted
        Kinds of irregular input that the owner has accepted to be repaired.
    rows_per_day
        That are answered.
    """

    findings: tuple[Finding, ...] = ()
    scores: ScoreCounts | None = None
    accepted: frozenset[str] = frozenset()
    rows_per_day: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one turn of the loop has done.

    Attributes
    ----------
    new
        Whether the decision is made now; False if the same one stands already.
    made
        The challenger that was made of it.
    failed
        Why nothing could be made.
    """

    decision: Decision
    settled: tuple[Settled, ...]
    new: bool = True
    made: Version | None = None
    failed: str = ""


def turn(
    project: Project,
    seen: Seen,
    *,
    now: datetime,
    progress: Progress = silent,
    executor: Executor | None = None,
) -> Turn:
    """One turn: go on with what is compared, then decide about what was found, and act where the spec allows it."""
    settled = prove(project, now=now)
    _finish_what_was_begun(project, now=now, progress=progress, executor=executor)
    situation = situation_of(project, seen, now=now)
    decision = decide(situation, project.spec, now=now)
    if decision.action == "nothing":
        return Turn(decision=decision, settled=settled)
    if decision.changes_model and project.store.open_comparison("proof") is not None:
        return Turn(decision=decision, settled=settled, new=False)  # what is being compared comes first
    new = project.store.record(decision)
    if not new or decision.mode == "recommend":
        return Turn(decision=decision, settled=settled, new=new)
    made, failed = _carried_out(project, decision, now, progress, executor)
    return Turn(decision=decision, settled=settled, made=made, failed=failed)


def prove(project: Project, *, now: datetime) -> tuple[Settled, ...]:
    """Go on with the comparisons that the registry asks for, and act on what they have shown."""
    registry, store, spec = project.registry, project.store, project.spec
    found = []
    for due_one in comparisons_due(registry, store, spec, now=now):
        new, old = registry.version(due_one.new), registry.version(due_one.old)
        comparison = compare(due_one, new, old, spec, read=project.labelled, store=store, now=now)
        rows = project.labelled(Model.load(new.package), comparison.since)
        settled = settle(comparison, rows, registry=registry, store=store, spec=spec, now=now, who=project.who)
        found.append(settled)
        if settled.outcome in {"promoted", "rolled back"}:
            break  # the other comparison is about versions that have changed places
    return tuple(found)


def accept(
    project: Project,
    which: str,
    *,
    now: datetime,
    progress: Progress = silent,
    executor: Executor | None = None,
) -> Turn:
    """A person says yes to what was recommended: it is carried out now.

    Parameters
    ----------
    which
        The id of the decision.

    Raises
    ------
    NothingToDo
        If there is no such decision that is open.
    """
    waiting = {one.decision.id: one.decision for one in project.store.decisions() if one.outcome == "open"}
    if which not in waiting:
        raise NothingToDo(
            f"no decision {which!r} waits for a yes",
            where=f"the decisions about {project.spec.project.name!r}",
            fix=closest(which, list(waiting)) if waiting else "nothing needs to be done",
        )
    made, failed = _carried_out(project, waiting[which], now, progress, executor)
    return Turn(decision=waiting[which], settled=(), made=made, failed=failed)


def situation_of(project: Project, seen: Seen, *, now: datetime) -> Situation:
    """What is known when it is decided: the findings, and what scores and labels say of the champion."""
    champion = project.registry.version("champion")
    model = Model.load(champion.package)
    rng = named_rng(project.spec.seed, "situation")
    reference = None if model.history is None else model.history.scores
    shift = None
    if seen.scores is not None and reference is not None:
        shift = prior_shift(seen.scores, reference, classes=model.classes, rng=rng)
    began = min((one.since for one in seen.findings if one.since is not None), default=None)
    labelled, since = project.labelled(model), champion_since(project.registry)
    later = labelled.since(since)
    windows = 0 if since is None else int((now - since) / project.spec.operation.window)
    return Situation(
        champion=champion.number,
        findings=seen.findings,
        shift=shift,
        calibration=recalibration(model, recent(labelled, began), rng=rng),
        accepted=seen.accepted,
        rows_per_day=seen.rows_per_day,
        champion_since=since,
        windows_since=max(windows, 0),
        labelled_rows=len(later),
        trained_rows=int(model.facts.get("training_rows", 0)),
    )


def _finish_what_was_begun(project: Project, *, now: datetime, progress: Progress, executor: Executor | None) -> None:
    """Decisions that the loop was carrying out when it was stopped."""
    for one in project.store.decisions():
        if one.outcome == "begun":
            _carried_out(project, one.decision, now, progress, executor)


def _carried_out(
    project: Project,
    decision: Decision,
    now: datetime,
    progress: Progress,
    executor: Executor | None,
) -> tuple[Version | None, str]:
    project.store.settle(decision, "begun")
    try:
        made = act(project, decision, now=now, progress=progress, executor=executor)
    except MlwrightError as error:
        project.store.settle(decision, f"failed: {error.what}")
        return None, error.what
    project.store.settle(decision, "done" if made is None else f"done: version {made.number}")
    return made, ""
