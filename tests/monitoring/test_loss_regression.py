import numpy as np
import pytest
from tests.monitoring.drifting import value_rows

from mlwright.models import ScoreCounts
from mlwright.models.score_counts import bins_of
from mlwright.monitoring.loss_regression import expected_error, expected_error_by_score, share_outside
from mlwright.monitoring.reweighting import reweight
from mlwright.monitoring.rows import AnsweredRows


def errors(rows: AnsweredRows) -> np.ndarray:
    assert rows.target is not None
    return np.abs(rows.prediction - rows.target)


@pytest.mark.parametrize("metric", ["mae", "rmse"])
@pytest.mark.parametrize("far", [0.0, 1.0])
def test_larger_rows_are_expected_to_err_more(metric: str, far: float) -> None:
    rng = np.random.default_rng(int(far))
    reference, window = value_rows(5000, rng=rng), value_rows(2000, rng=rng, far=far)
    power = 1 if metric == "mae" else 2
    found = expected_error(
        reference,
        window,
        errors(reference) ** power,
        metric=metric,
        reweighting=reweight(reference, window, rng=rng),
        rows=2000,
        root=metric == "rmse",
        rng=rng,
    )
    true = float(np.mean(errors(window) ** power) ** (1 / power))
    assert true in found.interval
    assert abs(found.value - true) < 0.12 * true
    assert found.reference == pytest.approx(np.mean(errors(reference) ** power) ** (1 / power))
    assert (found.change.low > 0) == (far > 0)


def test_rows_beyond_the_reference_are_counted() -> None:
    rng = np.random.default_rng(2)
    reference = value_rows(3000, rng=rng)
    for far, least, most in ((0.0, 0.0, 0.02), (6.0, 0.9, 1.0)):
        window = value_rows(1000, rng=rng, far=far)
        shape = reweight(reference, window, rng=rng).shape
        assert least <= share_outside(reference, window, shape) <= most


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_counts_alone_say_nearly_the_same(metric: str) -> None:
    rng = np.random.default_rng(3)
    reference, window = value_rows(8000, rng=rng), value_rows(3000, rng=rng, far=0.7)
    counts = ScoreCounts.none_yet(0, low=6.0, high=14.0)
    assert reference.target is not None
    counts.add(np.zeros(8000, dtype=np.int64), reference.prediction)
    counts.add_truth(reference.target, np.zeros(8000, dtype=np.int64), reference.prediction)
    now = np.bincount(bins_of(window.prediction, 6.0, 14.0), minlength=256).astype(float)
    found = expected_error_by_score(now, counts, metric="mae" if metric == "mae" else "rmse")
    power = 1 if metric == "mae" else 2
    true = float(np.mean(errors(window) ** power) ** (1 / power))
    assert abs(found.value - true) < 0.12 * true
    assert found.interval.low < found.value < found.interval.high
    assert found.worse_between.low > 0
