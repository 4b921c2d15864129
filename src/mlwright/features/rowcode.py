"""The source of a function that encodes one row: what steps write themselves into, so that no step is asked at each row.

One definition of an encoder yields both codes: `Step.transform` for whole columns, and for single rows what the step's
`generate` writes here. A step without `generate` is asked by its `transform` for a table of one row.

Nothing that comes from data stands in the source. Names of columns, levels and numbers are constants that the source
knows as c0, c1 … only, so a column may be called `x"); import os` or whatever it likes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from mlwright.data import ARROW_TYPES, column_as_levels, column_as_numbers
from mlwright.spec import LogicalType

_NUMBERS: tuple[LogicalType, ...] = ("number", "integer", "boolean")
_TEXTS: tuple[LogicalType, ...] = ("category", "text", "identifier", "constant")


@runtime_checkable
class Generated(Protocol):
    """A step that can write what it does for one row; beside `Step`, and as optional as quick answers are.

    The row that it writes into has zeros where nothing was written.
    """

    def generate(self, code: RowCode, at: int) -> None:
        """Write the lines that put its features into the row from position `at`: to the bit what `transform` gives."""
        ...


def one_value(value: Any, kind: LogicalType) -> pa.Array:
    """A typed value of a record (see `RowCode`) as a column of one row."""
    if kind in _NUMBERS:
        return pa.array([None if value != value else value], ARROW_TYPES[kind])
    if kind == "category":
        return pa.array([value], pa.string()).dictionary_encode().cast(ARROW_TYPES[kind])
    if kind == "datetime":
        return pa.array([value], pa.int64()).cast(ARROW_TYPES[kind])
    return pa.array([value], ARROW_TYPES[kind])


class RowCode:
    """Lines of code that fill `row`, an array of 64-bit floats, from the typed values of a record.

    A typed value is a number or a truth value with NaN for missing (a whole number one that a float can be); a text, or
    None; a moment as whole microseconds since 1970 in UTC, or None.

    Parameters
    ----------
    types
        Of all columns, in the order of the typed values.
    width
        How many features the row has.
    """

    def __init__(self, types: Mapping[str, LogicalType], width: int) -> None:
        self._types = dict(types)
        self._position = {name: i for i, name in enumerate(types)}
        self._lines: list[str] = []
        self._written: set[str] = set()
        self._constants: dict[str, Any] = {}
        self._row = self.constant(array("d", bytes(8 * width)))

    def constant(self, value: Any) -> str:
        """The name under which the source knows a value: the only way for anything from data into the function."""
        name = f"c{len(self._constants)}"
        self._constants[name] = value
        return name

    def line(self, text: str) -> None:
        """One more line. Ask for `number` and `level` before a line that opens a block: they write lines too."""
        self._lines.append(text)

    def number(self, column: str) -> str:
        """The variable with what `column_as_numbers` gives: NaN where it is missing, dates in seconds."""
        kind, value = self._types[column], self._value(column)
        if kind in _NUMBERS:
            return value
        if kind == "datetime":
            return self._once(f"n{value}", f"{self.constant(float('nan'))} if {value} is None else {value} / 1e6")
        convert = self.constant(lambda given: float(column_as_numbers(one_value(given, kind))[0]))
        return self._once(f"n{value}", f"{convert}({value})")

    def level(self, column: str) -> str:
        """The variable with the text that `column_as_levels` gives, None where it is missing."""
        kind, value = self._types[column], self._value(column)
        if kind in _TEXTS:
            return value
        if kind == "integer":
            return self._once(f"l{value}", f"str({value}) if {value} == {value} else None")

        def convert(given: Any) -> str | None:
            codes, levels = column_as_levels(one_value(given, kind))
            return None if codes[0] < 0 else levels[codes[0]]

        return self._once(f"l{value}", f"{self.constant(convert)}({value})")

    def look_up(self, features: Mapping[str | None, Any], unlisted: Any, column: str, at: int, width: int = 1) -> None:
        """The features of a level, or of None for missing: a number, or an array of `width` numbers."""
        target = f"row[{at}]" if width == 1 else f"row[{at}:{at + width}]"
        find = self.constant(features.get)
        self.line(f"{target} = {find}({self.level(column)}, {self.constant(unlisted)})")

    def unpack(self, expression: str, at: int, width: int) -> None:
        """Features that come as a tuple."""
        self.line(f"{''.join(f'row[{i}], ' for i in range(at, at + width))}= {expression}")

    def through_columns(self, transform: Callable[..., Any], columns: tuple[str, ...], at: int, width: int) -> None:
        """The features of a step that writes no code: its `transform` for a table of one row."""
        kinds = [self._types[name] for name in columns]

        def features(*values: Any) -> array[float]:
            made = transform(*(one_value(value, kind) for value, kind in zip(values, kinds, strict=True)))
            return array("d", made.ravel().tolist())

        given = ", ".join(self._value(name) for name in columns)
        self.line(f"row[{at}:{at + width}] = {self.constant(features)}({given})")

    def function(self) -> Callable[[tuple[Any, ...]], array[float]]:
        """The function: typed values in, a new row out."""
        values = "".join(f"v{i}, " for i in self._position.values())
        body = [f"({values}) = values" if values else "", f"row = {self._row}[:]", *self._lines, "return row"]
        source = "def encode(values):\n" + "\n".join(f"    {text}" for text in body)
        namespace = dict(self._constants)
        # The source is made of the lines above and of `generate` in our own steps: no text of a column or value is in it.
        exec(compile(source, "<encoder of one row>", "exec"), namespace)  # noqa: S102
        encode: Callable[[tuple[Any, ...]], array[float]] = namespace["encode"]
        return encode

    def _value(self, column: str) -> str:
        return f"v{self._position[column]}"

    def _once(self, variable: str, expression: str) -> str:
        if variable not in self._written:
            self._written.add(variable)
            self.line(f"{variable} = {expression}")
        return variable
