"""A finding in the words of a message: since when, how sure, what it costs."""

from __future__ import annotations

from datetime import UTC, datetime

from mlwright.monitoring.findings import OVERALL, Finding

_MOST_EVIDENCE = 8


def moment_in_words(moment: datetime) -> str:
    """A moment in UTC, to the minute; to the day where it is a midnight.

    Examples
    --------
    >>> moment_in_words(datetime(2026, 3, 1, tzinfo=UTC)), moment_in_words(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    ('2026-03-01', '2026-03-01 09:30 UTC')
    """
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%d}" if (utc.hour, utc.minute) == (0, 0) else f"{utc:%Y-%m-%d %H:%M} UTC"


def since_in_words(finding: Finding) -> str:
    """When it began and ended, as far as is known."""
    if finding.since is None:
        return "not known"
    ends = "" if finding.until is None else f" until {moment_in_words(finding.until)}"
    return f"{moment_in_words(finding.since)}{ends}"


def plain_number(value: float) -> str:
    """A number in a message: three digits that count, thousands apart.

    Examples
    --------
    >>> plain_number(1234567.0), plain_number(0.034512), plain_number(12.0), plain_number(4e9), plain_number(float("inf"))
    ('1,234,567', '0.0345', '12', '4e+09', 'inf')
    """
    size = abs(value)
    if size == float("inf") or value != value:
        return str(value)
    if size >= 1e9 or 0 < size < 1e-4:
        return f"{value:.3g}"
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cost_in_words(finding: Finding) -> str:
    """What it costs, as a range; or that nobody can tell.

    Examples
    --------
    >>> from mlwright.core import Interval
    >>> made = {"kind": "loss", "level": "warn", "what": "…", "cost_unit": "EUR a day"}
    >>> cost_in_words(Finding(**made, cost=Interval(low=120.0, high=310.0, confidence=0.9)))
    '120 to 310 EUR a day (90 % sure)'
    >>> cost_in_words(Finding(**made, cost=Interval(low=-3.0, high=-1.0, confidence=0.9)))
    'nothing; it gains 1 to 3 EUR a day (90 % sure)'
    >>> cost_in_words(Finding(**made))
    'cannot be told from what is known'
    """
    cost = finding.cost
    if cost is None:
        return "cannot be told from what is known"
    gains = cost.high <= 0  # it is the other way round: less is lost than before
    bounds = (-cost.high, -cost.low) if gains else (cost.low, cost.high)
    low, high = (plain_number(end) for end in bounds)
    ends = low if low == high else f"{low} to {high}"
    said = " ".join(f"{ends} {finding.cost_unit} ({100 * cost.confidence:.0f} % sure)".split())
    return f"nothing; it gains {said}" if gains else said


def evidence_in_words(finding: Finding, *, most: int = _MOST_EVIDENCE) -> str:
    """The numbers behind it, by name."""
    parts = []
    for name, value in list(finding.evidence.items())[:most]:
        if value is None:
            continue
        shown = value if isinstance(value, str) else plain_number(float(value))
        parts.append(f"{name.replace('_', ' ')} {shown}")
    return ", ".join(parts)


def about_in_words(finding: Finding) -> str:
    """Which rows it is about; empty for all."""
    return "" if finding.slice == OVERALL else f"only rows of {finding.slice}"
