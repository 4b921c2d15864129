from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve
from tests.statistics.rows import made, real

from mlwright.statistics import (
    METRICS,
    Scored,
    calibration_bins,
    lift_curve,
    precision_recall_curve,
    roc_curve,
    wilson_interval,
)

SEEDS, FLAGS = st.integers(0, 10**6), st.booleans()


@given(seed=SEEDS, ties=FLAGS, weighted=FLAGS)
def test_the_roc_curve_rises_from_one_corner_to_the_other_over_the_area_of_the_metric(
    seed: int, ties: bool, weighted: bool
) -> None:
    scored = made("binary", 60, seed=seed, ties=ties, weighted=weighted)
    false, true = roc_curve(scored)
    assert (false[0], true[0], false[-1], true[-1]) == pytest.approx((0, 0, 1, 1))
    assert (np.diff(false) >= 0).all()
    assert (np.diff(true) >= 0).all()
    assert np.trapezoid(true, false) == pytest.approx(METRICS["roc_auc"].compute(scored))


@given(seed=SEEDS, ties=FLAGS, weighted=FLAGS)
def test_recall_rises_and_the_steps_of_precision_have_the_area_of_the_metric(
    seed: int, ties: bool, weighted: bool
) -> None:
    scored = made("binary", 60, seed=seed, ties=ties, weighted=weighted)
    recall, precision = precision_recall_curve(scored)
    assert recall[-1] == pytest.approx(1.0)
    assert precision[-1] == pytest.approx(scored.mean(scored.target))
    assert (np.diff(recall) >= 0).all()
    assert ((precision >= 0) & (precision <= 1 + 1e-12)).all()
    assert (np.diff(np.r_[0.0, recall]) * precision).sum() == pytest.approx(METRICS["pr_auc"].compute(scored))


@given(seed=SEEDS, ties=FLAGS, weighted=FLAGS)
def test_the_lift_curve_says_how_many_positives_are_among_the_first_rows(seed: int, ties: bool, weighted: bool) -> None:
    scored = made("binary", 60, seed=seed, ties=ties, weighted=weighted)
    share, found = lift_curve(scored)
    weight = np.ones(60) if scored.weight is None else scored.weight
    assert (share[0], found[0], share[-1], found[-1]) == pytest.approx((0, 0, 1, 1))
    for threshold in np.unique(scored.prediction)[::7]:
        acted = scored.prediction >= threshold
        point = np.argmin(np.abs(share - (weight * acted).sum() / weight.sum()))
        assert found[point] == pytest.approx((weight * acted * scored.target).sum() / (weight * scored.target).sum())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ties", [False, True])
def test_the_curves_are_those_of_scikit_learn(ties: bool, weighted: bool) -> None:
    made_rows = made("binary", 100, ties=ties)
    if weighted:
        made_rows = made_rows.weighted(np.random.default_rng(0).random(100) + 0.1)
    for scored in (made_rows, real("binary")):
        target, prediction, weight = scored.target, scored.prediction, scored.weight
        expected = sk.roc_curve(target, prediction, sample_weight=weight, drop_intermediate=False)
        for found, curve in zip(roc_curve(scored), expected, strict=False):
            np.testing.assert_allclose(found, curve, atol=1e-12)
        precision, recall, _ = sk.precision_recall_curve(target, prediction, sample_weight=weight)
        found_recall, found_precision = precision_recall_curve(scored)
        np.testing.assert_allclose(found_recall, recall[-2::-1], atol=1e-12)
        np.testing.assert_allclose(found_precision, precision[-2::-1], atol=1e-12)


def test_rows_without_weight_at_the_top_do_not_bend_a_curve() -> None:
    scored = made("binary", 40)
    weight = (np.arange(40) % 4 > 0).astype(float)
    weight[np.argmax(scored.prediction)] = 0.0
    kept = scored.take(weight > 0)
    for curve in (roc_curve, precision_recall_curve, lift_curve):
        for x, y in (curve(scored.weighted(weight)), curve(kept)):
            assert np.isfinite(x).all()
            assert np.isfinite(y).all()
    assert set(precision_recall_curve(kept)[1]) <= set(precision_recall_curve(scored.weighted(weight))[1])


