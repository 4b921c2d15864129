"""Acting within a capacity: the share that the spec allows, the limit that keeps to it, and one answer for all who ask."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.made import made
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.data import Dataset
from mlwright.models import (
    Capacity,
    CapacityShare,
    CapacityUnclear,
    DecisionRule,
    Model,
    Scorer,
    capacity_share,
    decision_rule,
    nothing_to_decide,
    outcome_worth,
    within_capacity,
)
from mlwright.spec import Spec

VALUES = {"true_positive": 40, "false_positive": -10}
PER_ROW = {"true_positive": "10 * visits", "false_positive": -6}


def spec_of(data: dict[str, Any] | None = None, **decision: Any) -> Spec:
    return spec_for("bought", data={"id": "customer_id", **(data or {})}, decision=decision)


@cache
def rows() -> Dataset:
    return dataset_of(mixed_frame(300), "bought", data={"id": "customer_id"})


def dated(days: int, n: int = 300) -> tuple[Dataset, dict[str, Any]]:
    """Rows spread evenly over so many days."""
    begun = datetime(2025, 1, 1, tzinfo=UTC)
    seen = [begun + timedelta(days=days * i / (n - 1)) for i in range(n)]
    data = {"id": "customer_id", "time": "seen"}
    return dataset_of(mixed_frame(n).with_columns(seen=pl.Series(seen)), "bought", data=data), data


# The share.


@pytest.mark.parametrize(
    ("capacity", "volume", "share"),
    [
        ("5%", None, 0.05),
        (0.2, None, 0.2),
        ("50 per week", {"count": 1000, "per": "week"}, 0.05),
        ("10 per day", {"count": 700, "per": "week"}, 0.1),
        ("100 per month", {"count": 12_000, "per": "year"}, 0.1),
        ("120 per quarter", {"count": 400, "per": "month"}, 0.1),
        ("1 per hour", {"count": 240, "per": "day"}, 0.1),
        ("365 per year", {"count": 10, "per": "day"}, 365 / 3652.425),
    ],
)
def test_a_capacity_is_a_share_of_the_rows_in_whatever_periods_it_is_given(
    capacity: Any, volume: Any, share: float
) -> None:
    found = capacity_share(spec_of(capacity=capacity, volume=volume), rows())
    assert found is not None
    assert found.share == pytest.approx(share)
    assert not found.estimated


def test_without_a_volume_the_training_rows_are_counted_if_they_span_two_periods() -> None:
    dataset, data = dated(210)
    found = capacity_share(spec_of(data, capacity="3 per week"), dataset)
    assert found is not None
    assert found.estimated
    assert found.rows == pytest.approx(10)
    assert found.share == pytest.approx(0.3)
    assert "3 of 10 rows per week can be acted on, 30 % of them, counted in the training rows" in found.sentence()


def test_training_rows_that_are_a_part_by_chance_are_counted_as_that_part() -> None:
    dataset, data = dated(210)
    split = {"kind": "stratified", "test_share": 0.25}
    spec = spec_for("bought", data=data, decision={"capacity": "3 per week"}, split=split)
    found = capacity_share(spec, dataset)
    assert found is not None
    assert found.rows == pytest.approx(10 / 0.75)


def test_a_number_of_rows_that_nobody_knows_is_an_error_with_what_to_write() -> None:
    with pytest.raises(CapacityUnclear, match="how many rows there are per week is not known") as caught:
        capacity_share(spec_of(capacity="3 per week"), rows())
    assert "decision.volume" in caught.value.fix
    dataset, data = dated(10)
    with pytest.raises(CapacityUnclear, match="span less than two weeks"):
        capacity_share(spec_of(data, capacity="3 per week"), dataset)


def test_a_capacity_needs_two_classes() -> None:
    numbers = dataset_of(mixed_frame(100), "age", data={"id": "customer_id"})
    assert numbers.task == "regression"
    spec = spec_for("age", data={"id": "customer_id"}, decision={"capacity": "5%"})
    with pytest.raises(CapacityUnclear, match="two classes"):
        capacity_share(spec, numbers)
    assert capacity_share(spec_of(), rows()) is None


def test_a_capacity_above_the_population_sets_no_limit_and_says_so() -> None:
    share = capacity_share(spec_of(capacity="100 per day", volume={"count": 350, "per": "week"}), rows())
    assert share is not None
    assert (share.share, share.wanted) == (1.0, 2.0)
    p = np.linspace(0, 1, 11)
    rule, capacity = within_capacity(DecisionRule(), share, p, {})
    assert rule == DecisionRule()
    assert not capacity.binding
    assert capacity.sentence().endswith("the capacity sets no limit.")


# The limit.


def limited(p: np.ndarray, share: float, **given: Any) -> tuple[DecisionRule, Capacity]:
    rule = given.pop("rule", DecisionRule())
    return within_capacity(rule, CapacityShare(share=share, wanted=share), p, {}, **given)


@given(
    levels=st.lists(st.integers(0, 20), min_size=1, max_size=60),
    share=st.floats(0.01, 0.99),
    weighted=st.booleans(),
    seed=st.integers(0, 100),
)
def test_no_more_than_the_share_is_acted_on_and_no_row_that_would_still_fit_is_left(
    levels: list[int], share: float, weighted: bool, seed: int
) -> None:
    p = np.array(levels) / 20
    weight = np.random.default_rng(seed).integers(1, 4, len(p)).astype(float) if weighted else np.ones(len(p))
    rule, capacity = limited(p, share, weight=weight if weighted else None)
    acts = rule.decide(p).decision == 1
    assert weight[acts].sum() <= (share + 1e-6) * weight.sum()
    assert capacity.acted == pytest.approx(weight[acts].sum() / weight.sum())
    assert p[acts].min(initial=2) > p[~acts].max(initial=-1)  # the best ones, ties together
    following = p == p[~acts].max(initial=-1)
    assert weight[acts | following].sum() > share * weight.sum()


def test_the_limit_lies_between_rows_so_that_the_last_digits_do_not_decide() -> None:
    p = np.arange(1, 101) / 100
    rule, _ = limited(p, 0.1)
    assert rule.limit == pytest.approx(0.905)
    assert rule.from_probability == rule.limit
    assert rule.decide(p + 1e-12).decision.sum() == rule.decide(p - 1e-12).decision.sum() == 10


def test_it_never_acts_where_that_does_not_pay() -> None:
    spec = spec_of(values=VALUES, capacity="40%")
    base, outcomes = decision_rule(spec, rows()), outcome_worth(spec, rows())
    p = np.r_[np.full(80, 0.1), np.full(20, 0.6)]
    rule, capacity = limited(p, 0.4, rule=base, outcomes=outcomes)
    assert rule == base
    assert (capacity.binding, capacity.paying, capacity.acted) == (False, 0.2, 0.2)
    assert capacity.worth_of_one_more == 0.0
    assert "which is enough, as acting pays in 20 % of the rows only" in capacity.sentence()
    rule, capacity = limited(np.linspace(0, 1, 101), 0.4, rule=base, outcomes=outcomes)
    assert capacity.binding
    # At a probability of 0.605 an action is worth 0.605 * 40 - 0.395 * 10.
    assert rule.limit == pytest.approx(0.605)
    assert capacity.worth_of_one_more == pytest.approx(0.605 * 40 - 0.395 * 10)


def test_with_a_worth_of_each_row_the_rows_with_the_most_expected_gain_are_acted_on() -> None:
    spec = spec_of(values=PER_ROW, capacity="10%")
    base, outcomes = decision_rule(spec, rows()), outcome_worth(spec, rows())
    p = np.random.default_rng(0).random(300)
    columns = rows().expression_columns(base.columns)
    rule, capacity = within_capacity(base, CapacityShare(share=0.1, wanted=0.1), p, columns, outcomes=outcomes)
    gain = p * 10 * rows().numbers("visits") - (1 - p) * 6
    acts = rule.decide(p, columns).decision == 1
    assert acts.sum() <= 30
    assert gain[acts].min() > gain[~acts].max()
    assert capacity.worth_of_one_more == rule.limit
    assert gain[~acts].max() < (rule.limit or 0) < gain[acts].min()


def test_where_all_rows_are_alike_and_not_all_can_be_acted_on_none_is() -> None:
    rule, capacity = limited(np.full(50, 0.7), 0.5)
    assert rule.decide(np.full(50, 0.7)).decision.sum() == 0
    assert capacity.acted == 0.0


def test_a_capacity_is_the_same_after_a_round_trip() -> None:
    _, capacity = limited(np.linspace(0, 1, 11), 0.3)
    assert Capacity.of_state(json.loads(json.dumps(capacity.state()))) == capacity


def test_a_rule_with_a_limit_is_the_same_after_a_round_trip_and_one_of_an_older_package_has_none() -> None:
    rule = replace(decision_rule(spec_of(values=PER_ROW), rows()), limit=3.5)
    state = json.loads(json.dumps(rule.state()))
    assert DecisionRule.of_state(state).state() == state
    old = {"threshold": 0.2, "outcomes": None}
    assert DecisionRule.of_state(old) == DecisionRule(threshold=0.2)


# One answer for all who ask.


@pytest.mark.parametrize("values", [None, VALUES, PER_ROW], ids=["without values", "one price", "by row"])
def test_single_records_batches_and_the_saved_model_decide_alike(values: dict[str, Any] | None, tmp_path: Path) -> None:
    one = made("binary")
    spec = spec_of(capacity="20%", **({} if values is None else {"values": values}))
    base, test = decision_rule(spec, one.split.train), one.split.test
    plain = replace(one.model, rule=base)
    p = plain.predict(one.split.train).prediction
    columns = one.split.train.expression_columns(base.columns)
    outcomes = outcome_worth(spec, one.split.train)
    share = capacity_share(spec, one.split.train)
    assert share is not None
    rule, _ = within_capacity(base, share, p, columns, outcomes=outcomes)
    model = replace(plain, rule=rule)
    decided = model.predict(test).decision
    assert decided is not None
    assert decided.tolist() != plain.predict(test).decision.tolist()  # type: ignore[union-attr]
    model.save(tmp_path / "model")
    assert Model.load(tmp_path / "model").predict(test).decision.tolist() == decided.tolist()  # type: ignore[union-attr]
    scorer = Scorer.load(tmp_path / "model")
    records = test.table.select(model.features).to_pylist()
    expected = [model.classes[number] for number in decided]
    assert [scorer.answer(record).prediction for record in records] == expected
    assert [answer.prediction for answer in scorer.answers(records)] == expected


# Worths that leave nothing to decide.


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ({"true_positive": 5, "false_positive": 1}, "act on all rows"),
        ({"true_positive": -5, "false_positive": -1}, "act on none"),
        ({"true_positive": "1 + visits", "false_positive": 0}, "act on all rows"),
        (VALUES, None),
        (PER_ROW, None),
    ],
)
def test_worths_that_ask_for_the_same_in_every_row_are_said_in_words(values: Any, note: str | None) -> None:
    said = nothing_to_decide(spec_of(values=values), rows())
    assert said is None if note is None else note in (said or "")
    if note is not None:
        rule = decision_rule(spec_of(values=values), rows())
        acts = rule.decide(np.linspace(0.01, 1, 300), rows().expression_columns(rule.columns)).decision
        assert set(acts) == ({1} if "all" in note else {0})
