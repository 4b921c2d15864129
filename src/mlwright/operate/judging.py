"""What is wrong now: the input, what has moved, what it costs, what is out of date; kept as findings of the version."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from mlwright.monitoring import Finding
from mlwright.monitoring.drift import Guarantee
from mlwright.monitoring.drift_findings import judge_drift
from mlwright.monitoring.kept import close_findings, kept_windows, save_findings
from mlwright.monitoring.staleness import label_backlog, model_age
from mlwright.operate.costs import judge_cost
from mlwright.operate.inputs import judge_input
from mlwright.operate.losses import judge_loss
from mlwright.operate.project import Project, Watched

_DAY: Final = timedelta(days=1)
#: So far back labels are looked for.
_BACKLOG: Final = timedelta(days=60)


def judge(project: Project, watched: Watched, *, now: datetime) -> list[str]:
    """Judge all windows of a version that are over and were not judged; what was found is kept.

    Each part has a transaction of its own, so one that is killed between two of them goes on with the next.

    Returns
    -------
    What was done, in plain sentences.
    """
    until, spec = now - project.sealed_after, project.spec
    told = [f"input: {one.what}" for one in judge_input(project, watched, until=until, now=now)]
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
        return found + _judge_age(connection, project, watched, until=until, now=now)

    found = [*judged.findings, *project.store.transaction(work)]
    if judged.windows or not judged.findings:
        since = min((one.since for one in judged.findings if one.since is not None), default=None)
        found += judge_cost(project, watched, since, until=until, now=now)
    return told + [f"{one.kind.replace('_', ' ')}: {one.what}" for one in found]


def _judge_age(
    connection: Connection, project: Project, watched: Watched, *, until: datetime, now: datetime
) -> list[Finding]:
    """Whether the model is old for this project, and whether labels have stopped coming."""
    found: list[Finding] = []
    old = model_age(watched.version.created, at=now, usual=_usual_life(project))
    if old is not None:
        found.append(old)
    delay = max(project.spec.operation.label_delay, timedelta(hours=1))
    windows = kept_windows(connection, watched.shape, start=until - _BACKLOG - 2 * delay, end=until)
    ages = [(now - one.end, one.summary.rows, one.summary.counts.known) for one in windows]
    shares = sorted(known / rows for age, rows, known in ages if rows and known and age >= delay)
    if shares:
        # Labels come some time after they could: what is due is counted late rather than early.
        late = delay + project.spec.operation.window
        backlog = label_backlog(ages, share=shares[len(shares) // 2], delays=[(late, 0.0), (late + delay, 1.0)])
        if backlog.overdue:
            found.append(backlog.as_finding())
    save_findings(connection, watched.shape, found, now=now)
    kinds = ["old_model", "label_backlog"]
    close_findings(connection, watched.shape, kinds=kinds, still=[one.key for one in found], now=now)
    return found


def _usual_life(project: Project) -> timedelta | None:
    """For how long versions of this project have usually been champion; None with fewer than two."""
    began = [
        datetime.fromisoformat(entry.at)
        for entry in (project.registry.audit() if project.registry.database.exists else [])
        if "champion" in entry.moved
    ]
    lives = sorted(later - earlier for earlier, later in itertools.pairwise(began))
    return max(lives[len(lives) // 2], _DAY) if len(lives) >= 2 else None
