"""From raw values to typed ones: what cannot be read becomes missing and is counted; the storage makes no difference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.data import (
    ARROW_TYPES,
    Column,
    ColumnOfKind,
    ValueReading,
    infer_schema,
    open_source,
    read_column,
    summarise,
)
from mlwright.spec import LogicalType

TYPES: tuple[LogicalType, ...] = get_args(LogicalType)
NOON = datetime(2020, 1, 2, 12, 0, tzinfo=UTC)
NOON_SECONDS = int(NOON.timestamp())


def column(kind: LogicalType, **reading: Any) -> Column:
    return Column(name="x", type=kind, reading=ValueReading(**reading))


def read(values: Sequence[Any] | pa.Array, kind: LogicalType, **reading: Any) -> tuple[list[Any], int]:
    """The values in a type, and how many could not be read."""
    raw = values if isinstance(values, pa.Array) else pa.array(values)
    typed, unreadable = read_column(raw, column(kind, **reading))
    assert typed.type == ARROW_TYPES[kind]
    assert len(typed) == len(raw)
    return list(typed.to_pylist()), unreadable


# ------------------------------------------------------------------------------------------------ storage by storage

RAW: dict[str, pa.Array] = {
    "integer": pa.array([0, 1, 7, None]),
    "unsigned": pa.array([0, 1, 7, None], pa.uint64()),
    "float": pa.array([0.0, 1.0, 2.5, None]),
    "float with NaN and infinity": pa.array([float("nan"), float("inf"), 2.5, None]),
    "float32": pa.array([0.0, 1.0, 2.5, None], pa.float32()),
    "float16": pa.array(np.array([0.0, 1.0, 2.5, 3.0], dtype=np.float16)),
    "decimal": pa.array([Decimal("0.00"), Decimal("1.00"), Decimal("2.50"), None], pa.decimal128(8, 2)),
    "boolean": pa.array([True, False, None]),
    "date": pa.array([date(2020, 1, 2), None]),
    "date64": pa.array([date(2020, 1, 2), None], pa.date64()),
    "timestamp": pa.array([NOON, None], pa.timestamp("ms")),
    "timestamp with a zone": pa.array([NOON, None], pa.timestamp("ns", tz="Asia/Tokyo")),
    "time of day": pa.array([time(0, 0, 1), time(12, 30), None]),
    "time32": pa.array([time(0, 0, 1), time(12, 30), None], pa.time32("ms")),
    "duration": pa.array([timedelta(seconds=1), timedelta(days=1), None]),
    "text": pa.array(["1", "0", "yes", "2020-01-02", " a ", "", None]),
    "large text": pa.array(["1", "0", "yes", None], pa.large_string()),
    "text views": pa.array(["1", "0", "yes", None], pa.string_view()),
    "codes of texts": pa.array(["1", "0", "1", None]).dictionary_encode(),
    "codes of numbers": pa.array([1, 0, 1, None]).dictionary_encode(),
    "codes of dates": pa.array([date(2020, 1, 2), None]).dictionary_encode(),
    "null": pa.nulls(3),
    "nothing": pa.array([], pa.string()),
}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("storage", RAW)
def test_every_storage_can_be_read_as_every_type_and_what_is_lost_is_counted(storage: str, kind: LogicalType) -> None:
    raw = RAW[storage]
    values, unreadable = read(raw, kind, missing=("",), formats=("%Y-%m-%d",))
    missing = sum(v is None or v != v or (isinstance(v, str) and not v.strip()) for v in raw.to_pylist())
    assert sum(value is None for value in values) == missing + unreadable


@pytest.mark.parametrize(
    ("storage", "kind", "values", "unreadable"),
    [
        ("integer", "number", [0, 1, 7, None], 0),
        ("integer", "boolean", [False, True, None, None], 1),
        ("integer", "category", ["0", "1", "7", None], 0),
        ("float", "integer", [0, 1, 2, None], 0),
        ("float", "identifier", ["0", "1", "2.5", None], 0),
        ("float with NaN and infinity", "number", [None, None, 2.5, None], 1),
        ("float with NaN and infinity", "category", [None, None, "2.5", None], 1),
        ("decimal", "number", [0, 1, 2.5, None], 0),
        ("decimal", "text", ["0", "1", "2.5", None], 0),
        ("boolean", "number", [1, 0, None], 0),
        ("boolean", "category", ["true", "false", None], 0),
        ("boolean", "datetime", [None, None, None], 2),
        ("date", "number", [NOON_SECONDS - 43200, None], 0),
        ("date", "identifier", ["2020-01-02", None], 0),
        ("date", "boolean", [None, None], 1),
        ("timestamp", "datetime", [NOON.replace(tzinfo=None), None], 0),
        ("timestamp", "integer", [NOON_SECONDS, None], 0),
        ("timestamp with a zone", "datetime", [NOON.replace(tzinfo=None), None], 0),
        ("time of day", "number", [1, 45000, None], 0),
        ("time of day", "category", ["1", "45000", None], 0),
        ("time32", "integer", [1, 45000, None], 0),
        ("duration", "number", [1, 86400, None], 0),
        ("duration", "boolean", [True, None, None], 1),
        ("text", "number", [1, 0, None, None, None, None, None], 3),
        ("text", "boolean", [True, False, True, None, None, None, None], 2),
        ("text", "category", ["1", "0", "yes", "2020-01-02", "a", None, None], 0),
        ("text views", "boolean", [True, False, True, None], 0),
        ("codes of texts", "integer", [1, 0, 1, None], 0),
        ("codes of numbers", "category", ["1", "0", "1", None], 0),
        ("codes of dates", "text", ["2020-01-02", None], 0),
        ("null", "number", [None] * 3, 0),
    ],
)
def test_values_are_read_as_one_would_expect(
    storage: str, kind: LogicalType, values: list[Any], unreadable: int
) -> None:
    assert read(RAW[storage], kind, missing=("",)) == (values, unreadable)


def test_dates_in_text_are_read_by_the_first_format_that_fits() -> None:
    values, unreadable = read(["2020-01-02", "3.1.2020", "soon", None], "datetime", formats=("%Y-%m-%d", "%d.%m.%Y"))
    assert [value and value.day for value in values] == [2, 3, None, None]
    assert unreadable == 1


def test_moments_of_any_zone_are_held_in_utc() -> None:
    texts, _ = read(["2020-01-02T21:00:00+09:00"], "datetime", formats=("%Y-%m-%dT%H:%M:%S%z",))
    stored, _ = read(RAW["timestamp with a zone"], "datetime")
    assert texts[0] == stored[0] == NOON.replace(tzinfo=None)


def test_numbers_read_as_dates_are_seconds_since_1970_and_too_many_are_unreadable() -> None:
    values, unreadable = read([0.5, 1e300, -1e300, None], "datetime")
    assert values[0] == datetime(1970, 1, 1, 0, 0, 0, 500_000)  # noqa: DTZ001 - the type has no zone
    assert values[1:] == [None, None, None]
    assert unreadable == 2


@pytest.mark.parametrize("raw", [[2**62, 5, -(2**63)], [1e19, 5.0, -1e300], ["4611686018427387904", "5", "1e300"]])
def test_whole_numbers_that_do_not_fit_are_unreadable(raw: list[Any]) -> None:
    assert read(raw, "integer") == ([None, 5, None], 2)


@pytest.mark.parametrize("raw", [pa.array([[1]]), pa.array([{"a": 1}]), pa.array([b"x"])])
def test_lists_structures_and_bytes_are_an_error(raw: pa.Array) -> None:
    with pytest.raises(ColumnOfKind, match="'x'"):
        read(raw, "category")


# --------------------------------------------------------------------------------------------------- readings


def test_what_means_missing_is_missing_in_any_case_and_is_not_counted_as_lost() -> None:
    raw = [" ? ", "N/A", "n/a", "5", "x"]
    assert read(raw, "number", missing=("?", "n/a")) == ([None, None, None, 5, None], 1)
    assert read(pa.array(raw).dictionary_encode(), "number", missing=("?", "n/a")) == ([None, None, None, 5, None], 1)


@pytest.mark.parametrize(
    ("raw", "kind", "read_as"),
    [
        ([-999, 5], "integer", [None, 5]),
        ([-999.0, 5.5], "number", [None, 5.5]),
        (["-999", "5.5"], "number", [None, 5.5]),
        ([-999, 5], "category", [None, "5"]),
        ([-999.0, 5.0], "text", [None, "5"]),
        ([2**63 - 1, -999], "number", [9.223372036854775807e18, None]),
        ([timedelta(seconds=-999), timedelta(seconds=5)], "number", [None, 5]),
    ],
)
def test_numbers_that_mean_missing_are_missing_and_are_not_counted_as_lost(
    raw: list[Any], kind: LogicalType, read_as: list[Any]
) -> None:
    assert read(raw, kind, missing_numbers=(-999.0,)) == (read_as, 0)


def test_spellings_are_unified_before_anything_else() -> None:
    unified = (("Y ", "yes"), ("nope", "no"))
    assert read(["Y ", "nope", "yes", None], "category", replace=unified) == (["yes", "no", "yes", None], 0)
    assert read(["Y ", "nope", "yes"], "boolean", replace=unified) == ([True, False, True], 0)


@given(
    values=st.lists(st.none() | st.text(max_size=6) | st.sampled_from(["1", "yes", "1,5", "2020-01-01"]), max_size=20),
    kind=st.sampled_from(TYPES),
)
def test_texts_are_read_alike_whether_plain_or_as_dictionary_codes(values: list[str | None], kind: LogicalType) -> None:
    plain = pa.array(values, pa.string())
    reading: dict[str, Any] = {"missing": ("", "na"), "formats": ("%Y-%m-%d",), "decimal": ","}
    for other in (plain.dictionary_encode(), plain.cast(pa.large_string()), plain.cast(pa.string_view())):
        assert read(other, kind, **reading) == read(plain, kind, **reading)


@given(values=st.lists(st.none() | st.floats(width=64) | st.integers(-3, 3).map(float), max_size=30))
def test_typed_values_written_as_text_and_read_again_are_the_same_levels(values: list[float | None]) -> None:
    levels, _ = read(pa.array(values, pa.float64()), "category")
    numbers, _ = read(pa.array(values, pa.float64()), "number")
    assert read(pa.array(levels, pa.string()), "number")[0] == numbers


# ------------------------------------------------------------------------------------------- the same in every file


@st.composite
def columns(draw: st.DrawFn) -> list[Any]:
    """A column as one has it in mind: of one type, with missing values."""
    one = draw(
        st.sampled_from(
            [
                st.integers(-1000, 1000),
                st.sampled_from([0, 1]),
                st.sampled_from([-999, 3, 4, 5, 6]),
                st.floats(-1e6, 1e6).map(lambda v: round(v, 3)),
                st.booleans(),
                st.sampled_from(["red", "blue", "Ünal", "two words", "a, b", 'quo"te']),
                st.text("abcdefgh", min_size=8, max_size=8),
                st.dates(date(1950, 1, 1), date(2050, 1, 1)),
            ]
        )
    )
    return draw(st.lists(st.none() | one, min_size=30, max_size=90))


def dataset_from(path: Path) -> tuple[Column, list[Any]]:
    """The column `x` of a file, as it is found and read."""
    batches = list(open_source(path.name, folder=path.parent).batches())
    found = infer_schema(summarise(batches))["x"]
    values = [read_column(batch.column("x"), found).values for batch in batches]
    return found, pa.chunked_array(values).to_pylist()


@given(values=columns())
def test_a_column_reads_the_same_from_csv_json_and_parquet(
    values: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("same")
    frame = pl.DataFrame({"x": values, "row": [f"r{i}" for i in range(len(values))]}, strict=False)
    frame.write_csv(folder / "a.csv")
    frame.write_parquet(folder / "a.parquet")
    as_json = [json.dumps(row, default=str) for row in frame.to_dicts()]
    (folder / "a.jsonl").write_text("\n".join(as_json))
    (one, from_csv), (other, from_parquet), (third, from_json) = (
        dataset_from(folder / name) for name in ("a.csv", "a.parquet", "a.jsonl")
    )
    assert one.type == other.type == third.type
    assert from_csv == from_parquet == from_json
