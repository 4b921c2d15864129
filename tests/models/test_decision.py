"""When the positive class is decided for: by the worth of outcomes, row by row, on columns that need not be features."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.made import made
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.data import ColumnNotFound, Dataset
from mlwright.models import DecisionRule, Model, WorthUnknown, decision_rule, outcome_worth
from mlwright.models.golden import golden_rows
from mlwright.spec import ExpressionInvalid, Spec
from mlwright.statistics import CostsAllZero

NAMES = ("true_positive", "false_positive", "false_negative", "true_negative")
WORTH = st.one_of(
    st.integers(-50, 50), st.sampled_from(["0.5 * visits", "-visits", "age / 10", "where(member, 3, -9)"])
)


def frame() -> pl.DataFrame:
    paid = np.random.default_rng(3).lognormal(2, 1, 300)
    return mixed_frame(300).with_columns(
        paid=pl.Series(np.where(np.arange(300) % 10 == 0, np.nan, paid)).fill_nan(None),
        loss=pl.Series(np.arange(300.0)),
    )


ROWS = frame()


def spec_of(values: dict[str, Any], **data: Any) -> Spec:
    return spec_for("bought", data={"id": "customer_id", **data}, decision={"values": values})


def dataset(**data: Any) -> Dataset:
    return dataset_of(ROWS, "bought", data={"id": "customer_id", **data})


DATASET = dataset()


def rule_of(values: dict[str, Any]) -> DecisionRule:
    return decision_rule(spec_of(values), DATASET)


def decided(rule: DecisionRule, probability: np.ndarray, rows: Dataset = DATASET) -> np.ndarray:
    return rule.decide(probability, rows.expression_columns(rule.columns)).decision


@pytest.mark.parametrize(
    ("values", "threshold"),
    [
        ({"true_positive": 40, "false_positive": -10}, 0.2),
        ({"false_negative": -5, "false_positive": -1}, 1 / 6),
        ({"false_negative": "-2 * 5", "false_positive": -10}, 0.5),
        ({"true_positive": 40, "false_positive": 1}, 0.0),
    ],
    ids=["gain and cost", "costs only", "a sum", "acting costs nothing"],
)
def test_worths_that_are_the_same_for_all_rows_give_a_threshold(values: dict[str, Any], threshold: float) -> None:
    rule = rule_of(values)
    assert rule.threshold == pytest.approx(threshold)
    assert rule.outcomes is None


def test_without_values_the_threshold_is_a_half() -> None:
    assert decision_rule(spec_for("bought"), DATASET) == DecisionRule(threshold=0.5)


@given(worths=st.tuples(WORTH, WORTH, WORTH, WORTH), seed=st.integers(0, 100))
def test_every_row_is_decided_as_the_expected_worth_says(worths: tuple[Any, ...], seed: int) -> None:
    """Against plain arithmetic on the raw rows, for all signs; rows with a missing value have a test of their own."""
    rows = ROWS.drop_nulls(["age"]).head(60)
    data = dataset_of(rows, "bought", data={"id": "customer_id"})
    texts = dict(zip(NAMES, map(str, worths), strict=True))
    try:
        rule = decision_rule(spec_of(dict(zip(NAMES, worths, strict=True))), data)
    except CostsAllZero:
        return
    probability = np.random.default_rng(seed).random(len(data))
    for p, row, act in zip(probability, rows.iter_rows(named=True), decided(rule, probability, data), strict=True):
        known = {"where": lambda c, a, b: a if c else b, **row}
        tp, fp, fn, tn = (eval(texts[name], {}, known) for name in NAMES)
        difference = (p * tp + (1 - p) * fp) - (p * fn + (1 - p) * tn)
        if abs(difference) > 1e-9:
            assert act == (difference > 0), (tp, fp, fn, tn, p)


@pytest.mark.parametrize(
    ("values", "acts"),
    [
        ({"true_positive": 2, "false_positive": 1}, [1, 1, 1]),
        ({"true_positive": -1, "false_positive": -1}, [0, 0, 0]),
        ({"true_positive": -3, "false_positive": 2}, [1, 0, 0]),
        ({"false_positive": -2}, [0, 0, 0]),
    ],
    ids=["always", "never", "at low probabilities", "never, not even when sure"],
)
def test_values_that_no_threshold_can_say_are_decided_as_well(values: dict[str, Any], acts: list[int]) -> None:
    assert rule_of(values).decide(np.array([0.01, 0.6, 1.0])).decision.tolist() == acts


@pytest.mark.parametrize("values", [{}, {"true_positive": 3, "false_negative": 3.0}, {"true_negative": "0 * visits"}])
def test_values_that_leave_nothing_to_decide_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(CostsAllZero):
        rule_of(values)


def test_a_row_without_a_value_is_decided_by_the_mean_of_its_class_and_counted() -> None:
    rule = rule_of({"true_positive": "paid", "false_positive": -4})
    positive = (ROWS["bought"] == "yes").to_numpy()
    paid = ROWS["paid"].to_numpy().astype(float)
    mean = np.nanmean(paid[positive])
    found = rule.decide(np.full(300, 0.3), DATASET.expression_columns(rule.columns))
    assert found.assumed is not None
    assert found.assumed.tolist() == np.isnan(paid).tolist()
    expected = 0.3 * np.where(np.isnan(paid), mean, paid) - 0.7 * 4 > 0
    assert found.decision.tolist() == expected.tolist()
    assert 0 < found.decision.sum() < 300


def test_a_division_by_zero_counts_as_not_known() -> None:
    rule = rule_of({"true_positive": "20 / visits", "false_positive": -4})
    found = rule.decide(np.full(300, 0.4), DATASET.expression_columns(rule.columns))
    assert found.assumed is not None
    assert found.assumed.tolist() == (ROWS["visits"] == 0).to_list()


def test_a_column_that_is_known_only_later_enters_the_decision_with_its_mean() -> None:
    spec = spec_of({"false_negative": "-loss", "false_positive": -20}, known_after_decision=["loss"])
    data = dataset(known_after_decision=["loss"])
    rule = decision_rule(spec, data)
    mean = float(ROWS.filter(pl.col("bought") == "yes")["loss"].mean())  # type: ignore[arg-type]
    assert rule.outcomes is None
    assert rule.threshold == pytest.approx(20 / (20 + mean))
    worth = outcome_worth(spec, data)
    assert worth is not None
    assert worth.columns == ("loss",)


@pytest.mark.parametrize(
    ("worth", "error"),
    [("city", ExpressionInvalid), ("2 * city", ExpressionInvalid), ("visits / 0", WorthUnknown)],
)
def test_a_worth_that_is_no_number_is_refused(worth: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        rule_of({"true_positive": worth, "false_positive": -1})


@given(threshold=st.floats(0, 1), worth=WORTH)
def test_a_rule_comes_back_from_json_as_it_was(threshold: float, worth: int | str) -> None:
    for rule in (DecisionRule(threshold=threshold), rule_of({"true_positive": worth, "false_positive": -0.5})):
        assert DecisionRule.of_state(json.loads(json.dumps(rule.state()))) == rule


@pytest.fixture(scope="module")
def by_row() -> Model:
    """A model whose decision reads a column that is no feature."""
    model = made("binary").model
    rule = rule_of({"true_positive": "0.4 * paid", "false_positive": -4})
    return replace(model, rule=rule, schema=type(model.schema)((*model.schema.columns, DATASET.schema["paid"])))


def test_a_model_decides_row_by_row_and_its_package_does_the_same(by_row: Model, tmp_path: Path) -> None:
    answer = by_row.predict(ROWS)
    assert answer.prediction.tolist() == made("binary").model.predict(ROWS).prediction.tolist()
    assert answer.assumed is not None
    assert answer.assumed.sum() == 30
    paid = ROWS["paid"].to_numpy().astype(float)
    known = ~np.isnan(paid)
    gain = answer.prediction * 0.4 * paid - (1 - answer.prediction) * 4
    assert answer.decision is not None
    assert answer.decision[known].tolist() == (gain[known] > 0).tolist()
    by_row.save(tmp_path / "model")
    again = Model.load(tmp_path / "model").predict(ROWS)
    assert again.to_table() == answer.to_table()
    assert again.decision is not None
    assert again.decision.tolist() == answer.decision.tolist()


def test_rows_must_have_the_column_and_members_do_not_see_it(by_row: Model) -> None:
    with pytest.raises(ColumnNotFound, match="paid"):
        by_row.predict(ROWS.drop("paid"))
    assert "paid" in by_row.features
    assert "paid" not in by_row.importances()
    assert "paid" in golden_rows(by_row).column_names
