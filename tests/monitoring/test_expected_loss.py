import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.monitoring.drifting import binary_rows

from mlwright.models.score_counts import BINS
from mlwright.monitoring.expected_loss import expected_metrics, expected_value, metrics_of_cells
from mlwright.monitoring.rows import AnsweredRows
from mlwright.monitoring.score_cells import ScoreCells, count_cells
from mlwright.statistics import METRICS, Scored, Worth

WORTH = {"true_positive": 40.0, "false_positive": -10.0, "false_negative": -5.0, "true_negative": 1.0}


def cells_of(rows: AnsweredRows) -> ScoreCells:
    assert rows.target is not None
    return ScoreCells.of_rows(rows.prediction, rows.target, rows.decision)


def counts_of(rows: AnsweredRows) -> np.ndarray:
    assert rows.decision is not None
    return count_cells(rows.prediction, rows.decision, classes=2)


def true_metrics(rows: AnsweredRows) -> dict[str, float]:
    assert rows.target is not None
    scored = Scored(target=rows.target, prediction=rows.prediction, decision=rows.decision)
    names = ("accuracy", "log_loss", "brier", "roc_auc", "precision", "recall")
    return {name: METRICS[name].compute(scored) for name in names}


def test_metrics_of_known_cells_are_those_of_the_rows() -> None:
    rows = binary_rows(4000, rng=np.random.default_rng(0))
    cells = cells_of(rows)
    found = metrics_of_cells(cells.hits, cells.misses, cells, worth=WORTH)
    for name, value in true_metrics(rows).items():
        assert found[name] == pytest.approx(value, abs=5e-4)
    y, d = rows.target, rows.decision
    assert y is not None
    assert d is not None
    table = {(1, 1): 40.0, (0, 1): -10.0, (1, 0): -5.0, (0, 0): 1.0}
    earned = np.mean([table[int(a), int(b)] for a, b in zip(y, d, strict=True)])
    assert found["value"] == pytest.approx(earned)


def test_metrics_of_many_classes_are_those_of_the_rows() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(3) * 0.7, 30_000)
    y = np.array([rng.choice(3, p=row) for row in p]).astype(float)
    cells = ScoreCells.of_rows(p, y)
    counts = count_cells(p.max(axis=1), p.argmax(axis=1), classes=3)
    found = expected_metrics(counts, cells, rng=rng)
    scored = Scored(target=y, prediction=p)
    assert found["accuracy"].value == pytest.approx(METRICS["accuracy"].compute(scored), abs=5e-3)
    assert found["log_loss"].value == pytest.approx(METRICS["log_loss"].compute(scored), abs=1.5e-2)
    assert set(found) == {"accuracy", "log_loss"}


def test_a_drift_of_the_scores_is_seen_without_a_label() -> None:
    rng = np.random.default_rng(2)
    reference, window = binary_rows(6000, rng=rng), binary_rows(4000, rng=rng, old=1.2)
    found = expected_metrics(counts_of(window), cells_of(reference), rng=rng)
    for name, true in true_metrics(window).items():
        assert true in found[name].interval, name
        assert abs(found[name].value - true) < max(abs(found[name].reference - true), 0.02), name
    assert found["accuracy"].higher_is_better
    assert not found["log_loss"].higher_is_better


@given(st.integers(0, 2**32 - 1))
def test_the_ends_of_an_interval_are_in_order_and_shares_stay_shares(seed: int) -> None:
    rng = np.random.default_rng(seed)
    reference = binary_rows(int(rng.integers(5, 80)), rng=rng)
    window = binary_rows(int(rng.integers(1, 60)), rng=rng, old=float(rng.normal(0, 2)))
    for name, one in expected_metrics(counts_of(window), cells_of(reference), worth=WORTH, rng=rng).items():
        if np.isfinite(one.value):
            assert one.interval.low <= one.value + 1e-9
            assert one.value <= one.interval.high + 1e-9
        if np.isfinite(one.value - one.reference):
            assert one.change.low <= one.value - one.reference <= one.change.high
        if name in {"accuracy", "roc_auc", "precision", "recall"}:
            assert one.interval.low >= 0 or not np.isfinite(one.value)
            assert one.interval.high <= 1 or not np.isfinite(one.interval.high)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    inside = []
    for _ in range(120):
        reference, window = binary_rows(700, rng=rng), binary_rows(400, rng=rng, old=0.5)
        found = expected_metrics(counts_of(window), cells_of(reference), rng=rng)
        inside.append([value in found[name].interval for name, value in true_metrics(window).items()])
    held = np.mean(inside, axis=0)
    assert (held > 0.82).all()
    assert held.mean() < 0.97


def test_an_error_that_drift_adds_makes_intervals_wider() -> None:
    rows = binary_rows(1000, rng=np.random.default_rng(4))
    plain = expected_metrics(counts_of(rows), cells_of(rows), rng=np.random.default_rng(0))["accuracy"]
    wide = expected_metrics(counts_of(rows), cells_of(rows), shift={"accuracy": 0.1}, rng=np.random.default_rng(0))[
        "accuracy"
    ]
    assert wide.interval.high - wide.interval.low > 2 * (plain.interval.high - plain.interval.low)
    assert wide.value == plain.value


def test_money_that_differs_by_row_is_the_fixed_one_where_it_does_not() -> None:
    rng = np.random.default_rng(5)
    reference, window = binary_rows(3000, rng=rng), binary_rows(3000, rng=rng, old=0.8)
    cells = cells_of(reference)
    fixed = expected_metrics(counts_of(window), cells, worth=WORTH, rng=rng)["value"]
    worth = Worth(**{name: np.full(3000, amount) for name, amount in WORTH.items()})
    assert window.decision is not None
    by_row = expected_value(window.prediction, window.decision, worth, cells, rows=3000, rng=rng)
    assert by_row.value == pytest.approx(fixed.value, abs=0.02)
    width = fixed.interval.high - fixed.interval.low
    assert by_row.interval.high - by_row.interval.low == pytest.approx(width, rel=0.25)


def test_money_of_a_sample_is_less_sure_than_that_of_all_rows() -> None:
    rng = np.random.default_rng(6)
    rows = binary_rows(2000, rng=rng)
    worth = Worth(**{name: amount * rng.lognormal(size=2000) for name, amount in WORTH.items()})
    cells = cells_of(rows)
    assert rows.decision is not None
    whole = expected_value(rows.prediction, rows.decision, worth, cells, rows=2000, rng=rng)
    some = expected_value(
        rows.prediction[:200], rows.decision[:200], worth.take(np.arange(200)), cells, rows=2000, rng=rng
    )
    assert some.interval.high - some.interval.low > 1.5 * (whole.interval.high - whole.interval.low)


def test_a_window_without_rows_of_a_class_has_no_such_metric() -> None:
    rows = binary_rows(500, rng=np.random.default_rng(7))
    nobody = np.zeros((2, BINS))
    nobody[0, 10] = 50  # nobody is acted on, so there is no precision
    found = expected_metrics(nobody, cells_of(rows), rng=np.random.default_rng(0))
    assert np.isnan(found["precision"].value)
    assert found["precision"].interval.low == -np.inf
    assert 0 <= found["accuracy"].value <= 1