def test_without_positive_rows_the_curves_stay_on_the_ground() -> None:
    scored = Scored(target=np.zeros(5), prediction=np.linspace(0, 1, 5))
    for curve in (roc_curve, precision_recall_curve, lift_curve):
        assert np.isfinite(curve(scored)).all()
    assert roc_curve(scored)[1].max() == 0
    assert precision_recall_curve(scored)[1].max() == 0


# Calibration bins.


def test_bins_of_equal_count_are_those_of_scikit_learn() -> None:
    scored = made("binary", 400)
    observed, predicted = calibration_curve(scored.target, scored.prediction, n_bins=10, strategy="quantile")
    bins = calibration_bins(scored)
    assert [one.n for one in bins] == [40] * 10
    np.testing.assert_allclose([one.predicted for one in bins], predicted)
    np.testing.assert_allclose([one.observed for one in bins], observed)
    for one in bins:
        expected = wilson_interval(round(one.observed * 40), 40)
        assert (one.interval.low, one.interval.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(("n", "bins"), [(0, 0), (5, 1), (39, 1), (60, 3), (200, 10), (5000, 10)])
def test_a_bin_has_about_twenty_rows_at_least(n: int, bins: int) -> None:
    found = calibration_bins(made("binary", n))
    assert len(found) == bins
    assert sum(one.n for one in found) == n
    assert all(one.n >= min(n, 20) for one in found)


@given(seed=SEEDS, ties=FLAGS, weighted=FLAGS)
def test_bins_rise_hold_every_row_once_and_do_not_depend_on_the_order(seed: int, ties: bool, weighted: bool) -> None:
    scored = made("binary", 120, seed=seed, ties=ties)
    if weighted:
        scored = scored.weighted(np.random.default_rng(seed).random(120) + 0.1)
    bins = calibration_bins(scored)
    assert sum(one.n for one in bins) == 120
    assert (np.diff([one.predicted for one in bins]) > 0).all()
    assert all(one.observed in one.interval for one in bins)
    shuffled = calibration_bins(scored.take(np.random.default_rng(seed).permutation(120)))
    for one, other in zip(bins, shuffled, strict=True):
        assert one.n == other.n
        assert (one.predicted, one.observed) == pytest.approx((other.predicted, other.observed))


def test_a_constant_probability_is_one_bin() -> None:
    (one,) = calibration_bins(Scored(target=np.repeat([0.0, 1.0], [70, 30]), prediction=np.full(100, 0.25)))
    assert (one.predicted, one.observed, one.n) == pytest.approx((0.25, 0.3, 100))
    assert (one.interval.low, one.interval.high) == pytest.approx(
        (wilson_interval(30, 100).low, wilson_interval(30, 100).high)
    )


def test_weights_count_in_a_bin_and_unequal_ones_make_it_less_sure() -> None:
    scored = Scored(target=np.repeat([0.0, 1.0], 20), prediction=np.full(40, 0.4))
    equal = calibration_bins(scored.weighted(np.full(40, 2.0)))[0]
    uneven = calibration_bins(scored.weighted(np.tile([3.0, 1.0], 20)))[0]
    shifted = calibration_bins(scored.weighted(np.repeat([3.0, 1.0], 20)))[0]
    plain = calibration_bins(scored)[0]
    assert (equal.interval.low, equal.interval.high) == pytest.approx((plain.interval.low, plain.interval.high))
    assert uneven.observed == pytest.approx(0.5)
    assert uneven.interval.high - uneven.interval.low > equal.interval.high - equal.interval.low
    assert shifted.observed == pytest.approx(0.25)
    assert shifted.observed in shifted.interval


def test_bins_without_weight_are_left_out() -> None:
    scored = made("binary", 200)
    low = (scored.prediction < 0.5).astype(float)
    assert max(one.predicted for one in calibration_bins(scored.weighted(low))) < 0.5
