from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlwright.data import Column, Schema, ValueReading, read_column
from mlwright.features import (
    FieldMissing,
    FieldUnfamiliar,
    FieldWrong,
    Irregularity,
    RecordInvalid,
    RecordReader,
)
from mlwright.spec import LogicalType

READINGS = (
    ValueReading(),
    ValueReading(missing=("", "na", "nil", "?", "-999"), missing_numbers=(-999.0, 0.0)),
    ValueReading(replace=(("NYC", "New York"), ("one", "1")), missing=("none",)),
    ValueReading(decimal=",", thousands=".", affixes=("€", "%")),
    ValueReading(formats=("%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%dT%H:%M:%S%z"), missing=("",)),
    ValueReading(formats=("%d/%m/%Y", "%Y-%m-%d %H:%M:%S%.f", "%d %b %Y")),
)
LEVELS = ("red", "New York", "3", " padded", "true", "na", "1.5")

_numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-1000, 1000) | st.floats() | st.sampled_from([-0.0, 0.5, 2.5])
_written = st.sampled_from(
    [
        "12", " 12.5 ", "+3", "-.5", "5.", "1e3", "1_000", "１２", "0x1", "1.234,5", "€ 12", "12%", "-999", "-999.0", "", " ",
        "NA", "nil", "n\u0130l", "NYC", "one", "none", "?", "red", " red", "RED", "\u00a0red\u2003", "padded", "naïve", "yes",
        "No", "TRUE", "off", "maybe", "2021-03-04", "2021-3-4", "2021-02-30", "04/03/2021", "4/3/2021", "13/13/2021", "04.03.2021",
        "2021-03-04T05:06:07+02:00", "2021-03-04 05:06:07.123456", "2021-03-04 05:06:07.123456789", "4 Mar 2021",
        "1969-12-31T23:59:59-0130", "0001-01-01", "9999-12-31", "inf", "nan", "++5", "1.2.3", "5-", "x\x00y",
    ]
)  # fmt: skip
RAW = st.none() | st.booleans() | _numbers | _written | st.text(max_size=6)


def column(kind: LogicalType, name: str = "x", **attributes: Any) -> Column:
    return Column(name=name, type=kind, **attributes)


def reader(*columns: Column, strict: bool = False) -> RecordReader:
    return RecordReader(Schema(columns), strict=strict)


def as_in_a_table(raw: Any, of: Column) -> tuple[Any, bool]:
    """What `read_column` makes of one raw value, as a typed value of a record, and whether it could not read it."""
    read = read_column(pa.array([raw]), of)
    value = (read.values.cast(pa.int64()) if of.type == "datetime" else read.values)[0].as_py()
    if value is None and of.type in {"number", "integer", "boolean"}:
        value = math.nan
    return value, bool(read.unreadable)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.array([a]).view(np.int64) == np.array([b]).view(np.int64)) or (a != a and b != b)
    return type(a) is type(b) and a == b


@settings(max_examples=1500)
@given(
    kind=st.sampled_from(("number", "integer", "boolean", "category", "datetime", "text")),
    reading=st.sampled_from(READINGS),
    raw=RAW,
    levels=st.sampled_from((None, LEVELS)),
)
def test_a_value_is_read_as_in_a_table_or_refused_where_a_table_cannot_read_it(
    kind: LogicalType, reading: ValueReading, raw: Any, levels: tuple[str, ...] | None
) -> None:
    of = column(kind, reading=reading, levels=levels if kind == "category" else None)
    expected, unreadable = as_in_a_table(raw, of)
    try:
        (found,) = reader(of).typed({"x": raw})
    except FieldWrong:
        assert unreadable
        return
    if unreadable:
        # A number beyond all columns is missing, as in a table; an ISO date is one whatever the formats of the column, and
        # -0 is as false as 0.
        is_more = isinstance(raw, str) if kind == "datetime" else kind == "boolean" and raw == 0
        assert same(found, expected) or is_more
    else:
        assert same(found, expected)


@given(moment=st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=-5, minutes=-30))])))
def test_dates_are_read_from_iso_text_and_from_moments_whatever_the_formats_of_the_column(moment: datetime) -> None:
    try:
        seconds = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        return  # the first and last day of the calendar, elsewhere already another one
    expected = seconds // timedelta(microseconds=1)
    for reading in READINGS:
        read = reader(column("datetime", reading=reading))
        assert read.typed({"x": moment}) == (expected,)
        assert read.typed({"x": moment.isoformat()}) == (expected,)
        assert read.typed_json(msgspec.json.encode({"x": moment})) == (expected,)


