"""What it would take: how many more rows, what they cost, and how long until they are there and labelled."""

from __future__ import annotations

import math

import numpy as np

from mlwright.data import Split
from mlwright.feasibility import MoreRows
from mlwright.reports.words import number
from mlwright.spec import Spec
from mlwright.spec.contradictions import DAYS_IN

#: Named from one and a half of them on: 13 months rather than 1.1 years.
_UNITS = (
    (365.25 * 86400, "year"),
    (30.44 * 86400, "month"),
    (7.0 * 86400, "week"),
    (86400.0, "day"),
    (3600.0, "hour"),
    (60.0, "minute"),
    (1.0, "second"),
)


def lasting(seconds: float) -> str:
    """A time as people say it.

    Examples
    --------
    >>> lasting(42), lasting(90), lasting(600), lasting(26 * 86400), lasting(400 * 86400)
    ('42 seconds', '1.5 minutes', '10 minutes', '4 weeks', '13 months')
    """
    size, name = next(((size, name) for size, name in _UNITS if seconds >= 1.5 * size), _UNITS[-1])
    count = max(seconds, 1.0) / size
    text = f"{round(2 * count) / 2:g}" if count < 3 else f"{count:.0f}"
    return f"{text} {name}{'' if text == '1' else 's'}"


def takes_of(more: MoreRows, spec: Spec, split: Split) -> str:
    """Rows, their price, and the time until they are there and labelled."""
    if more.fewest is None or more.most is None:
        return "more rows will not do"
    text = f"{_range(more.fewest, more.most)} more rows"
    if more.least_price is not None and more.most_price is not None:
        text += f" ({_range(more.least_price, more.most_price)} {more.currency})"
    return text + waiting_for(more.most, spec, split, least=more.fewest)


def waiting_for(most: int, spec: Spec, split: Split, *, least: int | None = None) -> str:
    """How long it takes until so many more rows are there and labelled, as `, which takes …`; empty if nobody knows.

    Parameters
    ----------
    least
        The other end, where it may be fewer rows.
    """
    days = _days_for_one(spec, split)
    if days is None:
        return ""
    delay = spec.operation.label_delay.total_seconds()
    ends = [lasting(86400 * days * count + delay) for count in ((most,) if least is None else (least, most))]
    waiting = f"up to {ends[-1]}" if least == 0 else " to ".join(dict.fromkeys(ends))
    labelled = f", with the {lasting(delay)} until labels are known" if delay else ""
    return f", which takes {waiting} at the present rate{labelled}"


def _days_for_one(spec: Spec, split: Split) -> float | None:
    """The days in which one more row arrives: by `decision.volume`, else by the times of the rows at hand."""
    volume = spec.decision.volume
    if volume is not None:
        return DAYS_IN[volume.per] / volume.count
    column = split.dataset.schema.with_role("time")
    times = split.dataset.times
    if column is None or column.type != "datetime" or times is None:
        return None
    known = times[np.isfinite(times)]
    return float(np.ptp(known)) / 86400 / len(known) if len(known) > 1 and np.ptp(known) > 0 else None


def two_digits(count: float) -> int:
    """To two digits: nobody knows more."""
    size: int = 10 ** max(math.floor(math.log10(max(count, 1))) - 1, 0)
    return round(count / size) * size


def _range(low: float, high: float) -> str:
    first, last = number(two_digits(low)), number(two_digits(high))
    return first if first == last else f"{first} to {last}" if low else f"up to {last}"
