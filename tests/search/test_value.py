"""Money in the search: shown beside every candidate, decided by in the model, and no objective of the choice."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.data import Dataset, plan_split
from mlwright.models import Capacity, Model, weights_of
from mlwright.search import Promise, Trials, assemble, leaderboard, promise_of, search
from mlwright.spec import Spec
from mlwright.statistics import CostsAllZero

#: `visits` is no feature here.
DATA: dict[str, Any] = {"id": "customer_id", "must_not_use": ["visits"]}
VALUES = {"true_positive": "3 * visits", "false_positive": -6}


def spec_of(values: dict[str, Any] | None, **decision: Any) -> Spec:
    given = {} if values is None else {"values": values, "currency": "EUR"}
    return spec_for("bought", data=DATA, decision={**given, **decision})


@cache
def rows() -> Dataset:
    return dataset_of(mixed_frame(500), "bought", data=DATA)


@cache
def found() -> Trials:
    spec = spec_of(None)
    return search(rows(), spec, plan_split(rows(), spec), seed=0)


def test_each_candidate_and_the_ensemble_are_valued_out_of_fold() -> None:
    board = leaderboard(found(), rows(), spec_of(VALUES), seed=0)
    visits, positive = rows().numbers("visits"), rows().y == 1

    def value(probability: np.ndarray) -> float:
        acts = probability * 3 * visits - (1 - probability) * 6 > 0
        return float(np.where(acts, np.where(positive, 3 * visits, -6), 0).mean())

    total = np.zeros(len(rows()))
    for one in board.standings:
        assert one.trial.predictions is not None
        assert one.value == pytest.approx(value(one.trial.predictions))
        total += one.weight * one.trial.predictions
    assert board.value == pytest.approx(value(total))
    state = json.loads(json.dumps(board.state()))
    assert (state["value"], state["currency"]) == (board.value, "EUR")
    assert all("value" in one for one in state["standings"])


def test_without_values_nothing_is_valued() -> None:
    board = leaderboard(found(), rows(), spec_of(None), seed=0)
    assert board.value is None
    assert {one.value for one in board.standings} == {None}


def test_values_change_the_decisions_and_not_the_members() -> None:
    plain, priced = (assemble(found(), rows(), spec_of(values), seed=0) for values in (None, VALUES))
    assert weights_of(priced.members) == weights_of(plain.members)
    assert priced.calibration == plain.calibration
    frame = mixed_frame(200, seed=1)
    answer = priced.predict(frame)
    np.testing.assert_array_equal(answer.prediction, plain.predict(frame.drop("visits")).prediction)
    gain = answer.prediction * 3 * frame["visits"].to_numpy() - (1 - answer.prediction) * 6
    assert answer.decision is not None
    assert answer.decision.tolist() == (gain > 0).tolist()
    assert "visits" in priced.features
    assert "visits" not in priced.importances()


def test_an_identifier_in_the_values_leaves_no_identifiers_in_the_package() -> None:
    model = assemble(found(), rows(), spec_of({"true_positive": "where(missing(customer_id), 1, 4)"}), seed=0)
    assert "customer_id" in model.features
    assert "customer_id" not in model.reference.columns


def test_values_that_leave_nothing_to_decide_end_the_assembly() -> None:
    with pytest.raises(CostsAllZero):
        assemble(found(), rows(), spec_of({"true_positive": 0}), seed=0)


# What is promised.


def out_of_fold(model: Model) -> np.ndarray:
    """Calibrated probabilities of all training rows."""
    total = np.zeros(len(rows()))
    for trial, weight in weights_of(model.members).items():
        predictions = found()[trial].predictions
        assert predictions is not None
        total += weight * predictions
    return model.calibration.apply(total)


@cache
def promised(capacity: str | None = None, **decision: Any) -> tuple[Model, Promise]:
    spec = spec_of(VALUES, **({} if capacity is None else {"capacity": capacity}), **decision)
    model = assemble(found(), rows(), spec, seed=0)
    promise = promise_of(model, found(), rows(), spec)
    assert promise is not None
    return model, promise


def by_row() -> tuple[np.ndarray, np.ndarray]:
    """What acting on each row is worth as it turned out, and what it is expected to be worth at a probability of 1."""
    visits = rows().numbers("visits")
    return np.where(rows().y == 1, 3 * visits, -6.0), 3 * visits


def test_the_promise_is_what_the_rule_earns_out_of_fold_with_its_interval() -> None:
    model, promise = promised()
    p = out_of_fold(model)
    if_acted, if_right = by_row()
    acts = p * if_right - (1 - p) * 6 > 0
    earned = np.where(acts, if_acted, 0)
    assert promise.per_row == pytest.approx(earned.mean())
    assert promise.acted == pytest.approx(acts.mean())
    assert promise.interval is not None
    assert promise.interval.confidence == 0.9
    half = 1.645 * earned.std() / np.sqrt(len(earned))
    assert (promise.interval.low, promise.interval.high) == pytest.approx(
        (earned.mean() - half, earned.mean() + half), rel=0.02
    )
    beside = {one.name: one for one in promise.alternatives}
    assert list(beside) == ["act_on_all", "act_on_none", "half"]
    assert beside["act_on_all"].per_row == pytest.approx(if_acted.mean())
    assert beside["act_on_all"].gain == pytest.approx(earned.mean() - if_acted.mean())
    assert beside["half"].per_row == pytest.approx(np.where(p >= 0.5, if_acted, 0).mean())


def test_every_number_of_a_promise_is_evidence() -> None:
    _, promise = promised("10%")
    evidence = {record.id: record for record in promise.evidence()}
    assert evidence["promise.per_row"].value == promise.per_row
    assert evidence["promise.per_row"].unit == "EUR"
    assert evidence["promise.capacity.share"].value == 0.1
    assert {"promise.acted_share", "promise.blind.gain", "promise.act_on_all.per_row"} <= set(evidence)
    assert all(record.rows == "training rows, out of fold" for record in evidence.values())


def test_a_capacity_acts_on_the_rows_with_the_most_expected_gain_and_is_kept_in_the_model() -> None:
    model, promise = promised("10%")
    p = out_of_fold(model)
    if_acted, if_right = by_row()
    gain = p * if_right - (1 - p) * 6
    best = np.argsort(-gain)[: len(gain) // 10]
    acts = model.rule.decide(p, rows().expression_columns(model.rule.columns)).decision == 1
    assert set(np.flatnonzero(acts)) <= set(best)
    assert acts.sum() >= len(best) - 1
    assert promise.acted == pytest.approx(acts.mean())
    assert promise.per_row == pytest.approx(np.where(acts, if_acted, 0).mean())
    kept = Capacity.of_state(json.loads(json.dumps(model.facts["capacity"])))
    assert promise.capacity == kept
    assert kept.binding
    assert kept.limit == kept.worth_of_one_more == model.rule.limit
    # With fewer hands the last action is worth more.
    tighter = promised("3%")[1].capacity
    assert tighter is not None
    assert (tighter.worth_of_one_more or 0) > (kept.worth_of_one_more or 0) > 0


def test_beside_a_capacity_stands_what_blind_picking_earns_and_what_is_not_possible_is_marked() -> None:
    _, promise = promised("10%")
    beside = {one.name: one for one in promise.alternatives}
    assert beside["blind"].per_row == pytest.approx(0.1 * (beside["act_on_all"].per_row or 0))
    assert (beside["act_on_all"].possible, beside["act_on_none"].possible, beside["blind"].possible) == (
        False,
        True,
        True,
    )
    assert beside["act_on_all"].title == "act on all rows (more than the capacity allows)"


def test_a_capacity_that_is_enough_changes_no_decision() -> None:
    (free, without), (limited, within) = promised(), promised("95%")
    assert limited.rule == free.rule
    assert within.capacity is not None
    assert not within.capacity.binding
    assert within.per_row == without.per_row


def test_without_values_a_capacity_takes_the_likeliest() -> None:
    spec = spec_of(None, capacity="20%")
    model = assemble(found(), rows(), spec, seed=0)
    promise = promise_of(model, found(), rows(), spec)
    assert promise is not None
    assert (promise.per_row, promise.alternatives) == (None, ())
    p = out_of_fold(model)
    acts = model.rule.decide(p).decision == 1
    assert 0.18 < acts.mean() <= 0.2
    assert p[acts].min() > p[~acts].max()
    assert model.threshold == model.rule.limit


def test_without_values_and_capacity_nothing_is_promised() -> None:
    spec = spec_of(None)
    assert promise_of(assemble(found(), rows(), spec, seed=0), found(), rows(), spec) is None


def test_candidates_are_valued_within_the_capacity() -> None:
    spec = spec_of(VALUES, capacity="10%")
    board = leaderboard(found(), rows(), spec, seed=0)
    if_acted, if_right = by_row()
    valued = [one for one in board.standings if one.trial.predictions is not None]
    assert valued
    for one in valued:
        p = one.trial.predictions
        assert p is not None
        gain = p * if_right - (1 - p) * 6
        acts = gain > max(0.0, np.sort(gain)[-(len(gain) // 10) - 1])  # of equal rows all or none
        assert one.value == pytest.approx(np.where(acts, if_acted, 0).mean())


def test_a_promise_that_could_be_chance_says_so() -> None:
    assert promised()[1].note is None
    spec = spec_of({"true_positive": 6, "false_positive": -600})
    model = assemble(found(), rows(), spec, seed=0)
    promise = promise_of(model, found(), rows(), spec)
    assert promise is not None
    assert "do not clearly earn more than without a model" in (promise.note or "")
