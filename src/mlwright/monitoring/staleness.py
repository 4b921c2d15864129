"""Is the model out of date? Its age, how fresh its columns are, and labels that do not come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from mlwright.monitoring.findings import Finding

#: A column's newest value may be this much older than usual before it is called stale.
_LATER_THAN_USUAL = 2.0
#: Labels are called overdue where fewer than this share of those expected by now have come.
_LEAST_OF_EXPECTED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnAge:
    """How old the newest value of a column of times is, and how old it usually is."""

    column: str
    age: timedelta
    usual: timedelta

    @property
    def stale(self) -> bool:
        """Whether it is far older than usual."""
        return self.age > self.usual * _LATER_THAN_USUAL + timedelta(hours=1)

    def as_finding(self) -> Finding:
        """A source that may have stopped."""
        return Finding(
            kind="stale_column",
            level="warn",
            what=f"The newest value of `{self.column}` is {in_words(self.age)} old; usually it is {in_words(self.usual)}.",
            columns=(self.column,),
            evidence={"age_hours": hours(self.age), "usual_hours": hours(self.usual)},
            advice="See whether the source of this column still delivers.",
        )


def column_ages(
    newest: Mapping[str, datetime | None], usual: Mapping[str, timedelta], *, at: datetime
) -> list[ColumnAge]:
    """How old the newest value of each column of times is; the stalest first.

    Parameters
    ----------
    newest
        Of the window; None where it has no value at all, which is not about age.
    usual
        The same age in the reference: from its newest value to the newest time of a row.
    at
        The newest time of a row of the window.
    """
    ages = [
        ColumnAge(column=name, age=max(at - time, timedelta(0)), usual=usual[name])
        for name, time in newest.items()
        if time is not None and name in usual
    ]
    return sorted(ages, key=lambda one: one.usual - one.age)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelBacklog:
    """Labels that should have come by now.

    Attributes
    ----------
    expected, known
        Rows that usually would have a label by now, and those that have one.
    oldest
        The age of the oldest window that lacks more than half of the labels it should have; None if there is none.
    """

    expected: float
    known: int
    oldest: timedelta | None

    @property
    def overdue(self) -> bool:
        """Whether labels have stopped coming, or come far later than usual."""
        return self.oldest is not None

    def as_finding(self) -> Finding:
        """Labels that are missed."""
        assert self.oldest is not None
        return Finding(
            kind="label_backlog",
            level="warn",
            what=f"Of {self.expected:,.0f} labels that should have come by now {self.known:,} are here; the oldest rows "
            f"without them are {in_words(self.oldest)} old.",
            evidence={"expected": self.expected, "known": self.known, "oldest_hours": hours(self.oldest)},
            advice="See whether labels are still delivered. Until they come, losses are estimated without them.",
        )


def label_backlog(
    windows: Sequence[tuple[timedelta, int, int]], *, share: float, delays: Sequence[tuple[timedelta, float]]
) -> LabelBacklog:
    """Which labels are overdue.

    Parameters
    ----------
    windows
        Age, rows and labelled rows of each.
    share
        Of the rows that ever get a label.
    delays
        How many of those have it by which age: points of a rising curve, from past windows.
    """
    at = np.array([hours(age) for age, _ in delays])
    done = np.array([part for _, part in delays])
    order = np.argsort(at)
    expected, known, oldest = 0.0, 0, None
    for age, rows, labelled in windows:
        due = share * rows * float(np.interp(hours(age), at[order], done[order], left=0.0))
        expected += due
        known += labelled
        # A window of which hardly anything is due yet may lack it by chance.
        if due >= 20 and labelled < _LEAST_OF_EXPECTED * due and (oldest is None or age > oldest):
            oldest = age
    return LabelBacklog(expected=expected, known=known, oldest=oldest)


def model_age(trained: datetime, *, at: datetime, usual: timedelta | None = None) -> Finding | None:
    """That the model is older than models of this project usually get; None if it is not, or nothing is known."""
    age = at - trained
    if usual is None or age <= usual * _LATER_THAN_USUAL:
        return None
    return Finding(
        kind="old_model",
        level="info",
        what=f"The model is {in_words(age)} old; models here are usually replaced after {in_words(usual)}.",
        evidence={"age_days": age / timedelta(days=1), "usual_days": usual / timedelta(days=1)},
        advice="Train a challenger and compare.",
    )


def hours(span: timedelta) -> float:
    """A span of time in hours."""
    return span / timedelta(hours=1)


def in_words(span: timedelta) -> str:
    """A span of time for people: `3 days`, `5 hours`.

    Examples
    --------
    >>> in_words(timedelta(hours=50))
    '2 days'
    """
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        count = round(span.total_seconds() / size)
        if span.total_seconds() >= size:
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "less than a minute"
