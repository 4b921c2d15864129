from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit, softmax

from mlwright.data.dataset import FloatArray
from mlwright.models import Calibration, fit_calibration


def binary(n: int, *, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """True probabilities and what happened."""
    rng = np.random.default_rng(seed)
    p = expit(rng.normal(-0.5, 1.5, n))
    return p, (rng.random(n) < p).astype(np.float64)


def log_loss(p: FloatArray, y: FloatArray) -> float:
    given = p[np.arange(len(y)), y.astype(int)] if p.ndim == 2 else np.where(y == 1, p, 1 - p)
    return float(-np.log(np.clip(given, 1e-12, 1)).mean())


def fit(p: FloatArray, y: FloatArray, weight: FloatArray | None = None) -> Calibration:
    return fit_calibration(p, y, weight=weight, rng=np.random.default_rng(0))


DISTORTIONS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "too sure": lambda p: expit(2.5 * logit(p)),
    "too timid": lambda p: expit(0.4 * logit(p)),
    "too high": lambda p: expit(logit(p) + 1.5),
    "skewed": lambda p: p**3,
}


@pytest.mark.parametrize("distortion", DISTORTIONS)
@pytest.mark.parametrize(("n", "method"), [(450, "temperature"), (1500, "platt"), (4000, "beta")])
def test_a_miscalibrated_score_has_less_log_loss_on_new_rows(n: int, method: str, distortion: str) -> None:
    distort = DISTORTIONS[distortion]
    (p, y), (p_new, y_new) = binary(n), binary(20_000, seed=1)
    calibration = fit(distort(p), y)
    if calibration.method == "none":
        assert method == "temperature"  # which has no shift, so it cannot mend these two
        assert distortion in {"too high", "skewed"}
        return
    assert calibration.method == method
    before, after, best = (log_loss(q, y_new) for q in (distort(p_new), calibration.apply(distort(p_new)), p_new))
    assert after < before
    if method != "temperature":
        assert after - best < 0.25 * (before - best)


@settings(max_examples=10)
@given(
    scores=st.lists(st.floats(0, 1), min_size=2, max_size=30),
    method=st.sampled_from([("temperature", 1), ("platt", 2), ("beta", 3)]),
    seed=st.integers(0, 100),
)
def test_the_order_of_rows_is_never_turned_round(scores: list[float], method: tuple[str, int], seed: int) -> None:
    """Whatever it is fitted on: here scores that have nothing to do with what happened, or that say its contrary."""
    n = {"temperature": 300, "platt": 600, "beta": 2100}[method[0]]
    p, y = binary(n, seed=seed)
    calibration = fit(1 - p if seed % 2 else np.random.default_rng(seed).random(n), y)
    assert calibration.method in {method[0], "none"}
    calibrated = calibration.apply(np.sort(np.array(scores)))
    assert (np.diff(calibrated) >= 0).all()
    assert ((calibrated >= 0) & (calibrated <= 1)).all()


def test_under_fifty_rows_of_the_rarer_class_the_scores_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    p = expit(rng.normal(-3, 1, 3000))
    for positives, method in ((49, "none"), (50, "beta")):
        y = np.zeros(3000)
        y[rng.choice(3000, positives, replace=False, p=p / p.sum())] = 1
        calibration = fit(expit(4 * logit(p) + 3), y)
        assert calibration.method == method
        if method == "none":
            assert calibration.reason.startswith("only 49 rows of the rarer class")
            assert calibration.apply(p) is p


def test_scores_that_are_right_are_left_alone_or_hardly_changed() -> None:
    kept = 0
    for seed in range(6):
        p, y = binary(800, seed=seed)
        calibration = fit(p, y)
        kept += calibration.method == "none"
        assert np.abs(calibration.apply(p) - p).mean() < 0.04
    assert kept >= 3


def test_the_reason_says_what_was_tried() -> None:
    p, y = binary(1500, seed=3)
    assert "1,500 rows" in fit(expit(3 * logit(p)), y).reason
    reasons = [fit(*binary(800, seed=seed)).reason for seed in range(6)]
    assert any("did not help rows kept apart" in reason for reason in reasons)


def test_more_than_two_classes_get_one_temperature_that_keeps_the_likeliest() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(6000, 4)) * 1.5
    true = softmax(raw, axis=1)
    y = (true.cumsum(axis=1) < rng.random((6000, 1))).sum(axis=1).astype(np.float64)
    too_sure = softmax(3 * raw, axis=1)
    calibration = fit(too_sure[:2000], y[:2000])
    assert calibration.method == "temperature"
    assert calibration.values[0] == pytest.approx(1 / 3, rel=0.15)
    calibrated = calibration.apply(too_sure[2000:])
    np.testing.assert_allclose(calibrated.sum(axis=1), 1)
    assert (calibrated.argmax(axis=1) == too_sure[2000:].argmax(axis=1)).all()
    assert log_loss(calibrated, y[2000:]) < log_loss(too_sure[2000:], y[2000:]) - 0.1


def test_rows_of_weight_zero_have_no_say() -> None:
    p, y = binary(3000)
    too_sure = expit(2.5 * logit(p))
    both = np.r_[too_sure, np.full(3000, 0.9)]
    weight = np.r_[np.ones(3000), np.zeros(3000)]
    calibration = fit(both, np.r_[y, np.zeros(3000)], weight)
    assert calibration.method == "beta"
    np.testing.assert_allclose(calibration.apply(too_sure), fit(too_sure, y).apply(too_sure), atol=1e-3)


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_no_rows_stay_no_rows(shape: tuple[int, ...]) -> None:
    for calibration in (Calibration(), Calibration(method="temperature", values=(0.7,))):
        assert calibration.apply(np.zeros(shape)).shape == shape


@pytest.mark.parametrize("method", [("temperature", (2.0,)), ("platt", (2.0, -1.0)), ("beta", (1.0, 2.0, 0.5))])
def test_it_comes_back_from_json_and_takes_scores_of_zero_and_one(method: tuple[str, tuple[float, ...]]) -> None:
    calibration = Calibration.of_state(
        json.loads(json.dumps({"method": method[0], "values": method[1], "reason": "made"}))
    )
    assert Calibration.of_state(json.loads(json.dumps(calibration.state()))) == calibration
    ends = calibration.apply(np.array([0.0, 1.0]))
    assert np.isfinite(ends).all()
    assert 0 <= ends[0] < ends[1] <= 1
