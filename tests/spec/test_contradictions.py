from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.spec import Problem, Spec, SpecInvalid, raise_if_contradictory


def problems_of(data: dict[str, Any] | None = None, **sections: Any) -> tuple[Problem, ...]:
    spec = Spec.of({"data": {"source": "a.csv", "target": "y", **(data or {})}, **sections})
    try:
        raise_if_contradictory(spec)
    except SpecInvalid as error:
        return error.problems
    return ()


def requirement(id: str, metric: str, **bounds: Any) -> dict[str, Any]:  # noqa: A002 - its key in the file
    return {"id": id, "metric": metric, **bounds}


@pytest.mark.parametrize(
    ("data", "sections", "what", "where"),
    [
        ({"must_not_use": ["y"]}, {}, "the target 'y' is also listed in must_not_use", "data.must_not_use"),
        (
            {"known_after_decision": ["a", "y"]},
            {},
            "the target 'y' is also listed in known_after_decision",
            "data.known_after_decision",
        ),
        ({"id": "y"}, {}, "the column 'y' cannot be target and id at once", "data.id"),
        ({"time": "y"}, {}, "the column 'y' cannot be target and time at once", "data.time"),
        ({"time": "t", "weight": "t"}, {}, "the column 't' cannot be time and weight at once", "data.weight"),
        ({"id": "a", "group": "a", "time": "a"}, {}, "the column 'a' cannot be id and time and group", "data.group"),
        ({"columns": {"y": {"type": "text"}}}, {}, "a target cannot be of type text", "data.columns.y.type"),
        ({"columns": {"y": {"type": "datetime"}}}, {}, "a target cannot be of type datetime", "data.columns.y.type"),
        ({"positive_class": "yes"}, {"task": "regression"}, "a regression has no positive", "data.positive_class"),
        (
            {},
            {"requirements": [requirement("R1", "recall", min=0.5), requirement("R1", "rmse", max=3.0)]},
            "two requirements are called 'R1'",
            "requirements.1.id",
        ),
        (
            {},
            {"requirements": [requirement("R1", "recall", min=0.8), requirement("R2", "recall", max=0.5)]},
            "recall on overall is asked to be at least 0.8 and at most 0.5",
            "requirements.1.id",
        ),
        (
            {},
            {"requirements": [requirement("R1", "rmse", min=5.0), requirement("R2", "recall", min=80.0)]},
            "recall is never above 1",
            "requirements.1.min",
        ),
        (
            {},
            {"task": "regression", "decision": {"values": {"true_positive": 1}}},
            "values per outcome need classes",
            "decision.values",
        ),
        (
            {},
            {"task": "multiclass", "decision": {"error_cost": "abs(error)"}},
            "`error_cost` is for numbers, and the task has classes",
            "decision.error_cost",
        ),
        (
            {},
            {"decision": {"capacity": "500 per week", "volume": {"count": 400, "per": "week"}}},
            "the capacity of 500 per week is above the volume of 400",
            "decision.capacity",
        ),
        (
            {},
            {"constraints": {"monotonic": {"y": "increasing"}}},
            "'y' is to push the prediction one way, but is not a feature",
            "constraints.monotonic.y",
        ),
        (
            {"known_after_decision": "a"},
            {"constraints": {"monotonic": {"a": "decreasing"}}},
            "'a' is to push the prediction one way, but is not a feature",
            "constraints.monotonic.a",
        ),
        (
            {"id": "a"},
            {"constraints": {"monotonic": {"a": "decreasing"}}},
            "'a' is to push the prediction one way, but is not a feature",
            "constraints.monotonic.a",
        ),
        (
            {"weight": "a"},
            {"constraints": {"monotonic": {"a": "decreasing"}}},
            "'a' is to push the prediction one way, but is not a feature",
            "constraints.monotonic.a",
        ),
        (
            {},
            {"constraints": {"fairness": [{"attribute": "a", "metric": "equalized_odds_ratio", "max": 0.5}]}},
            "a ratio needs a `min`",
            "constraints.fairness.0",
        ),
        (
            {},
            {"constraints": {"fairness": [{"attribute": "a", "metric": "demographic_parity_difference"}]}},
            "a difference needs a `max`",
            "constraints.fairness.0",
        ),
        ({}, {"split": {"kind": "temporal"}}, "a temporal split needs a time column", "split.kind"),
        ({}, {"split": {"kind": "grouped"}}, "a grouped split needs a group column", "split.kind"),
        (
            {},
            {"split": {"kind": "random", "gap": "30d"}},
            "a gap in time means nothing to a random split",
            "split.gap",
        ),
    ],
)
def test_what_cannot_all_hold_is_told_with_its_place_and_a_way_out(
    data: dict[str, Any], sections: dict[str, Any], what: str, where: str
) -> None:
    (problem,) = problems_of(data, **sections)
    assert problem.what.startswith(what)
    assert problem.where == f"the spec, {where}"
    assert problem.fix


