"""What every recogniser is given: the batch, the reference, and how sure one must be."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np

from mlwright.data import Column
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.monitoring.findings import Evidence
from mlwright.monitoring.irregular.batch import Batch
from mlwright.monitoring.irregular.habits import Stretch
from mlwright.monitoring.irregular.irregularity import BoolArray, Irregularity
from mlwright.monitoring.irregular.reference import Levels, Numbers, Reference
from mlwright.monitoring.irregular.repairs import Repair

#: A batch with fewer rows is not judged: whatever it has may be chance.
LEAST_ROWS = 20
#: A fault of fewer rows is not named.
LEAST_COUNT = 8
#: Where habits are not known: so far a window may lie from the reference without a fault.
_UNKNOWN_SHIFT, _UNKNOWN_SHIFT_SURE = 0.3, 0.5


@dataclass
class Look:
    """One look at a batch.

    Attributes
    ----------
    alpha
        The probability with which anything at all is claimed of a batch on which nothing is wrong, as far as tests
        have one.
    now
        When the batch came, for dates that lie ahead of it.
    explained
        Columns whose fault has a name; no other recogniser looks at them.
    """

    batch: Batch
    reference: Reference
    alpha: float = 0.001
    now: datetime | None = None
    explained: set[str] = field(default_factory=set)

    @property
    def n(self) -> int:
        return len(self.batch)

    def columns(self, *types: str) -> list[Column]:
        """The columns of some types that are still to be looked at."""
        return [column for column in self.reference.columns(*types) if column.name not in self.explained]

    @cached_property
    def alpha_each(self) -> float:
        """Of one test: each column is tested for missing values, levels and constancy."""
        return self.alpha / (3 * max(len(self.reference.schema), 1))

    def stretch(self, column: str) -> Stretch | None:
        """The habits of a column over so many rows."""
        habits = self.reference.habits
        return None if habits is None else habits.at(column, self.n)

    def shift(self, column: str) -> float:
        """How far a window may lie from the reference without a fault, from 0 to 1."""
        found = self.stretch(column)
        return _UNKNOWN_SHIFT if found is None else min(found.shift * self._shorter(found), 1.0)

    def worst_missing(self, column: str) -> float:
        """The largest share without a value that a window of this length had without a fault."""
        found = self.stretch(column)
        return 0.0 if found is None else min(found.missing * self._shorter(found) ** 2, 1.0)

    def _shorter(self, stretch: Stretch) -> float:
        """How much more a batch may differ than the stretches that are known, if it is shorter than they are."""
        return max(float(np.sqrt(stretch.rows / max(self.n, 1))), 1.0)

    def rows_that_count(self, column: str, n: int) -> float:
        """How many independent rows n neighbouring ones are worth."""
        found = self.stretch(column)
        return float(n) if found is None else max(n / found.clump, 1.0)

    def slack(self, column: str, n: float, *, sure: bool = False) -> float:
        """How far repaired values may lie from the reference: noise, and what windows do by habit.

        Parameters
        ----------
        n
            So many independent rows.
        sure
            Whether there is other evidence: no value was at home where it stood, and all are where the rule puts them.
        """
        found = self.stretch(column)
        noise = float(1.0 / np.sqrt(max(n, 1)))
        if sure:
            return min(0.25 + noise + (_UNKNOWN_SHIFT_SURE if found is None else self.shift(column)), 0.97)
        return 0.08 + noise + (0.1 if found is None else min(found.shift, 0.35) * 0.6)

    def numbers(self, name: str) -> tuple[FloatArray, Numbers] | None:
        """A column of numbers and its reference."""
        found = self.reference.numbers(name)
        return None if found is None else (self._values(name), found)

    def levels(self, name: str) -> tuple[IntArray, list[str], Levels] | None:
        """A column of levels and its reference."""
        found = self.reference.levels(name)
        return None if found is None else (*self.batch.levels(name), found)

    def _values(self, name: str) -> FloatArray:
        if name not in self._kept:
            self._kept[name] = self.batch.numbers(name)
        values: FloatArray = self._kept[name]
        return values

    @cached_property
    def _kept(self) -> dict[str, Any]:
        return {}

    @property
    def seconds_now(self) -> float | None:
        """When the batch came, in seconds since 1970."""
        if self.now is None:
            return None
        return (self.now if self.now.tzinfo is not None else self.now.replace(tzinfo=UTC)).timestamp()

    def found(
        self,
        kind: str,
        columns: tuple[str, ...],
        rows: BoolArray,
        sentence: str,
        advice: str,
        *,
        confidence: float,
        evidence: Evidence,
        repair: Repair | None = None,
    ) -> Irregularity:
        """A fault of some rows; its columns are explained by it."""
        self.explained.update(columns)
        count = int(rows.sum())
        return Irregularity(
            kind=kind,
            columns=columns,
            rows=rows,
            count=count,
            share=count / max(self.n, 1),
            evidence={name: _rounded(value) for name, value in evidence.items()},
            confidence=round(float(np.clip(confidence, 0.0, 0.9999)), 4),
            repair=repair,
            sentence=sentence,
            advice=advice,
        )


def _rounded(value: float | str | None) -> float | int | str | None:
    return float(f"{value:.4g}") if isinstance(value, float) else value


def log_tail(count: int, n: float, share: float) -> float:
    """An upper bound of the log of the probability that at least `count` of n independent rows have something.

    Parameters
    ----------
    share
        The probability of one row.

    References
    ----------
    Chernoff (1952), A measure of asymptotic efficiency for tests of a hypothesis based on the sum of observations.

    Examples
    --------
    >>> log_tail(10, 100, 0.1)  # no more than expected
    0.0
    >>> round(log_tail(50, 100, 0.1), 1)
    -51.1
    """
    seen = min(count / n, 1.0) if n else 0.0
    share = min(max(share, 1e-12), 1 - 1e-12)
    if seen <= share:
        return 0.0
    divergence = seen * np.log(seen / share)
    if seen < 1:
        divergence += (1 - seen) * np.log((1 - seen) / (1 - share))
    return float(-n * divergence)
