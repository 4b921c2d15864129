"""Hashes of rows and the fingerprint of a table depend on the values alone."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.data.strategies import pieces

from mlwright.data import fingerprint_of_rows, hash_rows

TEXT, CODES = pa.string(), pa.dictionary(pa.int32(), pa.string())
rngs = st.randoms(use_true_random=False)

Rows = list[tuple[float | None, str | None, bool | None]]
rows_of_three: st.SearchStrategy[Rows] = st.lists(
    st.tuples(
        st.none() | st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0]),
        st.none() | st.text(max_size=4) | st.sampled_from(["", "a", "b"]),
        st.none() | st.booleans(),
    ),
    max_size=25,
)


def batch_of(rows: Rows, text: pa.DataType = TEXT) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    arrays = [
        pa.array(list(values), kind)
        for values, kind in zip(columns, [pa.float64(), pa.string(), pa.bool_()], strict=True)
    ]
    arrays[1] = arrays[1].dictionary_encode() if pa.types.is_dictionary(text) else arrays[1].cast(text)
    return pa.RecordBatch.from_arrays(arrays, names=["x", "s", "b"])


def table_of(rows: Rows) -> pa.Table:
    return pa.Table.from_batches([batch_of(rows)])


NAMES = ["x", "s", "b"]

# ----------------------------------------------------------------------------------------------------------- hashes


@given(rows=rows_of_three)
def test_rows_have_the_same_hash_if_and_only_if_they_are_equal(rows: Rows) -> None:
    hashes = hash_rows(table_of(rows), NAMES).tolist()
    for i, row in enumerate(rows):
        assert [hashes[i] == other for other in hashes] == [row == other for other in rows]


@given(rows=rows_of_three, rng=rngs)
def test_the_hash_of_a_row_depends_neither_on_the_other_rows_nor_on_the_chunks_nor_on_the_storage(
    rows: Rows, rng: Random
) -> None:
    whole = hash_rows(table_of(rows), NAMES).tolist()
    chunked = pa.Table.from_batches(pieces(batch_of(rows), rng))
    assert hash_rows(chunked, NAMES).tolist() == whole
    codes = pa.Table.from_batches([batch_of(rows, CODES)])
    assert hash_rows(codes, NAMES).tolist() == whole
    assert [int(hash_rows(table_of([row]), NAMES)[0]) for row in rows] == whole


def test_values_that_change_places_between_columns_change_the_hash() -> None:
    table = pa.table({"a": [1, 2], "b": [2, 1]})
    one, other = hash_rows(table, ["a", "b"])
    assert one != other


def test_whole_numbers_and_floats_of_the_same_value_have_the_same_hash() -> None:
    as_integers, as_floats = pa.table({"a": [1, 2]}), pa.table({"a": [1.0, 2.0]})
    assert hash_rows(as_integers, ["a"]).tolist() == hash_rows(as_floats, ["a"]).tolist()


def test_missing_and_nan_are_alike() -> None:
    table = pa.table({"a": pa.array([None, float("nan"), 1.0], pa.float64())})
    missing, nan, one = hash_rows(table, ["a"])
    assert missing == nan != one


def test_rows_without_columns_are_all_alike() -> None:
    assert hash_rows(pa.table({"a": [1, 2]}), []).tolist() == [0, 0]


def test_a_million_rows_have_no_two_hashes_in_common() -> None:
    table = pa.table({"a": np.arange(1_000_000) // 1000, "b": np.arange(1_000_000) % 1000})
    assert len(np.unique(hash_rows(table, ["a", "b"]))) == 1_000_000


# ------------------------------------------------------------------------------------------------------ fingerprint


@given(rows=rows_of_three, rng=rngs)
def test_a_fingerprint_does_not_tell_how_the_rows_were_cut_or_how_texts_were_stored(rows: Rows, rng: Random) -> None:
    whole = fingerprint_of_rows([batch_of(rows)])
    assert fingerprint_of_rows(pieces(batch_of(rows), rng)) == whole
    for text in (pa.large_string(), pa.string_view(), CODES):
        assert fingerprint_of_rows(pieces(batch_of(rows, text), rng)) == whole


@given(rows=rows_of_three.filter(bool), data=st.data())
def test_a_fingerprint_changes_with_any_value(rows: Rows, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(rows) - 1))
    x, text, truth = rows[position]
    other = data.draw(
        st.sampled_from(
            [(3.25 if x != 3.25 else None, text, truth), (x, f"{text}!", truth), (x, text, None if truth else True)]
        )
    )
    changed = [*rows[:position], other, *rows[position + 1 :]]
    assert fingerprint_of_rows([batch_of(changed)]) != fingerprint_of_rows([batch_of(rows)])


def fingerprint(**columns: list[Any]) -> str:
    return fingerprint_of_rows(pl.DataFrame(columns, strict=False).to_arrow().to_batches())


@pytest.mark.parametrize(
    "other",
    [
        {"a": ["x", "yz"], "b": [1, 2]},  # the same letters, cut elsewhere
        {"a": ["xy", "z"], "b": [2, 1]},
        {"a": ["z", "xy"], "b": [1, 2]},
        {"a": ["xy", None], "b": [1, 2]},
        {"c": ["xy", "z"], "b": [1, 2]},
        {"b": [1, 2], "a": ["xy", "z"]},
        {"a": ["xy", "z", ""], "b": [1, 2, None]},
    ],
)
def test_tables_that_differ_in_values_order_or_names_have_different_fingerprints(other: dict[str, list[Any]]) -> None:
    assert fingerprint(**other) != fingerprint(a=["xy", "z"], b=[1, 2])


def test_a_fingerprint_is_the_same_on_every_machine_and_in_every_version() -> None:
    assert fingerprint(a=["xy", None], b=[1, 2.5]).startswith("8501a7a4ac3bfeed")
