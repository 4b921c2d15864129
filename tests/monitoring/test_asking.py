import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.monitoring.asking import LEAST_OF_STRATUM, ask_for_labels, labels_needed


@given(st.floats(0.01, 1.0), st.floats(0.005, 0.2))
def test_a_half_of_the_width_takes_four_times_the_labels(deviation: float, half_width: float) -> None:
    once, twice = labels_needed(deviation, half_width), labels_needed(deviation, half_width / 2)
    assert 4 * (once - 1) <= twice <= 4 * once


def test_strata_where_the_loss_varies_more_get_more_labels() -> None:
    rng = np.random.default_rng(0)
    score = rng.random(2000)
    found = ask_for_labels(score, score * (1 - score), half_width=0.02, rng=rng)
    assert found.by_stratum[2] > found.by_stratum[0]
    assert found.by_stratum[2] > found.by_stratum[-1]
    assert sum(found.by_stratum) == found.labels
    assert found.labels < labels_needed(float(np.sqrt((score * (1 - score)).mean())), 0.02) + 5 * LEAST_OF_STRATUM


def test_so_many_labels_give_an_interval_of_the_width_that_was_asked_for() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(4000)
    wrong = rng.random(4000) < np.minimum(score, 1 - score)
    p = np.minimum(score, 1 - score)
    inside = 0
    for _ in range(200):
        found = ask_for_labels(score, p * (1 - p), half_width=0.03, rng=rng)
        stratum = np.searchsorted(found.edges, score, side="right")
        share = np.bincount(stratum) / len(score)
        picked = stratum[found.rows]
        mean = np.bincount(picked, weights=wrong[found.rows], minlength=len(share)) / np.bincount(picked)
        inside += abs(share @ mean - wrong.mean()) < 0.03
    assert 0.84 < inside / 200 < 0.98


def test_the_rows_are_named_and_none_twice() -> None:
    rng = np.random.default_rng(2)
    ids = tuple(f"r{k}" for k in range(300))
    found = ask_for_labels(rng.random(300), np.full(300, 0.2), half_width=0.1, ids=ids, rng=rng)
    assert len(set(found.ids)) == len(found.ids) == found.labels
    assert found.missing == 0


def test_a_small_sample_says_how_many_labels_it_cannot_give() -> None:
    rng = np.random.default_rng(3)
    found = ask_for_labels(rng.random(40), np.full(40, 0.25), half_width=0.01, rng=rng)
    assert len(found.rows) == 40
    assert found.missing == found.labels - 40 > 0


def test_rows_that_all_have_one_score_are_one_stratum() -> None:
    found = ask_for_labels(np.full(50, 0.3), np.full(50, 0.21), half_width=0.2, rng=np.random.default_rng(4))
    assert sum(part > 0 for part in found.by_stratum) == 1
    assert len(found.rows) == pytest.approx(found.labels, abs=0)
