from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mlwright.data.dataset import FloatArray
from mlwright.models import Spread, fit_spread


def widening(n: int, *, seed: int) -> tuple[FloatArray, FloatArray]:
    """Predictions and truths whose errors grow with the prediction and lean to one side."""
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(0, 10, n)
    return predicted, predicted + (0.2 + predicted) * (rng.exponential(size=n) - 1)


def covered(spread: Spread, predicted: FloatArray, truth: FloatArray) -> FloatArray:
    low, high = spread.interval(predicted)
    return ((low <= truth) & (truth <= high)).astype(np.float64)


def test_nine_of_ten_new_values_are_inside_for_small_middle_and_large_predictions() -> None:
    spread = fit_spread(*widening(4000, seed=0))
    assert spread is not None
    predicted, truth = widening(30_000, seed=1)
    inside = covered(spread, predicted, truth)
    for third in np.array_split(np.argsort(predicted), 3):
        assert 0.87 <= inside[third].mean() <= 0.93
    low, high = spread.interval(predicted)
    width = high - low
    assert width[predicted > 9].mean() > 4 * width[predicted < 1].mean()


def test_other_coverages_are_kept_too() -> None:
    for coverage in (0.5, 0.8, 0.95):
        spread = fit_spread(*widening(4000, seed=0), coverage=coverage)
        assert spread is not None
        assert spread.coverage == coverage
        assert abs(covered(spread, *widening(30_000, seed=1)).mean() - coverage) < 0.02


def test_few_rows_give_intervals_that_are_wide_enough() -> None:
    for n in (20, 25, 39, 40, 60):
        shares = []
        for seed in range(150):
            spread = fit_spread(*widening(n, seed=seed))
            assert spread is not None
            shares.append(covered(spread, *widening(200, seed=1000 + seed)).mean())
        assert np.mean(shares) > 0.88


def test_under_twenty_rows_there_is_no_interval() -> None:
    assert fit_spread(*widening(19, seed=0)) is None
    assert fit_spread(*widening(20, seed=0)) is not None


def test_the_few_rows_beside_many_equal_predictions_still_get_an_honest_interval() -> None:
    """Most rows get the same prediction; the bins of the others are nearly empty."""
    shares: list[float] = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        predicted = np.where(rng.random(1200) < 0.995, 1.0, 2.0 + rng.random(1200))
        truth = predicted + rng.normal(size=1200)
        spread = fit_spread(predicted[:1000], truth[:1000])
        assert spread is not None
        rare = predicted > 1
        shares.extend(covered(spread, predicted[rare][-3:], truth[rare][-3:]))
        low, high = spread.interval(np.array([1.0, 2.5]))
        assert (high - low > 2).all()
    assert np.mean(shares) > 0.8


@given(
    rows=st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=20, max_size=60),
    new=st.lists(st.floats(-1e9, 1e9), max_size=5),
)
def test_the_lower_end_is_never_above_the_upper_and_json_keeps_it(
    rows: list[tuple[float, float]], new: list[float]
) -> None:
    predicted, truth = (np.array(side) for side in zip(*rows, strict=True))
    spread = fit_spread(predicted, truth)
    assert spread is not None
    low, high = spread.interval(np.array(new))
    assert (low <= high).all()
    assert len(low) == len(new)
    assert Spread.of_state(json.loads(json.dumps(spread.state(), allow_nan=False))) == spread
