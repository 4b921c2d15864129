"""What people say back: I look after it; do not send this for a while."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from mlwright.alerts.alert import Alert, written
from mlwright.alerts.tables import SILENCES, alerts_of, keep
from mlwright.core import MlwrightError, closest


class AlertUnknown(MlwrightError):
    """No open alert has this key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceByPerson:
    """Alerts that somebody does not want to be sent until a moment."""

    key: str
    until: datetime
    who: str
    note: str | None


def acknowledge(
    connection: Connection, key: str, *, model: str, who: str, now: datetime, note: str | None = None
) -> Alert:
    """Note that somebody looks after an alert: it is not escalated, and told again only when it gets worse.

    Raises
    ------
    AlertUnknown
        If no open alert has this key.
    """
    known = {alert.key: alert for alert in alerts_of(connection, model, states=("open", "acknowledged"))}
    if key not in known:
        raise AlertUnknown(
            f"there is no open alert {key!r}",
            where=f"the alerts of {model!r}",
            fix=closest(key, known) if known else "nothing is open; look with `mlwright monitor`",
        )
    answered = replace(known[key], state="acknowledged", acknowledged=now, acknowledged_by=who, note=note)
    keep(connection, answered)
    return answered


def silence(
    connection: Connection, key: str, *, model: str, until: datetime, who: str, note: str | None = None
) -> SilenceByPerson:
    """Send nothing about a key, or about all that a pattern such as `drift/*` fits, until a moment."""
    unsilence(connection, key, model=model)
    made = SilenceByPerson(key=key, until=until, who=who, note=note)
    connection.execute(insert(SILENCES).values(model=model, key=key, until=written(until), who=who, note=note))
    return made


def unsilence(connection: Connection, key: str, *, model: str) -> bool:
    """Send them again; false if they were not silenced."""
    gone = connection.execute(delete(SILENCES).where(SILENCES.c.model == model, SILENCES.c.key == key))
    return bool(gone.rowcount)


def silences(connection: Connection, model: str, *, now: datetime) -> list[SilenceByPerson]:
    """What somebody silenced and is not over yet."""
    wanted = select(SILENCES).where(SILENCES.c.model == model, SILENCES.c.until > written(now)).order_by(SILENCES.c.key)
    return [
        SilenceByPerson(key=row["key"], until=datetime.fromisoformat(row["until"]), who=row["who"], note=row["note"])
        for row in connection.execute(wanted).mappings()
    ]
