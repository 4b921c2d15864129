"""Shares of classes from scores alone, and probabilities moved to them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lifecycle.world import drawn, scores, with_share
from tests.models.made import made

from mlwright.lifecycle import prior_shift, reweighted
from mlwright.lifecycle.priors import likeliest_shares, moved_probability
from mlwright.models import Model, ScoreCounts
from mlwright.models.answering import calibrated_several


def reference(model: Model) -> ScoreCounts:
    assert model.history is not None
    assert model.history.scores is not None
    return model.history.scores


def test_new_shares_are_found_from_scores_alone_and_explain_them(model: Model) -> None:
    window = with_share(drawn(6000, seed=2), 0.8, 4000, seed=3)
    shift = prior_shift(scores(model, window), reference(model), classes=model.classes, rng=np.random.default_rng(0))
    assert shift is not None
    assert shift.now[1] == pytest.approx(0.8, abs=0.04)
    assert shift.explains
    assert 0.8 in shift.between[1]


def test_no_move_is_seen_where_there_is_none(model: Model) -> None:
    shift = prior_shift(
        scores(model, drawn(4000, seed=4)), reference(model), classes=model.classes, rng=np.random.default_rng(0)
    )
    assert shift is not None
    assert not shift.moved


def test_other_customers_are_no_mere_shift_of_shares(model: Model) -> None:
    middling = drawn(30_000, seed=5)
    said = model.predict(middling).prediction
    odd = middling[np.flatnonzero(np.abs(said - 0.62) < 0.12).tolist()]
    shift = prior_shift(scores(model, odd), reference(model), classes=model.classes, rng=np.random.default_rng(0))
    assert shift is not None
    assert not shift.fits


def test_moved_probabilities_have_a_better_brier_score_under_the_new_shares(model: Model) -> None:
    window = with_share(drawn(6000, seed=6), 0.85, 4000, seed=7)
    shift = prior_shift(scores(model, window), reference(model), classes=model.classes, rng=np.random.default_rng(0))
    assert shift is not None
    truth = (window["bought"] == "yes").to_numpy()
    before = np.square(model.predict(window).prediction - truth).mean()
    changed = reweighted(model, shift)
    after = np.square(changed.predict(window).prediction - truth).mean()
    assert shift.saves is not None
    assert before - after == pytest.approx(shift.saves, rel=0.5)
    assert changed.members is model.members
    moved = reference(changed)
    assert moved.known == pytest.approx(reference(model).known, rel=0.02)
    assert moved.labelled.sum(axis=1)[1] / moved.known == pytest.approx(shift.now[1], abs=0.01)


def test_a_small_window_and_a_regression_say_nothing(model: Model) -> None:
    rng = np.random.default_rng(0)
    assert prior_shift(scores(model, drawn(50, seed=8)), reference(model), classes=model.classes, rng=rng) is None
    assert prior_shift(ScoreCounts.none_yet(0), ScoreCounts.none_yet(0), classes=(), rng=rng) is None


def test_several_classes_get_a_step_each_and_single_answers_agree() -> None:
    wine = made("multiclass").model
    from mlwright.lifecycle import PriorShift

    shift = PriorShift(
        classes=("a", "b", "c"),
        before=(0.3, 0.4, 0.3),
        now=(0.1, 0.2, 0.7),
        between=(),
        fits=True,
        p_value=1.0,
        missed=0.0,
        rows=500,
        saves=None,
    )
    changed = reweighted(wine, shift)
    raw = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
    base = wine.calibration.apply(raw)
    expected = base * np.array([1 / 3, 0.5, 7 / 3])
    expected /= expected.sum(axis=1, keepdims=True)
    assert changed.calibration.apply(raw) == pytest.approx(expected)
    one = calibrated_several(changed.calibration)
    assert np.array([one(row.tolist()) for row in raw]) == pytest.approx(expected)


@given(share=st.floats(0.02, 0.98), step=st.floats(-3, 3))
def test_moving_there_and_back_changes_nothing(share: float, step: float) -> None:
    p = np.array([share])
    assert moved_probability(moved_probability(p, step), -step) == pytest.approx(p, abs=1e-4)


@given(weights=st.lists(st.floats(0.05, 1), min_size=2, max_size=4))
def test_shares_are_found_again_from_exact_mixtures(weights: list[float]) -> None:
    true = np.array(weights) / sum(weights)
    known = np.full((len(true), len(true)), 100.0) + 9000 * np.eye(len(true))
    seen = 10_000 * true @ (known / known.sum(axis=1, keepdims=True))
    found = likeliest_shares(known, seen, start=np.full(len(true), 1 / len(true)))
    assert found == pytest.approx(true, abs=0.01)
