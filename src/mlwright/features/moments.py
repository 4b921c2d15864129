"""The parts of one moment in plain Python: what `date_parts` gives for a column, to the bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import itemgetter

_PARTS = ("year", "month", "day", "weekday", "hour", "days")


def date_of(day: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970, in the Gregorian calendar before its time as well.

    References
    ----------
    Hinnant (2013), chrono-Compatible Low-Level Date Algorithms (`civil_from_days`).

    Examples
    --------
    >>> date_of(-1)
    (1969, 12, 31)
    """
    era, in_era = divmod(day + 719_468, 146_097)
    year = (in_era - in_era // 1460 + in_era // 36_524 - in_era // 146_096) // 365
    in_year = in_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * in_year + 2) // 153  # months from March on
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, in_year - (153 * shifted + 2) // 5 + 1


def parts_of_moment(
    parts: tuple[str, ...], means: tuple[float, ...], deviations: tuple[float, ...]
) -> Callable[[float], tuple[float, ...]]:
    """The function that gives these parts of a moment in seconds since 1970; scaled if there are means.

    Missing is NaN, or 0 after scaling.
    """
    positions = [_PARTS.index(part) for part in parts]
    missing = (0.0 if means else math.nan,) * len(parts)
    # One position would give a bare value: it is taken twice, and cut off below.
    chosen: Callable[[tuple[float, ...]], tuple[float, ...]] = itemgetter(*positions, positions[0])

    def plain(seconds: float) -> tuple[float, ...]:
        if seconds != seconds:
            return missing
        day = math.floor(seconds) // 86_400
        year, month, of_month = date_of(day)
        every = (year, month, of_month, (day + 3) % 7, (seconds - day * 86400.0) / 3600.0, seconds / 86400.0)
        return chosen(every)[:-1]

    def scaled(seconds: float) -> tuple[float, ...]:
        if seconds != seconds:
            return missing
        numbers = zip(plain(seconds), means, deviations, strict=True)
        return tuple([_finite((number - mean) / deviation) for number, mean, deviation in numbers])

    return scaled if means else plain


def _finite(number: float) -> float:
    """As `np.nan_to_num` has it."""
    return number if math.isfinite(number) else math.copysign(1.7976931348623157e308, number)
