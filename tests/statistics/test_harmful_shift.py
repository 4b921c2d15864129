from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.statistics import LossOutOfRange, RiskDetector
from mlwright.statistics.harmful_shift import RISK_BETS

WINDOWS = st.lists(st.lists(st.booleans(), max_size=12), min_size=1, max_size=8)


def wrong(rng: np.random.Generator, share: float, rows: int = 5000) -> np.ndarray:
    return (rng.random(rows) < share).astype(float)


def test_flipped_labels_are_found_within_a_day_or_two_and_dated() -> None:
    # 10 % of labels flipped raise an error of 31.8 % by 3.6 points.
    took, rng = [], np.random.default_rng(0)
    for _ in range(30):
        mean = float(wrong(rng, 0.318, 50_000).mean())
        detector = RiskDetector.start(mean=mean, rows=50_000)
        for _ in range(5):
            detector = detector.update(wrong(rng, 0.318))
        assert not detector.risen
        while detector.windows < 15 and not detector.risen:
            detector = detector.update(wrong(rng, 0.354))
        took.append(detector.windows - 5)
    assert np.mean(took) <= 1.6
    found = detector.update(wrong(rng, 0.354)).change_point()
    assert found is not None
    assert found.earliest <= 6 <= found.latest
    assert found.after == pytest.approx(0.036, abs=0.02)


def test_a_loss_that_stays_raises_an_alarm_about_as_often_as_the_error_says() -> None:
    rng, runs, error = np.random.default_rng(1), 300, 0.1
    risen = 0
    for _ in range(runs):
        detector = RiskDetector.above(0.2, error=error)
        for _ in range(60):
            detector = detector.update_counts(200, int(rng.binomial(200, 0.2)))
        risen += detector.risen
    assert risen <= error * runs + 3 * math.sqrt(runs * error * (1 - error))


BINARY, MONEY = ([0.0, 1.0], [0.8, 0.2]), ([-45.0, 0.0, 20.0], [0.05, 0.75, 0.2])
RARE = ([-45.0, 0.0, 20.0], [0.0, 0.97, 0.03])  # most small references do not show how much is lost at times


@pytest.mark.parametrize("losses", [BINARY, MONEY, RARE], ids=["binary", "money", "rare"])
@pytest.mark.parametrize("rows", [20, 300, 10_000])
def test_the_luck_of_a_reference_raises_no_more_alarms_than_the_error_says(
    losses: tuple[list[float], list[float]], rows: int
) -> None:
    # Windows of many rows: had the detector taken the reference's mean as it is, nearly every lucky one would alarm.
    values, chance = np.array(losses[0]), losses[1]
    rng, runs, error = np.random.default_rng([7, rows]), 60, 0.2
    false = naive = 0
    for _ in range(runs):
        reference = rng.choice(values, rows, p=chance)
        own, span = float(reference.mean()), {"low": values[0], "high": values[-1], "error": error}
        detector = RiskDetector.start(mean=own, rows=rows, variance=float(reference.var()), **span)
        plain = RiskDetector.above(own, **span)
        for _ in range(12):
            window = rng.choice(values, 5 * rows, p=chance)
            detector, plain = detector.update(window), plain.update(window)
        false, naive = false + detector.risen, naive + plain.risen
    most = error * runs + 3 * math.sqrt(runs * error * (1 - error))
    assert false <= most
    assert naive > false


def test_a_loss_that_falls_for_long_and_comes_back_is_no_rise() -> None:
    rng = np.random.default_rng(8)
    for _ in range(10):
        detector = RiskDetector.start(mean=float(wrong(rng, 0.3, 20_000).mean()), rows=20_000)
        for share in [0.25] * 60 + [0.3] * 60:
            detector = detector.update_counts(5000, int(rng.binomial(5000, share)))
        assert not detector.risen


def test_a_window_neither_wins_nor_loses_on_average_at_the_limit() -> None:
    rows, limit = 50, 0.3
    hits = np.arange(rows + 1)
    chance = np.array([math.comb(rows, k) * limit**k * (1 - limit) ** (rows - k) for k in hits])
    start = RiskDetector.above(limit)
    first = start.update_counts(0, 0).log_e
    won = np.array([math.exp(start.update_counts(rows, int(k)).log_e - first) for k in hits])
    assert float(chance @ won) == pytest.approx(1.0)


