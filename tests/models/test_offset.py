"""Moving predictions to where errors cost least."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlwright.data.dataset import FloatArray
from mlwright.models import CostAfterOffset, Offset, fit_offset
from mlwright.models.answering import moved_by
from mlwright.models.offset import parts_of


@dataclass(frozen=True, slots=True)
class Pinball:
    """So much a unit and row, another amount upwards than downwards."""

    alpha: float
    price: FloatArray

    def of(self, prediction: FloatArray, target: FloatArray) -> FloatArray:
        error = prediction - target
        cost: FloatArray = self.price * np.where(error > 0, (1 - self.alpha) * error, -self.alpha * error)
        return cost

    def take(self, rows: Any) -> Pinball:
        return Pinball(self.alpha, self.price[rows])


@dataclass(frozen=True, slots=True)
class Step:
    """Late by more than one costs 1."""

    def of(self, prediction: FloatArray, target: FloatArray) -> FloatArray:
        return np.where(prediction - target < -1, 1.0, 0.01 * np.abs(prediction - target))

    def take(self, rows: Any) -> Step:
        return self


def means(n: int, *, seed: int) -> tuple[FloatArray, FloatArray]:
    """Predictions of the mean, and truths that scatter the more the larger they are and lean to one side."""
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(0, 10, n)
    return predicted, predicted + (0.2 + predicted) * (rng.exponential(size=n) - 1)


def cost_of(offset: Offset | None, alpha: float, *, seed: int = 99) -> float:
    predicted, truth = means(20_000, seed=seed)
    moved = predicted if offset is None else offset.apply(predicted)
    return float(Pinball(alpha, np.ones(len(truth))).of(moved, truth).mean())


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.8, 0.95])
def test_means_are_moved_near_to_the_quantile_that_costs_least(alpha: float) -> None:
    predicted, truth = means(3000, seed=1)
    offset = fit_offset(predicted, truth, Pinball(alpha, np.ones(3000)))
    assert offset is not None
    assert len(offset.amounts) > 1
    other, _ = means(20_000, seed=99)
    exact = other + (0.2 + other) * (-np.log(1 - alpha) - 1)
    least = Pinball(alpha, np.ones(20_000)).of(exact, means(20_000, seed=99)[1]).mean()
    assert cost_of(None, alpha) > 1.02 * least
    assert cost_of(offset, alpha) < 1.03 * least


def test_what_it_saves_is_about_what_it_saves_on_new_rows() -> None:
    predicted, truth = means(3000, seed=1)
    offset = fit_offset(predicted, truth, Pinball(0.8, np.ones(3000)))
    assert offset is not None
    assert offset.saves == pytest.approx(cost_of(None, 0.8) - cost_of(offset, 0.8), rel=0.2)


def test_few_rows_get_one_offset_and_very_few_none() -> None:
    predicted, truth = means(150, seed=2)
    offset = fit_offset(predicted, truth, Pinball(0.9, np.ones(150)))
    assert offset is not None
    assert (len(offset.edges), len(offset.amounts)) == (0, 1)
    assert fit_offset(predicted[:19], truth[:19], Pinball(0.9, np.ones(19))) is None


def test_without_bands_a_larger_prediction_stays_the_larger() -> None:
    predicted, truth = means(3000, seed=4)
    cost = Pinball(0.2, np.ones(3000))
    banded, one = fit_offset(predicted, truth, cost), fit_offset(predicted, truth, cost, in_bands=False)
    assert banded is not None
    assert one is not None
    steps = np.linspace(0, 10, 2000)
    assert (np.diff(banded.apply(steps)) < 0).any()
    assert (np.diff(one.apply(steps)) > 0).all()


def test_quantiles_that_are_right_already_stay_where_they_are() -> None:
    rng = np.random.default_rng(3)
    middle = rng.uniform(0, 10, 4000)
    truth = middle + rng.normal(size=4000)
    offset = fit_offset(middle + 0.8416, truth, Pinball(0.8, np.ones(4000)))
    assert offset is None or np.abs(offset.amounts).max() < 0.1


def test_a_step_moves_predictions_away_from_its_edge() -> None:
    rng = np.random.default_rng(4)
    predicted = rng.uniform(0, 10, 1500)
    truth = predicted + rng.normal(size=1500)
    offset = fit_offset(predicted, truth, Step())
    assert offset is not None
    (amount,) = set(offset.amounts) if len(offset.amounts) == 1 else (np.mean(offset.amounts),)
    assert 1.0 < amount < 2.5
    cost = Step()
    assert cost.of(offset.apply(predicted), truth).mean() < 0.6 * cost.of(predicted, truth).mean()


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(20, 400),
    alpha=st.floats(0.02, 0.98),
    bias=st.floats(-5, 5),
    seed=st.integers(0, 10**6),
    grouped=st.booleans(),
)
def test_an_offset_never_costs_more_on_rows_that_it_was_not_found_on(
    n: int, alpha: float, bias: float, seed: int, grouped: bool
) -> None:
    """The law that it is chosen by: an offset that does not save anything out of fold is not used."""
    predicted, truth = means(n, seed=seed)
    rng = np.random.default_rng(seed)
    group = rng.integers(0, 30, n) if grouped else None
    offset = fit_offset(predicted + bias, truth, Pinball(alpha, rng.random(n)), weight=0.1 + rng.random(n), group=group)
    if offset is not None:
        assert offset.saves > 0
        assert list(offset.edges) == sorted(offset.edges)
        assert len(offset.amounts) == len(offset.edges) + 1
        assert Offset.of_state(json.loads(json.dumps(offset.state(), allow_nan=False))) == offset


def test_candidates_are_compared_after_the_offset_that_other_rows_say() -> None:
    predicted, truth = means(2000, seed=5)
    plain = Pinball(0.8, np.ones(2000))
    cost = CostAfterOffset(cost=plain, part=parts_of(2000, None), weight=None)
    biased, unbiased = (float(cost.of(predicted + bias, truth).mean()) for bias in (7.0, 0.0))
    assert biased == pytest.approx(unbiased, rel=1e-3)
    assert unbiased < plain.of(predicted, truth).mean()
    noise = np.random.default_rng(0).normal(size=2000)
    assert cost.of(predicted + 3 * noise, truth).mean() > unbiased


def test_an_offset_is_no_way_to_learn_a_row_by_heart() -> None:
    """On truths that depend on nothing, what is judged on other rows is not better than the best answer for all."""
    costs = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=60)
        cost = CostAfterOffset(cost=Pinball(0.5, np.ones(60)), part=parts_of(60, None), weight=None)
        costs.append(cost.of(np.zeros(60), truth).mean())
    assert np.mean(costs) > 0.98 * 0.5 * np.sqrt(2 / np.pi)


def test_rows_of_a_group_are_in_one_part() -> None:
    group = np.random.default_rng(0).integers(0, 50, 1000)
    part = parts_of(1000, group)
    assert {len(set(part[group == g])) for g in np.unique(group)} == {1}
    assert set(part) == set(range(5))


@given(value=st.floats(-20, 20) | st.sampled_from([1.0, 2.0]))
def test_one_value_is_moved_as_many_are(value: float) -> None:
    offset = Offset(edges=(1.0, 2.0), amounts=(0.25, -0.1, 3.0))
    assert moved_by(offset)(value) == offset.apply(np.array([value]))[0]
    assert moved_by(None)(value) == value
