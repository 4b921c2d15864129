"""What the charts draw: the curves of scikit-learn, thinned to what an eye can tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle
from tests.evaluation.predicted import on_test_rows

from mlwright.evaluation import Curves, curves_of
from mlwright.spec import Task
from mlwright.statistics import Scored


def area(points: tuple[tuple[float, float], ...]) -> float:
    x, y = np.array(points).T
    return float(np.trapezoid(y, x))


@st.composite
def binary(draw: st.DrawFn) -> Scored:
    """Rows of both classes with any probabilities, many of them equal."""
    n = draw(st.integers(2, 3000))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    target = (rng.random(n) < draw(st.floats(0.02, 0.98))).astype(float)
    target[:2] = [0, 1]
    return Scored(target=target, prediction=rng.random(n).round(draw(st.integers(1, 9))))


@given(scored=binary())
def test_curves_rise_from_corner_to_corner_whatever_was_predicted(scored: Scored) -> None:
    curves = curves_of("binary", scored, n_classes=2)
    for curve in (curves.roc, curves.lift):
        x, y = np.array(curve).T
        assert (curve[0], curve[-1]) == ((0, 0), (1, 1))
        assert (np.diff(x) >= 0).all()
        assert (np.diff(y) >= 0).all()
    recall, precision = np.array(curves.precision_recall).T
    assert (np.diff(recall) >= 0).all()
    assert recall[-1] == 1
    assert ((precision >= 0) & (precision <= 1)).all()
    assert max(len(curves.roc), len(curves.lift), len(curves.precision_recall)) <= 150


@given(scored=binary())
def test_thinning_does_not_change_the_area_under_the_curve(scored: Scored) -> None:
    curves = curves_of("binary", scored, n_classes=2)
    assert area(curves.roc) == pytest.approx(oracle.roc_auc_score(scored.target, scored.prediction), abs=0.01)


@given(scored=binary())
def test_calibration_bins_hold_every_row_once(scored: Scored) -> None:
    bins = curves_of("binary", scored, n_classes=2).calibration
    assert sum(one.n for one in bins) == len(scored)
    assert sum(one.n * one.observed for one in bins) == pytest.approx(scored.target.sum())
    assert [one.predicted for one in bins] == sorted(one.predicted for one in bins)
    assert all(one.interval.low <= one.observed <= one.interval.high for one in bins)


def test_a_small_curve_is_drawn_as_it_is() -> None:
    _, scored = on_test_rows("binary")
    few = scored.take(np.arange(40))
    x, y = np.array(curves_of("binary", few, n_classes=2).roc).T
    fpr, tpr, _ = oracle.roc_curve(few.target, few.prediction, drop_intermediate=False)
    np.testing.assert_allclose(x, fpr, atol=1e-6)
    np.testing.assert_allclose(y, tpr, atol=1e-6)


@pytest.mark.parametrize(("task", "n_classes"), [("binary", 2), ("multiclass", 3)])
def test_the_confusion_matrix_is_that_of_scikit_learn(task: Task, n_classes: int) -> None:
    _, scored = on_test_rows(task)
    found: list[list[float]] = np.array(curves_of(task, scored, n_classes=n_classes).confusion).tolist()
    labels = list(range(n_classes))
    assert found == oracle.confusion_matrix(scored.target, scored.decided(), labels=labels).tolist()


def test_a_class_that_the_test_rows_lack_has_its_row_in_the_confusion_matrix() -> None:
    scored = Scored(target=np.array([0.0, 1.0, 1.0]), prediction=np.eye(3)[[0, 1, 0]])
    assert np.array(curves_of("multiclass", scored, n_classes=3).confusion).tolist() == [[1, 0, 0], [1, 1, 0], [0] * 3]


def test_of_numbers_predictions_and_truth_are_shown_of_at_most_400_rows() -> None:
    rng = np.random.default_rng(0)
    target = rng.normal(size=5000)
    scored = Scored(target=target, prediction=target + 1)
    curves = curves_of("regression", scored, n_classes=0)
    assert len(curves.scatter) == 400
    assert all(p == pytest.approx(t + 1, abs=1e-5) for p, t in curves.scatter)
    assert curves == Curves(scatter=curves.scatter)
    assert len(curves_of("regression", scored.take(np.arange(7)), n_classes=0).scatter) == 7


def test_with_weights_a_row_counts_as_often_as_its_weight() -> None:
    _, scored = on_test_rows("binary")
    weight = np.random.default_rng(0).integers(1, 4, len(scored))
    rows = np.repeat(np.arange(len(scored)), weight)
    one = curves_of("binary", scored.weighted(weight.astype(float)), n_classes=2)
    other = curves_of("binary", scored.take(rows), n_classes=2)
    assert one.confusion == other.confusion
    assert area(one.roc) == pytest.approx(area(other.roc), abs=1e-4)
