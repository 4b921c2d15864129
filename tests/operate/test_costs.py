"""What a drift has cost, by labels: the rows after the change beside those that the same version answered before it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.operate.shop import OPENED, spec_of, visits

from mlwright.models import Model, ScoreCounts
from mlwright.operate.costs import cost_by_labels
from mlwright.operate.losses import LossMeasure
from mlwright.registry import Registry
from mlwright.spec import Spec


@pytest.fixture(scope="module")
def spec(shop: Path) -> Spec:
    return spec_of(shop)


@pytest.fixture(scope="module")
def model(spec: Spec) -> Model:
    return Model.load(Registry.of(spec).version("champion").package)


def counted(model: Model, rows: int, seed: int, *, flipped: float = 0.0, labels: bool = True) -> ScoreCounts:
    frame = visits(rows, seed, start=OPENED, days=1, flipped=flipped)
    said = model.predict(frame.drop("bought"))
    assert said.decision is not None
    counts = ScoreCounts.none_yet(2)
    counts.add(said.decision, said.prediction)
    if labels:
        truth = (frame["bought"] == "yes").to_numpy().astype(np.int64)
        counts.add_truth(truth, said.decision, said.prediction)
    return counts


def earned(model: Model, rows: int, seed: int, *, flipped: float) -> float:
    """What a row really earns."""
    frame = visits(rows, seed, start=OPENED, days=1, flipped=flipped)
    said = model.predict(frame.drop("bought"))
    bought = (frame["bought"] == "yes").to_numpy()
    return float(np.where(said.decision == 1, np.where(bought, 10.0, -6.0), 0.0).mean())


def test_labels_say_what_a_row_earned_before_and_after_and_that_it_is_less(spec: Spec, model: Model) -> None:
    measure = LossMeasure.of(spec, model)
    before, after = counted(model, 3000, 1), counted(model, 1500, 2, flipped=1.0)
    found = cost_by_labels(model, before, after, measure)
    assert found is not None
    expected = found.metrics["value"]
    assert expected.reference == pytest.approx(earned(model, 3000, 1, flipped=0.0))
    assert expected.value == pytest.approx(earned(model, 1500, 2, flipped=1.0))
    assert found.verdict("value", 0.0) == "loss"
    told = found.as_finding("value", 0.0, unit=measure.unit, since=OPENED - timedelta(days=1))
    assert told.what.startswith("What a row earns went from")
    assert "by the labels that have come" in told.what
    assert told.cost is not None
    assert told.cost.low > 0


def test_where_nothing_has_changed_labels_find_no_loss(spec: Spec, model: Model) -> None:
    measure = LossMeasure.of(spec, model)
    wrong = 0
    for seed in range(20):
        found = cost_by_labels(model, counted(model, 2000, seed), counted(model, 1000, 100 + seed), measure)
        assert found is not None
        wrong += found.verdict("value", 0.0) == "loss"
    assert wrong <= 4  # one in twenty at a confidence of 90 %, on this side


def test_few_labels_say_nothing_and_the_training_rows_stand_in_for_few_earlier_ones(spec: Spec, model: Model) -> None:
    measure = LossMeasure.of(spec, model)
    none, few = counted(model, 500, 3, labels=False), counted(model, 150, 4)
    assert cost_by_labels(model, none, few, measure) is None
    found = cost_by_labels(model, few, counted(model, 1500, 5), measure)
    assert found is not None
    assert model.history is not None
    assert model.history.scores is not None
    assert found.metrics["value"].reference != pytest.approx(earned(model, 150, 4, flipped=0.0), abs=1e-9)
