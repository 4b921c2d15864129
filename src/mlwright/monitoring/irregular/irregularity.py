"""What is wrong with a batch: a name from the catalogue, the rows, the evidence, and the rule that would repair it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlwright.monitoring.findings import Evidence, Finding, Level
from mlwright.monitoring.irregular.repairs import Repair, repair_of_state

BoolArray: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Kind:
    """An entry of the catalogue.

    Attributes
    ----------
    title
        Its name in words.
    held
        Whether its rows are kept back while no accepted rule repairs them.
    level
        How loud its alert is.
    """

    title: str
    held: bool = True
    level: Level = "warn"


#: The catalogue, by name.
KINDS: dict[str, Kind] = {
    "column_gone": Kind("a column is gone", level="page"),
    "column_renamed": Kind("a column comes under another name", level="page"),
    "type_changed": Kind("a column is written in another way", level="page"),
    "columns_swapped": Kind("two columns are swapped"),
    "missing_burst": Kind("many values are missing"),
    "missing_marker": Kind("a number stands for missing"),
    "unit_change": Kind("a column is in another unit"),
    "constant_column": Kind("a column has only one value"),
    "impossible_dates": Kind("dates cannot be"),
    "levels_respelled": Kind("known levels are spelled otherwise"),
    "text_cut": Kind("texts are cut off"),
    "encoding_damage": Kind("texts are damaged by a wrong encoding"),
    "new_levels": Kind("many levels were never seen"),
    "rows_repeated": Kind("rows come twice"),
    "batch_repeated": Kind("a whole batch comes again"),
    "late_batch": Kind("a batch is late", held=False, level="info"),
    "stopped_feed": Kind("no rows come any more", held=False, level="page"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Irregularity:
    """One fault of a batch.

    Attributes
    ----------
    kind
        A name of `KINDS`.
    columns
        The columns that it is about; none where it is about whole rows.
    rows : shape (n_rows,)
        Which rows of the batch have it; None where it is about no row (a stopped feed).
    count
        How many rows that are.
    share
        Of the rows of the batch.
    evidence
        The numbers that it was recognised by.
    confidence
        From 0 to 1. Of a test: 1 minus its error probability. Of a rule that explains the values: how much of the
        distance to the reference the rule takes away.
    repair
        The rule that would make the rows right, if one would.
    sentence, advice
        For people; without values of rows.
    """

    kind: str
    columns: tuple[str, ...] = ()
    rows: BoolArray | None = None
    count: int = 0
    share: float = 0.0
    evidence: Evidence = field(default_factory=dict)
    confidence: float
    repair: Repair | None = None
    sentence: str
    advice: str

    @property
    def title(self) -> str:
        return KINDS[self.kind].title

    @property
    def held(self) -> bool:
        """Whether its rows are kept back while no accepted rule repairs them."""
        return KINDS[self.kind].held

    @property
    def whole(self) -> bool:
        """Whether it is about all rows, or all but a few without a value."""
        return self.share >= 0.9

    @property
    def level(self) -> Level:
        """How loud its alert is: what touches only some rows does not wake anybody."""
        loud = KINDS[self.kind].level
        return "warn" if loud == "page" and self.rows is not None and self.share < 0.5 else loud

    def as_finding(self, *, since: datetime | None = None, until: datetime | None = None) -> Finding:
        """The same for the monitor's pages and alerts; its cost is not known from the input alone."""
        return Finding(
            kind=self.kind,
            level=self.level,
            what=self.sentence,
            columns=self.columns,
            since=since,
            until=until,
            evidence={**self.evidence, "rows": self.count, "share": round(self.share, 4)},
            advice=self.advice,
        )

    def state(self) -> dict[str, Any]:
        """As JSON, without the rows."""
        return {
            "kind": self.kind,
            "columns": list(self.columns),
            "count": self.count,
            "share": self.share,
            "evidence": dict(self.evidence),
            "confidence": self.confidence,
            "repair": None if self.repair is None else self.repair.state(),
            "sentence": self.sentence,
            "advice": self.advice,
        }

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Irregularity:
        """What `state` gave; the rows are not in it."""
        repair = state["repair"]
        return cls(
            kind=state["kind"],
            columns=tuple(state["columns"]),
            count=state["count"],
            share=state["share"],
            evidence=state["evidence"],
            confidence=state["confidence"],
            repair=None if repair is None else repair_of_state(repair),
            sentence=state["sentence"],
            advice=state["advice"],
        )


def shown_share(share: float) -> str:
    """A share for a sentence: `all`, `12 %` or `0.41 %` of the rows.

    Examples
    --------
    >>> shown_share(0.123), shown_share(0.0041), shown_share(1.0)
    ('12 %', '0.41 %', 'all')
    """
    if share >= 0.9995:
        return "all"
    return f"{share:.0%}".replace("%", " %") if share >= 0.1 else f"{share * 100:.2g} %"
