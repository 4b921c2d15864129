from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import chi2
from tests.statistics.windows import ROW_VARIANCE, quiet, reference_of, score_set

from mlwright.statistics import DriftReference, ReferenceTooShort, learn_reference
from mlwright.statistics.window_surplus import cautious, window_variance


def test_windows_that_differ_no_more_than_their_rows_explain_have_no_surplus() -> None:
    reference = reference_of(quiet(np.random.default_rng(0), 12, 40))
    assert reference.surplus.max() < 1.5
    assert reference.surplus.mean() < 1.1
    assert (reference.persistence == 1).all()
    assert (reference.degrees > 50).all()  # they learnt from each other


def test_the_surplus_of_windows_that_wander_is_found() -> None:
    # 0.03 standard deviations between windows of 5,000 rows: 1 + 5000 * 0.03^2 = 5.5 times the variance.
    found = [reference_of(quiet(np.random.default_rng(s), 12, 40, wander=0.03)).surplus.mean() for s in range(10)]
    assert np.mean(found) == pytest.approx(5.5, rel=0.1)


def test_a_few_columns_that_wander_keep_their_own_surplus_and_do_not_make_the_others_blind() -> None:
    wander = np.where(np.arange(40) < 4, 0.1, 0.0)
    reference = reference_of(quiet(np.random.default_rng(1), 15, 40, wander=wander))
    assert (reference.surplus[:4] > 15).all()  # 51 is true
    assert reference.surplus[4:].max() < 4
    assert np.median(reference.surplus[4:]) < 1.5


def test_windows_of_different_sizes_give_the_same_surplus() -> None:
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows = np.exp(rng.normal(np.log(3000), 1, 15)).astype(int)
        reference = reference_of(quiet(rng, 15, 40, rows=rows, wander=0.03), rows=rows)
        found.append((np.median(reference.surplus) - 1) / reference.rows[0])
    assert np.mean(found) == pytest.approx(0.03**2, rel=0.25)


def test_differences_that_last_into_the_next_window_are_noticed() -> None:
    rng = np.random.default_rng(0)
    wander = rng.standard_normal((20, 40))
    for t in range(1, 20):
        wander[t] = 0.6 * wander[t - 1] + 0.8 * wander[t]
    lasting = reference_of(quiet(rng, 20, 40) + np.sqrt(ROW_VARIANCE) * 0.05 * wander)
    assert lasting.persistence[0] == pytest.approx(1.6 / 0.4, rel=0.4)
    assert reference_of(quiet(rng, 20, 40, wander=0.05)).persistence[0] == 1


def test_strata_have_means_of_their_own() -> None:
    rng = np.random.default_rng(0)
    weekday = np.arange(28) % 7
    means = quiet(rng, 28, 30) + np.linspace(-0.2, 0.2, 7)[weekday][:, None]
    reference = reference_of(means, stratum=weekday, n_strata=8)
    np.testing.assert_allclose(reference.mean[:7].mean(axis=1), np.linspace(-0.2, 0.2, 7), atol=0.01)
    assert reference.surplus.mean() < 1.2
    assert (reference.mean_variance[7] > 1000 * reference.mean_variance[0]).all()  # never seen, so not known
    assert reference_of(means).surplus.mean() > 20


def test_a_column_that_was_missing_now_and_then_is_learnt_from_the_rest() -> None:
    rng = np.random.default_rng(0)
    means = quiet(rng, 12, 20)
    means[3:6, 0] = np.nan
    reference = reference_of(means)
    assert reference.mean[0, 0] == pytest.approx(np.nanmean(means[:, 0]))
    assert reference.mean_variance[0, 0] > reference.mean_variance[0, 1:].mean() * 1.1
    assert np.isfinite(reference.surplus).all()


def test_a_level_that_never_came_may_have_a_small_share() -> None:
    means = np.zeros((10, 2))
    reference = learn_reference(means, np.full(10, 500), np.zeros(2), scores=score_set(2, share=True))
    np.testing.assert_allclose(reference.row_variance, 3 / 5000)
    assert (reference.mean_variance > 0).all()


@pytest.mark.parametrize("windows", [0, 1, 2])
def test_too_few_windows_are_refused_with_advice(windows: int) -> None:
    with pytest.raises(ReferenceTooShort, match=f"has {windows} windows") as failure:
        reference_of(quiet(np.random.default_rng(0), windows, 5))
    assert "cut the reference" in failure.value.fix


def test_one_column_alone_is_learnt_from_its_own_windows() -> None:
    reference = reference_of(quiet(np.random.default_rng(0), 10, 1))
    assert reference.degrees[0] == pytest.approx(9)


def test_the_cautious_surplus_is_the_upper_bound_of_the_chi_square_distribution() -> None:
    degrees = np.array([5.0, 9.0, 50.0, 400.0])
    np.testing.assert_allclose(cautious(np.full(4, 2.0), degrees), 2 * degrees / chi2.ppf(0.1, degrees), rtol=0.02)


def test_parts_of_a_usual_window_tell_as_much_as_the_whole() -> None:
    usual, surplus = np.array([5000.0]), np.array([4.0])
    whole = window_variance(np.array([5000.0]), usual, surplus)
    assert window_variance(np.array([500.0]), usual, surplus) / 10 == pytest.approx(whole)
    large = window_variance(np.array([50_000.0]), usual, surplus)
    assert 3 / 5000 < large[0] < whole[0]  # ten times the rows do not cancel what runs through all of them


def test_the_reference_comes_back_from_json() -> None:
    reference = reference_of(quiet(np.random.default_rng(0), 12, 20, wander=0.02))
    back = DriftReference.of_state(json.loads(json.dumps(reference.state())))
    for name in ("mean", "mean_variance", "row_variance", "rows", "surplus", "degrees", "persistence"):
        np.testing.assert_array_equal(getattr(back, name), getattr(reference, name))
    np.testing.assert_array_equal(back.scores.column, reference.scores.column)
    assert len(back.scores) == 20
