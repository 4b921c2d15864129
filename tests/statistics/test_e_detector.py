from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from tests.statistics.windows import ROW_VARIANCE, quiet, reference_of, score_set, watched

from mlwright.statistics import DriftDetector, DriftReference, learn_reference
from mlwright.statistics.e_detector import BETS

SD = np.sqrt(ROW_VARIANCE)


def known_reference(n_scores: int, *, rows: int = 5000) -> DriftReference:
    """All variances known: the case in which the error rate is exact."""
    reference = reference_of(quiet(np.random.default_rng(0), 12, n_scores))
    return replace(
        reference,
        mean=np.zeros((1, n_scores)),
        mean_variance=np.full((1, n_scores), ROW_VARIANCE / rows / 10),
        surplus=np.ones(n_scores),
        degrees=np.full(n_scores, 1e6),
    )


def test_a_window_neither_wins_nor_loses_on_average_while_nothing_drifts() -> None:
    # Every bet on one window, with the reference's own error drawn too; the largest bets win rarely and much.
    rng, draws = np.random.default_rng(1), 40_000
    start = DriftDetector.start(known_reference(draws))
    error = rng.normal(0, np.sqrt(ROW_VARIANCE / 5000 / 10), draws)
    won = np.exp(
        start.update(quiet(rng, 1, draws)[0] + error, 5000).capital - start.update(np.full(draws, np.nan), 0).capital
    )
    allowed = 1 + 4 * won.std(axis=0) / np.sqrt(draws)
    assert (won.mean(axis=0) <= allowed).all()
    assert (won.mean(axis=0)[np.abs(BETS) < 2] > 0.9).all()


def test_shares_of_rare_levels_win_no_more_than_they_should() -> None:
    rng, draws, rows = np.random.default_rng(2), 40_000, 5000
    for share in (2 / rows, 20 / rows):
        reference = replace(
            known_reference(draws),
            scores=score_set(draws, share=True),
            mean=np.full((1, draws), share),
            mean_variance=np.full((1, draws), 1e-30),
            row_variance=np.full(draws, share * (1 - share)),
        )
        start = DriftDetector.start(reference)
        seen = start.update(rng.binomial(rows, share, draws) / rows, rows)
        won = np.exp(seen.capital - start.update(np.full(draws, np.nan), 0).capital)
        assert (won.mean(axis=0) <= 1 + 4 * won.std(axis=0) / np.sqrt(draws)).all()


@pytest.mark.parametrize("wander", [0.0, 0.03])
def test_quiet_windows_raise_no_alarm(wander: float) -> None:
    wrong = 0
    for seed in range(10):
        rng = np.random.default_rng([seed, 3])
        detector = DriftDetector.start(reference_of(quiet(rng, 10, 40, wander=wander)))
        wrong += watched(detector, quiet(rng, 100, 40, wander=wander))[1] is not None
    assert wrong == 0


def test_a_shift_of_a_tenth_of_a_standard_deviation_is_named_within_two_windows_and_nothing_else_is() -> None:
    took = []
    for seed in range(12):
        rng = np.random.default_rng([seed, 4])
        detector, first = watched(DriftDetector.start(reference_of(quiet(rng, 10, 60))), quiet(rng, 30, 60))
        assert first is None
        shifted = quiet(rng, 3, 60)
        shifted[:, :2] += 0.1 * SD
        for number, window in enumerate(shifted, 1):
            detector = detector.update(window, 5000)
            if detector.drifted[:2].all():
                took.append(number)
                break
        assert not detector.drifted[2:].any()
        found = detector.change_point(0)
        assert found is not None
        score, change = found
        assert score == 0
        assert change.earliest <= 31 <= change.latest
        assert change.after - change.before == pytest.approx(0.1 * SD, abs=0.03)
    assert len(took) == 12
    assert np.median(took) <= 2


def test_after_a_quiet_year_a_shift_is_found_about_as_soon() -> None:
    rng = np.random.default_rng(5)
    detector, first = watched(DriftDetector.start(reference_of(quiet(rng, 10, 30))), quiet(rng, 365, 30))
    assert first is None
    assert detector.bias_variance.max() < 0.1 * detector.reference.mean_variance.min()  # quiet windows made it surer
    _, first = watched(detector, quiet(rng, 6, 30) + 0.1 * SD * (np.arange(30) == 7))
    assert first is not None
    assert first <= 3


