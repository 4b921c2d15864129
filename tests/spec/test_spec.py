from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mlwright.spec import Expression, Spec, SpecInvalid, parse_spec

DATA = {"source": "customers.csv", "target": "churned"}


def one_problem(**sections: Any) -> tuple[str, str, str]:
    with pytest.raises(SpecInvalid) as raised:
        Spec.of({"data": DATA, **sections})
    (problem,) = raised.value.problems
    return problem.what, problem.where, problem.fix


def test_two_lines_are_a_spec_and_the_rest_has_sensible_values() -> None:
    spec = Spec.of({"data": DATA})
    assert (spec.mlwright, spec.task, spec.seed, spec.split.kind) == (1, "auto", 0, "auto")
    assert spec.requirements == ()
    assert spec.decision.values is None
    assert spec.budget.seconds == 60


def test_a_worth_that_is_not_given_is_nothing() -> None:
    values = Spec.of({"data": DATA, "decision": {"values": {"true_positive": "0.5 * amount"}}}).decision.values
    assert values is not None
    assert values.true_positive == Expression.parse("0.5 * amount")
    assert values.false_positive == Expression.parse("0.0")


def test_a_spec_cannot_be_changed_but_a_changed_one_can_be_made() -> None:
    spec = parse_spec("data: {source: a, target: y}", path=Path("churn.yaml")).at(Path("/elsewhere"))
    with pytest.raises(ValidationError):
        spec.seed = 1
    with pytest.raises(ValidationError):
        spec.data.target = "z"
    other = spec.but(seed=1)
    assert (spec.seed, other.seed) == (0, 1)
    assert other.where("data") == spec.where("data") == "churn.yaml, line 1, column 1, data"
    assert other.folder == spec.folder == Path("/elsewhere")
    assert other.path == Path("churn.yaml")


def test_relative_paths_start_from_the_folder_of_the_file_or_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "data: {source: a, target: y}"
    assert parse_spec(text).folder == tmp_path
    assert parse_spec(text, path=Path("inner/mlwright.yaml")).folder == tmp_path / "inner"
    assert Spec.of({"data": DATA}).at(tmp_path / "other").folder == tmp_path / "other"


def test_a_spec_made_in_python_has_no_places_to_name() -> None:
    assert one_problem(budget={"secnds": 5}) == (
        "unknown key 'secnds'",
        "the spec, budget.secnds",
        "did you mean 'seconds'?",
    )


@pytest.mark.parametrize("tree", ["text", 5, None, [], {1: 2}, {"data": None}, {"data": {1: 2}}])
def test_anything_that_is_not_a_spec_is_told_plainly(tree: Any) -> None:
    with pytest.raises(SpecInvalid) as raised:
        Spec.of(tree)
    assert all(all(problem) for problem in raised.value.problems)


@pytest.mark.parametrize(
    ("requirement", "what"),
    [
        ({"id": "R1", "metric": "recall"}, "requirements[0]: a requirement has one bound"),
        ({"id": "R1", "metric": "recall", "min": 0.5, "max": 0.8}, "requirements[0]: a requirement has one bound"),
        ({"id": "", "metric": "recall", "min": 0.5}, "id: string should have at least 1 character"),
        ({"id": "R1", "metric": "recall", "min": "0.5"}, "min: input should be a valid number"),
        ({"id": "R1", "metric": "recall", "min": True}, "min: input should be a valid number"),
        ({"id": "R1", "metric": "recall", "min": float("nan")}, "min: input should be a finite number"),
        ({"id": "R1", "metric": "rmse", "max": float("inf")}, "max: input should be a finite number"),
        ({"id": "R1", "metric": "recall", "min": 0.5, "confidence": 0.5}, "confidence: input should be greater than"),
        ({"id": "R1", "metric": "recall", "min": 0.5, "confidence": 1.0}, "confidence: input should be less than 1"),
        ({"id": "R1", "metric": "recall", "min": 0.5, "on": "age >"}, "on: something cannot be read"),
        ({"id": "R1", "metric": "recall", "min": 0.5, "on": "size(age)"}, "on: the function 'size' is not known"),
        ({"id": "R1", "metric": "recall", "min": 0.5, "priority": "may"}, "priority: this value is not one of"),
        ({"id": "R1", "min": 0.5}, "the key 'metric' is missing"),
    ],
)
def test_a_requirement_has_a_name_a_metric_one_bound_and_rows_it_is_about(
    requirement: dict[str, Any], what: str
) -> None:
    problem = one_problem(requirements=[requirement])
    assert problem[0].startswith(what)
    assert problem[1].startswith("the spec, requirements.0")


def test_a_requirement_is_about_all_rows_or_those_where_a_condition_holds() -> None:
    spec = Spec.of(
        {
            "data": DATA,
            "requirements": [
                {"id": "R1", "metric": "recall", "min": 0.5},
                {"id": "R2", "metric": "recall", "min": 0.5, "on": "age >= 65 and region == 'north'"},
            ],
        }
    )
    assert spec.requirements[0].condition is None
    condition = spec.requirements[1].condition
    assert condition is not None
    assert condition.columns == ("age", "region")


@pytest.mark.parametrize(
    ("sections", "what"),
    [
        ({"budget": {"seconds": float("inf")}}, "seconds: input should be"),
        ({"budget": {"memory_mb": 1}}, "memory_mb: input should be greater than or equal to 256"),
        ({"budget": {"trials": 0}}, "trials: input should be greater than or equal to 1"),
        ({"split": {"test_share": 0.9}}, "test_share: input should be less than 0.9"),
        ({"split": {"folds": 1}}, "folds: input should be greater than or equal to 2"),
        ({"seed": 2**31}, "seed: input should be less than 2147483648"),
        ({"seed": 1.0}, "seed: input should be a valid integer"),
        ({"constraints": {"latency_ms": 0}}, "latency_ms: input should be greater than 0"),
        ({"decision": {"label_price": -1}}, "label_price: input should be greater than or equal to 0"),
        ({"decision": {"volume": {"count": 10}}}, "the key 'per' is missing"),
        ({"operation": {"retrain": {"on": ["rain"]}}}, "on[0]: this value is not one of its choices"),
        ({"operation": {"label_delay": 30}}, "label_delay: a duration is a number and a unit"),
        ({"task": "forecast"}, "task: this value is not one of its choices"),
        ({"project": {"name": "x" * 101}}, "name: string should have at most 100 characters"),
    ],
)
def test_a_value_outside_its_bounds_is_told_with_the_bound(sections: dict[str, Any], what: str) -> None:
    assert one_problem(**sections)[0].startswith(what)
