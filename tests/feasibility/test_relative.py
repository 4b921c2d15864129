import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from mlwright.feasibility import relative_errors
from mlwright.feasibility.relative import standard_error
from mlwright.statistics import METRICS, Scored, auc_interval


def _classes(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 2, n)
    y = (rng.random(n) < p).astype(float)
    return y, np.clip(np.round(p, 2), 0.01, 0.99), rng.uniform(0.2, 3, n)


def test_errors_are_those_of_the_metrics_over_those_of_knowing_nothing() -> None:
    y, p, weight = _classes()
    for w in (None, weight):
        found = relative_errors(Scored(target=y, prediction=p, weight=w), "binary")
        base = np.average(y, weights=w)
        entropy = -(base * np.log(base) + (1 - base) * np.log(1 - base))
        assert found["roc_auc"].error == pytest.approx((1 - roc_auc_score(y, p, sample_weight=w)) / 0.5)
        assert found["log_loss"].error == pytest.approx(log_loss(y, p, sample_weight=w) / entropy)
        wrong = 1 - accuracy_score(y, p >= 0.5, sample_weight=w)
        assert found["accuracy"].error == pytest.approx(wrong / min(base, 1 - base))


def test_the_standard_error_of_the_auc_is_delongs() -> None:
    y, p, _ = _classes()
    found = relative_errors(Scored(target=y, prediction=p), "binary")["roc_auc"]
    interval = auc_interval(y == 1, p, confidence=0.95)
    assert interval is not None
    assert found.standard_error * found.unit == pytest.approx((interval.high - interval.low) / 2 / 1.96, rel=0.05)


def test_standard_errors_match_the_bootstrap_with_groups_too() -> None:
    y, p, _ = _classes()
    rng = np.random.default_rng(1)
    group = np.arange(len(y)) // 8
    scored = Scored(target=y, prediction=p, group=group)
    found = relative_errors(scored, "binary")
    counts = [np.bincount(rng.integers(0, 50, 50), minlength=50)[group].astype(float) for _ in range(400)]
    for metric in ("roc_auc", "log_loss", "accuracy"):
        drawn = [METRICS[metric].compute(scored.weighted(c)) for c in counts]
        assert found[metric].standard_error * found[metric].unit == pytest.approx(np.std(drawn), rel=0.2)


def test_three_classes_have_a_relative_auc_as_the_metric_has_it() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.5, 0.5, 1.0], 300)
    y = np.array([rng.choice(3, p=row) for row in p]).astype(float)
    scored = Scored(target=y, prediction=p)
    found = relative_errors(scored, "multiclass")
    assert 1 - found["roc_auc"].error * 0.5 == pytest.approx(METRICS["roc_auc"].compute(scored))
    drawn = [METRICS["roc_auc"].compute(scored.take(rng.integers(0, 300, 300))) for _ in range(300)]
    assert found["roc_auc"].standard_error * 0.5 == pytest.approx(np.std(drawn), rel=0.2)


def test_a_perfect_score_is_not_taken_for_certainty() -> None:
    y = (np.arange(100) % 2).astype(np.float64)
    for found in relative_errors(Scored(target=y, prediction=np.clip(y, 1e-9, 1)), "binary").values():
        assert found.error > 0
        assert found.standard_error > 0


def test_rmse_of_knowing_nothing_is_one() -> None:
    y = np.random.default_rng(0).normal(5, 3, 200)
    found = relative_errors(Scored(target=y, prediction=np.full(200, y.mean())), "regression")["rmse"]
    assert found.error == pytest.approx(1)
    assert found.unit == pytest.approx(y.std())


def test_a_target_that_never_changes_has_no_relative_error() -> None:
    constant = Scored(target=np.ones(50), prediction=np.full(50, 0.5))
    assert relative_errors(constant, "binary") == {}
    assert relative_errors(constant, "regression") == {}


def test_equal_rows_of_a_group_count_once() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=100)
    alone = standard_error(values, np.ones(100), None)
    copied = standard_error(np.repeat(values, 5), np.ones(500), np.repeat(np.arange(100), 5))
    assert copied == pytest.approx(alone)