def test_every_contradiction_is_told_at_once() -> None:
    found = problems_of(
        {"must_not_use": "y"}, split={"kind": "grouped", "gap": "1d"}, constraints={"monotonic": {"y": "increasing"}}
    )
    assert [problem.where.removeprefix("the spec, ") for problem in found] == [
        "data.must_not_use",
        "constraints.monotonic.y",
        "split.kind",
        "split.gap",
    ]


@pytest.mark.parametrize(
    ("data", "sections"),
    [
        ({}, {}),
        ({"id": "a", "group": "a"}, {}),
        ({"must_not_use": "a", "known_after_decision": "a", "sensitive": "a"}, {}),
        ({"columns": {"y": {"type": "category"}}}, {}),
        ({"time": "t"}, {"split": {"kind": "temporal", "gap": "30d"}}),
        ({"group": "g"}, {"split": {"kind": "grouped"}}),
        ({}, {"split": {"gap": "30d"}}),
        (
            {"positive_class": "yes"},
            {"task": "binary", "decision": {"values": {"true_positive": 1, "false_positive": -1}}},
        ),
        # Where few rows can be acted on, it may be free to act on a wrong one.
        ({}, {"decision": {"values": {"true_positive": 1}, "capacity": "5%"}}),
        ({}, {"decision": {"values": {"true_positive": "2 * a"}}}),
        ({}, {"decision": {"capacity": "500 per week", "volume": {"count": 2200, "per": "month"}}}),
        ({"sensitive": "a"}, {"constraints": {"monotonic": {"a": "increasing"}}}),
        ({}, {"operation": {"label_delay": "30d", "retrain": {"on": ["schedule"], "every": "30d"}}}),
        ({}, {"operation": {"label_delay": "90d", "retrain": {"on": ["loss"], "every": "30d"}}}),
        ({}, {"requirements": [requirement("R1", "r2", max=-1.0), requirement("R2", "rmse", max=0.0)]}),
        ({}, {"task": "regression", "decision": {"error_cost": "abs(error)"}}),
        ({}, {"requirements": [requirement("R1", "recall", min=0.5), requirement("R2", "recall", max=0.5)]}),
        (
            {},
            {"requirements": [requirement("R1", "recall", min=0.8), requirement("R2", "recall", max=0.5, on="a > 1")]},
        ),
        ({}, {"requirements": [requirement("R1", "rmse", min=5.0), requirement("R2", "recall", min=1.0)]}),
        ({}, {"requirements": [requirement("R1", "recall", max=5.0)]}),
        ({}, {"decision": {"capacity": "500 per week", "volume": {"count": 400, "per": "day"}}}),
        ({}, {"decision": {"capacity": "5%", "volume": {"count": 1, "per": "day"}}}),
        ({"time": "a"}, {"constraints": {"monotonic": {"b": "increasing"}}}),
        ({}, {"constraints": {"fairness": [{"attribute": "a", "metric": "equalized_odds_ratio", "min": 0.5}]}}),
    ],
)
def test_what_can_all_hold_is_let_through(data: dict[str, Any], sections: dict[str, Any]) -> None:
    assert problems_of(data, **sections) == ()


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "precision", "f1", "r2", "mcc", "interval_coverage"])
def test_a_percentage_is_told_apart_from_a_share(metric: str) -> None:
    (problem,) = problems_of(requirements=[requirement("R1", metric, min=80.0)])
    assert problem.what == f"{metric} is never above 1"
    assert "not a percentage" in problem.fix


def of_values(**values: float) -> dict[str, Any]:
    return {"decision": {"values": values}}


