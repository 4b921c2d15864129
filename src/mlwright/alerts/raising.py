"""From findings to alerts: opened once, told again only when worse, escalated when nobody answers, resolved when gone.

It all happens in one transaction that the caller owns, which also keeps the findings: what is known and what will be told
of it can never part.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from sqlalchemy import Connection, func, select

from mlwright.alerts.alert import RANK, Alert
from mlwright.alerts.messages import Event, Message, message_about
from mlwright.alerts.outbox import post
from mlwright.alerts.people import silences
from mlwright.alerts.schedule import is_silenced
from mlwright.alerts.tables import ALERTS, alerts_of, keep
from mlwright.monitoring.findings import Finding, Level
from mlwright.spec.sections import Alerts

_Event: TypeAlias = Literal["opened", "worse", "escalated", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertChange:
    """What became of an alert."""

    alert: Alert
    what: _Event


def raise_alerts(
    connection: Connection,
    findings: Iterable[Finding],
    *,
    model: str,
    alerts: Alerts,
    now: datetime,
    judged: Collection[str] | None = None,
    escalate: bool = True,
) -> list[AlertChange]:
    """Bring the alerts of a model in line with what is found now, and write the messages about what changed.

    Parameters
    ----------
    connection
        In a transaction that is alone.
    findings
        All that is found now; of two with one key the worse one counts.
    alerts
        The section of the spec.
    now
        In UTC.
    judged
        The kinds of findings that were looked for; alerts of other kinds stay as they are. All, if not given.
    escalate
        False where what is found may be old: nothing is escalated then.

    Returns
    -------
    What changed, in the order in which the alerts came up.
    """
    found = _worst_of_each(findings)
    known = {alert.key: alert for alert in alerts_of(connection, model, states=("open", "acknowledged"))}
    by_people = {one.key: one.until for one in silences(connection, model, now=now)}
    changes: list[AlertChange] = []
    for key, alert in known.items():
        if key in found:
            changed = _seen(alert, found[key], now)
        elif judged is not None and alert.finding.kind not in judged:
            changed = alert
        else:
            changed = _missed(alert, alerts, now)
        event = _event(changed, alerts, silenced=is_silenced(changed, alerts, by_people, now=now), now=now)
        changes += _settle(
            connection, alert, changed, None if event == "escalated" and not escalate else event, alerts, now
        )
    for key in (key for key in found if key not in known):
        alert = _new(connection, model, found[key], now)
        changes.append(AlertChange(alert=alert, what="opened"))
        event = _event(alert, alerts, silenced=is_silenced(alert, alerts, by_people, now=now), now=now)
        changes += _settle(connection, None, alert, event, alerts, now)
    return sorted(changes, key=lambda change: (change.alert.opened, change.alert.key))


def _worst_of_each(findings: Iterable[Finding]) -> dict[str, Finding]:
    worst: dict[str, Finding] = {}
    for finding in findings:
        held = worst.get(finding.key)
        if held is None or RANK[finding.level] > RANK[held.level]:
            worst[finding.key] = finding
    return worst


def _new(connection: Connection, model: str, finding: Finding, now: datetime) -> Alert:
    last = select(func.max(ALERTS.c.episode)).where(ALERTS.c.model == model, ALERTS.c.key == finding.key)
    episode = (connection.execute(last).scalar() or 0) + 1
    return Alert(model=model, key=finding.key, episode=episode, state="open", finding=finding, opened=now, seen=now)


def _seen(alert: Alert, finding: Finding, now: datetime) -> Alert:
    # The first look knows best when it began: a later one may only see a part of it.
    since = min((s for s in (alert.finding.since, finding.since) if s is not None), default=None)
    return replace(alert, finding=replace(finding, since=since), seen=now, gone=None)


def _missed(alert: Alert, alerts: Alerts, now: datetime) -> Alert:
    gone = alert.gone or now
    if now - gone < alerts.resolve_after:
        return replace(alert, gone=gone)
    return replace(alert, gone=gone, state="resolved", resolved=now)


def _settle(
    connection: Connection, before: Alert | None, alert: Alert, event: _Event | None, alerts: Alerts, now: datetime
) -> Iterator[AlertChange]:
    """Tell what people do not know yet, and keep the alert."""
    if event is not None:
        post(connection, _messages(alert, event, alerts, now))
        alert = _told(alert, event, now)
        if event != "opened":
            yield AlertChange(alert=alert, what=event)
    elif alert.state == "resolved":
        yield AlertChange(alert=alert, what="resolved")
    if alert != before:
        keep(connection, alert, is_new=before is None)


def _event(alert: Alert, alerts: Alerts, *, silenced: bool, now: datetime) -> _Event | None:
    if alert.state == "resolved":  # that it is over is told by whom it was told that it began, silenced or not
        return None if alert.told_level is None else "resolved"
    if silenced or alert.gone is not None:
        return None
    if alert.told_level is None:
        return "opened"
    if alert.is_worse_than_told:
        return "worse"
    late = alert.told is not None and now - alert.told >= alerts.escalation.after
    grave = RANK[alert.level] >= RANK[alerts.escalation.level]
    return "escalated" if late and grave and alert.state == "open" and alert.escalated is None else None


def _told(alert: Alert, event: Event, now: datetime) -> Alert:
    times = alert.times + 1
    if event == "resolved":
        return replace(alert, times=times)
    if event == "escalated":
        return replace(alert, times=times, escalated=now)
    cost = alert.finding.cost
    told = replace(alert, times=times, told=now, told_level=alert.level, told_cost=None if cost is None else cost.high)
    if event == "worse":  # who acknowledged the smaller trouble has not seen this one
        told = replace(told, state="open", acknowledged=None, acknowledged_by=None, note=None, escalated=None)
    return told


def _messages(alert: Alert, event: Event, alerts: Alerts, now: datetime) -> list[Message]:
    return [message_about(alert, event, channel, now=now) for channel in _channels(alert, event, alerts)]


def _channels(alert: Alert, event: Event, alerts: Alerts) -> Sequence[str]:
    if event == "escalated":
        return alerts.escalation.to or tuple(alerts.channels)
    level: Level = alert.told_level if event == "resolved" and alert.told_level is not None else alert.level
    return [name for name, channel in alerts.channels.items() if RANK[channel.level] <= RANK[level]]
