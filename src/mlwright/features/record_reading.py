"""From a record, a mapping or JSON, to typed values: what `Model.typed` does for a table, in a microsecond."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.data import Column, Schema
from mlwright.features.fields import FIELDS, CategoryField, Field
from mlwright.features.irregularities import FieldUnfamiliar, Irregularities, Irregularity, NotJson, RecordInvalid
from mlwright.spec import LogicalType

#: The typed values of a record, in the order of the schema (see `RowCode`).
Typed: TypeAlias = tuple[Any, ...]

#: What JSON may hold where a column of the type is; a field that is left out is missing.
_JSON_TYPES: dict[LogicalType, Any] = {
    # Without int, so that msgspec makes floats of whole numbers.
    "number": float | str | bool | None,
    "boolean": bool | int | float | str | None,
}
_JSON_TYPE: Any = int | float | str | bool | None


class RecordReader:
    """Reads records by a schema; one of several threads or of many.

    A record has a field for each column; further ones are ignored. A field that is null or left out is missing, which is
    an error where the training rows had no missing value.

    Parameters
    ----------
    strict
        Refuse levels that no training row had and numbers outside their range, instead of answering and counting them.

    Attributes
    ----------
    irregularities
        What was counted.

    Examples
    --------
    >>> from mlwright.data import Column, Schema
    >>> reader = RecordReader(Schema((Column(name="age", type="number"), Column(name="city", type="category"))))
    >>> reader.typed({"city": " Rome", "age": 44, "shoe size": 41})
    (44.0, 'Rome')
    """

    def __init__(self, schema: Schema, *, strict: bool = False) -> None:
        self.irregularities = Irregularities()
        self._schema = schema
        self._strict = strict
        fields = [FIELDS[column.type](column, self.irregularities, strict=strict) for column in schema]
        self._typed: Callable[[Any], Typed] = _function(fields, of_mapping=True)
        self._of_struct: Callable[[Any], Typed] = _function(fields, of_mapping=False)
        struct = _struct(schema)
        self._decode = None if struct is None else msgspec.json.Decoder(struct).decode
        self._decode_list = None if struct is None else msgspec.json.Decoder(list[struct]).decode  # type: ignore[valid-type]

    def typed(self, record: Mapping[str, Any]) -> Typed:
        """The typed values of one record.

        Raises
        ------
        RecordInvalid
            Naming the field, never its value.
        """
        if record.__class__ is not dict and not isinstance(record, Mapping):
            raise RecordInvalid("a record is not an object with fields", fix="send one field for each column")
        return self._typed(record)

    def typed_json(self, body: bytes) -> Typed | list[Typed]:
        """The typed values of one record in JSON, or of each of a list of records.

        Raises
        ------
        RecordInvalid
            If it is no JSON, or a record is not as `typed` wants it.
        """
        try:
            if body.lstrip()[:1] == b"[":
                if self._decode_list is not None:
                    return self._each(self._decode_list(body), self._of_struct)
            elif self._decode is not None:
                return self._of_struct(self._decode(body))
        except msgspec.ValidationError:
            pass  # which field it is, and what it should be, is said below
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _no_json(error) from error
        return self._typed_plainly(body)

    def _typed_plainly(self, body: bytes) -> Typed | list[Typed]:
        try:
            decoded = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _no_json(error) from error
        return self._each(decoded, self.typed) if isinstance(decoded, list) else self.typed(decoded)

    def typed_list(self, records: list[Mapping[str, Any]]) -> list[Typed]:
        """The typed values of several records; an error says which one it was, counted from 0."""
        return self._each(records, self.typed)

    def _each(self, records: list[Any], typed: Callable[[Any], Typed]) -> list[Typed]:
        made: list[Typed] = []
        try:
            made.extend(map(typed, records))
        except RecordInvalid as error:
            error.record = len(made)
            error.where = f"record {len(made)} of {len(records)}, counted from 0"
            raise
        return made

    def count(self, table: pa.Table) -> None:
        """Count what is irregular in typed rows, as it is counted in single records.

        Raises
        ------
        FieldUnfamiliar
            If the reader is strict.
        """
        for column in self._schema:
            values = table.column(column.name)
            for kind, count in _irregular(values, column):
                if count and self._strict and kind != "missing":
                    raise FieldUnfamiliar(column.name, kind)
                if count:
                    self.irregularities.note(kind, column.name, count)


def _no_json(error: Exception) -> NotJson:
    detail = f" ({error})" if isinstance(error, msgspec.DecodeError) else ""
    return NotJson(
        f"the body is not JSON that can be read{detail}", where="the body", fix="send one record or a list of records"
    )


def _irregular(values: pa.ChunkedArray, column: Column) -> list[tuple[Irregularity, int]]:
    found: list[tuple[Irregularity, int]] = [("missing", values.null_count)]
    if column.is_number and column.low is not None and column.high is not None:
        outside = pc.or_(pc.less(values, column.low), pc.greater(values, column.high))
        found.append(("out_of_range", int(pc.sum(outside).as_py() or 0)))
    if column.type == "category" and column.levels is not None:
        known = pa.array(column.levels, pa.string())
        unseen = sum(
            int(pc.sum(pc.take(pc.invert(pc.is_in(c.dictionary, value_set=known)), c.indices)).as_py() or 0)
            for c in values.chunks
        )
        found.append(("unseen", unseen))
    return found


def _struct(schema: Schema) -> type[msgspec.Struct] | None:
    """What a record in JSON is decoded into; None where names have signs that msgspec takes for no name of a field.

    The names of the columns are those of JSON only: in Python the fields are f0, f1 …
    """
    names = {f"f{i}": column.name for i, column in enumerate(schema)}
    fields = [(f"f{i}", _JSON_TYPES.get(column.type, _JSON_TYPE), None) for i, column in enumerate(schema)]
    try:
        return msgspec.defstruct("Record", fields, rename=names, gc=False)
    except ValueError:
        return None


def _function(fields: list[Field], *, of_mapping: bool) -> Callable[[Any], Typed]:
    """The function from a record, or from the struct that it was decoded into, to its typed values.

    Names of columns, levels and limits are constants that the source knows as c0, c1 … only: no text that comes from data
    stands in it. A usual value is passed on as it is; any other goes through its `Field`.
    """
    constants: dict[str, Any] = {}

    def constant(value: Any) -> str:
        name = f"c{len(constants)}"
        constants[name] = value
        return name

    lines = ["get = record.get"] if of_mapping else []
    for i, field in enumerate(fields):
        value = f"v{i}"
        lines.append(f"{value} = get({constant(field.column.name)})" if of_mapping else f"{value} = record.f{i}")
        usual = _usual(field, value, constant)
        lines.append(f"{f'if not ({usual}): ' if usual else ''}{value} = {constant(field)}({value})")
    lines.append(f"return ({''.join(f'v{i}, ' for i in range(len(fields)))})")
    source = "def typed(record):\n" + "\n".join(f"    {line}" for line in lines)
    exec(compile(source, "<reader of records>", "exec"), constants)  # noqa: S102 - see above
    typed: Callable[[Any], Typed] = constants["typed"]
    return typed


#: Whole numbers up to here are the same as floats.
_EXACT = 2.0**53
_LARGEST = 1.7976931348623157e308


def _usual(field: Field, value: str, constant: Callable[[Any], str]) -> str:
    """The condition under which a value is what it seems; none for texts and dates, which are always read."""
    column = field.column
    if column.is_number:
        most = _EXACT if column.type == "integer" else _LARGEST
        low = -most if column.low is None else max(column.low, -most)
        high = most if column.high is None else min(column.high, most)
        inside = f"{constant(low)} <= {value} <= {constant(high)}"
        listed = f" and {value} not in {constant(frozenset(column.reading.missing_numbers))}"
        python = "int" if column.type == "integer" else "float"
        return f"{value}.__class__ is {python} and {inside}{listed if column.reading.missing_numbers else ''}"
    if column.type == "boolean":
        return f"{value}.__class__ is bool"
    if isinstance(field, CategoryField):
        return f"{value}.__class__ is str and {value} in {constant(field.read_as_they_are())}"
    return ""
