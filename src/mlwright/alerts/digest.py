"""A summary by the day or the week, for channels that want one: what came up, what is over, what is still open."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, insert, select, update

from mlwright.alerts.alert import RANK, Alert, written
from mlwright.alerts.messages import Message, message_id
from mlwright.alerts.outbox import post
from mlwright.alerts.tables import DIGESTS, alerts_of
from mlwright.alerts.words import cost_in_words, moment_in_words, since_in_words
from mlwright.spec.sections import Alerts

_DAYS: Final = {"daily": 1, "weekly": 7}
_MOST_LINES: Final = 30


def post_digests(connection: Connection, *, model: str, alerts: Alerts, now: datetime) -> list[Message]:
    """Write the digests whose time has come since the last ones; one that was missed is not made twice.

    The first look only notes the time: there is no period to sum up yet.
    """
    made = []
    for name, channel in alerts.channels.items():
        if channel.digest == "never":
            continue
        moment = last_moment(alerts, channel.digest, now=now)
        held = select(DIGESTS.c.made).where(DIGESTS.c.model == model, DIGESTS.c.channel == name)
        last = connection.execute(held).scalar()
        if last is None:
            connection.execute(insert(DIGESTS).values(model=model, channel=name, made=written(moment)))
        elif last < written(moment):
            message = _digest(connection, model, name, since=datetime.fromisoformat(last), until=moment, now=now)
            post(connection, [message])
            same = (DIGESTS.c.model == model, DIGESTS.c.channel == name)
            connection.execute(update(DIGESTS).where(*same).values(made=written(moment)))
            made.append(message)
    return made


def last_moment(alerts: Alerts, every: str, *, now: datetime) -> datetime:
    """The last moment at which a digest is made, not after `now`; in UTC.

    Examples
    --------
    >>> said = Alerts(timezone="Europe/Berlin")
    >>> str(last_moment(said, "daily", now=datetime(2026, 7, 1, 5, 30, tzinfo=UTC)))
    '2026-06-30 06:00:00+00:00'
    """
    local = now.astimezone(ZoneInfo(alerts.timezone))
    hour, minute = (int(part) for part in alerts.digest_at.split(":"))
    moment = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if every == "weekly":
        moment -= timedelta(days=moment.weekday())
    if moment.astimezone(UTC) > now:
        moment -= timedelta(days=_DAYS[every])
    return moment.astimezone(UTC)


def _digest(
    connection: Connection, model: str, channel: str, *, since: datetime, until: datetime, now: datetime
) -> Message:
    known = alerts_of(connection, model)
    opened = [one for one in known if since <= one.opened < until]
    over = [one for one in known if one.resolved is not None and since <= one.resolved < until]
    still = [one for one in known if one.opened < until and (one.resolved is None or one.resolved >= until)]
    parts = [
        f"From {moment_in_words(since)} to {moment_in_words(until)}.",
        *_part("Still open", still),
        *_part("Came up", [one for one in opened if one not in still]),
        *_part("Over", [one for one in over if one not in opened]),
    ]
    if len(parts) == 1:
        parts += ["", "Nothing came up, and nothing is open."]
    made = message_id(model, "digest", channel, written(until))
    return Message(
        id=made,
        model=model,
        channel=channel,
        event="digest",
        level=max((one.level for one in still), key=RANK.__getitem__, default="info"),
        key="digest",
        title=f"[digest] {model}: {len(still)} open, {len(opened)} came up, {len(over)} over",
        text="\n".join([*parts, "", f"message {made}"]),
        made=now,
        details={
            "since": written(since),
            "until": written(until),
            "alerts": [one.as_json() for one in (*still, *over)],
        },
    )


def _part(title: str, alerts: list[Alert]) -> list[str]:
    """One paragraph, the gravest first."""
    if not alerts:
        return []
    ordered = sorted(alerts, key=lambda one: (-RANK[one.level], one.opened))
    lines = [_line(one) for one in ordered[:_MOST_LINES]]
    if len(ordered) > _MOST_LINES:
        lines.append(f"… and {len(ordered) - _MOST_LINES} more: mlwright monitor")
    return ["", f"{title}:", *lines]


def _line(alert: Alert) -> str:
    finding = alert.finding
    cost = "" if finding.cost is None else f"; cost {cost_in_words(finding)}"
    by = f"; {alert.acknowledged_by} looks after it" if alert.state == "acknowledged" else ""
    return f"- [{alert.level}] {finding.what} Since {since_in_words(finding)}{cost}{by}"