def test_a_difference_within_the_tolerance_is_no_drift_and_one_beyond_is() -> None:
    rng = np.random.default_rng(6)
    reference = reference_of(quiet(rng, 10, 30))
    near = quiet(rng, 200, 30) + 0.04 * SD * np.sign(rng.standard_normal(30))
    strict, tolerant = DriftDetector.start(reference), DriftDetector.start(reference, tolerance=0.05 * SD)
    assert watched(strict, near)[1] is not None
    assert watched(tolerant, near)[1] is None
    assert watched(tolerant, near[:30] + 0.15 * SD)[1] is not None


def test_a_slow_drift_is_found_though_quiet_windows_are_learnt_from() -> None:
    rng = np.random.default_rng(7)
    reference = reference_of(quiet(rng, 10, 30))
    creeping = quiet(rng, 200, 30)
    creeping[:, 3] += np.linspace(0, 0.4, 200) * SD
    detector, first = watched(DriftDetector.start(reference), creeping)
    assert first is not None
    assert creeping[first - 1, 3] < 0.2 * SD
    assert np.flatnonzero(detector.drifted).tolist() == [3]


def test_more_spread_between_windows_is_learnt_while_watching() -> None:
    rng = np.random.default_rng(8)
    detector = DriftDetector.start(reference_of(quiet(rng, 10, 1)))
    detector, _ = watched(detector, quiet(rng, 200, 1, wander=0.02))
    assert detector.surplus[0] == pytest.approx(3.0, rel=0.35)


def test_strata_are_compared_with_their_own_mean() -> None:
    rng = np.random.default_rng(9)
    level = rng.normal(0, 0.1, (7, 20)) * SD
    days = quiet(rng, 28 + 70, 20) + level[np.arange(98) % 7]
    reference = reference_of(days[:28], stratum=np.arange(28) % 7, n_strata=7)
    detector = DriftDetector.start(reference)
    for number, window in enumerate(days[28:]):
        detector = detector.update(window, 5000, stratum=number % 7)
        assert not detector.drifted.any()
    mixed = detector.update(days[29], 5000, stratum=4)  # a Tuesday taken for a Friday
    assert mixed.log_e.max() > detector.log_e.max() + 3


def test_a_stratum_that_the_reference_never_saw_is_learnt_and_not_accused() -> None:
    rng = np.random.default_rng(10)
    reference = reference_of(quiet(rng, 10, 20), n_strata=2)
    detector = DriftDetector.start(reference)
    for window in quiet(rng, 30, 20) + 0.3:
        detector = detector.update(window, 5000, stratum=1)
        assert not detector.drifted.any()
    for window in quiet(rng, 5, 20) + 0.3 + 0.2 * SD:
        detector = detector.update(window, 5000, stratum=1)
    assert detector.drifted.all()


def test_windows_of_any_size_do_no_harm() -> None:
    rng = np.random.default_rng(11)
    detector = DriftDetector.start(reference_of(quiet(rng, 10, 20)))
    for rows in (3, 40, 100_000, 1, 5000, 700):
        detector = detector.update(np.clip(quiet(rng, 1, 20, rows=rows)[0], -1, 1), rows)
        assert np.isfinite(detector.log_e).all()
        assert not detector.drifted.any()
    worst = detector.update(np.ones(20), 3)  # three extreme rows prove nothing
    assert not worst.drifted.any()


def test_parts_of_a_day_find_a_shift_about_as_soon_as_the_whole_day() -> None:
    rng = np.random.default_rng(12)
    start = DriftDetector.start(reference_of(quiet(rng, 10, 20)))
    hours = quiet(rng, 24 * 4, 20, rows=208) + 0.1 * SD * (np.arange(20) == 0)
    _, first = watched(start, hours, rows=208)
    assert first is not None
    assert first <= 24 * 3


