"""Which group a row is of: levels, quarters of numbers, yes and no, expressions."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import dataset_of, mixed_frame

from mlwright.data import Dataset
from mlwright.models import Grouping, GroupLimits, GroupsUnclear, grouping_of, groups_of
from mlwright.spec import ExpressionInvalid


@pytest.fixture(scope="module")
def rows() -> Dataset:
    frame = mixed_frame(600).with_columns(pl.Series("home town", ["A", "B", "C"] * 200))
    return dataset_of(frame, "bought", data={"id": "customer_id"})


def named(rows: Dataset, attribute: str) -> tuple[np.ndarray, list[str]]:
    return groups_of(rows, grouping_of(rows, attribute))


def test_levels_are_groups_and_a_missing_one_is_in_none(rows: Dataset) -> None:
    group, names = named(rows, "city")
    city = np.array(rows.table.column("city").to_pylist(), dtype=object)
    assert names == ["Bern", "Oslo", "Paris", "Rome"]
    for number, name in enumerate(names):
        assert ((group == number) == (city == name)).all()
    assert ((group == -1) == (city == np.array(None))).all()


def test_many_numbers_are_cut_into_quarters(rows: Dataset) -> None:
    group, names = named(rows, "age")
    age = rows.numbers("age")
    assert len(names) == 4
    assert names[0].startswith("age <= ")
    assert names[-1].startswith("age > ")
    known = group >= 0
    assert (known == np.isfinite(age)).all()
    assert (np.bincount(group[known]) > 0.2 * known.sum()).all()
    assert all(age[group == n].max() <= age[group == n + 1].min() for n in range(3))


def test_few_numbers_and_yes_and_no_are_groups_by_themselves(rows: Dataset) -> None:
    assert named(rows, "member")[1] == ["false", "true"]
    few = dataset_of(
        pl.DataFrame({"kind": [1, 2, 3] * 20, "y": ["a", "b"] * 30}),
        "y",
        data={"columns": {"kind": {"type": "integer"}}},
    )
    assert named(few, "kind")[1] == ["1", "2", "3"]


def test_an_expression_makes_two_groups_and_a_row_it_cannot_tell_is_in_none(rows: Dataset) -> None:
    group, names = named(rows, "age < 40")
    age = rows.numbers("age")
    assert names == ["false", "true"]
    assert ((group == 1) == (age < 40)).all()
    assert ((group == -1) == np.isnan(age)).all()


def test_an_expression_may_name_its_groups(rows: Dataset) -> None:
    group, names = named(rows, "where(missing(age), 'unknown', where(age < 40, 'young', 'old'))")
    assert names == ["old", "unknown", "young"]
    assert ((group == 1) == np.isnan(rows.numbers("age"))).all()


def test_a_name_that_is_no_expression_is_a_column(rows: Dataset) -> None:
    assert named(rows, "home town")[1] == ["A", "B", "C"]


@pytest.mark.parametrize("column", ["review", "joined", "customer_id"])
def test_texts_dates_and_identifiers_name_no_groups(rows: Dataset, column: str) -> None:
    with pytest.raises(GroupsUnclear, match="names no groups"):
        grouping_of(rows, column)


def test_text_and_numbers_that_are_mixed_are_refused(rows: Dataset) -> None:
    with pytest.raises(ExpressionInvalid):
        grouping_of(rows, "city + 1")


def test_a_group_that_the_training_rows_did_not_have_keeps_the_old_names_right(rows: Dataset) -> None:
    grouping = grouping_of(rows.take(np.arange(300)), "age")
    assert grouping == Grouping("age", grouping.edges)
    later = {"age": np.array([np.nan, -5.0, 500.0])}
    group, names = grouping.of_rows(later, rows=3)
    assert group.tolist() == [-1, 0, len(names) - 1]


LIMITS: list[tuple[GroupLimits, dict[str, Any], list[float]]] = [
    (GroupLimits("city", {"Rome": 0.2}), {"city": np.array(["Rome", "Oslo", None, "Atlantis"], dtype=object)}, [0.2, 0.5, 0.5, 0.5]),
    (GroupLimits("age < 40", {"true": 0.2, "false": 0.7}), {"age": np.array([30.0, 50.0, np.nan])}, [0.2, 0.7, 0.5]),
    (GroupLimits("member", {"true": 0.2}), {"member": np.array([1.0, 0.0, np.nan])}, [0.2, 0.5, 0.5]),
    (GroupLimits("kind", {"2": 0.2}), {"kind": np.array([1.0, 2.0])}, [0.5, 0.2]),
    (GroupLimits("age", {"age <= 30": 0.1, "30 < age <= 60": 0.2}, (30.0, 60.0)), {"age": np.array([30.0, 31.0, 61.0, np.nan])}, [0.1, 0.2, 0.5, 0.5]),
]  # fmt: skip


@pytest.mark.parametrize(("limits", "columns", "expected"), LIMITS, ids=lambda value: getattr(value, "attribute", ""))
def test_a_row_has_the_limit_of_its_group_and_else_the_usual_one(
    limits: GroupLimits, columns: dict[str, Any], expected: list[float]
) -> None:
    assert limits.of_rows(columns, 0.5, rows=len(expected)).tolist() == expected
    assert GroupLimits.of_state(limits.state()) == limits
    assert limits.columns == tuple(columns)
