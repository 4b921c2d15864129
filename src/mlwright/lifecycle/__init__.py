"""The lower row of the loop, on one page: decide about what was found, act, prove, promote or roll back.

`workflow.py` ends with a model; here is what becomes of it. The monitor says what happened and what it costs (`Finding`s);
`decide` says what is worth doing about it; `act` makes a challenger; `compare` plays it against the champion on the rows
whose truth becomes known; `settle` promotes or rolls back on evidence. Each step can be killed at any point: what was done
is found by the next turn, and nothing is done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from mlwright.core import DiskFull, MlwrightError, Progress, closest, named_rng, silent
from mlwright.lifecycle.act import NothingToDo, Project, act, recent_rows
from mlwright.lifecycle.ancestry import answering_since, last_trained, learnt_until
from mlwright.lifecycle.comparison import Comparison
from mlwright.lifecycle.decide import AFTER_CHANGE, Situation, decide, due, follows, outgrown, stale, too_costly
from mlwright.lifecycle.decision import Action, Decision
from mlwright.lifecycle.labelled import LabelledRows, labelled_rows
from mlwright.lifecycle.labelled_log import LabelledLog, LogMasked, label_horizon
from mlwright.lifecycle.objective import GuardUnfit, Objective, objective_of_spec
from mlwright.lifecycle.priors import PriorShift, prior_shift, reweighted
from mlwright.lifecycle.promote import JUDGED_ROWS, Settled, champion_since, comparisons_due, requirements_now, settle
from mlwright.lifecycle.prove import compare
from mlwright.lifecycle.recalibrate import Recalibration, recalibration
from mlwright.lifecycle.refresh import Refresh
from mlwright.lifecycle.retrain import TooFewLabels, Window, choose_window, make_challenger, training_table
from mlwright.lifecycle.store import Decided, LifecycleStore
from mlwright.models import Model, ScoreCounts
from mlwright.monitoring.findings import Finding
from mlwright.monitoring.store import DatabaseGone
from mlwright.predictions import LogNotFound, StoreFailed
from mlwright.registry import RegistryBusy, RegistryUnreachable, Version
from mlwright.search import Executor
from mlwright.spec import Spec

__all__ = [
    "Action",
    "Comparison",
    "Decided",
    "Decision",
    "Finding",
    "GuardUnfit",
    "LabelledLog",
    "LabelledRows",
    "LifecycleStore",
    "LogMasked",
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
    "label_horizon",
    "labelled_rows",
    "make_challenger",
    "objective_of_spec",
    "prior_shift",
    "prove",
    "recalibration",
    "requirements_now",
    "reweighted",
    "settle",
    "situation_of",
    "training_table",
    "turn",
    "waiting_for_yes",
]


#: Outcomes of a comparison after which another version answers.
CHAMPION_MOVED = frozenset({"promoted", "rolled back"})


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
    labelled_rows
        Rows with a label since the version became champion; None if they were not counted: the log is asked then.
    """

    findings: tuple[Finding, ...] = ()
    scores: ScoreCounts | None = None
    accepted: frozenset[str] = frozenset()
    rows_per_day: float | None = None
    labelled_rows: int | None = None


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
    """One turn: end what was begun, go on with what is compared, decide about what was found, and act where the spec lets it."""
    _finish_what_was_begun(project, now=now, progress=progress, executor=executor)
    settled = prove(project, now=now)
    moved = next((one for one in settled if one.outcome in CHAMPION_MOVED), None)
    if moved is not None:  # what was seen is about the version before
        champion = project.registry.version("champion").number
        reason = f"{moved.sentence} What is found about version {champion} is for the next look."
        return Turn(decision=Decision(made=now, champion=champion, action="nothing", reason=reason), settled=settled)
    situation = situation_of(project, seen, now=now)
    decision = decide(situation, project.spec, now=now)
    project.store.withdraw(but=decision)
    if decision.action == "nothing":
        return Turn(decision=decision, settled=settled)
    compared = project.store.open_comparison("proof")
    if decision.changes_model and compared is not None and not _overtakes(decision, compared, situation, project.spec):
        return Turn(decision=decision, settled=settled, new=False)
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
        try:
            comparison = compare(due_one, new, old, spec, log=project.log, store=store, now=now)
        except LogMasked as error:
            found.append(Settled(outcome="undecided", sentence=f"{error.what}: {error.fix}", comparison=due_one))
            continue

        def latest(new: Version = new, since: datetime = comparison.since) -> LabelledRows:
            return project.log.latest(Model.load(new.package), most=JUDGED_ROWS, since=since)

        settled = settle(comparison, latest, registry=registry, store=store, spec=spec, now=now, who=project.who)
        found.append(settled)
        if settled.outcome in CHAMPION_MOVED:
            break  # the other comparison is about versions that have changed places
    return tuple(found)


def accept(
    project: Project,
    which: str | None = None,
    *,
    now: datetime,
    progress: Progress = silent,
    executor: Executor | None = None,
) -> Turn:
    """A person says yes to what was recommended: it is carried out now.

    Parameters
    ----------
    which
        The id of the decision, or its action; the only one that waits if not given.

    Raises
    ------
    NothingToDo
        If there is no such decision that is open.
    """
    decision = waiting_for_yes(project.store, which, project.spec.project.name)
    made, failed = _carried_out(project, decision, now, progress, executor)
    return Turn(decision=decision, settled=(), made=made, failed=failed)


