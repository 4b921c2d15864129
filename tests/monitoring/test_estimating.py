import numpy as np
import pytest
from tests.monitoring.drifting import binary_rows, value_rows

from mlwright.core import Interval
from mlwright.monitoring.estimating import estimate_by_rows, estimate_by_scores, labels_that_would_tell
from mlwright.monitoring.expected_loss import Expected
from mlwright.monitoring.findings import Finding
from mlwright.monitoring.loss_estimate import LossEstimate, Verdict
from mlwright.monitoring.loss_reference import LossReference, expected_row_loss
from mlwright.monitoring.score_cells import count_cells

WORTH = {"true_positive": 40.0, "false_positive": -10.0, "false_negative": 0.0, "true_negative": 0.0}


def estimate_of(value: float, half: float, *, unknown: str = "") -> LossEstimate:
    change = Interval(low=value - 0.2 - half, high=value - 0.2 + half, confidence=0.9)
    interval = Interval(low=value - half, high=value + half, confidence=0.9)
    one = Expected(metric="log_loss", value=value, interval=interval, reference=0.2, change=change, rows=100)
    return LossEstimate(metrics={"log_loss": one}, method="scores", unknown=unknown)


@pytest.mark.parametrize(
    ("value", "half", "unknown", "verdict", "level"),
    [
        (0.205, 0.01, "", "no loss", "info"),
        (0.26, 0.03, "", "loss", "warn"),
        (0.23, 0.05, "", "cannot tell", "info"),
        (0.215, 0.01, "", "cannot tell", "info"),
        (0.26, 0.03, "nobody has seen such rows", "cannot tell", "info"),
        (0.15, 0.01, "", "no loss", "info"),
    ],
)
def test_the_verdict_is_by_the_tolerance_and_the_interval(
    value: float, half: float, unknown: str, verdict: Verdict, level: str
) -> None:
    found = estimate_of(value, half, unknown=unknown)
    assert found.verdict("log_loss", 0.02) == verdict
    finding = found.as_finding("log_loss", 0.02, unit="nats")
    assert finding.level == level
    assert (finding.cost is None) == bool(unknown)
    assert Finding.of_state(finding.state()) == finding


def test_a_metric_that_falls_is_a_loss_where_more_is_better() -> None:
    interval = Interval(low=0.6, high=0.7, confidence=0.9)
    change = Interval(low=-0.2, high=-0.1, confidence=0.9)
    one = Expected(metric="accuracy", value=0.65, interval=interval, reference=0.8, change=change, rows=10)
    assert one.worse == pytest.approx(0.15)
    assert (one.worse_between.low, one.worse_between.high) == (0.1, 0.2)
    found = LossEstimate(metrics={"accuracy": one}, method="scores")
    assert found.verdict("accuracy", 0.05) == "loss"


def test_a_drift_that_costs_money_is_shared_out_and_named() -> None:
    rng = np.random.default_rng(0)
    reference = LossReference.of_rows(binary_rows(6000, rng=rng), worth=WORTH)
    window = binary_rows(2000, rng=rng, old=-1.2)
    found = estimate_by_rows(window, reference, rows=50_000, attribute="value", rng=rng)
    assert found.method == "weighted rows"
    assert found.verdict("value", 0.5) == "loss"
    finding = found.as_finding("value", 0.5, unit="EUR a day", per_rows=50_000)
    assert finding.columns == ("age",)
    assert finding.cost is not None
    assert finding.cost.low > 0
    assert finding.cost_unit == "EUR a day"
    assert "`age`" in finding.what


