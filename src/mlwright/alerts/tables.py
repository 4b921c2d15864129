"""The tables of alerts in the project's database: alerts, the messages about them, what is silenced, which digests were made."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Column, Connection, Float, Integer, MetaData, String, Table, Text, insert, select, update

from mlwright.alerts.alert import Alert, AlertState

metadata = MetaData()
_TIME = String(40)

ALERTS = Table(
    "mlwright_alert_episodes",
    metadata,
    Column("model", String(250), primary_key=True),
    Column("key", String(500), primary_key=True),
    Column("episode", Integer, primary_key=True, autoincrement=False),
    Column("state", String(12), nullable=False, index=True),
    Column("level", String(4), nullable=False),
    Column("finding", Text, nullable=False),
    Column("opened", _TIME, nullable=False),
    Column("seen", _TIME, nullable=False),
    Column("gone", _TIME),
    Column("resolved", _TIME),
    Column("told_level", String(4)),
    Column("told_cost", Float),
    Column("told", _TIME),
    Column("times", Integer, nullable=False),
    Column("escalated", _TIME),
    Column("acknowledged", _TIME),
    Column("acknowledged_by", Text),
    Column("note", Text),
)
OUTBOX = Table(
    "mlwright_outbox",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("model", String(250), nullable=False),
    Column("channel", String(250), nullable=False),
    Column("message", Text, nullable=False),
    Column("made", _TIME, nullable=False),
    Column("due", _TIME, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("problem", Text),
    #: `waiting`, `sent` or `given up`.
    Column("state", String(10), nullable=False, index=True),
    Column("ended", _TIME),
)
SILENCES = Table(
    "mlwright_silences",
    metadata,
    Column("model", String(250), primary_key=True),
    Column("key", String(500), primary_key=True),
    Column("until", _TIME, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text),
)
DIGESTS = Table(
    "mlwright_digests",
    metadata,
    Column("model", String(250), primary_key=True),
    Column("channel", String(250), primary_key=True),
    Column("made", _TIME, nullable=False),
)


def make_tables(connection: Connection) -> None:
    """Have the tables, where they are not there yet."""
    metadata.create_all(connection)


def alerts_of(connection: Connection, model: str, *, states: Iterable[AlertState] | None = None) -> list[Alert]:
    """The alerts of a model in the order in which they came up, those in some states or all."""
    wanted = select(ALERTS).where(ALERTS.c.model == model).order_by(ALERTS.c.opened, ALERTS.c.key, ALERTS.c.episode)
    if states is not None:
        wanted = wanted.where(ALERTS.c.state.in_(list(states)))
    return [Alert.of_row(dict(row)) for row in connection.execute(wanted).mappings()]


def keep(connection: Connection, alert: Alert, *, is_new: bool = False) -> None:
    """Write an alert as it is now."""
    if is_new:
        connection.execute(insert(ALERTS).values(alert.row()))
        return
    same = (ALERTS.c.model == alert.model, ALERTS.c.key == alert.key, ALERTS.c.episode == alert.episode)
    connection.execute(update(ALERTS).where(*same).values(alert.row()))
