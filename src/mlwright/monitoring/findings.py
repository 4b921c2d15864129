"""What the monitor found, in one form for all its parts: what happened, since when, how sure, what it costs, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from mlwright.core import Interval

#: `info` is worth knowing, `warn` is to be looked at soon, `page` is to be looked at now.
Level: TypeAlias = Literal["info", "warn", "page"]
Evidence: TypeAlias = "Mapping[str, float | int | str | None]"

#: All rows; the other slices have the names that the spec gives them.
OVERALL = "overall"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAfter:
    """The numbers behind a picture of one column before and after something began.

    Attributes
    ----------
    kind
        `quantiles`: `names` are shares (`0.05`) and the numbers are values of the column, in its unit. `levels`: `names` are
        levels and the numbers are shares of rows.
    before, after
        Shape (n_names,).
    """

    column: str
    kind: Literal["quantiles", "levels"]
    names: tuple[str, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that a person, or the loop, may want to act on.

    Attributes
    ----------
    kind
        What it is, by a fixed name: `drift`, `loss`, `stopped_feed` …
    what
        One plain sentence.
    columns
        Those that it is about; empty if it is about none.
    since, until
        When it began and ended, as far as is known; an open end is None.
    evidence
        The numbers behind it, by name.
    advice
        What to do next, in one plain sentence.
    cost
        What it costs, in `cost_unit`; None where nobody can tell.
    slice
        The rows that it is about.
    key
        The same for the same trouble in each window, so that one alert stands for all of them. Made of kind, slice and
        columns if it is not given.
    pictures
        Before and after, for the columns that moved most.

    Examples
    --------
    >>> Finding(kind="drift", level="info", what="`age` is higher.", columns=("age",), advice="Look at it.").key
    'drift/overall/age'
    """

    kind: str
    level: Level
    what: str
    columns: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    evidence: Evidence = field(default_factory=dict)
    advice: str = ""
    cost: Interval | None = None
    cost_unit: str = ""
    slice: str = OVERALL
    key: str = ""
    pictures: tuple[BeforeAfter, ...] = ()

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", "/".join((self.kind, self.slice, *sorted(self.columns))))

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            "columns": list(self.columns),
            "since": None if self.since is None else self.since.isoformat(),
            "until": None if self.until is None else self.until.isoformat(),
            "evidence": dict(self.evidence),
            "cost": None if self.cost is None else asdict(self.cost),
            "pictures": [asdict(picture) for picture in self.pictures],
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Finding:
        return cls(
            **{name: state[name] for name in _PLAIN},
            columns=tuple(state["columns"]),
            since=None if state["since"] is None else datetime.fromisoformat(state["since"]),
            until=None if state["until"] is None else datetime.fromisoformat(state["until"]),
            evidence=dict(state["evidence"]),
            cost=None if state["cost"] is None else Interval(**state["cost"]),
            pictures=tuple(_picture(picture) for picture in state["pictures"]),
        )


_PLAIN = ("kind", "level", "what", "advice", "cost_unit", "slice", "key")


def _picture(state: Mapping[str, Any]) -> BeforeAfter:
    sequences = {name: tuple(state[name]) for name in ("names", "before", "after")}
    return BeforeAfter(column=state["column"], kind=state["kind"], **sequences)
