"""How the evidence of a comparison has grown from look to look: a line for people, beside the test itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Float, Integer, MetaData, String, Table, insert, select

from mlwright.alerts.alert import written
from mlwright.lifecycle import Comparison

metadata = MetaData()
_POINTS = Table(
    "mlwright_evidence",
    metadata,
    Column("model", String(250), primary_key=True),
    Column("comparison", String(250), primary_key=True),
    Column("rows", Integer, primary_key=True, autoincrement=False),
    Column("at", String(40), nullable=False),
    Column("e_value", Float, nullable=False),
    Column("gain", Float, nullable=False),
)
#: More than this says nothing more, and does not fit into every database.
_MOST = 1e300


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePoint:
    """What a comparison had shown after so many rows."""

    rows: int
    at: datetime
    e_value: float
    gain: float


def make_tables(connection: Connection) -> None:
    """Have the table, where it is not there yet."""
    metadata.create_all(connection)


def keep_point(connection: Connection, model: str, comparison: Comparison, *, now: datetime) -> None:
    """Note what a comparison shows now; the same number of rows is noted once."""
    same = (_POINTS.c.model == model, _POINTS.c.comparison == comparison.key, _POINTS.c.rows == comparison.rows)
    if comparison.rows == 0 or connection.execute(select(_POINTS.c.rows).where(*same)).first() is not None:
        return
    connection.execute(
        insert(_POINTS).values(
            model=model,
            comparison=comparison.key,
            rows=comparison.rows,
            at=written(now),
            e_value=min(comparison.e_value, _MOST),
            gain=float(comparison.gain),
        )
    )


def points_of(connection: Connection, model: str, comparison: Comparison) -> list[EvidencePoint]:
    """The line of a comparison, by its rows."""
    wanted = select(_POINTS).where(_POINTS.c.model == model, _POINTS.c.comparison == comparison.key)
    return [
        EvidencePoint(rows=row["rows"], at=datetime.fromisoformat(row["at"]), e_value=row["e_value"], gain=row["gain"])
        for row in connection.execute(wanted.order_by(_POINTS.c.rows)).mappings()
    ]
