"""From raw values to typed ones: numbers hidden in text, dates in mixed formats, disguised missing values.

One column at a time, whole arrays at once. A value that cannot be read becomes missing and is counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.data.schema import Column, ValueReading
from mlwright.data.summaries.table import Kind, as_numbers, kind_of, plain
from mlwright.spec import LogicalType

if TYPE_CHECKING:
    import polars as pl

#: How each type is held in memory.
ARROW_TYPES: dict[LogicalType, pa.DataType] = {
    "number": pa.float64(),
    "integer": pa.int64(),
    "boolean": pa.bool_(),
    "category": pa.dictionary(pa.int32(), pa.string()),
    "datetime": pa.timestamp("us"),
    "text": pa.string(),
    "identifier": pa.string(),
    "constant": pa.string(),
}

#: Further from 1970 no moment can be held in microseconds.
_LAST_SECOND = 9e12

TRUE_WORDS = ("true", "yes", "y", "t", "on", "1")
FALSE_WORDS = ("false", "no", "n", "f", "off", "0")


class ReadColumn(NamedTuple):
    """A column in its type, and how many of its values could not be read."""

    values: pa.Array
    unreadable: int


def read_column(raw: pa.Array, column: Column) -> ReadColumn:
    """Turn raw values into the type of the column.

    Parameters
    ----------
    raw
        Of any storage: text as from a CSV file, or typed values as from Parquet.

    Raises
    ------
    ColumnOfKind
        If the values are lists, structures or bytes.
    """
    kind = kind_of(raw.type, column.name)
    if kind == "null":
        return ReadColumn(pa.nulls(len(raw), ARROW_TYPES[column.type]), 0)
    raw = plain(raw)
    if kind == "text":
        raw = _cleaned(raw, column.reading)
        values = _from_text(raw, column)
    else:
        raw = _without_missing_numbers(_stored(raw, kind), column.reading)
        values = _from_typed(raw, kind, column)
    lost = values.null_count - int(pc.sum(pc.is_null(raw, nan_is_null=True)).as_py() or 0)
    return ReadColumn(_without_missing_numbers(values, column.reading), lost)


def _cleaned(raw: pa.Array, reading: ValueReading) -> pa.Array:
    """Texts without spaces around them, with one spelling each, missing where they mean missing."""
    if pa.types.is_dictionary(raw.type):
        return pa.DictionaryArray.from_arrays(raw.indices, _cleaned(raw.dictionary, reading)).dictionary_decode()
    text = raw if pa.types.is_string(raw.type) else pc.cast(raw, pa.string())
    for old, new in reading.replace:
        text = pc.if_else(pc.fill_null(pc.equal(text, old), fill_value=False), new, text)
    text = pc.utf8_trim_whitespace(text)
    if reading.missing:
        means_missing = pc.is_in(pc.utf8_lower(text), value_set=pa.array(reading.missing, pa.string()))
        text = pc.if_else(means_missing, pa.scalar(None, pa.string()), text)
    return text


def _from_text(text: pa.Array, column: Column) -> pa.Array:
    match column.type:
        case "number":
            return text_to_numbers(text, column.reading)
        case "integer":
            return whole_numbers(text_to_numbers(text, column.reading))
        case "boolean":
            return text_to_booleans(text)
        case "datetime":
            return text_to_datetimes(text, column.reading.formats)
        case "category":
            return pc.dictionary_encode(text).cast(ARROW_TYPES["category"])
        case _:
            return text


def _stored(raw: pa.Array, kind: Kind) -> pa.Array:
    """The values themselves: no dictionary codes, and floats for what Arrow has other types for (times of day …)."""
    if pa.types.is_dictionary(raw.type):
        raw = raw.dictionary_decode()
    return _as_floats(raw, kind) if kind == "number" else raw


def _as_floats(raw: pa.Array, kind: Kind) -> pa.Array:
    known = np.asarray(pc.is_valid(raw))
    numbers = np.zeros(len(raw))
    numbers[known] = as_numbers(raw.drop_null(), kind)
    return pa.array(numbers, mask=~known)


def _from_typed(raw: pa.Array, kind: Kind, column: Column) -> pa.Array:
    match column.type:
        case "number" | "integer":
            numbers = raw if kind == "number" else _as_floats(raw, kind)
            numbers = pc.if_else(pc.is_finite(numbers), numbers, pa.scalar(None, pa.float64()))
            return whole_numbers(numbers) if column.type == "integer" else numbers
        case "boolean":
            if kind == "boolean":
                return raw
            if kind == "datetime":
                return pa.nulls(len(raw), pa.bool_())
            numbers = pc.cast(raw, pa.float64(), safe=False)
            is_truth_value = pc.is_in(numbers, value_set=pa.array([0.0, 1.0]))
            return pc.if_else(is_truth_value, pc.equal(numbers, 1.0), pa.scalar(None, pa.bool_()))
        case "datetime":
            return _moments(raw, kind)
        case "category":
            return pc.dictionary_encode(written(raw, kind)).cast(ARROW_TYPES["category"])
        case _:
            return written(raw, kind)


def written(raw: pa.Array, kind: Kind) -> pa.Array:
    """Typed values as the text that a CSV file would have: whole numbers without decimals, truth as `true`."""
    if kind == "number":
        numbers = pc.if_else(pc.is_finite(raw), raw, pa.scalar(None, pa.float64()))
        whole = pc.and_(pc.equal(pc.trunc(numbers), numbers), pc.less(pc.abs(numbers), 2.0**53))
        as_whole = pc.cast(pc.cast(pc.if_else(whole, numbers, 0.0), pa.int64()), pa.string())
        return pc.if_else(whole, as_whole, pc.cast(numbers, pa.string()))
    if kind == "datetime" and pa.types.is_timestamp(raw.type):
        return pc.cast(pc.cast(raw, pa.timestamp("s", tz=raw.type.tz), safe=False), pa.string())
    return pc.cast(raw, pa.string())


def _moments(raw: pa.Array, kind: Kind) -> pa.Array:
    """Moments in time without a zone, in UTC."""
    if kind == "boolean":
        return pa.nulls(len(raw), pa.timestamp("us"))
    if kind == "datetime":
        if pa.types.is_date(raw.type):
            return pc.cast(pc.cast(raw, pa.timestamp("s")), pa.timestamp("us"))
        return pc.cast(pc.cast(raw, pa.timestamp("us", tz=raw.type.tz), safe=False), pa.timestamp("us"))
    numbers = pc.cast(raw, pa.float64(), safe=False)
    numbers = pc.if_else(pc.less(pc.abs(numbers), _LAST_SECOND), numbers, pa.scalar(None, pa.float64()))
    return pc.cast(pc.cast(pc.multiply(numbers, 1e6), pa.int64(), safe=False), pa.timestamp("us"))


def whole_numbers(numbers: pa.Array) -> pa.Array:
    """Rounded to whole numbers; what does not fit 64 bits is missing."""
    fits = pc.less(pc.abs(numbers), 2.0**62)
    return pc.cast(pc.round(pc.if_else(fits, numbers, pa.scalar(None, pa.float64()))), pa.int64())


def text_to_numbers(text: pa.Array, reading: ValueReading) -> pa.Array:
    """Numbers written as text, by the column's decimal sign, thousands sign and affixes."""
    import polars as pl

    series = _series(text)
    for affix in reading.affixes:
        series = series.str.replace(f"-{affix}", "-", literal=True)
        series = series.str.strip_prefix(affix).str.strip_suffix(affix).str.strip_chars()
    if reading.thousands:
        series = series.str.replace_all(reading.thousands, "", literal=True)
    if reading.decimal != ".":
        series = series.str.replace(reading.decimal, ".", literal=True)
    numbers = series.cast(pl.Float64, strict=False)
    return numbers.set(~numbers.is_finite(), None).to_arrow()