@pytest.mark.parametrize(
    ("data", "sections", "what", "where"),
    [
        ({}, of_values(false_positive=-20, true_positive=0), "it never pays to act", "decision.values"),
        ({}, of_values(true_positive=-5, false_positive=-20), "it never pays to act", "decision.values"),
        ({}, of_values(true_positive=40), "it pays to act on every row", "decision.values"),
        ({}, of_values(true_positive=40, true_negative=-5, false_positive=-1), "it pays to act on every row", "values"),
        ({}, of_values(false_positive=20, false_negative=100), "wrong decisions are worth more", "decision.values"),
        ({}, of_values(true_positive=3, false_negative=3), "acting and waiting are worth the same", "decision.values"),
        (
            {},
            {"decision": {"capacity": "500 per week", "volume": {"count": 1900, "per": "month"}}},
            "the capacity of 500 per week is above the volume of 1900 per month",
            "decision.capacity",
        ),
        ({}, {"requirements": [requirement("R1", "rmse", max=-1.0)]}, "rmse is never below 0", "requirements.0.max"),
        (
            {"sensitive": "a"},
            {
                "constraints": {
                    "monotonic": {"a": "increasing"},
                    "fairness": [{"attribute": "a", "metric": "equal_opportunity_ratio", "min": 0.8}],
                }
            },
            "the prediction is to move with 'a', and the groups of 'a' are to be treated alike",
            "constraints.monotonic.a",
        ),
        (
            {},
            {"operation": {"retrain": {"on": ["schedule"]}}},
            "retraining on a schedule needs to know how often",
            "operation.retrain",
        ),
        (
            {},
            {"operation": {"label_delay": "90d", "retrain": {"on": ["schedule", "drift"], "every": "30d"}}},
            "a new version is to be made every 30d, but the truth about a row is known only after 90d",
            "operation.retrain.every",
        ),
    ],
)
def test_what_makes_no_decision_or_no_judgement_possible_is_told(
    data: dict[str, Any], sections: dict[str, Any], what: str, where: str
) -> None:
    (problem,) = problems_of(data, **sections)
    assert problem.what.startswith(what)
    assert problem.where.endswith(where)
    assert problem.fix


@given(st.lists(st.integers(-50, 50).map(float), min_size=4, max_size=4))
def test_fixed_worths_are_let_through_exactly_if_the_probability_decides(worths: list[float]) -> None:
    """Some probability makes acting pay and a lower one does not."""
    tp, fp, fn, tn = worths
    values = {"true_positive": tp, "false_positive": fp, "false_negative": fn, "true_negative": tn}
    gains = [p * (tp - fn) + (1 - p) * (fp - tn) for p in (0.0, 1e-9, 1 - 1e-9, 1.0)]
    decides = gains[0] < 0 < gains[-1]
    assert (problems_of(decision={"values": values}) == ()) == decides


TODAY = date(2026, 2, 1)
LATE = {"project": {"deadline": "2026-03-01"}, "operation": {"label_delay": "60d"}}


def raised(today: date | None, **sections: Any) -> str:
    spec = Spec.of({"data": {"source": "a.csv", "target": "y"}, **sections})
    try:
        raise_if_contradictory(spec, today=today)
    except SpecInvalid as error:
        return str(error)
    return ""


def test_labels_that_are_to_be_bought_must_come_before_the_deadline() -> None:
    said = raised(TODAY, decision={"label_price": 2.0}, **LATE)
    assert "the deadline is 2026-03-01, in 28 days" in said
    assert "known only on 2026-04-02" in said
    assert "move the deadline to 2026-04-02 or later" in said


@pytest.mark.parametrize(
    ("today", "price", "deadline"),
    [
        (TODAY, None, "2026-03-01"),  # nothing says that further labels are needed
        (None, 2.0, "2026-03-01"),  # nobody said which day it is
        (TODAY, 2.0, "2026-04-02"),  # the labels come on the day
        (date(2026, 3, 2), 2.0, "2026-03-01"),  # the project is in operation
    ],
)
def test_a_deadline_after_the_labels_or_in_the_past_is_no_contradiction(
    today: date | None, price: float | None, deadline: str
) -> None:
    assert raised(today, **{**LATE, "project": {"deadline": deadline}}, decision={"label_price": price}) == ""


@pytest.mark.parametrize("deadline", ["soon", "2026-13-01", "31.12.2026", 20261231])
def test_a_deadline_is_a_day(deadline: Any) -> None:
    with pytest.raises(SpecInvalid, match="2026-12-31"):
        Spec.of({"data": {"source": "a", "target": "y"}, "project": {"deadline": deadline}})


@pytest.mark.parametrize("volume", [0, -5])
def test_a_volume_of_nothing_is_refused_in_plain_words(volume: int) -> None:
    with pytest.raises(SpecInvalid, match="count: input should be greater than 0"):
        Spec.of({"data": {"source": "a", "target": "y"}, "decision": {"volume": {"count": volume, "per": "week"}}})
