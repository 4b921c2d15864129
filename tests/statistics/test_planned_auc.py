from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score

from mlwright.statistics import METRICS, AucPlan, LookNotPlanned, Scored, auc_gain, compare
from mlwright.statistics.planned_auc import spent_boundaries


def crossing(information: tuple[float, ...], boundaries: tuple[float, ...]) -> float:
    """Chance to cross any boundary if there is no gain, by scipy's multivariate normal distribution."""
    t = np.array(information)
    correlation = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    return 1 - float(multivariate_normal(cov=correlation, allow_singular=True).cdf(np.array(boundaries)))


@pytest.mark.parametrize("information", [(1.0,), (0.5, 1.0), (0.25, 0.3, 0.9, 1.0), (0.2, 0.4, 0.6, 0.8, 1.0)])
@pytest.mark.parametrize("error", [0.05, 0.01])
def test_all_looks_together_err_as_often_as_was_allowed(information: tuple[float, ...], error: float) -> None:
    boundaries = spent_boundaries(information, error)
    assert crossing(information, boundaries) == pytest.approx(error, abs=3e-4)
    spent = 2 * norm.sf(norm.isf(error / 2) / math.sqrt(information[0]))
    assert norm.sf(boundaries[0]) == pytest.approx(spent, rel=1e-3)


def test_the_first_looks_ask_for_most() -> None:
    boundaries = AucPlan(looks=tuple(range(300, 3001, 300))).boundaries
    assert (np.diff(boundaries) < 0).all()
    assert 1.645 < boundaries[-1] < 1.85


def test_the_gain_and_its_error_are_those_of_the_paired_comparison() -> None:
    table = load_breast_cancer()
    champion, challenger = -table.data[:, 4], -table.data[:, 3]
    gain, error = auc_gain(table.target, champion, challenger)
    assert gain == pytest.approx(roc_auc_score(table.target, challenger) - roc_auc_score(table.target, champion))
    scores = [Scored(target=table.target.astype(float), prediction=score) for score in (challenger, champion)]
    found = compare(METRICS["roc_auc"], *scores, rng=np.random.default_rng(0))
    assert gain == pytest.approx(found.gain)
    assert error * 1.96 == pytest.approx((found.interval.high - found.interval.low) / 2, rel=1e-3)
    look = AucPlan(looks=(300, 569)).look(table.target, champion, challenger)
    assert look.better
    assert not AucPlan(looks=(300, 569), minimum_gain=gain).look(table.target, champion, challenger).better


@given(st.integers(0, 1000), st.integers(3, 40))
def test_places_may_be_changed_and_ties_count_half(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    target = np.r_[1.0, 1.0, 0.0, 0.0, rng.integers(0, 2, rows)]
    a, b = rng.integers(0, 4, rows + 4).astype(float), rng.integers(0, 4, rows + 4).astype(float)
    there, back = auc_gain(target, a, b), auc_gain(target, b, a)
    assert there == pytest.approx((-back[0], back[1]))
    assert there[0] == pytest.approx(roc_auc_score(target, b) - roc_auc_score(target, a), abs=1e-9)
    assert auc_gain(target, a, a) == (0.0, 0.0)


def test_worthless_challengers_are_found_better_no_more_often_than_planned() -> None:
    rng, plan, runs = np.random.default_rng(0), AucPlan(looks=(200, 400, 600, 800, 1000)), 300
    planned = peeked = 0
    for _ in range(runs):
        truth = (rng.random(1000) < 0.3).astype(float)
        signal = truth + rng.normal(0, 0.8, 1000)
        a, b = signal + rng.normal(0, 0.8, (2, 1000))
        looks = [plan.look(truth[:n], a[:n], b[:n]) for n in plan.looks]
        planned += any(look.better for look in looks)
        peeked += any(look.z > 1.645 for look in looks)
    assert planned <= 0.05 * runs + 3 * math.sqrt(runs * 0.0475)
    assert peeked > planned


def test_a_look_that_was_not_planned_is_refused() -> None:
    with pytest.raises(LookNotPlanned, match="250 labelled rows is no planned look"):
        AucPlan(looks=(200, 400)).look(np.ones(250), np.ones(250), np.ones(250))


@pytest.mark.parametrize("looks", [(), (0, 5), (5, 5), (9, 3)])
def test_looks_that_do_not_rise_are_refused(looks: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="rising"):
        AucPlan(looks=looks)


def test_one_class_alone_proves_nothing() -> None:
    gain, error = auc_gain(np.ones(10), np.arange(10.0), np.arange(10.0))
    assert (gain, error) == (0.0, math.inf)
    assert not AucPlan(looks=(10,)).look(np.ones(10), np.arange(10.0), np.arange(10.0)).better
