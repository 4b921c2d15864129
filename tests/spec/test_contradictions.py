from __future__ import annotations

from typing import Any

import pytest

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
        ({"positive_class": "yes"}, {"task": "binary", "decision": {"values": {"true_positive": 1}}}),
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
