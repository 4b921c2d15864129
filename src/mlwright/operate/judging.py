"""What is wrong now: the input, what has moved, what it costs, what is out of date; kept as findings of the version."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from mlwright.monitoring import Finding
from mlwright.monitoring.drift import Guarantee
from mlwright.monitoring.drift_findings import judge_drift
from mlwright.operate.aging import judge_age
from mlwright.operate.costs import judge_cost
from mlwright.operate.inputs import judge_input, recount
from mlwright.operate.losses import judge_loss
from mlwright.operate.project import Project, Watched


def judge(project: Project, watched: Watched, *, now: datetime) -> list[str]:
    """Judge all windows of a version that are over and were not judged; what was found is kept.

    Each part has a transaction of its own, so one that is killed between two of them goes on with the next.

    Returns
    -------
    What was done, in plain sentences.
    """
    until, spec = now - project.sealed_after, project.spec
    told = [f"input: {one.what}" for one in judge_input(project, watched, until=until, now=now)]
    recount(project, {watched.shape.version: watched.shape})
    judged = judge_drift(
        project.store,
        watched.model,
        watched.shape,
        until=until,
        now=now,
        window=spec.operation.window,
        guarantee=Guarantee.of(spec.operation),
        tolerance=spec.operation.drift_tolerance,
    )
    if judged.windows:
        told.append(f"{judged.windows} windows judged{', still learning what is normal' if judged.learning else ''}")

    def work(connection: Connection) -> list[Finding]:
        found = judge_loss(connection, watched.model, watched.shape, spec, until=until, now=now)
        return found + judge_age(connection, project, watched, drifting=bool(judged.findings), until=until, now=now)

    found = [*judged.findings, *project.store.transaction(work)]
    if judged.windows or not judged.findings:
        since = min((one.since for one in judged.findings if one.since is not None), default=None)
        found += judge_cost(project, watched, since, until=until, now=now)
    return told + [f"{one.kind.replace('_', ' ')}: {one.what}" for one in found]
