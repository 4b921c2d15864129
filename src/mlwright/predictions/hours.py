"""Time in a prediction log: microseconds since 1970 in UTC, and one folder per hour.

A folder is named `answers/date=2026-01-31/hour=05`, which Spark, DuckDB and Polars read as two columns more.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mlwright.predictions.places import ANSWERS

HOUR_US = 3_600_000_000
#: Where the moments that there are end: with the year 9999.
END_US = 253_402_300_800_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_HOUR = END_US // HOUR_US - 1


def micros_of(moment: datetime | None, *, otherwise: int) -> int:
    """Microseconds since 1970; a moment without a zone is in UTC.

    Examples
    --------
    >>> micros_of(datetime(1970, 1, 1, 0, 0, 1), otherwise=0)
    1000000
    """
    if moment is None:
        return otherwise
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


def date_of(hour: int) -> str:
    """The day of an hour, which is counted from 1970; a clock that is far off ends in the first or last one.

    Examples
    --------
    >>> date_of(487_085)
    '2025-07-26'
    """
    return f"{_EPOCH + timedelta(hours=min(max(hour, 0), _LAST_HOUR)):%Y-%m-%d}"


def file_of(hour: int, stem: str) -> str:
    """The name of the file with the answers that a segment has of an hour."""
    hour = min(max(hour, 0), _LAST_HOUR)
    return f"{ANSWERS}/date={date_of(hour)}/hour={hour % 24:02d}/{stem}.parquet"


def hour_of(name: str) -> int:
    """The hour of a sealed file by its name.

    Examples
    --------
    >>> hour_of(file_of(487_085, "a"))
    487085
    """
    _, date, hour, _ = name.rsplit("/", 3)
    return hour_of_date(date.removeprefix("date=")) + int(hour.removeprefix("hour="))


def hour_of_date(date: str) -> int:
    """The first hour of a day that is written as `2026-01-31`."""
    return (datetime.fromisoformat(date).replace(tzinfo=UTC) - _EPOCH) // timedelta(hours=1)


def stem_of(name: str) -> str:
    """The segment that a sealed file was made of."""
    return name.rsplit("/", 1)[1].removesuffix(".parquet")
