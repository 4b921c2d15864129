"""Fairness limits in a spec: what they take, and what is refused before a row is read."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support import spec_for

from mlwright.spec import Fairness, SpecInvalid, attribute_expression, raise_if_contradictory

LIMIT = {"attribute": "sex", "metric": "demographic_parity_difference", "max": 0.1}


def fairness(**changes: Any) -> Fairness:
    return spec_for("y", constraints={"fairness": [{**LIMIT, **changes}]}).constraints.fairness[0]


def problems(*limits: dict[str, Any], **sections: Any) -> str:
    with pytest.raises(SpecInvalid) as refused:
        raise_if_contradictory(spec_for("y", constraints={"fairness": list(limits)}, **sections))
    return str(refused.value)


def test_nothing_is_adjusted_unless_the_spec_asks_for_it() -> None:
    assert fairness().adjust == "never"
    assert fairness().priority == "should"
    assert fairness().confidence == 0.9
    assert fairness().bound == 0.1


def test_an_attribute_is_a_column_or_an_expression() -> None:
    assert fairness(attribute="age < 25").columns == ("age",)
    assert fairness(attribute="personal status").columns == ("personal status",)
    assert attribute_expression("personal status") == attribute_expression("col('personal status')")


@pytest.mark.parametrize("attribute", ["age <", "1 < 2", "exec('x')", ""])
def test_an_attribute_that_names_no_groups_is_refused(attribute: str) -> None:
    with pytest.raises(SpecInvalid):
        fairness(attribute=attribute)


@pytest.mark.parametrize("bound", [-0.1, 1.5])
def test_a_bound_is_a_share(bound: float) -> None:
    with pytest.raises(SpecInvalid):
        fairness(max=bound)


def test_the_wrong_bound_is_a_contradiction() -> None:
    assert "a ratio needs a `min`" in problems({**LIMIT, "metric": "demographic_parity_ratio"})
    assert "a difference needs a `max`" in problems({**LIMIT, "min": 0.2})


def test_the_target_names_no_groups() -> None:
    assert "by the target 'y'" in problems({**LIMIT, "attribute": "y > 0"})


def test_limits_by_group_need_the_group_before_the_decision() -> None:
    late = problems({**LIMIT, "adjust": "group_thresholds"}, data={"known_after_decision": ["sex"]})
    assert "known only after the decision" in late
    raise_if_contradictory(spec_for("y", constraints={"fairness": [LIMIT]}, data={"known_after_decision": ["sex"]}))


def test_one_limit_alone_may_be_kept_by_limits_by_group() -> None:
    twice = {**LIMIT, "adjust": "group_thresholds"}
    assert "more than one fairness limit" in problems(twice, {**twice, "attribute": "race"})


def test_a_task_without_two_classes_has_nothing_to_compare() -> None:
    assert "a regression task does neither" in problems(LIMIT, task="regression")


def test_ids_are_not_taken_twice() -> None:
    taken = [{"id": "F1", "metric": "roc_auc", "min": 0.5}]
    assert "also the id of a requirement" in problems(LIMIT, requirements=taken)
