"""The dataset: typed rows that nothing changes, and the numbers and levels that stages take from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import breast_cancer_frame, dataset_of, diabetes_frame, mixed_frame, wine_frame

from mlwright.data import Column, ColumnNotFound, Dataset, Schema, column_as_levels, column_as_numbers, written_class

MIXED = dataset_of(mixed_frame(120), "bought", data={"id": "customer_id"})
rows = st.lists(st.integers(0, 119), max_size=40).map(lambda chosen: np.array(chosen, dtype=np.int64))


# ------------------------------------------------------------------------------------------------------------ target


@pytest.mark.parametrize(("positive", "last"), [("malignant", "malignant"), ("benign", "benign")])
def test_the_positive_class_is_number_one(positive: str, last: str) -> None:
    frame = breast_cancer_frame()
    dataset = dataset_of(frame, "diagnosis", data={"positive_class": positive})
    assert dataset.classes[-1] == last
    assert (dataset.y == (frame["diagnosis"] == positive).to_numpy()).all()


def test_classes_are_numbered_in_their_order() -> None:
    frame = wine_frame()
    dataset = dataset_of(frame, "cultivar")
    assert [dataset.classes[int(number)] for number in dataset.y] == frame["cultivar"].to_list()


def test_a_target_of_numbers_is_its_values() -> None:
    frame = diabetes_frame()
    assert dataset_of(frame, "progression").y.tolist() == frame["progression"].to_list()


def test_a_dataset_of_no_rows_has_an_empty_target() -> None:
    empty = MIXED.take(np.zeros(0, dtype=np.int64))
    assert (len(empty), empty.y.shape) == (0, (0,))
    assert empty.features == MIXED.features


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (3, "3"), (2.5, "2.5"), (1.0, "1"), ("yes", "yes")]
)
def test_a_class_is_written_as_it_stands_in_the_target_column(value: Any, text: str) -> None:
    assert written_class(value) == text


# ------------------------------------------------------------------------------------------------- numbers and levels


def test_each_type_has_its_numbers() -> None:
    when = [datetime(1970, 1, 2, tzinfo=UTC), None]
    assert column_as_numbers(pa.array(when, pa.timestamp("us"))).tolist() == pytest.approx([86400, np.nan], nan_ok=True)
    assert column_as_numbers(pa.array([True, False, None])).tolist() == pytest.approx([1, 0, np.nan], nan_ok=True)
    assert column_as_numbers(pa.array([7, None], pa.int64())).tolist() == pytest.approx([7, np.nan], nan_ok=True)
    assert column_as_numbers(pa.array([0.5])).tolist() == [0.5]


@given(values=st.lists(st.none() | st.sampled_from(["a", "b", "", "é"]), max_size=30), encoded=st.booleans())
def test_levels_give_the_column_back(values: list[str | None], encoded: bool) -> None:
    array = pa.array(values, pa.string())
    codes, levels = column_as_levels(array.dictionary_encode() if encoded else array)
    assert [levels[code] if code >= 0 else None for code in codes] == values
    assert len(set(levels)) == len(levels)


def test_roles_are_given_as_arrays_or_not_at_all() -> None:
    assert MIXED.weight is None
    assert MIXED.groups is None
    assert MIXED.times is None
    frame = mixed_frame(120).with_columns(
        household=pl.Series([f"h{i % 10}" if i % 11 else None for i in range(120)]),
        worth=pl.Series([0.5 + i % 3 for i in range(120)]),
    )
    dataset = dataset_of(frame, "bought", data={"group": "household", "weight": "worth", "time": "joined"})
    assert dataset.weight is not None
    assert dataset.weight.tolist() == frame["worth"].to_list()
    assert dataset.times is not None
    joined = frame["joined"].str.to_datetime("%Y-%m-%d", time_unit="us", time_zone="UTC")
    assert dataset.times.tolist() == (joined.dt.timestamp("us") / 1e6).to_list()
    groups = dataset.groups
    assert groups is not None
    known = frame["household"].to_list()
    for i in range(120):
        same = [known[i] is not None and known[i] == other for other in known]
        same[i] = True
        assert (groups == groups[i]).tolist() == same


# ------------------------------------------------------------------------------------------------ others made from it


@given(chosen=rows)
def test_rows_are_taken_in_the_order_that_is_asked(chosen: np.ndarray) -> None:
    taken = MIXED.take(chosen)
    assert taken.table.to_pylist() == [MIXED.table.to_pylist()[i] for i in chosen]
    assert taken.y.tolist() == MIXED.y[chosen].tolist()
    assert (taken.classes, taken.schema, taken.fingerprint) == (MIXED.classes, MIXED.schema, MIXED.fingerprint)


@given(mask=st.lists(st.booleans(), min_size=120, max_size=120).map(np.array))
def test_a_mask_takes_what_its_row_numbers_take(mask: np.ndarray) -> None:
    assert MIXED.take(mask).table.equals(MIXED.take(np.flatnonzero(mask)).table)


@given(order=st.permutations(range(120)))
def test_targets_in_another_order_leave_the_features_alone(order: list[int]) -> None:
    moved = MIXED.with_target_order(np.array(order))
    assert moved.y.tolist() == MIXED.y[order].tolist()
    assert moved.table.drop_columns(["bought"]).equals(MIXED.table.drop_columns(["bought"]))
    assert moved.table.column_names == MIXED.table.column_names


@pytest.mark.parametrize("values", [np.arange(120) / 7, [f"v{i % 3}" for i in range(120)], [True, None] * 60])
def test_one_more_column_is_one_more_feature(values: Any) -> None:
    before = MIXED.table
    more = MIXED.with_column("more", values)
    assert more.features == [*MIXED.features, "more"]
    expected = [None if value is None else value for value in values]
    assert more.table.column("more").to_pylist() == expected
    assert MIXED.table is before
    assert "more" not in MIXED.schema


def test_a_column_may_share_the_reading_of_another() -> None:
    copied = MIXED.with_column("again", MIXED.table.column("city"), like="city")
    assert copied.table.column("again").to_pylist() == MIXED.table.column("city").to_pylist()
    assert copied.schema["again"].type == "category"
    target = MIXED.with_column("leak", MIXED.table.column("bought"), like="bought")
    assert target.schema["leak"].role == "feature"
    assert target.target == "bought"


def test_columns_can_be_left_out_of_the_features_but_stay_in_the_table() -> None:
    fewer = MIXED.without(["age", "city"])
    assert fewer.features == [name for name in MIXED.features if name not in {"age", "city"}]
    assert fewer.table.equals(MIXED.table)
    assert MIXED.without(["bought"]).target == "bought"  # a role that is not a feature's is not taken away
    with pytest.raises(ColumnNotFound, match="'agee'"):
        MIXED.without(["agee"])


def test_expressions_get_numbers_as_floats_and_texts_as_objects() -> None:
    columns = MIXED.expression_columns(["age", "city", "member", "joined"])
    assert [columns[name].dtype.kind for name in ("age", "city", "member", "joined")] == ["f", "O", "f", "f"]
    assert columns["city"].tolist() == mixed_frame(120)["city"].to_list()
    assert np.isnan(columns["age"]).sum() == mixed_frame(120)["age"].null_count()


def test_the_summary_is_that_of_the_typed_rows() -> None:
    summary = MIXED.summary()
    assert summary.rows == 120
    assert summary["joined"].kind == "datetime"
    assert summary["city"].known == 120 - mixed_frame(120)["city"].null_count()


def test_a_dataset_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        MIXED.task = "regression"  # type: ignore[misc]


def test_a_dataset_can_be_made_by_hand() -> None:
    schema = Schema((Column(name="x", type="number"), Column(name="y", type="number", role="target")))
    dataset = Dataset(table=pa.table({"x": [1.0, 2.0], "y": [3.0, 4.0]}), schema=schema, task="regression")
    assert (dataset.features, dataset.target, dataset.y.tolist()) == (["x"], "y", [3.0, 4.0])