def waiting_for_yes(store: LifecycleStore, which: str | None, name: str) -> Decision:
    """The decision that waits for a yes, by its id or action.

    Raises
    ------
    NothingToDo
        If there is none, or not just one.
    """
    waiting = [one.decision for one in store.decisions() if one.outcome == "open"]
    found = [one for one in waiting if which in {None, one.id, one.action}]
    if len(found) == 1:
        return found[0]
    known = [one.id for one in waiting]
    what, fix = "no decision waits for a yes", "nothing needs to be done"
    if found:
        what, fix = f"{len(found)} decisions wait for a yes", f"name one: {', '.join(known)}"
    elif waiting and which is not None:
        what, fix = f"no decision {which!r} waits for a yes", closest(which, known)
    raise NothingToDo(what, where=f"the decisions about {name!r}", fix=fix)


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
    last = last_trained(project.registry, project.store)
    since = answering_since(project.registry, champion) if last is None else last.at
    windows = 0 if since is None else int((now - since) / project.spec.operation.window)
    return Situation(
        champion=champion.number,
        findings=seen.findings,
        shift=shift,
        calibration=_calibration(project, champion, model, began, rng),
        accepted=seen.accepted,
        rows_per_day=seen.rows_per_day,
        champion_since=since,
        windows_since=max(windows, 0),
        labelled_rows=_labelled_rows(project, seen, since),
        trained_rows=last.rows if last is not None and last.rows else int(model.facts.get("training_rows", 0)),
        rows_after_change=_rows_after_change(project, seen),
        tried_with=_tried_with(project, champion),
        gaining=_gaining(project),
    )


def _overtakes(decision: Decision, compared: Comparison, situation: Situation, spec: Spec) -> bool:
    """Whether another challenger is made although one is being compared: it would not prove itself soon, and another does better."""
    if decision.action != "retrain":
        return False
    soon = compared.rows_to_go() <= _SOON * max(situation.rows_after_change, compared.rows)
    return stale(situation, spec) or (outgrown(situation) and not soon)


def _rows_after_change(project: Project, seen: Seen) -> int:
    """Labelled rows from after the change that costs too much."""
    began = [one.since for one in too_costly(seen.findings, project.spec) if one.since is not None]
    return project.log.counted_since(min(began)) if began else 0


def _tried_with(project: Project, champion: Version) -> int | None:
    """How many of them the last challenger of this champion was made from; None if there was none."""
    made = [one.decision for one in project.store.decisions() if one.decision.action == "retrain"]
    mine = [
        one.evidence[AFTER_CHANGE] for one in made if one.champion == champion.number and AFTER_CHANGE in one.evidence
    ]
    return None if not mine else int(mine[-1] or 0)


def _gaining(project: Project) -> bool:
    """Whether challengers gain, as far as is known: where they are trusted without a proof each, until they have not gained."""
    if not follows(project.spec):
        return False
    known = project.store.open_comparison("retraining")
    return known is None or not known.rows or known.gain > 0


def _calibration(
    project: Project, champion: Version, model: Model, began: datetime | None, rng: np.random.Generator
) -> Recalibration | None:
    """What a new calibration would do; None too where the log does not have what the model reads."""
    try:
        rows = recent_rows(project.log, model, began, unseen=learnt_until(project.registry, champion))
    except LogMasked:
        return None
    return recalibration(model, rows, rng=rng, monotonic=bool(project.spec.constraints.monotonic))


def _labelled_rows(project: Project, seen: Seen, since: datetime | None) -> int:
    """Rows with a label since the last version was trained, or the champion became it, where the spec asks for it."""
    if "staleness" not in project.spec.operation.retrain.on:
        return 0
    if seen.labelled_rows is not None and since == champion_since(project.registry):
        return seen.labelled_rows
    return project.log.counted_since(since)


#: What passes by itself: a decision that meets it stays begun, and the next turn goes on with it.
_PASSES = (DatabaseGone, DiskFull, LogNotFound, RegistryBusy, RegistryUnreachable, StoreFailed)
#: A comparison that needs more than so many times the rows that there were since the change is overtaken by a newer challenger.
_SOON = 4.0
#: A decision whose carrying out has ended the process so often is left alone.
_MOST_BEGUN = 5


def _finish_what_was_begun(project: Project, *, now: datetime, progress: Progress, executor: Executor | None) -> None:
    """Decisions that the loop was carrying out, or about to, when it was stopped."""
    for one in project.store.decisions():
        if one.begun or (one.outcome == "open" and one.decision.mode == "automatic"):
            _carried_out(project, one.decision, now, progress, executor)


def _carried_out(
    project: Project,
    decision: Decision,
    now: datetime,
    progress: Progress,
    executor: Executor | None,
) -> tuple[Version | None, str]:
    begun = project.store.start(decision)
    if begun > _MOST_BEGUN:
        why = f"it was begun {_MOST_BEGUN} times and never came to an end: is there enough memory?"
        project.store.settle(decision, f"failed: {why}")
        return None, why
    try:
        made = act(project, decision, now=now, progress=progress, executor=executor)
    except _PASSES:
        raise
    except MlwrightError as error:
        project.store.settle(decision, f"failed: {error.what}")
        return None, error.what
    project.store.settle(decision, "done" if made is None else f"done: version {made.number}")
    return made, ""
