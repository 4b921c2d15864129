"""What each column is for: the roles of the spec, and what is kept from the features and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import dataset_of, mixed_frame

from mlwright.data import ColumnNotFound, ColumnOfKind, Dataset, DataUnfit

FRAME = mixed_frame(200).with_columns(
    worth=pl.Series([1.0 + i % 4 for i in range(200)]),
    household=pl.Series([f"h{i % 25}" for i in range(200)]),
    country=pl.lit("FR"),
)
FEATURES = ["age", "city", "visits", "member", "joined", "review", "worth", "household"]


def roles(**data: Any) -> Dataset:
    return dataset_of(FRAME, "bought", data=data)


def test_names_of_rows_and_constants_are_no_features() -> None:
    dataset = roles()
    assert dataset.features == FEATURES
    assert dataset.schema["customer_id"].role == "unused"
    assert dataset.schema["country"].role == "unused"
    assert dataset.schema["bought"].role == "target"


@pytest.mark.parametrize(
    ("role", "column"), [("id", "customer_id"), ("time", "joined"), ("group", "household"), ("weight", "worth")]
)
def test_a_column_with_a_role_is_no_feature(role: Any, column: str) -> None:
    dataset = roles(**{role: column})
    found = dataset.schema.with_role(role)
    assert found is not None
    assert found.name == column
    assert column not in dataset.features
    assert set(dataset.features) == set(FEATURES) - {column}


@pytest.mark.parametrize(
    ("key", "why"), [("must_not_use", "must not be used"), ("known_after_decision", "known only after the decision")]
)
def test_what_the_spec_leaves_out_is_kept_in_the_table_with_its_reason(key: str, why: str) -> None:
    dataset = roles(**{key: ["age", "city"]})
    assert set(FEATURES) - set(dataset.features) == {"age", "city"}
    assert why in dataset.schema["age"].why
    assert dataset.table.column("city").to_pylist() == FRAME["city"].to_list()


def test_a_sensitive_column_is_a_feature_unless_it_must_not_be_used() -> None:
    assert "city" in roles(sensitive=["city"]).features
    assert "city" not in roles(sensitive=["city"], must_not_use=["city"]).features


def test_an_override_makes_a_feature_of_what_looks_like_an_identifier() -> None:
    assert "customer_id" in roles(columns={"customer_id": {"type": "category"}}).features


@pytest.mark.parametrize(
    ("frame", "data", "says"),
    [
        (FRAME, {"time": "city"}, "the time column is a category, not dates or numbers"),
        (FRAME, {"weight": "city"}, "the weight column is a category, not numbers"),
        (FRAME, {"weight": "joined"}, "the weight column is a datetime, not numbers"),
        (FRAME.select("customer_id", "country", "bought"), {}, "no column is left that could be a feature"),
        (FRAME.select("age", "bought"), {"must_not_use": ["age"]}, "no column is left that could be a feature"),
    ],
)
def test_roles_that_do_not_fit_are_refused(frame: pl.DataFrame, data: dict[str, Any], says: str) -> None:
    with pytest.raises(DataUnfit, match=says) as caught:
        dataset_of(frame, "bought", data=data)
    assert caught.value.fix


@pytest.mark.parametrize(
    ("values", "fits"),
    [([1.0, 2.0], True), ([0.0, 1.0], True), ([1.0], True), ([0.0], False), ([-1.0, 2.0], False), ([None, 2.0], False)],
)
def test_weights_are_known_and_not_negative(values: list[Any], fits: bool) -> None:
    frame = FRAME.with_columns(worth=pl.Series(values * (200 // len(values))))
    if fits:
        weight = dataset_of(frame, "bought", data={"weight": "worth"}).weight
        assert weight is not None
        assert weight.tolist() == frame["worth"].to_list()
    else:
        with pytest.raises(DataUnfit, match="some weights are missing, negative, or all are zero"):
            dataset_of(frame, "bought", data={"weight": "worth"})


NAMING = {
    "data.target": {"target": "agee"},
    "data.id": {"id": "agee"},
    "data.time": {"time": "agee"},
    "data.group": {"group": "agee"},
    "data.weight": {"weight": "agee"},
    "data.must_not_use": {"must_not_use": ["agee"]},
    "data.known_after_decision": {"known_after_decision": ["agee"]},
    "data.sensitive": {"sensitive": ["city", "agee"]},
    "data.columns": {"columns": {"agee": {"type": "number"}}},
}
USING: dict[str, dict[str, Any]] = {
    "constraints.monotonic": {"constraints": {"monotonic": {"agee": "increasing"}}},
    "constraints.fairness": {
        "constraints": {
            "fairness": [{"attribute": "agee", "metric": "demographic_parity_difference", "max": 0.1}],
        }
    },
    "requirements": {"requirements": [{"id": "R1", "metric": "roc_auc", "min": 0.5, "on": "agee > 40"}]},
    "decision.values": {"decision": {"values": {"true_positive": "2 * agee", "false_positive": -1}}},
    "decision.current_process": {"decision": {"current_process": "agee > 40"}},
}


@pytest.mark.parametrize("place", [*NAMING, *USING])
def test_every_column_that_the_spec_names_must_be_there(place: str) -> None:
    sections: dict[str, Any] = {"data": NAMING[place]} if place in NAMING else USING[place]
    data = {"target": "bought", **sections.get("data", {})}
    with pytest.raises(ColumnNotFound, match="'agee' is not in the table") as caught:
        dataset_of(FRAME, data["target"], **{**sections, "data": data})
    assert place in caught.value.where
    assert "'age'" in caught.value.fix


def test_in_the_cost_of_an_error_the_words_error_and_prediction_are_no_columns() -> None:
    frame = FRAME.with_columns(amount=pl.Series(np.arange(200.0)))
    assert dataset_of(frame, "amount", decision={"error_cost": "0.1 * abs(error) + prediction"}).task == "regression"
    with pytest.raises(ColumnNotFound, match="'pries'"):
        dataset_of(frame, "amount", decision={"error_cost": "pries * abs(error)"})


# ---------------------------------------------------------------------------------------- columns that cannot be read


LISTS = FRAME.with_columns(tags=pl.Series([["a", "b"], ["c"]] * 100))


def test_a_column_of_lists_is_an_error_unless_it_must_not_be_used() -> None:
    with pytest.raises(ColumnOfKind, match=r"'tags' holds values of type .*list") as caught:
        dataset_of(LISTS, "bought")
    assert "must_not_use" in caught.value.fix
    dataset = dataset_of(LISTS, "bought", data={"must_not_use": ["tags"]})
    assert "tags" not in dataset.schema


@pytest.mark.parametrize(
    "sections",
    [
        {"data": {"must_not_use": ["tags"], "sensitive": ["tags"]}},
        {"data": {"must_not_use": ["tags"], "group": "tags"}},
        {
            "data": {"must_not_use": ["tags"]},
            "requirements": [{"id": "R1", "metric": "roc_auc", "min": 0.5, "on": 'tags == "a"'}],
        },
    ],
    ids=["sensitive", "group", "requirement"],
)
def test_a_column_of_lists_that_the_spec_needs_is_an_error_even_if_it_must_not_be_used(
    sections: dict[str, Any],
) -> None:
    with pytest.raises(ColumnOfKind, match=r"'tags' holds values of type .*list"):
        dataset_of(LISTS, "bought", **sections)