def text_to_booleans(text: pa.Array) -> pa.Array:
    """Yes and no, in the usual spellings."""
    lower = pc.utf8_lower(text)
    true = pc.is_in(lower, value_set=pa.array(TRUE_WORDS))
    false = pc.is_in(lower, value_set=pa.array(FALSE_WORDS))
    return pc.if_else(pc.or_(true, false), true, pa.scalar(None, pa.bool_()))


def text_to_datetimes(text: pa.Array, formats: tuple[str, ...]) -> pa.Array:
    """Moments in time, each by the first format that fits; with a zone they are turned to UTC."""
    import polars as pl

    series = _series(text)
    result = pl.Series(values=[None] * len(series), dtype=pl.Datetime("us"))
    for form in formats:
        left = result.is_null() & series.is_not_null()
        if not left.any():
            break
        parsed = series.str.to_datetime(form, strict=False, exact=True, time_unit="us")
        if isinstance(parsed.dtype, pl.Datetime) and parsed.dtype.time_zone is not None:
            parsed = parsed.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        result = result.zip_with(result.is_not_null(), parsed)
    return result.to_arrow().cast(pa.timestamp("us"))


def _series(text: pa.Array) -> pl.Series:
    import polars as pl

    series = pl.from_arrow(text)
    assert isinstance(series, pl.Series)
    return series


def _without_missing_numbers(values: pa.Array, reading: ValueReading) -> pa.Array:
    if not reading.missing_numbers or not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return values
    means_missing = pc.is_in(
        pc.cast(values, pa.float64(), safe=False), value_set=pa.array(reading.missing_numbers, pa.float64())
    )
    return pc.if_else(means_missing, pa.scalar(None, values.type), values)
