"""The step that changes something: decide about what was found, make and prove challengers, promote or roll back, as the spec lets it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from mlwright.core import Progress, silent
from mlwright.lifecycle import Decided, LifecycleStore, Seen, Turn, turn
from mlwright.lifecycle import Project as LivingProject
from mlwright.models import ScoreCounts
from mlwright.monitoring import Finding
from mlwright.monitoring.irregular.treatment import Policy, choice_of
from mlwright.monitoring.kept import kept_windows, saved_findings
from mlwright.operate.evidence import keep_point
from mlwright.operate.inputs import policy_of
from mlwright.operate.project import NobodyAnswers, Project, Watched, last_read
from mlwright.registry import AuditEntry, Version

WHO: Final = "mlwright operate"
#: Windows whose scores say how the shares of the classes are now.
_LATEST: Final = 7
#: What has changed which version answers stays among the alerts for so long.
_NEWS: Final = timedelta(days=1)


def living(project: Project) -> LivingProject:
    """The project as the lifecycle works on it."""
    return LivingProject(
        spec=project.spec,
        registry=project.registry,
        store=LifecycleStore(project.store, project.model),
        log=project.labelled,
        who=WHO,
    )


def lived(project: Project, now: datetime, *, progress: Progress = silent) -> list[str]:
    """One turn of the loop; what it did, in plain sentences."""
    try:
        champion = project.champion()
    except NobodyAnswers:
        return []
    if not project.has_log:
        return []
    known = _known(project, champion, now)
    if known == project.turned:
        return []
    project.turned = None
    alive = living(project)
    done = turn(alive, seen_by(project, project.watched(champion), now), now=now, progress=progress)
    shown = [one.comparison for one in done.settled if one.comparison.rows]

    def work(connection: Connection) -> None:
        for comparison in shown:
            keep_point(connection, project.model, comparison, now=now)

    project.store.transaction(work)
    told = _in_words(done)
    if not told:  # what was done may call for more
        project.turned = known
    return told


def _known(project: Project, champion: Version, now: datetime) -> tuple[object, ...]:
    """All that a turn rests on: what was judged, what was read, what the registry has, and the hour."""
    read = project.store.reading(last_read)
    entries = len(project.registry.audit()) if project.registry.database.exists else 0
    return project.judged, read, champion.digest, entries, f"{now:%Y-%m-%d %H}"


def _in_words(done: Turn) -> list[str]:
    told = [one.sentence for one in done.settled if one.outcome != "undecided"]
    if done.new and done.decision.action != "nothing":
        mode = "recommended" if done.decision.mode == "recommend" else "done"
        told.append(f"{done.decision.title} ({mode}): {done.decision.reason}")
    if done.made is not None:
        told.append(f"{done.made.in_words} was made and is compared with the champion from now on")
    if done.failed:
        told.append(f"it could not be carried out: {done.failed}")
    return told


def seen_by(project: Project, watched: Watched, now: datetime) -> Seen:
    """What the monitor knows of a version: its findings, the scores of the latest windows, and how many rows a day there are."""
    version, window = watched.version.package_version, project.spec.operation.window

    def work(connection: Connection) -> Seen:
        policy = policy_of(project.spec)
        saved = saved_findings(connection, project.model, version=version)
        found = tuple(one for one in saved if choice_of(policy, one) != "ignore")
        began = [one.since for one in found if one.since is not None and one.kind == "drift"]
        since = min(began, default=now - _LATEST * max(window, timedelta(days=1)))
        windows = kept_windows(connection, watched.shape, start=since, end=now)
        scores: ScoreCounts | None = None
        for one in windows:
            if scores is None:
                scores = watched.shape.scores()
            scores.merge(one.summary.counts)
        rows = sum(one.summary.rows for one in windows)
        days = (windows[-1].end - windows[0].start) / timedelta(days=1) if windows else 0.0
        return Seen(
            findings=found,
            scores=scores,
            accepted=accepted_kinds(found, policy),
            rows_per_day=rows / days if days else None,
            labelled_rows=_labelled_rows(connection, project, watched),
        )

    return project.store.reading(work)


def accepted_kinds(found: Sequence[Finding], policy: Policy) -> frozenset[str]:
    """The kinds of irregular input whose rules the owner has accepted, in all columns that they are found in."""
    refused = {one.kind for one in found if choice_of(policy, one) != "accept"}
    return frozenset(one.kind for one in found) - refused


def _labelled_rows(connection: Connection, project: Project, watched: Watched) -> int | None:
    """Labelled answers of a version, where the spec wants a challenger once there are many."""
    if "staleness" not in project.spec.operation.retrain.on:
        return None
    return sum(one.summary.counts.known for one in kept_windows(connection, watched.shape))


def news(project: Project, now: datetime) -> list[Finding]:
    """What people should know of what was decided: what waits for their yes, and what changed lately."""
    found = [_waiting(one) for one in _open_decisions(project)]
    found += [_changed(one) for one in moves(project) if now - datetime.fromisoformat(one.at) <= _NEWS]
    return found


def _open_decisions(project: Project) -> list[Decided]:
    champion = next((one for one in project.versions() if "champion" in one.aliases), None)
    if champion is None:
        return []
    decided = LifecycleStore(project.store, project.model).decisions()
    mine = [one for one in decided if one.decision.champion == champion.number and one.outcome == "open"]
    latest = {one.decision.key: one for one in mine}
    return [one for one in latest.values() if one.decision.mode == "recommend"]


def _waiting(one: Decided) -> Finding:
    decision = one.decision
    return Finding(
        kind="decision",
        level="warn",
        what=f"Recommended: {decision.title}. {decision.reason}",
        since=decision.made,
        evidence={"decision": decision.id},
        advice=(
            "Label them, and give the log their labels: mlwright label."
            if decision.action == "label"
            else f"Say yes: mlwright monitor accept {decision.action}. Or let the loop do it: `operation.act` of the spec."
        ),
        cost=decision.saves,
        cost_unit=decision.unit,
        key=f"decision/{decision.key}",
    )


def moves(project: Project) -> list[AuditEntry]:
    """When another version became champion, the first one left out; the oldest first."""
    return [one for one in champions(project) if one.moved["champion"][0] is not None]


def champions(project: Project) -> list[AuditEntry]:
    """When versions became champion, the oldest first."""
    audit = project.registry.audit() if project.registry.database.exists else []
    return [one for one in audit if "champion" in one.moved]


def _changed(entry: AuditEntry) -> Finding:
    before, after = entry.moved["champion"]
    back = entry.action == "rollback"
    return Finding(
        kind="rolled_back" if back else "promoted",
        level="warn" if back else "info",
        what=f"Version {after} answers now instead of version {before}: {entry.evidence.get('why', 'asked for')}.",
        since=datetime.fromisoformat(entry.at),
        evidence={"by": entry.who, "audit_entry": entry.entry},
        advice="Look at what was wrong with the version that was left." if back else "Nothing to do.",
        key=f"{'rolled_back' if back else 'promoted'}/{entry.entry}",
    )
