from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.features.tables import Typed as TypedColumn
from tests.features.tables import array_of, datasets, typed_dataset
from tests.support import shared_table

from mlwright.data import ARROW_TYPES, Column, Dataset, column_as_numbers, read
from mlwright.data.dataset import FloatArray
from mlwright.features import Encoder, RecordEncoder, Step, Typed, View, fit_encoder
from mlwright.features.crosses import CrossMeans, Part, cross, fit_cross, parts_of
from mlwright.features.moments import date_of, parts_of_moment
from mlwright.features.steps import ArrowColumn, LevelCodes, LevelMeans, Number, OneHot, ScaledNumber, date_parts
from mlwright.spec import LogicalType, Spec

VIEWS: tuple[View, ...] = ("codes", "dense", "crossed")
_MICROS = 1_000_000

_floats = st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from([-0.0, 0.0, 0.1, 1e-310, -1e308])
_texts = st.text(max_size=20) | st.sampled_from(
    ["red", "level 3", "a b", "", "é", "good Straße слово x", "İstanbul ΟΔΟΣ", "x\x00y", "good_bad"]
)
#: Typed values as a record reader gives them.
VALUES: dict[LogicalType, st.SearchStrategy[Any]] = {
    "number": _floats,
    "integer": st.integers(-(2**61), 2**61).map(lambda i: int(float(i))) | st.integers(-3, 12) | st.just(float("nan")),
    "boolean": st.booleans() | st.just(float("nan")),
    "category": _texts | st.none(),
    "text": _texts | st.none(),
    "datetime": st.integers(-62_135_596_800 * _MICROS, 253_402_300_799 * _MICROS)
    | st.integers(-(2**62), 2**62)
    | st.integers(-5 * _MICROS, 5 * _MICROS)
    | st.none(),
}


def types_of(dataset: Dataset) -> dict[str, LogicalType]:
    return {column.name: column.type for column in dataset.schema if column.role != "target"}


def table_of(records: Sequence[Typed], types: dict[str, LogicalType]) -> pa.Table:
    """The same typed values as a table."""
    arrays = []
    for (_, kind), values in zip(types.items(), zip(*records, strict=True), strict=True):
        plain = [None if value != value else value for value in values]
        if kind == "datetime":
            arrays.append(pa.array(plain, pa.int64()).cast(ARROW_TYPES["datetime"]))
        else:
            arrays.append(array_of(TypedColumn(kind, plain)))
    return pa.table(arrays, names=list(types))


def records_of(table: pa.Table, types: dict[str, LogicalType]) -> list[Typed]:
    """The typed values of a table's rows."""
    columns = []
    for name, kind in types.items():
        values = table.column(name)
        listed = (values.cast(pa.int64()) if kind == "datetime" else values).to_pylist()
        is_number = kind in {"number", "integer", "boolean"}
        if kind == "integer":
            listed = [None if value is None else int(float(value)) for value in listed]
        columns.append([np.nan if value is None and is_number else value for value in listed])
    return list(zip(*columns, strict=True))


def assert_same_bits(encoder: Encoder, records: Sequence[Typed], types: dict[str, LogicalType]) -> None:
    one = RecordEncoder(encoder, types)
    expected = encoder.encode(table_of(records, types)).values
    found = np.array([one.encode(record) for record in records])
    np.testing.assert_array_equal(found, expected)
    known = ~np.isnan(expected)
    np.testing.assert_array_equal(found[known].view(np.int64), expected[known].view(np.int64))


@settings(max_examples=150)
@given(dataset=datasets(), data=st.data())
def test_one_record_is_encoded_to_the_bit_as_in_a_table(dataset: Dataset, data: st.DataObject) -> None:
    types = types_of(dataset)
    own = records_of(dataset.table, types)[:8]
    drawn = [tuple(data.draw(VALUES[kind]) for kind in types.values()) for _ in range(4)]
    for view in VIEWS:
        assert_same_bits(fit_encoder(dataset, view)[0], [*own, *drawn], types)


@settings(max_examples=150)
@given(dataset=datasets(), data=st.data())
def test_crosses_of_all_kinds_of_columns_are_encoded_to_the_bit(dataset: Dataset, data: st.DataObject) -> None:
    types = types_of(dataset)
    columns = [column for column in dataset.schema if column.role != "target"]
    parts = [part for column in columns for part in parts_of(column, dataset.table.column(column.name))]
    if not parts:
        return
    chosen = tuple(data.draw(st.sampled_from(parts)) for _ in range(data.draw(st.integers(1, 2))))
    cells = cross([part.cells(dataset.table.column(part.column)) for part in chosen], chosen)
    target = np.random.default_rng(0).normal(size=(len(dataset), data.draw(st.integers(1, 3))))
    fold = np.arange(len(dataset)) % 3
    step, _ = fit_cross(chosen, cells, target, fold, counted=data.draw(st.booleans()))
    drawn = [tuple(data.draw(VALUES[kind]) for kind in types.values()) for _ in range(4)]
    own = records_of(dataset.table, types)[:8]
    assert_same_bits(Encoder(view="crossed", steps=(step,)), [*own, *drawn], types)


