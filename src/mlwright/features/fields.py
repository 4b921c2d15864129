"""The values of single fields in the types of their columns: what `read_column` does for a column, for one value.

The usual values are read in plain Python; for what is rare (a number with a currency, a date in words) `read_column`
itself is asked. A table lets a value that it cannot read be missing, so that one cell does not stop the others; a record
has somebody who can be told, so there it is an error that names the field.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc

from mlwright.data import Column, ColumnOfKind, read_column
from mlwright.data.values import FALSE_WORDS, TRUE_WORDS
from mlwright.features.irregularities import FieldMissing, FieldUnfamiliar, FieldWrong, Irregularities, Irregularity
from mlwright.features.moments_in_text import moment_of_iso, moment_reader
from mlwright.spec import LogicalType


class Field:
    """Reads the values of one column; calling it gives the typed value (see `RowCode`).

    Parameters
    ----------
    strict
        Refuse levels never seen and numbers out of range, instead of counting them.

    Raises
    ------
    FieldMissing, FieldWrong, FieldUnfamiliar
        When it is called. The value is not in the message.
    """

    #: What a missing value is.
    missing: ClassVar[Any] = None

    def __init__(self, column: Column, irregularities: Irregularities, *, strict: bool = False) -> None:
        self.column = column
        self._irregularities = irregularities
        self._strict = strict
        self._missing_words = frozenset(column.reading.missing)
        self._longest = max(map(len, self._missing_words), default=-1)

    def __call__(self, raw: Any) -> Any:
        value = None if raw is None else self._read(raw)
        if value is not None:
            return value
        if not self.column.nullable:
            raise FieldMissing(self.column)
        self._irregularities.note("missing", self.column.name)
        return self.missing

    def _read(self, raw: Any) -> Any:
        """The typed value, None if it means missing."""
        raise NotImplementedError

    def _wrong(self) -> FieldWrong:
        return FieldWrong(self.column)

    def _cleaned(self, text: str) -> str | None:
        """A text as `read_column` has it: with one spelling, without spaces around it; None if it means missing."""
        for old, new in self.column.reading.replace:
            text = new if text == old else text
        text = text.strip()
        if text.isascii():
            return None if len(text) <= self._longest and text.lower() in self._missing_words else text
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise self._wrong() from error  # half a character
        # Arrow makes letters small one by one, Python some of them by their neighbours.
        lower = pc.utf8_lower(pa.scalar(text)).as_py() if len(text) <= self._longest else text
        return None if lower in self._missing_words else text

    def _means_missing(self, number: float) -> bool:
        """Whether a number is one that stands for missing, such as -999; 0 and -0 are two, as in a table."""
        sign = math.copysign(1.0, number)
        return any(number == one and sign == math.copysign(1.0, one) for one in self.column.reading.missing_numbers)

    def _through_column(self, raw: Any) -> pa.Scalar | None:
        """As `read_column` reads it; None if that is missing.

        Raises
        ------
        FieldWrong
            If it cannot be read.
        """
        try:
            read = read_column(pa.array([raw], from_pandas=True), self.column)
        except (pa.ArrowException, ColumnOfKind, OverflowError, TypeError, ValueError) as error:
            raise self._wrong() from error
        if read.unreadable:
            raise self._wrong()
        return read.values[0] if read.values[0].is_valid else None

    def _unfamiliar(self, kind: Irregularity) -> None:
        if self._strict:
            raise FieldUnfamiliar(self.column.name, kind)
        self._irregularities.note(kind, self.column.name)


class NumberField(Field):
    """A number: finite, or NaN for missing; whole where the column is."""

    missing: ClassVar[float] = math.nan

    def __init__(self, column: Column, irregularities: Irregularities, *, strict: bool = False) -> None:
        super().__init__(column, irregularities, strict=strict)
        reading = column.reading
        self._low = -math.inf if column.low is None else column.low
        self._high = math.inf if column.high is None else column.high
        self._whole = column.type == "integer"
        self._plain = not (reading.replace or reading.affixes or reading.thousands or reading.decimal != ".")

    def _read(self, raw: Any) -> float | int | None:
        if isinstance(raw, float | int):
            number = self._of_number(raw)
        elif isinstance(raw, str):
            number = self._of_text(raw)
        else:
            scalar = self._through_column(raw)
            number = None if scalar is None else float(scalar.as_py())
        if number is None or self._means_missing(number):
            return None
        typed = self._in_whole(number) if self._whole else number
        if typed is not None and not self._low <= typed <= self._high:
            self._unfamiliar("out_of_range")
        return typed

    def _of_number(self, raw: float) -> float | None:
        try:
            number = float(raw)
        except OverflowError:
            return None  # too large for any column, as infinity is
        return number if math.isfinite(number) else None

    def _of_text(self, raw: str) -> float | None:
        if self._plain:
            text = self._cleaned(raw)
            if text is None:
                return None
            # What else Python takes for a number (1_000, other digits, words), a table may not.
            if text.isascii() and text.lstrip("+-").replace(".", "", 1).isdigit():
                return self._of_number(_float(text, self._wrong))
        scalar = self._through_column(raw)
        return None if scalar is None else float(scalar.as_py())

    def _in_whole(self, number: float) -> int | None:
        """Rounded, half to even; None beyond 64 bits, or if what comes out means missing."""
        whole = round(number) if abs(number) < 2.0**62 else None
        return None if whole is None or self._means_missing(float(whole)) else whole


def _float(text: str, wrong: Callable[[], FieldWrong]) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise wrong() from error


class BooleanField(Field):
    """True or false, or NaN for missing."""

    missing: ClassVar[float] = math.nan

    def _read(self, raw: Any) -> bool | None:
        if isinstance(raw, bool):
            return raw
        if isinstance(raw, float | int):
            if raw != raw or self._means_missing(float(raw)):
                return None
            if raw not in (0, 1):
                raise self._wrong()
            return raw == 1
        if isinstance(raw, str):
            text = self._cleaned(raw)
            if text is None:
                return None
            if text.lower() not in (*TRUE_WORDS, *FALSE_WORDS):
                raise self._wrong()
            return text.lower() in TRUE_WORDS
        scalar = self._through_column(raw)
        return None if scalar is None else bool(scalar.as_py())


class TextField(Field):
    """A text, None for missing; numbers as they would be written."""

    def _read(self, raw: Any) -> str | None:
        if isinstance(raw, str):
            return self._cleaned(str(raw))
        if isinstance(raw, bool):
            return "true" if raw else "false"
        if isinstance(raw, int) and -(2**53) < raw < 2**53:
            return None if self._means_missing(float(raw)) else str(int(raw))
        scalar = self._through_column(raw)
        return None if scalar is None else str(scalar.as_py())


class CategoryField(TextField):
    """A level, None for missing."""

    def __init__(self, column: Column, irregularities: Irregularities, *, strict: bool = False) -> None:
        super().__init__(column, irregularities, strict=strict)
        self._levels = None if column.levels is None else frozenset(column.levels)

    def read_as_they_are(self) -> frozenset[str]:
        """The levels in whose text nothing is to be cleaned, so that they need not be read."""
        return frozenset(level for level in self._levels or () if self._cleaned(level) == level)

    def _read(self, raw: Any) -> str | None:
        level = super()._read(raw)
        if level is not None and self._levels is not None and level not in self._levels:
            self._unfamiliar("unseen")
        return level


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class MomentField(Field):
    """A moment as whole microseconds since 1970 in UTC, None for missing.

    Texts are read in the formats of the column, and in ISO 8601 whatever those are. New dates are always later than those
    of the training rows, so none is out of range.
    """

    def __init__(self, column: Column, irregularities: Irregularities, *, strict: bool = False) -> None:
        super().__init__(column, irregularities, strict=strict)
        self._quickly = moment_reader(column.reading.formats)

    def _read(self, raw: Any) -> int | None:
        if isinstance(raw, str):
            return self._of_text(raw)
        if raw.__class__ is datetime:
            moment: datetime = raw if raw.tzinfo else raw.replace(tzinfo=UTC)
            return (moment - _EPOCH) // _MICROSECOND
        if isinstance(raw, bool):
            raise self._wrong()
        scalar = self._through_column(raw)
        return None if scalar is None else int(scalar.cast(pa.int64()).as_py())

    def _of_text(self, raw: str) -> int | None:
        text = self._cleaned(raw)
        if text is None:
            return None
        moment = self._quickly(text)
        if moment is None and self.column.reading.formats:
            with suppress(FieldWrong):
                scalar = self._through_column(raw)
                return None if scalar is None else int(scalar.cast(pa.int64()).as_py())
        moment = moment or moment_of_iso(text)
        if moment is None:
            raise self._wrong()
        return (moment - _EPOCH) // _MICROSECOND


FIELDS: dict[LogicalType, type[Field]] = {
    "number": NumberField,
    "integer": NumberField,
    "boolean": BooleanField,
    "category": CategoryField,
    "datetime": MomentField,
    "text": TextField,
    "identifier": TextField,
    "constant": TextField,
}
