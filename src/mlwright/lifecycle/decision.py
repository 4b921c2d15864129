"""A decision: what should be done about what was found, why, what it saves, and who has to say yes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from mlwright.core import Interval

Action = Literal["repair", "quarantine", "reweight", "recalibrate", "retrain", "label", "nothing"]
Mode = Literal["recommend", "automatic"]

#: In words, for people.
TITLES: Mapping[Action, str] = {
    "repair": "repair the input",
    "quarantine": "keep the rows back",
    "reweight": "adjust to the new shares of the classes",
    "recalibrate": "calibrate again",
    "retrain": "train a challenger",
    "label": "label some rows",
    "nothing": "do nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What should be done.

    Attributes
    ----------
    made
        When.
    champion
        The version that it is about.
    reason
        One or two plain sentences.
    mode
        `automatic` is done by the loop itself; `recommend` waits for a person.
    saves
        What a row is expected to lose less, in `unit`; None where nobody can tell.
    saves_in_all
        The same over the horizon of the spec; None without a known number of rows.
    evidence
        The numbers that it rests on.
    findings
        The keys of the findings that led to it.
    since
        When what it is about began: where the training window of a challenger may begin.
    again_after
        The same is not decided again earlier: what was done needs time to show.
    """

    made: datetime
    champion: int
    action: Action
    reason: str
    mode: Mode = "recommend"
    saves: Interval | None = None
    saves_in_all: float | None = None
    unit: str = ""
    evidence: Mapping[str, float | int | str | None] = field(default_factory=dict)
    findings: tuple[str, ...] = ()
    since: datetime | None = None
    again_after: timedelta = timedelta(days=7)

    @property
    def key(self) -> str:
        """The same for the same action on the same champion."""
        return f"{self.action}/{self.champion}"

    @property
    def id(self) -> str:
        """Names it: in the registry, as what had a version made."""
        text = f"{self.key}/{self.made.isoformat()}"
        return f"{self.made:%Y%m%d}-{self.action}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"

    @property
    def not_again_before(self) -> datetime:
        """A decision with the same key that was made later than this stands."""
        return self.made - self.again_after

    @property
    def changes_model(self) -> bool:
        """Whether it asks for another version."""
        return self.action in {"reweight", "recalibrate", "retrain"}

    @property
    def title(self) -> str:
        return TITLES[self.action]

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "made": self.made.isoformat(),
            "saves": None if self.saves is None else asdict(self.saves),
            "evidence": dict(self.evidence),
            "findings": list(self.findings),
            "since": None if self.since is None else self.since.isoformat(),
            "again_after": self.again_after.total_seconds(),
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Decision:
        """What `state` was taken of."""
        return cls(
            **{name: state[name] for name in _PLAIN},
            made=datetime.fromisoformat(state["made"]),
            saves=None if state["saves"] is None else Interval(**state["saves"]),
            evidence=dict(state["evidence"]),
            findings=tuple(state["findings"]),
            since=None if state["since"] is None else datetime.fromisoformat(state["since"]),
            again_after=timedelta(seconds=state["again_after"]),
        )


_PLAIN = ("champion", "action", "reason", "mode", "saves_in_all", "unit")