@given(st.integers(0, 10_000), st.lists(st.booleans(), min_size=4, max_size=4))
@settings(max_examples=20)
def test_a_column_that_is_missing_neither_gains_nor_loses(seed: int, missing: list[bool]) -> None:
    rng = np.random.default_rng(seed)
    start, _ = watched(DriftDetector.start(reference_of(quiet(rng, 8, 4))), quiet(rng, 3, 4))
    window = np.where(missing, np.nan, quiet(rng, 1, 4)[0])
    after = start.update(window, 5000)
    gone = np.array(missing)
    for name in ("surplus", "degrees"):
        np.testing.assert_array_equal(getattr(after, name)[gone], getattr(start, name)[gone])
    np.testing.assert_array_equal(after.bias[:, gone], start.bias[:, gone])
    opened = math.exp(-1.2 * math.log(4)) / 5.591582441177751  # all that changes: the bets that open with this window
    expected = np.log(np.exp(start.capital[gone]) + opened)
    np.testing.assert_allclose(after.capital[gone], expected)
    np.testing.assert_allclose(start.update(window, np.where(gone, 0, 5000)).log_e, after.log_e)


@given(st.integers(0, 10_000))
@settings(max_examples=15)
def test_columns_may_change_places_and_signs_may_turn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    past, seen = quiet(rng, 8, 6), quiet(rng, 4, 6) + 0.1
    order = rng.permutation(6)
    straight, _ = watched(DriftDetector.start(reference_of(past)), seen)
    turned, _ = watched(DriftDetector.start(reference_of(-past[:, order])), -seen[:, order])
    np.testing.assert_allclose(turned.log_e, straight.log_e[order], rtol=1e-6)


def test_scores_of_one_column_share_its_evidence() -> None:
    rng = np.random.default_rng(13)
    past, seen = quiet(rng, 10, 6), quiet(rng, 3, 6)
    seen[:, 5] += 0.2 * SD
    scores = score_set(6, columns=2)
    reference = learn_reference(past, np.full(10, 5000), np.full(6, ROW_VARIANCE), scores=scores)
    detector, _ = watched(DriftDetector.start(reference), seen)
    assert detector.drifted.tolist() == [False, True]
    found = detector.change_point(1)
    assert found is not None
    assert found[0] == 5
    assert detector.log_e[1] == pytest.approx(np.logaddexp.reduce(detector.capital[3:].ravel()) - math.log(24))


def test_the_run_length_is_at_least_what_was_asked_for() -> None:
    rng, lengths = np.random.default_rng(14), []
    for _ in range(40):
        detector = DriftDetector.start(known_reference(5), error=0.05, horizon="run_length")
        error = rng.normal(0, np.sqrt(ROW_VARIANCE / 5000 / 10), 5)
        while detector.windows < 80 and not detector.drifted.any():
            detector = detector.update(quiet(rng, 1, 5)[0] + error, 5000)
        lengths.append(detector.windows)
    assert np.mean(lengths) >= 20


def test_the_detector_comes_back_from_json_and_goes_on_alike() -> None:
    rng = np.random.default_rng(15)
    reference = reference_of(quiet(rng, 10, 190))
    detector, _ = watched(DriftDetector.start(reference, tolerance=0.001), quiet(rng, 60, 190))
    text = json.dumps(detector.state())
    assert len(text) < 250_000
    back = DriftDetector.of_state(json.loads(text), reference)
    window = quiet(rng, 1, 190)[0]
    np.testing.assert_array_equal(back.update(window, 5000).log_e, detector.update(window, 5000).log_e)
    assert back.change_point(3) == detector.change_point(3)
    assert (back.horizon, back.windows, back.error) == ("ever", 60, 0.01)


def test_before_the_first_window_nothing_has_drifted() -> None:
    detector = DriftDetector.start(reference_of(quiet(np.random.default_rng(0), 5, 3)))
    assert not detector.drifted.any()
    assert detector.change_point(0) is None


def test_on_a_real_table_shuffled_windows_are_quiet_and_another_class_is_drift() -> None:
    table = load_digits()
    shade = table.data.mean(axis=1), (table.data > 8).mean(axis=1), table.data[:, 20] / 16, table.data[:, 43] / 16
    scores = np.clip(np.stack(shade, axis=1) / np.array([16, 1, 1, 1]), 0, 1)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(scores))
    past, rest = scores[order[:900]], order[900:]
    means = past.reshape(10, 90, 4).mean(axis=1)
    reference = learn_reference(means, np.full(10, 90), past.var(axis=0), scores=score_set(4, share=True))
    detector = DriftDetector.start(reference)
    for rows in np.array_split(rest, 9):
        detector = detector.update(scores[rows].mean(axis=0), len(rows))
        assert not detector.drifted.any()
    for rows in np.array_split(np.flatnonzero(table.target == 1), 2):
        detector = detector.update(scores[rows].mean(axis=0), len(rows))
    assert detector.drifted.any()
