import json
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import breast_cancer_frame, diabetes_frame, split_of, wine_frame

from mlwright.feasibility import Verdict, judge_feasibility
from mlwright.statistics import MetricUnknown


def _judged(frame: pl.DataFrame, target: str, **sections: Any) -> Verdict:
    spec, split = split_of(frame, target, **sections)
    return judge_feasibility(split.train, spec, split.plan, test_rows=len(split.test), seed=0)


@pytest.fixture(scope="module")
def cancer() -> Verdict:
    return _judged(
        breast_cancer_frame(),
        "diagnosis",
        data={"positive_class": "malignant"},
        decision={"label_price": 2.0, "currency": "euro"},
        requirements=[
            {"id": "easy", "metric": "roc_auc", "min": 0.9},
            {"id": "hard", "metric": "log_loss", "max": 0.01},
            {"id": "slice", "metric": "recall", "min": 0.8, "on": "mean_radius > 14", "priority": "should"},
            {"id": "tiny", "metric": "accuracy", "min": 0.8, "on": "mean_radius > 27", "priority": "could"},
        ],
    )


def test_easy_demands_are_feasible_and_impossible_ones_are_not(cancer: Verdict) -> None:
    easy, hard, of_slice, tiny = cancer.requirements
    assert (easy.outcome, hard.outcome, of_slice.outcome) == ("feasible", "infeasible", "feasible")
    assert easy.limit == "nothing"
    assert cancer.outcome == "infeasible"
    assert hard.reachable is not None
    assert hard.reachable > 0.01
    assert hard.more_rows is not None
    assert "to be expected" in hard.reason
    assert (tiny.outcome, tiny.probability) == ("undecided", None)
    assert "needed to say anything" in tiny.reason


def test_the_forecast_holds_what_this_table_is_known_to_give(cancer: Verdict) -> None:
    forecast, ceiling = cancer.forecast("roc_auc"), cancer.ceiling("roc_auc")
    assert forecast is not None
    assert ceiling is not None
    assert 0.99 in forecast.interval()
    assert ceiling.low < ceiling.middle < ceiling.high <= 1
    points = [point for point in cancer.points if point.metric == "roc_auc"]
    assert {point.kind for point in points} == {"seen", "forecast"}
    assert [point.multiple for point in points if point.kind == "forecast"] == [1.0, 1.5, 2.0, 5.0, 20.0]
    assert all(point.score in point.interval for point in points)


def test_budgets_promise_more_the_longer_they_are(cancer: Verdict) -> None:
    expected = [point.expected for point in cancer.budgets]
    assert expected == sorted(expected)
    assert [point.seconds for point in cancer.budgets if point.own] == [20.0]
    assert cancer.run_time is not None
    assert cancer.run_time.low < cancer.run_time.seconds < cancer.run_time.high


def test_a_verdict_survives_the_way_to_json(cancer: Verdict) -> None:
    assert Verdict.of_state(json.loads(json.dumps(cancer.state()))) == cancer


def test_every_number_is_evidence_with_an_id_of_its_own(cancer: Verdict) -> None:
    records = list(cancer.evidence())
    ids = [record.id for record in records]
    assert len(set(ids)) == len(ids)
    assert all(one.startswith("feasibility.") for one in ids)
    assert {"feasibility.easy", "feasibility.forecast.roc_auc", "feasibility.ceiling.roc_auc"} <= set(ids)
    measured = {record.id for record in records if record.kind == "measured"}
    assert {"feasibility.run_seconds", "feasibility.seconds", "feasibility.budget.20s"} <= measured


def test_the_same_rows_spec_and_seed_give_the_same_verdict() -> None:
    sections = {"requirements": [{"id": "R1", "metric": "mae", "max": 45.0}, {"id": "R2", "metric": "rmse", "max": 70}]}
    one, two = (_judged(diabetes_frame(), "progression", **sections) for _ in range(2))

    def computed(verdict: Verdict) -> list[Any]:
        return [record for record in verdict.evidence() if record.kind == "computed"]

    assert computed(one) == computed(two)
    assert replace(one, budgets=(), run_time=None, seconds=0.0) == replace(two, budgets=(), run_time=None, seconds=0.0)
    assert one.requirements[1].outcome == "feasible"


