"""An alert: one finding from the day it came up until it is gone, and who was told how much of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from mlwright.monitoring.findings import Finding, Level

AlertState = Literal["open", "acknowledged", "resolved"]
#: The worse, the higher.
RANK: Final[Mapping[Level, int]] = {"info": 0, "warn": 1, "page": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What is known of one trouble of one model.

    Attributes
    ----------
    episode
        1 the first time that the trouble came up, 2 the next time after it was over, …
    finding
        As it was last seen.
    opened, seen
        When it came up, and when it was last there; in UTC.
    gone
        Since when it is no longer found; it is resolved only after a while, so that what flickers is told once.
    told_level, told_cost, told
        The level and the highest cost that people know of, and when they were told; None if nobody was told yet.
    times
        How often they were told.
    escalated
        When it was escalated, since it was last told.
    """

    model: str
    key: str
    episode: int
    state: AlertState
    finding: Finding
    opened: datetime
    seen: datetime
    gone: datetime | None = None
    resolved: datetime | None = None
    told_level: Level | None = None
    told_cost: float | None = None
    told: datetime | None = None
    times: int = 0
    escalated: datetime | None = None
    acknowledged: datetime | None = None
    acknowledged_by: str | None = None
    note: str | None = None

    @property
    def level(self) -> Level:
        return self.finding.level

    @property
    def is_worse_than_told(self) -> bool:
        """Whether its level is higher than people know, or its cost surely is."""
        if self.told_level is None or RANK[self.level] > RANK[self.told_level]:
            return True
        cost, known = self.finding.cost, self.told_cost
        if self.level == "info" or self.level != self.told_level or cost is None or known is None:
            return False
        return cost.low > max(known, 0.0)

    def row(self) -> dict[str, Any]:
        """As columns of the table."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: _written(getattr(self, name)) for name in _TIMES},
            "level": self.level,
            "finding": json.dumps(self.finding.state(), ensure_ascii=False),
        }

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Alert:
        """The alert that a row of the table tells."""
        times: dict[str, Any] = {
            name: None if row[name] is None else datetime.fromisoformat(row[name]) for name in _TIMES
        }
        plain = {name: row[name] for name in _PLAIN}
        return cls(**plain, **times, finding=Finding.of_state(json.loads(row["finding"])))

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {**self.row(), "finding": self.finding.state()}


_PLAIN = ("model", "key", "episode", "state", "told_level", "told_cost", "times", "acknowledged_by", "note")
_TIMES = ("opened", "seen", "gone", "resolved", "told", "escalated", "acknowledged")


def _written(moment: datetime | None) -> str | None:
    return None if moment is None else written(moment)


def written(moment: datetime) -> str:
    """A moment in UTC as text that sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
