"""Requirements end as met, not met or undecided, with the confidence that was asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from tests.evaluation.predicted import chances, on_test_rows, told
from tests.support import spec_for

from mlwright.data import Dataset
from mlwright.evaluation import RequirementResult, RequirementsNotMet, judge_requirements
from mlwright.statistics import MetricUnknown, Scored


def accurate(right: int, n: int) -> tuple[Dataset, Scored]:
    """Rows of which some are decided right."""
    y = np.arange(n) % 2
    hit = np.arange(n) < right
    columns = {"x": np.linspace(0, 1, n), "region": ["north" if i % 3 else "south" for i in range(n)]}
    return told(columns, np.where(hit, y, 1 - y) * 0.8 + 0.1, np.where(y == 1, "yes", "no").tolist())


def judged(rows: tuple[Dataset, Scored], **requirement: Any) -> RequirementResult:
    spec = spec_for("y", requirements=[{"id": "R1", "metric": "accuracy", **requirement}])
    (result,) = judge_requirements(spec, *rows, seed=0)
    return result


@pytest.mark.parametrize(
    ("right", "n", "outcome"),
    [(190, 200, "met"), (160, 200, "undecided"), (150, 200, "undecided"), (120, 200, "not met"), (10, 10, "undecided")],
)
def test_a_score_clearly_above_the_bound_meets_it_and_one_clearly_below_does_not(
    right: int, n: int, outcome: str
) -> None:
    assert judged(accurate(right, n) if n > 19 else _few(accurate(20, 40), n), min=0.78).outcome == outcome


def _few(rows: tuple[Dataset, Scored], n: int) -> tuple[Dataset, Scored]:
    return rows[0].take(np.arange(n)), rows[1].take(np.arange(n))


@pytest.mark.parametrize(("bound", "outcome"), [(0.4, "met"), (0.545, "undecided"), (0.65, "not met")])
def test_of_a_loss_the_bound_is_from_above(bound: float, outcome: str) -> None:
    """A score whose log loss is 0.545 on average; what is `met` from above is `not met` from below."""
    p, drawn = chances(1500)
    rows = told({"x": np.arange(1500.0)}, p, drawn)
    flipped = {"met": "not met", "not met": "met", "undecided": "undecided"}
    assert judged(rows, metric="log_loss", max=bound).outcome == flipped[outcome]
    assert judged(rows, metric="log_loss", min=bound).outcome == outcome


def test_the_more_confidence_is_asked_the_less_is_decided() -> None:
    order = ["not met", "undecided", "met"]
    outcomes = [judged(accurate(172, 200), min=0.82, confidence=c).outcome for c in (0.51, 0.8, 0.9, 0.99, 0.9999)]
    assert outcomes[0] == "met"
    assert outcomes[-1] == "undecided"
    assert sorted(outcomes, key=order.index, reverse=True) == outcomes
    widths = [
        (i.high - i.low) for c in (0.6, 0.9, 0.99) if (i := judged(accurate(172, 200), min=0.8, confidence=c).interval)
    ]
    assert widths == sorted(widths)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_a_model_at_the_bound_is_seldom_called_met(confidence: float) -> None:
    """A model that is right in exactly 80 of 100 rows must be called met no more often than 1 - confidence."""
    called, n = np.zeros(151, bool), 150
    for right in range(100, 151):
        called[right] = judged(accurate(right, n), min=0.8, confidence=confidence).outcome == "met"
    chance = float((binom.pmf(np.arange(151), n, 0.8) * called).sum())
    assert 0.3 * (1 - confidence) < chance <= 1.3 * (1 - confidence)
    assert not called[100:120].any()
    assert called[145:].all()


def test_a_requirement_may_be_about_some_rows() -> None:
    dataset, scored = accurate(150, 300)
    north = judged((dataset, scored), min=0.9, on='region == "north"')
    inside = np.array([value == "north" for value in dataset.table.column("region").to_pylist()])
    decided = scored.decided() == scored.target
    assert north.n == inside.sum()
    assert north.value == pytest.approx(decided[inside].mean())
    assert judged((dataset, scored), min=0.9, on="x < 0.3").outcome == "met"
    assert judged((dataset, scored), min=0.9, on="x > 0.7").outcome == "not met"
    assert judged((dataset, scored), min=0.9, on="x < 0.3").sentence() == "accuracy where x < 0.3 at least 0.9"


def test_rows_with_a_missing_value_are_not_in_the_slice() -> None:
    p, drawn = chances(200)
    age = [None if i % 4 == 0 else float(i) for i in range(200)]
    result = judged(told({"age": age}, p, drawn), min=0.1, on="age >= 0")
    assert result.n == 150


@pytest.mark.parametrize("on", ["x > 2", "x < 0.05"])
def test_of_too_few_rows_nothing_is_said(on: str) -> None:
    result = judged(accurate(200, 200), min=0.5, on=on)
    assert (result.outcome, result.value, result.interval) == ("undecided", None, None)
    assert f"only {result.n} test rows where {on}; at least 20 are needed" in result.reason


def test_undecided_says_about_how_many_rows_would_decide() -> None:
    result = judged(accurate(164, 200), min=0.8)
    assert result.outcome == "undecided"
    assert result.rows_needed is not None
    needed = result.rows_needed
    assert judged(accurate(round(0.82 * needed * 1.2), round(needed * 1.2)), min=0.8).outcome == "met"
    assert judged(accurate(round(0.82 * needed * 0.5), round(needed * 0.5)), min=0.8).outcome == "undecided"
    assert judged(accurate(160, 200), min=0.8).rows_needed is None  # exactly at the bound no number of rows is enough
    assert judged(accurate(195, 200), min=0.8).rows_needed is None


def test_a_score_that_cannot_be_computed_is_undecided() -> None:
    dataset, scored = told({"x": np.arange(60.0)}, np.full(60, 0.3), ["no", "yes"] + ["no"] * 58)
    result = judged((dataset, scored), metric="roc_auc", min=0.7, on="x > 5")
    assert (result.outcome, result.value, result.interval) == ("undecided", None, None)


def test_groups_count_and_not_their_rows() -> None:
    """The same 30 households, each of ten equal rows: as single rows they seem to decide, as groups they do not."""
    right = np.repeat(np.arange(30) < 26, 10)
    y = np.repeat(np.arange(30) % 2, 10)
    columns = {"x": np.arange(300) / 7, "g": [f"g{i // 10}" for i in range(300)]}
    p = np.where(right, y, 1 - y) * 0.8 + 0.1
    drawn = np.where(y == 1, "yes", "no").tolist()
    single = told(columns, p, drawn)
    grouped = told(columns, p, drawn, data={"group": "g", "positive_class": "yes"})
    assert judged(single, min=0.82).outcome == "met"
    assert judged(grouped, min=0.82).outcome == "undecided"


def test_undecided_says_about_how_many_more_labelled_rows_that_takes() -> None:
    spec = spec_for("y", requirements=[{"id": "R1", "metric": "accuracy", "min": 0.8}])
    (result,) = judge_requirements(spec, *accurate(164, 200), seed=0, labelled=1000)
    assert result.rows_needed is not None
    assert result.labels_needed == round(1000 * (result.rows_needed / 200 - 1))
    (decided,) = judge_requirements(spec, *accurate(195, 200), seed=0, labelled=1000)
    assert decided.labels_needed is None


def test_rows_of_one_class_say_why_nothing_can_be_computed() -> None:
    dataset, scored = accurate(60, 120)
    one_class = judged((dataset, replace(scored, target=np.zeros(120))), metric="roc_auc", min=0.7)
    assert one_class.outcome == "undecided"
    assert "all of them are of one class" in one_class.reason


def test_a_metric_that_does_not_fit_the_task_is_an_error_with_its_place() -> None:
    spec = spec_for("y", requirements=[{"id": "R1", "metric": "rmse", "max": 3}])
    with pytest.raises(MetricUnknown, match="no metric 'rmse' for a binary task") as caught:
        judge_requirements(spec, *accurate(50, 100), seed=0)
    assert "requirements" in caught.value.where


def test_requirements_of_a_regression_are_judged_in_its_units() -> None:
    test, scored = on_test_rows("regression")
    asked = [
        {"id": "R1", "metric": "rmse", "max": 100},
        {"id": "R2", "metric": "rmse", "max": 20},
        {"id": "R3", "metric": "interval_coverage", "min": 0.7},
    ]
    results = judge_requirements(spec_for("progression", requirements=asked), test, scored, seed=0)
    assert [result.outcome for result in results] == ["met", "not met", "met"]


def test_every_result_is_evidence_with_its_rows() -> None:
    result = judged(accurate(190, 200), min=0.8, on="x < 0.5", confidence=0.95)
    outcome, score = result.evidence()
    assert (outcome.id, outcome.value) == ("requirements.R1", "met")
    assert "95%" in outcome.method
    assert (score.id, score.value, score.interval) == ("requirements.R1.accuracy", result.value, result.interval)
    assert {outcome.rows, score.rows} == {"test rows where x < 0.5"}


def test_the_error_names_the_first_requirement_that_is_not_met_and_counts_the_others() -> None:
    spec = spec_for("y", requirements=[{"id": f"R{i}", "metric": "accuracy", "min": 0.9} for i in range(3)])
    missed = judge_requirements(spec, *accurate(100, 200), seed=0)
    error = RequirementsNotMet(missed)
    assert error.exit_code == 1
    assert "R0 is not met: accuracy at least 0.9; the score is 0.5" in str(error)
    assert "2 more" in str(error)