def test_three_classes_and_few_rows_are_judged() -> None:
    verdict = _judged(
        wine_frame(),
        "cultivar",
        requirements=[{"id": "R1", "metric": "accuracy", "min": 0.5}, {"id": "R2", "metric": "roc_auc", "min": 0.7}],
    )
    assert [one.outcome for one in verdict.requirements] == ["feasible", "feasible"]
    assert verdict.outcome == "feasible"
    assert {one.metric for one in verdict.forecasts} == {"roc_auc", "log_loss", "accuracy"}


def test_a_target_without_any_sign_in_the_columns_is_not_promised() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({f"x{i}": rng.normal(size=400) for i in range(4)}).with_columns(
        y=pl.Series(rng.choice(["no", "yes"], 400))
    )
    verdict = _judged(frame, "y", requirements=[{"id": "R1", "metric": "roc_auc", "min": 0.75}])
    assert verdict.requirements[0].outcome == "infeasible"
    assert verdict.forecasts[0].metric == "roc_auc"
    assert verdict.forecasts[0].expected == pytest.approx(0.5, abs=0.1)


def test_harder_bounds_are_never_more_probable() -> None:
    frame = diabetes_frame()
    requirements = [{"id": f"R{bound}", "metric": "rmse", "max": bound} for bound in (45, 52, 55, 58, 65)]
    verdict = _judged(frame, "progression", requirements=requirements)
    for name in ("probability", "probability_true", "provable"):
        chances = [getattr(one, name) for one in verdict.requirements]
        assert chances == sorted(chances)


def _small(rows: int, **columns: Any) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=rows)
    base = {"x": x, "z": rng.normal(size=rows), "y": np.where(x + rng.normal(size=rows) > 0, "yes", "no")}
    return pl.DataFrame({**base, **columns})


_ASKED: dict[str, Any] = {"requirements": [{"id": "R1", "metric": "roc_auc", "min": 0.7}]}


@pytest.mark.parametrize(
    ("frame", "told"),
    [
        (_small(70), "there are only"),
        (_small(300, y=["rare"] * 7 + ["usual"] * 293), "of class 'rare'"),
    ],
)
def test_where_nothing_can_be_said_the_verdict_says_why(frame: pl.DataFrame, told: str) -> None:
    verdict = _judged(frame, "y", **_ASKED)
    assert verdict.outcome == "undecided"
    assert told in verdict.notes[0]
    assert told in verdict.requirements[0].reason
    assert (verdict.requirements[0].outcome, verdict.requirements[0].probability) == ("undecided", None)
    assert verdict.forecasts == ()
    assert Verdict.of_state(json.loads(json.dumps(verdict.state()))) == verdict
    assert next(iter(verdict.evidence())).value == "undecided"


def test_columns_that_are_empty_in_the_training_rows_say_nothing() -> None:
    known = np.arange(300) < 150
    frame = _small(300).with_columns(pl.when(pl.Series(known)).then(pl.col("x", "z")))
    spec, split = split_of(frame, "y", **_ASKED)
    empty = split.train.take(~np.isfinite(split.train.numbers("x")))
    verdict = judge_feasibility(empty, spec, split.plan, test_rows=50, seed=0)
    assert "every column that a model may use is empty" in verdict.notes[0]
    only_z = empty.without(["x", "z"])
    verdict = judge_feasibility(only_z, spec, split.plan, test_rows=50, seed=0)
    assert "no column that a model may use" in verdict.notes[0]


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(MetricUnknown):
        _judged(_small(300), "y", requirements=[{"id": "R1", "metric": "rmse", "max": 1.0}])