def test_dates_numpy_scalars_and_decimals_are_read_as_in_a_table() -> None:
    read = reader(column("datetime", "d"), column("number", "n"), column("integer", "i"), column("boolean", "b"))
    record = {"d": date(1969, 12, 31), "n": np.float32(0.5), "i": np.int16(7), "b": np.bool_(True)}
    assert read.typed(record) == (-86_400_000_000, 0.5, 7, True)
    nothing = {"d": np.datetime64("NaT", "us"), "n": np.nan, "i": float("inf"), "b": math.nan}
    assert all(value is None or value != value for value in read.typed(nothing))


JSON_VALUES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | _written | st.text(max_size=5)


@given(
    names=st.lists(st.text(max_size=8), min_size=1, max_size=4, unique=True),
    values=st.lists(JSON_VALUES | st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4),
    kinds=st.lists(st.sampled_from(("number", "integer", "category", "boolean", "text")), min_size=4, max_size=4),
)
def test_json_is_read_as_the_mapping_that_it_holds_whatever_the_names_of_its_fields(
    names: list[str], values: list[Any], kinds: list[LogicalType]
) -> None:
    read = reader(*(column(kind, name, levels=("red",)) for name, kind in zip(names, kinds, strict=False)))
    record = dict(zip(names, values, strict=False)) | {"something else that nobody asked for": [1, {"a": None}]}
    body = json.dumps(record).encode()
    refused: RecordInvalid | None = None
    try:
        expected = read.typed(record)
    except RecordInvalid as error:
        refused = error
    if refused is not None:
        with pytest.raises(type(refused)) as caught:
            read.typed_json(body)
        assert str(caught.value) == str(refused)
        return
    found = read.typed_json(body)
    (listed, again) = read.typed_json(b" \n[" + body + b"," + body + b"]")
    for typed in (found, listed, again):
        assert all(same(a, b) for a, b in zip(expected, typed, strict=True))


AGE = column("number", "age", nullable=False, low=18.0, high=90.0)
CITY = column("category", "city", levels=("Oslo", "Rome"))
SECRET = "hunter2"


