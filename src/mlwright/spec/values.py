"""The small values that people write in a spec: durations, capacities, lists of columns, expressions."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, GetPydanticSchema, PlainSerializer, WithJsonSchema
from pydantic_core import core_schema

from mlwright.spec.expressions import Expression, ExpressionInvalid

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d|w)")


def parse_duration(text: Any) -> timedelta:
    """Read `90s`, `15min`, `12h`, `30d` or `2w`.

    Examples
    --------
    >>> parse_duration("30d")
    datetime.timedelta(days=30)
    """
    if isinstance(text, timedelta):
        return text
    found = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if found is None:
        raise ValueError("a duration is a number and a unit: 90s, 15min, 12h, 30d or 2w")
    try:
        return timedelta(seconds=float(found[1]) * _UNITS[found[2]])
    except OverflowError as error:
        raise ValueError("a duration of that length cannot be; write it as 90s, 15min, 12h, 30d or 2w") from error


def show_duration(duration: timedelta) -> str:
    """The shortest text that reads as the same duration."""
    seconds = duration.total_seconds()
    for unit in ("w", "d", "h", "min"):
        if seconds and seconds % _UNITS[unit] == 0 and (unit != "w" or seconds / _UNITS[unit] >= 2):
            return f"{seconds / _UNITS[unit]:.0f}{unit}"
    text = f"{seconds:.6f}".rstrip("0").rstrip(".")  # never with an exponent, which would not be read back
    return f"{text}s"


Duration = Annotated[
    timedelta,
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(parse_duration)),
    PlainSerializer(show_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?\s*(s|min|h|d|w)$", "examples": ["30d", "12h"]}),
]


def parse_day(text: Any) -> date:
    """Read a day, `2026-12-31`.

    Examples
    --------
    >>> parse_day("2026-12-31")
    datetime.date(2026, 12, 31)
    """
    if isinstance(text, date):
        return text.date() if isinstance(text, datetime) else text
    if isinstance(text, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text.strip()):
        try:
            return date.fromisoformat(text.strip())
        except ValueError as error:
            raise ValueError("there is no such day; write it as 2026-12-31") from error
    raise ValueError("a day is a year, a month and a day; write it as 2026-12-31")


Day = Annotated[
    date,
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(parse_day)),
    PlainSerializer(date.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", "examples": ["2026-12-31"]}),
]


def _expression(text: Any) -> Expression:
    if isinstance(text, Expression):
        return text
    if isinstance(text, bool) or not isinstance(text, str | int | float):
        raise ValueError("write a number, or an expression over columns as text")
    try:
        return Expression.parse(text)
    except ExpressionInvalid as error:
        raise ValueError(f"{error.problem}; {error.fix}") from error


def _plain(expression: Expression) -> str | float:
    if expression.columns:
        return expression.text  # a column may be called `nan` or `inf`
    try:
        return float(expression.text)
    except ValueError:
        return expression.text


#: A number, or text with columns and arithmetic.
ExpressionField = Annotated[
    Expression,
    GetPydanticSchema(lambda _source, _handler: core_schema.no_info_plain_validator_function(_expression)),
    PlainSerializer(_plain, return_type=str | float),
    WithJsonSchema({"type": ["number", "string"], "examples": [-20, "-0.6 * amount"]}),
]


def _names(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


#: Column names; one name alone may be written without brackets.
Names = Annotated[
    tuple[str, ...],
    BeforeValidator(_names),
    WithJsonSchema({"type": ["array", "string"], "items": {"type": "string"}}),
]
