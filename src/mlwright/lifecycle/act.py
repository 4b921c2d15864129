"""Carry out a decision: make the challenger that it asks for. Doing it again does nothing twice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlwright.core import MlwrightError, Progress, named_rng, silent
from mlwright.lifecycle.comparison import Comparison
from mlwright.lifecycle.decision import Decision
from mlwright.lifecycle.derived import register_derived
from mlwright.lifecycle.labelled import LabelledRows, read_labelled
from mlwright.lifecycle.priors import PriorShift, reweighted
from mlwright.lifecycle.promote import promote_at_once
from mlwright.lifecycle.recalibrate import recalibration
from mlwright.lifecycle.retrain import make_challenger, trained_until
from mlwright.lifecycle.store import LifecycleStore
from mlwright.models import Model
from mlwright.registry import Registry, Version, challenge
from mlwright.search import Executor
from mlwright.spec import Spec

WHO = "mlwright operate"


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
        Where the prediction log is; `segments` are what is not sealed yet.
    """

    spec: Spec
    registry: Registry
    store: LifecycleStore
    log: str | Path
    segments: str | Path | None = None
    who: str = WHO

    def labelled(self, model: Model, since: datetime | None = None) -> LabelledRows:
        """The rows that were answered since a moment and whose truth is known, as a model reads them."""
        return read_labelled(self.log, model, since=since, segments=self.segments)


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
    labelled = project.labelled(model)
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
    challenge(project.registry, made.number, who=project.who, decision=decision.id)
    registry, store, spec = project.registry, project.store, project.spec
    if decision.action == "retrain" and promote_at_once(
        made, champion, registry=registry, store=store, spec=spec, now=now, who=project.who
    ):
        return made
    minimum = spec.operation.retrain.min_gain
    begun = Comparison(kind="proof", new=made.number, old=champion.number, since=since, minimum_gain=minimum)
    store.begin(begun, now=now)
    return made


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
            progress=progress,
            executor=executor,
        )
    if decision.action == "reweight":
        shift = shift or PriorShift.of_evidence(decision.evidence, model.classes)
        if shift is None:
            raise _gone(decision)
        changed, facts = reweighted(model, shift), {"rows": float(shift.rows)}
    else:
        found = recalibration(model, recent(labelled, decision.since), rng=rng)
        if found is None or not found.off:
            raise _gone(decision)
        changed, facts = found.model, {"rows": float(found.rows), "gain": (found.gain.low + found.gain.high) / 2}
    return register_derived(
        changed, champion, decision, registry=project.registry, who=project.who, facts=facts, now=now
    )


def recent(labelled: LabelledRows, since: datetime | None, *, most: int = 20_000, least: int = 1_000) -> LabelledRows:
    """The rows to judge a calibration on: those from after the change if they are enough, else the latest ones."""
    after = labelled.since(since)
    return after.last(most) if len(after) >= least else labelled.last(least)


def _gone(decision: Decision) -> NothingToDo:
    return NothingToDo(
        "what the decision rested on is not there any more",
        where=f"decision {decision.id}",
        fix="nothing needs to be done; the next look decides anew",
    )