@pytest.mark.parametrize(
    ("kind", "wrong", "expected"),
    [
        ("number", SECRET, "a number"),
        ("number", [1.0], "a number"),
        ("number", {"a": 1}, "a number"),
        ("integer", "12 apples", "a whole number"),
        ("boolean", SECRET, "true or false"),
        ("boolean", 2, "true or false"),
        ("category", ["Rome"], "a text"),
        ("category", {"Rome": 1}, "a text"),
        ("text", [SECRET], "a text"),
        ("datetime", SECRET, "a date and time"),
        ("datetime", True, "a date and time"),
        ("datetime", "2021-02-30", "a date and time"),
        ("category", "half a character \ud800", "a text"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_field_and_what_was_expected_but_never_shown(
    kind: LogicalType, wrong: Any, expected: str
) -> None:
    read = reader(column(kind, "the field"))
    with pytest.raises(FieldWrong, match=f"the field 'the field' is not {expected}") as caught:
        read.typed({"the field": wrong})
    assert caught.value.field == "the field"
    assert str(wrong) not in str(caught.value)
    if "\ud800" not in str(wrong):
        with pytest.raises(FieldWrong, match=expected) as from_json:
            read.typed_json(json.dumps({"the field": wrong}).encode())
        assert str(from_json.value) == str(caught.value)


@pytest.mark.parametrize("record", [{"city": "Rome"}, {"city": "Rome", "age": None}, {"age": math.nan}, {"age": "  "}])
def test_a_field_that_always_had_a_value_is_required(record: dict[str, Any]) -> None:
    age = AGE.but(reading=ValueReading(missing=("",)))
    with pytest.raises(FieldMissing, match="the field 'age' is missing") as caught:
        reader(age, CITY).typed(record)
    assert caught.value.fix == "give it a number"


def test_a_field_that_may_be_missing_can_be_null_or_left_out_and_is_counted() -> None:
    read = reader(AGE, CITY)
    assert read.typed({"age": 20}) == (20.0, None)
    assert read.typed_json(b'{"age": 20, "city": null, "size": 3}') == (20.0, None)
    assert read.irregularities.by_column("missing") == {"city": 2}


def test_what_the_training_rows_did_not_have_is_answered_and_counted_by_column() -> None:
    read = reader(AGE, CITY)
    assert read.typed({"age": 17.9, "city": "Bern"}) == (17.9, "Bern")
    assert read.typed({"age": 90, "city": " Rome "}) == (90.0, "Rome")
    assert read.typed_json(b'[{"age": 1e300}, {"age": "91", "city": "oslo"}]') == [(1e300, None), (91.0, "oslo")]
    assert read.irregularities.by_column("unseen") == {"city": 2}
    assert read.irregularities.by_column("out_of_range") == {"age": 3}


def test_a_strict_reader_refuses_what_the_training_rows_did_not_have() -> None:
    read = reader(AGE, CITY, strict=True)
    assert read.typed({"age": 18, "city": "Rome"}) == (18.0, "Rome")
    with pytest.raises(FieldUnfamiliar, match="the field 'city' has a level that no training row had") as caught:
        read.typed({"age": 18, "city": SECRET})
    assert SECRET not in str(caught.value)
    with pytest.raises(FieldUnfamiliar, match="the field 'age' is outside the range of the training rows"):
        read.typed({"age": 91, "city": "Rome"})
    rows = pa.table({"age": [91.0], "city": pa.array(["Rome"]).dictionary_encode()})
    with pytest.raises(FieldUnfamiliar, match="'age'"):
        read.count(rows)


def test_rows_of_a_table_are_counted_as_records_are() -> None:
    ages, cities = [17.0, 20.0, None, 95.0], ["Bern", None, "Rome", "Bern"]
    one, whole = reader(AGE.but(nullable=True), CITY), reader(AGE.but(nullable=True), CITY)
    for age, city in zip(ages, cities, strict=True):
        one.typed({"age": age, "city": city})
    in_pieces = pa.chunked_array([pa.array(cities[:1]), pa.array(cities[1:])]).dictionary_encode()
    whole.count(pa.table({"age": ages, "city": in_pieces}))
    kinds: tuple[Irregularity, ...] = ("missing", "unseen", "out_of_range")
    for kind in kinds:
        assert whole.irregularities.by_column(kind) == one.irregularities.by_column(kind) != {}


def test_several_threads_count_every_value() -> None:
    read = reader(AGE, CITY)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: [read.typed({"age": 1, "city": "Bern"}) for _ in range(500)], range(8)))
    assert read.irregularities.by_column("unseen") == {"city": 4000}


def test_an_error_in_a_list_says_which_record_it_was() -> None:
    with pytest.raises(FieldMissing) as caught:
        reader(AGE).typed_list([{"age": 20}, {"age": 21}, {}])
    assert caught.value.where == "record 2 of 3, counted from 0"
    with pytest.raises(FieldWrong) as caught_in_json:
        reader(AGE).typed_json(b'[{"age": 20}, {"age": []}]')
    assert caught_in_json.value.where == "record 1 of 2, counted from 0"


@pytest.mark.parametrize(
    "body",
    [b"", b"   ", b"{", b"[", b"nonsense", b'{"age": 20', b'{"age": NaN}', b'{"age": "\xff"}', b'{"age": "\\ud800"}',
     b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"[" * 100_000],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_what_is_no_json_is_refused_in_plain_words(body: bytes) -> None:
    with pytest.raises(RecordInvalid, match="the body is not JSON that can be read") as caught:
        reader(AGE).typed_json(body)
    assert caught.value.field is None


@pytest.mark.parametrize("body", [b"3", b'"text"', b"null", b"[3]", b"[[]]", b"[null]", b'[{"age": 20}, "x"]'])
def test_json_that_is_no_record_is_refused_in_plain_words(body: bytes) -> None:
    with pytest.raises(RecordInvalid, match="a record is not an object with fields"):
        reader(AGE).typed_json(body)


def test_no_records_are_no_error() -> None:
    assert reader(AGE).typed_json(b"[]") == []
    assert reader(AGE).typed_list([]) == []


def test_the_last_of_two_fields_of_one_name_counts_as_in_every_json_reader() -> None:
    assert reader(AGE).typed_json(b'{"age": "x", "age": 30}') == (30.0,)
