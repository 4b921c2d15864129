"""What is said of values that a record should not have: errors that name the field, never its value, and counts."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import Literal

from mlwright.core import MlwrightError
from mlwright.data import Column
from mlwright.spec import LogicalType

Irregularity = Literal["missing", "unseen", "out_of_range"]

#: What a column of each type takes, in the words of somebody who writes a request.
EXPECTED: dict[LogicalType, str] = {
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "category": "a text",
    "datetime": "a date and time, such as 2026-05-17T10:11:12Z",
    "text": "a text",
    "identifier": "a text",
    "constant": "a text",
}


class RecordInvalid(MlwrightError):
    """A record cannot be answered.

    Attributes
    ----------
    field
        Which of its fields is the reason, if it is one.
    record
        Its number, counted from 0, where there are several.
    """

    def __init__(self, what: str, *, fix: str, field: str | None = None, where: str = "the record") -> None:
        super().__init__(what, where=where, fix=fix)
        self.field = field
        self.record: int | None = None


class NotJson(RecordInvalid):
    """What should have a record is no JSON."""


class FieldMissing(RecordInvalid):
    """A field that always had a value in the training rows has none."""

    def __init__(self, column: Column) -> None:
        super().__init__(
            f"the field {column.name!r} is missing", field=column.name, fix=f"give it {EXPECTED[column.type]}"
        )


class FieldWrong(RecordInvalid):
    """A field has a value of another type."""

    def __init__(self, column: Column) -> None:
        expected = EXPECTED[column.type]
        fix = f"send {expected}, or null if it is not known" if column.nullable else f"send {expected}"
        super().__init__(f"the field {column.name!r} is not {expected}", field=column.name, fix=fix)


class FieldUnfamiliar(RecordInvalid):
    """Where only what is known is answered: a level never seen, or a number outside the range of the training rows."""

    def __init__(self, name: str, kind: Irregularity) -> None:
        is_so = (
            "has a level that no training row had" if kind == "unseen" else "is outside the range of the training rows"
        )
        super().__init__(f"the field {name!r} {is_so}", field=name, fix="send a value that the model knows")


class Irregularities:
    """How many values that were answered are missing, are levels never seen, or lie outside the range, by column.

    For monitoring: any number of threads may count.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: Counter[tuple[Irregularity, str]] = Counter()

    def note(self, kind: Irregularity, column: str, count: int = 1) -> None:
        """So many more."""
        with self._lock:
            self._counts[kind, column] += count

    def by_column(self, kind: Irregularity) -> dict[str, int]:
        """The columns that had any."""
        with self._lock:
            return {column: count for (of_kind, column), count in self._counts.items() if of_kind == kind}
