"""What can be wrong with a source, a table or a column."""

from __future__ import annotations

from collections.abc import Sequence

from mlwright.core import MlwrightError, closest


class SourceNotFound(MlwrightError):
    """No file matches."""


class SourceUnreadable(MlwrightError):
    """The source is there, but is not what it claims to be."""


class DataUnfit(MlwrightError):
    """The table can be read, but nothing can be learned from it as it is."""


class ColumnOfKind(MlwrightError):
    """A column holds values that no feature can be made of."""

    def __init__(self, column: str, kind: str) -> None:
        super().__init__(
            f"the column {column!r} holds values of type {kind}, which cannot be a feature",
            where=f"column {column!r}",
            fix="flatten it into plain columns, or list it in data.must_not_use",
        )


class ColumnNotFound(MlwrightError):
    """The spec names a column that the table does not have."""

    def __init__(self, column: str, available: Sequence[str], *, where: str) -> None:
        super().__init__(
            f"the column {column!r} is not in the table", where=where, fix=closest(column, map(str, available))
        )
