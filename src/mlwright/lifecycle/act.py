"""Carry out a decision: make the challenger that it asks for. Doing it again does nothing twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mlwright.core import MlwrightError, Progress, named_rng, silent
from mlwright.lifecycle.ancestry import learnt_until
from mlwright.lifecycle.comparison import Comparison
from mlwright.lifecycle.decision import Decision
from mlwright.lifecycle.derived import register_derived
from mlwright.lifecycle.labelled import LabelledRows
from mlwright.lifecycle.labelled_log import LabelledLog
from mlwright.lifecycle.priors import PriorShift, reweighted
from mlwright.lifecycle.promote import promote_at_once
from mlwright.lifecycle.recalibrate import LEAST_ROWS, recalibration
from mlwright.lifecycle.retrain import make_challenger, trained_until
from mlwright.lifecycle.store import LifecycleStore
from mlwright.models import Model
from mlwright.registry import Registry, Version, challenge
from mlwright.search import Executor
from mlwright.spec import Spec

WHO: Final = "mlwright operate"
#: Labelled rows that a challenger is trained on at most, the latest ones; those that a calibration is judged on at most, and
#: how many of the latest ones are where none, or too few, are from after a change.
MOST_ROWS: Final = 1_000_000
_CALIBRATED: Final = 20_000
_LEAST: Final = 1_000


class NothingToDo(MlwrightError):
    """A decision cannot be carried out any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What the loop works on.

    Attributes
    ----------
    store
        Its memory: comparisons and decisions.
    log
        The labelled rows of the prediction log.
    """

    spec: Spec
    registry: Registry
    store: LifecycleStore
    log: LabelledLog
    who: str = WHO


def act(
    project: Project,
    decision: Decision,
    *,
    shift: PriorShift | None = None,
    now: datetime,
    progress: Progress = silent,
    executor: Executor | None = None,
) -> Version | None:
    """Make what a decision asks for a challenger, and begin its comparison; None if it asks for no new version.

    Parameters
    ----------
    shift
        The shares that probabilities are moved to, for `reweight`; those in the decision's evidence if not given.

    Raises
    ------
    NothingToDo
        If the champion is another one by now, or what the decision rested on is gone.
    LogMasked
        If the log does not have what the champion reads.
    """
    if not decision.changes_model:
        return None
    champion = project.registry.holder("champion")
    if champion is None or champion.number != decision.champion:
        raise NothingToDo(
            f"version {decision.champion} is not champion any more",
            where=f"decision {decision.id}",
            fix="nothing needs to be done; the next look decides anew",
        )
    model = Model.load(champion.package)
    project.log.raise_if_masked(model)
    labelled = _rows(project, decision, champion, model)
    made = next((one for one in project.registry.versions() if one.lineage.decision == decision.id), None)
    if made is None:
        made = _made(project, decision, champion, model, labelled, shift, now, progress, executor)
    if made.status == "refused":
        raise NothingToDo(
            f"version {made.number} was made and cannot be promoted: {made.reason}",
            where=f"decision {decision.id}",
            fix="lower the requirement, or bring rows or columns that say more",
        )
    # Rows that it was made from are not rows that it can be judged on.
    since = trained_until(labelled, now=now)
    challenge(project.registry, made.number, who=project.who, decision=decision.id, now=now)
    registry, store, spec = project.registry, project.store, project.spec
    if decision.action in {"retrain", "recalibrate"} and promote_at_once(
        made, champion, registry=registry, store=store, spec=spec, now=now, who=project.who
    ):
        return made
    minimum = spec.operation.retrain.min_gain
    begun = Comparison(kind="proof", new=made.number, old=champion.number, since=since, minimum_gain=minimum)
    store.begin(begun, now=now)
    return made


def _rows(project: Project, decision: Decision, champion: Version, model: Model) -> LabelledRows:
    """The labelled rows that a decision is carried out with."""
    if decision.action == "retrain":
        return project.log.latest(model, most=MOST_ROWS)
    return recent_rows(project.log, model, decision.since, unseen=learnt_until(project.registry, champion))


def _made(
    project: Project,
    decision: Decision,
    champion: Version,
    model: Model,
    labelled: LabelledRows,
    shift: PriorShift | None,
    now: datetime,
    progress: Progress,
    executor: Executor | None,
) -> Version:
    rng = named_rng(project.spec.seed, "lifecycle", decision.id)
    if decision.action == "retrain":
        return make_challenger(
            project.spec,
            labelled,
            registry=project.registry,
            champion=champion,
            decision=decision.id,
            since=decision.since,
            who=project.who,
            rng=rng,
            now=now,
            progress=progress,
            executor=executor,
        )
    if decision.action == "reweight":
        shift = shift or PriorShift.of_evidence(decision.evidence, model.classes)
        if shift is None:
            raise _gone(decision)
        changed, facts = reweighted(model, shift), {"rows": float(shift.rows)}
    else:
        found = recalibration(model, labelled, rng=rng, monotonic=bool(project.spec.constraints.monotonic))
        if found is None:
            raise _gone(decision)  # whether it gains is for the proof to say
        changed, facts = found.model, {"rows": float(found.rows), "gain": (found.gain.low + found.gain.high) / 2}
    return register_derived(
        changed, champion, decision, registry=project.registry, who=project.who, facts=facts, now=now
    )


def recent_rows(
    log: LabelledLog, model: Model, since: datetime | None, *, unseen: datetime | None = None
) -> LabelledRows:
    """The rows to judge a calibration on: those from after the change if they are enough, else the latest ones.

    Rows from before and after a change are two pieces: no one calibration fits both, and rows seem to rank worse.

    Parameters
    ----------
    unseen
        Rows from before are left out: the model may have been trained on them.

    Raises
    ------
    LogNotFound, StoreFailed, LogMasked
        If they cannot be read.
    """
    rows = log.latest(model, most=_CALIBRATED, since=since, least=_LEAST).since(unseen)
    after = rows.since(since)
    return after.last(_CALIBRATED) if len(after) >= LEAST_ROWS else rows.last(_LEAST)


def _gone(decision: Decision) -> NothingToDo:
    return NothingToDo(
        "what the decision rested on is not there any more",
        where=f"decision {decision.id}",
        fix="nothing needs to be done; the next look decides anew",
    )
