"""Money in the search: shown beside every candidate, decided by in the model, and no objective of the choice."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.data import Dataset, plan_split
from mlwright.models import weights_of
from mlwright.search import Trials, assemble, leaderboard, search
from mlwright.spec import Spec
from mlwright.statistics import CostsAllZero

#: `visits` is no feature here.
DATA: dict[str, Any] = {"id": "customer_id", "must_not_use": ["visits"]}
VALUES = {"true_positive": "3 * visits", "false_positive": -6}


def spec_of(values: dict[str, Any] | None) -> Spec:
    decision = {} if values is None else {"values": values, "currency": "EUR"}
    return spec_for("bought", data=DATA, decision=decision)


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