def test_scores_alone_say_nothing_of_rows_nobody_has_seen_but_rows_do() -> None:
    rng = np.random.default_rng(1)
    reference = LossReference.of_rows(binary_rows(3000, rng=rng))
    window = binary_rows(1500, rng=rng, old=6)
    assert window.decision is not None
    counts = count_cells(window.prediction, window.decision, classes=2)
    assert estimate_by_scores(counts, reference, rng=rng).unknown == ""
    found = estimate_by_rows(window, reference, rng=rng)
    assert found.verdict("accuracy", 0.01) == "cannot tell"
    request = labels_that_would_tell(found, window, reference, metric="accuracy", tolerance=0.02, rng=rng)
    finding = found.as_finding("accuracy", 0.02, request=request)
    assert f"{request.labels:,}" in finding.advice
    assert finding.cost is None
    assert set(request.ids) <= set(window.ids)


def test_a_quiet_window_costs_nothing() -> None:
    rng = np.random.default_rng(2)
    reference = LossReference.of_rows(binary_rows(8000, rng=rng))
    found = estimate_by_rows(binary_rows(2000, rng=rng), reference, attribute="log_loss", rng=rng)
    assert found.effective_share is not None
    assert found.effective_share > 0.95
    assert found.verdict("log_loss", 0.05) == "no loss"


def test_values_are_estimated_by_row() -> None:
    rng = np.random.default_rng(3)
    reference = LossReference.of_rows(value_rows(4000, rng=rng))
    found = estimate_by_rows(value_rows(1500, rng=rng, far=1.0), reference, attribute="mae", rng=rng)
    assert set(found.metrics) == {"mae", "rmse"}
    assert found.method == "loss by row"
    assert found.verdict("mae", 0.1) == "loss"
    assert found.columns[0].name == "size"


def test_rows_that_are_hard_to_decide_are_expected_to_be_wrong_more_often() -> None:
    rng = np.random.default_rng(4)
    rows = binary_rows(4000, rng=rng)
    loss = expected_row_loss(rows, LossReference.of_rows(rows))
    assert rows.target is not None
    wrong = np.not_equal(np.asarray(rows.decision), rows.target)
    assert loss.mean() == pytest.approx(wrong.mean(), abs=0.02)
    assert loss[wrong].mean() > loss[~wrong].mean()


def test_many_classes_are_estimated_too() -> None:
    from mlwright.monitoring.rows import AnsweredRows

    rng = np.random.default_rng(5)

    def rows(n: int, sure: float) -> AnsweredRows:
        p = rng.dirichlet(np.ones(4) / sure, n)
        target = np.array([rng.choice(4, p=row) for row in p]).astype(float)
        plain = binary_rows(n, rng=rng)
        return AnsweredRows(table=plain.table, prediction=p, decision=p.argmax(axis=1), target=target)

    known, window = rows(4000, 3.0), rows(1500, 1.0)
    found = estimate_by_rows(window, LossReference.of_rows(known), rng=rng)
    assert window.target is not None
    true = float(np.mean(window.decision == window.target))
    assert true in found.metrics["accuracy"].interval
    assert found.verdict("accuracy", 0.05) == "loss"


@pytest.mark.parametrize(("known", "new"), [(6000, 3), (6000, 1), (40, 30), (8, 5)])
def test_a_window_or_a_reference_of_a_few_rows_gives_wide_intervals(known: int, new: int) -> None:
    rng = np.random.default_rng(6)
    reference = LossReference.of_rows(binary_rows(known, rng=rng))
    found = estimate_by_rows(binary_rows(new, rng=rng, old=0.5), reference, attribute="brier", rng=rng)
    interval = found.metrics["accuracy"].interval
    assert 0 <= interval.low <= found.metrics["accuracy"].value <= interval.high <= 1
    assert interval.high - interval.low > 0.15
    assert found.verdict("accuracy", 0.02) == "cannot tell"


def test_values_of_a_few_rows_are_estimated_too() -> None:
    rng = np.random.default_rng(7)
    reference = LossReference.of_rows(value_rows(50, rng=rng))
    found = estimate_by_rows(value_rows(3, rng=rng), reference, rng=rng)
    interval = found.metrics["mae"].interval
    assert 0 <= interval.low < found.metrics["mae"].value < interval.high
