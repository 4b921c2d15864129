"""The schema: found by name, changed by copy, kept as JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import dataset_of, mixed_frame

from mlwright.data import Column, ColumnNotFound, Schema, ValueReading

names = st.text(min_size=1, max_size=8)
texts = st.lists(st.text(max_size=6), max_size=4).map(tuple)
finite = st.floats(allow_nan=False, allow_infinity=False)
readings = st.builds(
    ValueReading,
    missing=texts,
    missing_numbers=st.lists(finite, max_size=3).map(tuple),
    replace=st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=3).map(tuple),
    decimal=st.sampled_from([".", ","]),
    thousands=st.sampled_from(["", ",", " "]),
    affixes=texts,
    formats=texts,
)
columns = st.builds(
    Column,
    name=names,
    type=st.sampled_from(["number", "integer", "boolean", "category", "datetime", "text", "identifier", "constant"]),
    role=st.sampled_from(["target", "feature", "id", "time", "group", "weight", "unused"]),
    reading=readings,
    why=st.text(max_size=10),
    nullable=st.booleans(),
    levels=st.none() | texts,
    low=st.none() | finite,
    high=st.none() | finite,
)
schemas = st.lists(columns, unique_by=lambda column: column.name, max_size=6).map(lambda found: Schema(tuple(found)))


@given(schema=schemas)
def test_a_schema_comes_back_from_json_as_it_was(schema: Schema) -> None:
    again = Schema.of_state(json.loads(json.dumps(schema.state())))
    assert again == schema


@given(schema=schemas, wanted=st.sets(names, max_size=4))
def test_a_selection_keeps_the_order_of_the_schema(schema: Schema, wanted: set[str]) -> None:
    chosen = set(schema.names[::2]) | wanted
    assert schema.select(sorted(chosen)).names == [name for name in schema.names if name in chosen]


@given(schema=schemas)
def test_columns_are_found_by_their_names(schema: Schema) -> None:
    assert [schema[name] for name in schema.names] == list(schema)
    assert len(schema) == len(schema.names)
    assert all(name in schema for name in schema.names)
    assert "no such name" not in schema


@given(schema=schemas)
def test_replacing_changes_the_named_columns_and_nothing_else(schema: Schema) -> None:
    changed = [column.but(role="unused") for column in schema.columns[::2]]
    after = schema.replaced([*changed, Column(name="no such name", type="number")])
    assert after.names == schema.names
    for old, new in zip(schema, after, strict=True):
        assert new == (old.but(role="unused") if old in schema.columns[::2] else old)


def test_a_column_that_is_not_there_is_an_error_with_the_nearest_name() -> None:
    schema = dataset_of(mixed_frame(100), "bought").schema
    with pytest.raises(ColumnNotFound, match="'visit' is not in the table") as caught:
        schema["visit"]
    assert "'visits'" in caught.value.fix


def test_features_and_roles_are_found() -> None:
    schema = dataset_of(mixed_frame(100), "bought", data={"id": "customer_id", "time": "joined"}).schema
    assert [column.name for column in schema.features] == ["age", "city", "visits", "member", "review"]
    for role, name in (("target", "bought"), ("id", "customer_id"), ("time", "joined")):
        found = schema.with_role(role)  # type: ignore[arg-type]
        assert found is not None
        assert found.name == name
    assert schema.with_role("weight") is None
    assert [column.is_number for column in schema.features] == [True, False, True, False, False]