@given(WINDOWS)
def test_counts_say_the_same_as_rows(windows: list[list[bool]]) -> None:
    by_row = by_count = RiskDetector.start(mean=0.3, rows=1000)
    for window in windows:
        by_row = by_row.update(np.array(window, dtype=float))
        by_count = by_count.update_counts(len(window), sum(window))
    np.testing.assert_allclose(by_row.capital, by_count.capital, rtol=1e-9, atol=1e-9)
    assert (by_row.windows, by_row.rows) == (by_count.windows, by_count.rows)
    assert by_row.highest >= by_row.log_e


@given(WINDOWS)
def test_the_capital_is_that_of_games_that_open_with_each_window(windows: list[list[bool]]) -> None:
    detector = RiskDetector.above(0.25)
    for window in windows:
        detector = detector.update(np.array(window, dtype=float))
    total = 0.0
    for bet in RISK_BETS:
        for start in range(len(windows)):
            rows = [x for window in windows[start:] for x in window]
            weight = (start + 1) ** -1.2 / 5.591582441177751
            total += weight * math.prod(1 + bet * (x - 0.25) for x in rows) / len(RISK_BETS)
    assert detector.log_e == pytest.approx(math.log(total), abs=1e-9)


def test_the_limit_is_the_upper_bound_of_the_reference_and_the_tolerance() -> None:
    few, many = RiskDetector.start(mean=0.3, rows=500), RiskDetector.start(mean=0.3, rows=50_000)
    assert few.limit > many.limit > 0.3
    assert many.limit == pytest.approx(0.3 + 2.576 * math.sqrt(0.21 / 50_000), abs=1e-4)
    assert RiskDetector.start(mean=0.3, rows=500, tolerance=0.01).limit == pytest.approx(few.limit + 0.01)
    assert RiskDetector.start(mean=0.3, rows=500, variance=0.01).limit < few.limit
    assert RiskDetector.start(mean=0.0, rows=500).limit > 0


def test_losses_of_any_range_are_scaled() -> None:
    rng = np.random.default_rng(2)
    loss = rng.random(300)
    plain = RiskDetector.start(mean=0.4, rows=1000).update(loss)
    money = RiskDetector.start(mean=-1 + 4 * 0.4, rows=1000, low=-1.0, high=3.0).update(-1 + 4 * loss)
    assert money.log_e == pytest.approx(plain.log_e)
    assert money.limit == pytest.approx(-1 + 4 * plain.limit)


def test_a_rollback_stays_quick_after_quiet_months() -> None:
    rng = np.random.default_rng(3)

    def gain(share: float) -> np.ndarray:
        disagree = rng.random(1000) < 0.1
        return np.where(disagree, np.where(rng.random(1000) < share, 1.0, -1.0), 0.0)

    detector = RiskDetector.above(0.0, low=-1.0, high=1.0, error=0.05)
    for _ in range(90):
        detector = detector.update(-gain(0.55))
    assert not detector.risen
    for _ in range(3):
        detector = detector.update(-gain(0.25))
    assert detector.risen


@pytest.mark.parametrize("bad", [1.5, -0.5, float("nan")])
def test_a_loss_outside_its_range_is_refused(bad: float) -> None:
    with pytest.raises(LossOutOfRange, match="between 0 and 1"):
        RiskDetector.above(0.2).update([0.5, bad])


def test_windows_without_labels_change_nothing_but_their_count() -> None:
    detector = RiskDetector.start(mean=0.3, rows=1000).update([])
    assert (detector.windows, detector.rows, detector.risen) == (1, 0, False)
    assert detector.change_point() is None


def test_the_detector_comes_back_from_json_and_goes_on_alike() -> None:
    rng = np.random.default_rng(4)
    for windows in (0, 12):
        detector = RiskDetector.start(mean=0.3, rows=1000, tolerance=0.02, error=0.05)
        for _ in range(windows):
            detector = detector.update(wrong(rng, 0.3, 100))
        back = RiskDetector.of_state(json.loads(json.dumps(detector.state())))
        one, two = back.update_counts(100, 70), detector.update_counts(100, 70)
        assert (one.log_e, one.highest, one.risen) == (two.log_e, two.highest, two.risen)
        assert one.capital.tolist() == two.capital.tolist()
        assert one.state() == two.state()
        assert one.change_point() == two.change_point()