def test_values_of_whole_numbers_can_be_cells_of_a_cross() -> None:
    part = Part(column="flight", levels={"12": 0, "-7": 1})
    step = CrossMeans(parts=(part,), cells={0: (0.5,), 1: (-0.5,), 3: (9.0,)}, n_targets=1, unseen=(0.0,))
    records: list[Typed] = [(12,), (-7,), (13,), (float("nan"),), (2**61,)]
    assert_same_bits(Encoder(view="crossed", steps=(step,)), records, {"flight": "integer"})


@given(
    values=st.lists(st.tuples(VALUES["number"], VALUES["number"]), min_size=1), low=st.sampled_from([-1.0, -0.0, 0.0])
)
def test_a_scaled_number_is_cut_off_as_numpy_does_even_at_a_zero_with_a_sign(values: list[Typed], low: float) -> None:
    steps = tuple(
        ScaledNumber(column=name, low=low, high=3.5, logarithm=name == "b", mean=0.0, deviation=0.7, flag_missing=True)
        for name in ("a", "b")
    )
    assert_same_bits(Encoder(view="dense", steps=steps), values, {"a": "number", "b": "number"})


@given(seconds=st.lists(st.floats(-9e12, 9e12) | st.floats(-10, 10) | st.just(float("nan")), min_size=1))
def test_the_parts_of_one_moment_are_those_of_a_column_in_any_century(seconds: list[float]) -> None:
    every = ("year", "month", "day", "weekday", "hour", "days")
    one = parts_of_moment(every, (), ())
    np.testing.assert_array_equal([one(value) for value in seconds], date_parts(np.array(seconds)))


@given(day=st.integers(-719_162, 2_932_896))
def test_dates_are_those_of_the_calendar(day: int) -> None:
    date = datetime.fromordinal(day + 719_163).replace(tzinfo=UTC)
    assert date_of(day) == (date.year, date.month, date.day)


def test_columns_and_levels_that_look_like_code_are_only_names() -> None:
    evil = 'x"); import os; os._exit(1) #'
    worse = "'\n\nraise SystemExit\\"
    steps: tuple[Step, ...] = (
        Number(column=worse),
        LevelCodes(column=evil, levels=(evil, worse)),
        OneHot(column=evil, levels=(worse, "{0}")),
        LevelMeans(column=evil, means={evil: [0.25]}, missing=[1.0], overall=[0.5], scale=[1.0]),
    )
    records: list[Typed] = [(evil, 1.5), (worse, float("nan")), (None, 2.0), ("{0}", -0.0)]
    assert_same_bits(Encoder(view="dense", steps=steps), records, {evil: "category", worse: "number"})


def test_a_number_kept_as_text_is_read_as_in_a_table() -> None:
    records: list[Typed] = [("12.5",), (None,), ("-3",)]
    assert_same_bits(Encoder(view="codes", steps=(Number(column="code"),)), records, {"code": "identifier"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A step of somebody else: it has no code for single records."""

    kind: ClassVar[str] = "product"
    columns: tuple[str, ...]

    def names(self) -> list[str]:
        return ["product", "is known"]

    def transform(self, *values: ArrowColumn) -> FloatArray:
        product = np.prod([column_as_numbers(column) for column in values], axis=0)
        return np.column_stack([product, ~np.isnan(product)])

    def state(self) -> dict[str, Any]:
        return {"columns": list(self.columns)}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Self:
        return cls(columns=tuple(state["columns"]))


@given(records=st.lists(st.tuples(st.floats(-1e9, 1e9), VALUES["datetime"], VALUES["boolean"]), min_size=1, max_size=5))
def test_a_step_without_code_of_its_own_is_asked_for_a_table_of_one_row(records: list[Typed]) -> None:
    steps = (Number(column="a"), Product(columns=("a", "when", "b")), Number(column="b"))
    assert_same_bits(Encoder(view="codes", steps=steps), records, {"a": "number", "when": "datetime", "b": "boolean"})


def test_a_row_of_one_record_is_not_changed_by_the_next() -> None:
    dataset = typed_dataset({"a": TypedColumn("category", ["x", "y"] * 20)}, [0.5] * 40)
    one = RecordEncoder(fit_encoder(dataset, "dense")[0], {"a": "category"})
    first = one.encode(("x",))
    kept = first.tolist()
    assert one.encode(("y",)).tolist() != kept
    assert first.tolist() == kept


@pytest.mark.parametrize("name", ["adult_income", "ames_housing", "nyc_taxis"])
def test_rows_of_real_tables_are_encoded_to_the_bit(name: str) -> None:
    path, entry = shared_table(name)
    spec = Spec.of({"data": {"source": str(path), "target": entry["target"]}})
    dataset = read(spec)
    dataset = dataset.take(np.arange(min(len(dataset), 3000)))
    types = types_of(dataset)
    columns: list[Column] = [column for column in dataset.schema if column.role != "target"]
    assert len(columns) == len(types)
    records = records_of(dataset.table, types)[:500]
    for view in VIEWS:
        assert_same_bits(fit_encoder(dataset, view)[0], records, types)
