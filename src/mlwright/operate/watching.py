"""The steps that look: read what is new, judge it, tell people. None of them changes which version answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from mlwright.alerts import AlertChange, Courier, post_digests, raise_alerts
from mlwright.alerts.alert import Alert
from mlwright.lifecycle import label_horizon
from mlwright.monitoring import Finding, WindowShape
from mlwright.monitoring.folding import SKIPPED, Folded, fold_log
from mlwright.monitoring.kept import roll_up, saved_findings
from mlwright.monitoring.tables import offsets
from mlwright.operate.costs import with_costs
from mlwright.operate.inputs import recount, slices_of_spec
from mlwright.operate.judging import judge
from mlwright.operate.living import champions, news
from mlwright.operate.project import NobodyAnswers, Project, last_read
from mlwright.operate.reign import watch_anew
from mlwright.predictions import seal_segments
from mlwright.spec import Spec

#: Hours become days, and days months, once they are so old.
_HOUR, _DAY, _DAYS_AFTER, _MONTHS_AFTER = timedelta(hours=1), timedelta(days=1), timedelta(days=3), timedelta(days=400)


def fold(project: Project, now: datetime) -> list[str]:
    """Seal what stopped processes have left, and read what is new in the log into windows.

    Raises
    ------
    LogNotFound, StoreFailed, ProjectBusy, DatabaseGone, DiskFull
        If it cannot be done; what was folded so far is kept.
    """
    project.raise_if_no_log()
    if project.segments is not None and project.segments.is_dir():
        seal_segments(project.segments, project.log)
    answering = project.store.reading(waiting_versions)
    shapes = {one.shape.version: one.shape for one in project.looked_after(answering=answering)}
    slices = slices_of_spec(project.spec)
    done = fold_log(project.store, project.log, shapes, until=now, slices=slices, kept_back=project.kept_back)
    recount(project, shapes)
    if project.rolled is None or now - project.rolled >= _HOUR or now < project.rolled:
        for shape in shapes.values():
            project.store.transaction(lambda connection, shape=shape: _rolled(connection, shape, project.spec, now))  # type: ignore[misc]
        project.rolled = now
    return _folded_in_words(done)


def waiting_versions(connection: Connection) -> set[str]:
    """The versions of which answers were read that could not be counted, since their package was not known."""
    parts = connection.execute(select(offsets.c.part).where(offsets.c.part.startswith(SKIPPED))).scalars()
    return {part.split(":", 2)[1] for part in parts}


def _rolled(connection: Connection, shape: WindowShape, spec: Spec, now: datetime) -> int:
    """Put old hours together; never two windows of which labels are still counted one by one."""
    counted = now - label_horizon(spec)
    whole_days = not spec.operation.window % _DAY
    fewer = roll_up(connection, shape, before=now - _DAYS_AFTER if whole_days else counted, grain="day")
    return fewer + roll_up(connection, shape, before=min(counted, now - _MONTHS_AFTER), grain="month")


def _folded_in_words(done: Folded) -> list[str]:
    told = []
    if done.rows:
        late = f", {done.late:,} of them late" if done.late else ""
        told.append(f"{done.rows:,} new answers{late}")
    if done.labels or done.changed:
        changed = f", {done.changed:,} changed" if done.changed else ""
        told.append(f"{done.labels:,} new labels{changed}")
    for version, rows in done.skipped.items():
        told.append(f"{rows:,} answers of version {version} wait: its package is not known here")
    if done.ahead:
        told.append(f"{done.ahead} files are of hours that have not begun: a clock is ahead")
    return told


def judged(project: Project, now: datetime) -> list[str]:
    """Judge the champion's windows that are over."""
    try:
        champion = project.champion()
    except NobodyAnswers:
        return []
    project.raise_if_no_log()
    watched, size = project.watched(champion), project.spec.operation.window
    over = (now - project.sealed_after - datetime.min.replace(tzinfo=now.tzinfo)) // min(size, _HOUR)
    mark = (champion.digest, project.store.reading(last_read), over)
    if mark == project.judged:  # nothing was read and no window has ended since the last round
        return []
    told = judge(project, watched, now=now)
    project.judged = mark
    return told


def open_findings(connection: Connection, project: Project, version: str | None) -> list[Finding]:
    """What is found at present about the version that answers."""
    return [] if version is None else with_costs(saved_findings(connection, project.model, version=version))


def alerted(project: Project, now: datetime, *, escalate: bool = True) -> list[str]:
    """Bring the alerts in line with what is found, and write the messages about what changed.

    Parameters
    ----------
    escalate
        False before the windows of this round are judged: what was found may be over.
    """
    champion = next((one for one in project.versions() if "champion" in one.aliases), None)
    version = None if champion is None else champion.package_version
    if champion is not None and project.reigns != champion.digest:
        watch_anew(project, project.watched(champion), champions(project), now=now)
        project.reigns = champion.digest
    told = news(project, now)

    def work(connection: Connection) -> list[AlertChange]:
        found = [*open_findings(connection, project, version), *told]
        changes = raise_alerts(
            connection, found, model=project.model, alerts=project.spec.alerts, now=now, escalate=escalate
        )
        post_digests(connection, model=project.model, alerts=project.spec.alerts, now=now)
        return changes

    return [f"{change.what}: {_short(change.alert)}" for change in project.store.transaction(work)]


def _short(alert: Alert) -> str:
    return f"[{alert.level}] {alert.finding.what}"


def sent(courier: Courier, *, wait_s: float) -> Sequence[str]:
    """Send what waits, beside the loop; with `wait_s` wait for it, but no longer."""
    begun = courier.start()
    if wait_s:
        courier.wait(wait_s)
    last = courier.last
    told = [f"{last.sent} messages sent"] if last.sent else []
    told += [f"channel {name}: {why}; its messages wait" for name, why in last.problems.items()]
    return told if begun else [*told, "a channel is slow; the messages before are still being sent"]
