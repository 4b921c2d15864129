from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlwright.statistics import GainOutOfBounds, PairedTest

GAINS = st.lists(st.floats(-1, 1), min_size=1, max_size=40).map(np.array)


def gains(rng: np.random.Generator, rows: int, gain: float) -> np.ndarray:
    """One of ten rows is answered differently."""
    return np.where(rng.random(rows) < 0.1, np.where(rng.random(rows) < 0.5 + 5 * gain, 1.0, -1.0), 0.0)


def test_a_better_challenger_is_promoted_within_twice_the_rows_of_a_test_with_one_look() -> None:
    fixed = (1.645 + 0.842) ** 2 * 0.1 / 0.02**2
    found = []
    for run in range(60):
        test, rng, rows = PairedTest.start(bound=1.0), np.random.default_rng(run), 0
        while test.verdict == "undecided" and rows < 10_000:
            test, rows = test.update(gains(rng, 100, 0.02)), rows + 100
        found.append(rows if test.verdict == "better" else math.inf)
    assert np.median(found) <= 2 * fixed


def test_a_challenger_that_is_no_better_is_hardly_ever_promoted_in_a_year_of_looks() -> None:
    rng = np.random.default_rng(5)
    verdicts = [PairedTest.start(bound=1.0).update(gains(rng, 36_500, 0.0)).verdict for _ in range(60)]
    assert verdicts.count("better") <= 8  # 3 expected at most; 3 standard deviations more
    assert verdicts.count("worse") <= 8


def test_a_worse_challenger_is_called_worse() -> None:
    test = PairedTest.start(bound=1.0).update(gains(np.random.default_rng(0), 20_000, -0.02))
    assert test.verdict == "worse"
    assert test.e_value < 20


def test_a_gain_below_the_minimum_is_not_enough() -> None:
    seen = gains(np.random.default_rng(0), 20_000, 0.02)
    assert PairedTest.start(bound=1.0, minimum_gain=0.03).update(seen).verdict == "undecided"
    assert PairedTest.start(bound=1.0, minimum_gain=0.005).update(seen).verdict == "better"


def test_a_guard_that_may_be_harmed_holds_the_promotion_back() -> None:
    rng = np.random.default_rng(2)
    seen, harmed, safe = gains(rng, 8000, 0.03), rng.normal(-0.02, 0.3, 8000), rng.normal(0, 0.1, 8000)
    start = PairedTest.start(bound=1.0, guards={"log_loss": 0.01})
    assert start.update(seen, guards={"log_loss": harmed}).verdict == "guarded"
    assert start.update(seen, guards={"log_loss": safe}).verdict == "better"
    early = PairedTest.start(bound=1.0, guards={"log_loss": 1.0}).update(
        np.full(900, 0.9), guards={"log_loss": np.zeros(900)}
    )
    assert early.verdict == "guarded"  # a guard is not believed before row 1,000
    with pytest.raises(KeyError, match="log_loss"):
        start.update(seen)


@given(GAINS, st.integers(0, 40))
def test_chunks_do_not_change_the_test_and_its_state_comes_back(seen: np.ndarray, cut: int) -> None:
    start = PairedTest.start(bound=1.0, minimum_gain=0.01, guards={"loss": 0.1})
    guard = seen / 2
    whole = start.update(seen, guards={"loss": guard})
    parts = start.update(seen[:cut], guards={"loss": guard[:cut]})
    parts = PairedTest.of_state(json.loads(json.dumps(parts.state())))
    parts = parts.update(seen[cut:], guards={"loss": guard[cut:]})
    assert parts.e_value == pytest.approx(whole.e_value)
    assert parts.gains.mean == pytest.approx(whole.gains.mean, abs=1e-12)
    assert parts.guards["loss"].excess.mean == pytest.approx(whole.guards["loss"].excess.mean, abs=1e-12)


@given(GAINS)
def test_a_rollback_is_the_same_test_with_changed_places(seen: np.ndarray) -> None:
    there, back = PairedTest.start(bound=1.0).update(seen), PairedTest.start(bound=1.0).update(-seen)
    assert there.better == back.worse
    assert there.worse == back.better


@pytest.mark.parametrize("bad", [1.5, -1.5])
def test_a_gain_beyond_the_bound_on_either_side_ends_the_test(bad: float) -> None:
    with pytest.raises(GainOutOfBounds):
        PairedTest.start(bound=1.0).update([0.0, bad])


def test_rows_of_a_cluster_count_once_also_for_the_guards() -> None:
    start = PairedTest.start(bound=2.0, guards={"loss": 0.25})
    test = start.update([0.5, 0.5, -0.5], guards={"loss": [0.0, 0.5, 0.25]}, cluster=["x", "x", "y"])
    assert test.better.units == test.gains.count == 2
    assert test.guards["loss"].excess.mean == pytest.approx((1.0 + 0.5) / 2)


def test_how_many_rows_are_needed_is_about_what_is_needed() -> None:
    rng = np.random.default_rng(8)
    start = PairedTest.start(bound=1.0).update(gains(rng, 500, 0.0))
    forecast = start.rows_needed(0.03)
    took = []
    for _ in range(60):
        test, rows = start, 0
        while test.verdict == "undecided" and rows < 20_000:
            test, rows = test.update(gains(rng, 50, 0.03)), rows + 50
        took.append(rows)
    assert 0.6 * np.median(took) < forecast < 1.6 * np.median(took)
    assert start.rows_needed(0.0) == math.inf
    assert PairedTest.start(bound=1.0).rows_needed(0.1) == math.inf


def test_of_two_real_models_the_one_that_knows_more_columns_is_proven_better_by_its_brier_score() -> None:
    table = load_breast_cancer()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    poor = cross_val_predict(model, table.data[:, 8:10], table.target, cv=5, method="predict_proba")[:, 1]
    good = cross_val_predict(model, table.data, table.target, cv=5, method="predict_proba")[:, 1]
    gain = (poor - table.target) ** 2 - (good - table.target) ** 2
    assert PairedTest.start(bound=1.0).update(gain).verdict == "better"
    assert PairedTest.start(bound=1.0).update(-gain).verdict == "worse"
