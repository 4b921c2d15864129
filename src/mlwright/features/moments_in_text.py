"""Dates in the text of a record, read in a microsecond where they are written as machines write them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

#: What stands for which part, in as many digits as it can have; a date with fewer is left to the reader of columns.
_DIRECTIVES = {
    "%Y": r"(?P<year>\d{4})",
    "%m": r"(?P<month>\d\d)",
    "%d": r"(?P<day>\d\d)",
    "%H": r"(?P<hour>\d\d)",
    "%M": r"(?P<minute>\d\d)",
    "%S": r"(?P<second>\d\d)",
}
_DAY = {"year", "month", "day"}
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?",
    re.ASCII,
)

Reader = Callable[[str], datetime | None]


def moment_reader(formats: tuple[str, ...]) -> Reader:
    """How texts are read in the first of a column's formats; None for what does not plainly fit it.

    Only the first, because a text that fits two formats is meant in the one that comes first. An ISO text is read in any
    of the ISO formats as every one of them that fits reads it.
    """
    if not formats or formats[0].startswith("%Y-%m-%d"):
        return moment_of_iso
    pattern = _pattern(formats[0])
    return _nothing if pattern is None else _by_pattern(pattern)


def moment_of_iso(text: str) -> datetime | None:
    """A moment in ISO 8601, in UTC if it does not say its zone.

    Examples
    --------
    >>> moment_of_iso("2026-05-17T10:11:12+02:00")
    datetime.datetime(2026, 5, 17, 8, 11, 12, tzinfo=datetime.timezone.utc)
    """
    if not _ISO.fullmatch(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _nothing(_: str) -> None:
    """Reads no text."""


def _pattern(form: str) -> re.Pattern[str] | None:
    """What exactly fits a format of digits; None where it has names of months, zones or years of two digits."""
    pieces = re.split(r"(%.)", form)
    directives = pieces[1::2]
    if not set(directives) <= set(_DIRECTIVES) or len(set(directives)) < len(directives):
        return None
    pattern = re.compile("".join(_DIRECTIVES.get(piece, re.escape(piece)) for piece in pieces), re.ASCII)
    return pattern if set(pattern.groupindex) >= _DAY else None


def _by_pattern(pattern: re.Pattern[str]) -> Reader:
    names = list(pattern.groupindex)

    def read(text: str) -> datetime | None:
        found = pattern.fullmatch(text)
        if found is None:
            return None
        try:
            return datetime(**dict(zip(names, map(int, found.groups()), strict=True)), tzinfo=UTC)
        except ValueError:
            return None

    return read
