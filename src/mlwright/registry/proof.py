"""The proof that a challenger is better than the champion: made by the lifecycle, asked for by a promotion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mlwright.core.evidence import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A metric that must not get worse by more than `limit`, whatever the objective says.

    Attributes
    ----------
    worse
        The interval of how much worse the challenger is; None if it could not be computed, and then the guard fails.
    """

    metric: str
    limit: float
    worse: Interval | None

    @property
    def holds(self) -> bool:
        return self.worse is not None and self.worse.high <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Evidence on the same labelled rows that one version is better than another.

    Attributes
    ----------
    challenger, champion
        Numbers of the versions that were compared.
    objective
        What was compared, in the direction that more is better.
    e_value
        Against "the challenger gains at most `min_gain`"; it may be looked at any time.
    needed
        The E value from which it counts: 1 / error rate.
    gain, min_gain
        The mean gain of a row as found, and the least that is worth a promotion; in `unit`.
    rows
        That both answered and whose truth is known.
    made
        When; in UTC.
    source
        `shadow`, `log`, or what else the rows came from.
    """

    challenger: int
    champion: int
    objective: str
    e_value: float
    needed: float = 20.0
    gain: float
    min_gain: float = 0.0
    unit: str = ""
    rows: int
    guards: tuple[Guard, ...] = ()
    made: datetime
    source: str = "log"

    @property
    def broken_guards(self) -> tuple[Guard, ...]:
        return tuple(guard for guard in self.guards if not guard.holds)

    @property
    def holds(self) -> bool:
        """Whether it is enough."""
        return self.rows > 0 and self.e_value >= self.needed and not self.broken_guards

    def why_not(self) -> str:
        """What is lacking, in words; empty if nothing is."""
        if self.rows <= 0:
            return "it rests on no rows"
        if not self.e_value >= self.needed:
            return f"its E value is {self.e_value:.3g}, and {self.needed:g} is needed"
        if self.broken_guards:
            return (
                f"{', '.join(guard.metric for guard in self.broken_guards)} may have got worse by more than is allowed"
            )
        return ""

    def state(self) -> dict[str, Any]:
        """As JSON; numbers without an end are text."""
        tree = asdict(self)
        return {**tree, "made": self.made.isoformat(), "e_value": _written(self.e_value)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Proof:
        """The proof that had this state."""
        guards = tuple(
            Guard(metric=g["metric"], limit=g["limit"], worse=None if g["worse"] is None else Interval(**g["worse"]))
            for g in state["guards"]
        )
        made = datetime.fromisoformat(state["made"])
        return cls(**{**state, "guards": guards, "made": made, "e_value": float(state["e_value"])})


def _written(value: float) -> float | str:
    return value if abs(value) < float("inf") else str(value)  # an E value can outgrow a float; JSON has no infinity
