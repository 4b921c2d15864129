from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlwright.statistics import Bets, BoundTooSmall, GainOutOfBounds
from mlwright.statistics.betting import BLOCK, FIXED_BETS, cluster_sums

GAINS = st.lists(st.floats(-1, 1), min_size=1, max_size=60).map(np.array)


def played_slowly(gains: list[float], *, bound: float, mean: float) -> tuple[float, float]:
    """Log capital at the end and its maximum, one gain after the other, as the docstring tells it."""
    total, squares, growing, fixed = 0.0, 0.25, 1.0, [1.0] * len(FIXED_BETS)
    highest = 0.0
    for gain in gains:
        z = (gain - mean) / (bound + mean)
        growing *= 1 + min(max(total / squares, 0.0), 0.5) * z
        fixed = [part * (1 + bet * z) for part, bet in zip(fixed, FIXED_BETS, strict=True)]
        total, squares = total + z, squares + z * z
        log_e = math.log(growing / 2 + sum(fixed) / len(fixed) / 2)
        highest = max(highest, log_e)
    return log_e, highest


@given(GAINS, st.sampled_from([1.0, 3.0]), st.sampled_from([0.0, 0.1, -0.2]))
def test_the_capital_is_that_of_the_bets_made_one_by_one(gains: np.ndarray, bound: float, mean: float) -> None:
    game = Bets(bound=bound, mean=mean).update(gains)
    assert (game.log_e, game.highest) == pytest.approx(played_slowly(gains.tolist(), bound=bound, mean=mean), abs=1e-9)


@given(GAINS, st.lists(st.integers(0, 60), max_size=4))
def test_chunks_do_not_change_the_capital(gains: np.ndarray, cuts: list[int]) -> None:
    whole = Bets(bound=1.0).update(gains)
    game = Bets(bound=1.0)
    for part in np.split(gains, sorted(min(cut, len(gains)) for cut in cuts)):
        game = game.update(part)
    assert game.units == whole.units == len(gains)
    assert (game.log_e, game.highest, game.growing) == pytest.approx(
        (whole.log_e, whole.highest, whole.growing), abs=1e-9
    )


@given(GAINS)
def test_what_was_reached_is_never_lost_and_the_input_is_left_alone(gains: np.ndarray) -> None:
    before = gains.copy()
    first = Bets(bound=1.0).update(gains)
    second = first.update(-np.abs(gains))
    assert second.highest >= first.highest >= 0
    assert second.log_e <= first.log_e + 1e-9
    np.testing.assert_array_equal(gains, before)


@given(GAINS, st.floats(0, 0.5))
def test_more_demanded_is_less_proven_by_the_fixed_bets(gains: np.ndarray, mean: float) -> None:
    easy, hard = Bets(bound=1.0).update(gains), Bets(bound=1.0, mean=mean).update(gains)
    assert all(h <= e + 1e-9 for h, e in zip(hard.fixed, easy.fixed, strict=True))


@given(GAINS)
def test_the_state_comes_back_from_json(gains: np.ndarray) -> None:
    game = Bets(bound=1.0, mean=0.01).update(gains)
    assert Bets.of_state(json.loads(json.dumps(game.state()))) == game


def test_a_fair_game_is_won_by_luck_about_as_often_as_the_evidence_says() -> None:
    rng = np.random.default_rng(0)
    runs, won, capital = 1500, 0, []
    for _ in range(runs):
        # Rare large losses, the case in which tests that lean on the normal distribution fail.
        u = rng.random(400)
        game = Bets(bound=5.0).update(np.where(u < 0.06, 1.0, np.where(u < 0.072, -5.0, 0.0)))
        won += game.highest >= math.log(20)
        capital.append(math.exp(game.log_e))
    assert won <= 0.05 * runs + 3 * math.sqrt(runs * 0.05 * 0.95)
    assert np.mean(capital) <= 1 + 3 * np.std(capital) / math.sqrt(runs)
    assert np.mean(capital) > 0.5  # a game, not a gift to the bank


def test_a_better_challenger_is_proven() -> None:
    rng = np.random.default_rng(1)
    gains = np.where(rng.random(6000) < 0.1, np.where(rng.random(6000) < 0.6, 1.0, -1.0), 0.0)
    assert Bets(bound=1.0).update(gains).highest > math.log(20)
    assert Bets(bound=1.0, mean=0.05).update(gains).highest < math.log(20)


@pytest.mark.parametrize("bad", [-1.01, float("nan"), float("-inf")])
def test_a_gain_below_the_bound_stops_the_test_and_says_which(bad: float) -> None:
    game = Bets(bound=1.0).update([0.5, 0.5])
    with pytest.raises(GainOutOfBounds, match="declared before the test") as failure:
        game.update([0.1, bad, 0.1])
    assert "unit 4" in failure.value.where
    assert game.units == 2


def test_a_gain_without_bound_above_is_welcome_and_no_gain_changes_nothing() -> None:
    game = Bets(bound=1.0).update([1e6])
    assert game.log_e > 5
    assert game.update([]) == game


@pytest.mark.parametrize(("bound", "mean"), [(0.0, 0.0), (-1.0, 0.0), (1.0, -1.0), (float("nan"), 0.0)])
def test_a_bound_without_room_is_refused(bound: float, mean: float) -> None:
    with pytest.raises(BoundTooSmall):
        Bets(bound=bound, mean=mean)


def test_rows_of_a_cluster_count_as_one() -> None:
    gains, cluster = [0.5, 0.25, -0.5, 0.25], ["b", "a", "b", "a"]
    together = Bets(bound=2.0).update(gains, cluster=cluster)
    assert together.units == 2
    assert together == Bets(bound=2.0).update([0.0, 0.5])
    np.testing.assert_array_equal(cluster_sums([1, 2, 3], [7, 7, 1]), [3, 3])


def test_with_clusters_the_mean_in_doubt_is_taken_off_every_row() -> None:
    game = Bets(bound=2.0, mean=0.25).update([0.5, 0.5, 0.5], cluster=[1, 1, 2])
    assert game.total == pytest.approx((0.5 + 0.25) / 2.25)


@settings(max_examples=5)
@given(st.integers(0, 100))
def test_long_chunks_are_worked_on_in_blocks_with_the_same_result(seed: int) -> None:
    gains = np.random.default_rng(seed).normal(0.01, 0.1, BLOCK + 1000).clip(-1, 1)
    whole = Bets(bound=1.0).update(gains)
    halves = Bets(bound=1.0).update(gains[:40_000]).update(gains[40_000:])
    assert whole.log_e == pytest.approx(halves.log_e, rel=1e-9)
