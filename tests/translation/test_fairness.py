"""Fairness limits against the rows, before the search: what cannot be shown, and what costs too much."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support import split_of, wine_frame
from tests.translation.asked import asked, contradictions

from mlwright.models import GroupsUnclear
from mlwright.spec import ExpressionInvalid
from mlwright.translation import Contradiction, find_contradictions, quick_trade_offs

METRIC = "demographic_parity_difference"


def limit(attribute: str = "age < 50", **changes: Any) -> dict[str, Any]:
    return {"constraints": {"fairness": [{"attribute": attribute, "metric": METRIC, "max": 0.3, **changes}]}}


def found(rows: int = 3000, **sections: Any) -> Contradiction:
    (only,) = contradictions(rows, **sections)
    return only


def test_a_limit_that_these_rows_can_prove_is_let_through() -> None:
    assert contradictions(3000, **limit()) == ()


def test_a_table_without_large_groups_cannot_prove_anything() -> None:
    said = found(600, **limit())
    assert "0 of them have 100 test rows or more: it will stay undecided" in said.what
    assert not said.certain
    assert said.numbers["test_rows"] == 120
    assert "1 of them has" in found(3000, **limit("city == 'Bern'")).what


def test_a_limit_that_even_equal_groups_could_not_prove_is_said() -> None:
    said = found(3000, **limit(max=0.01))
    assert "even if all of them are treated alike" in said.what
    assert 0.01 < float(said.numbers["proved_if_alike"] or 0) < 0.2
    assert not said.certain
    ratio = {"metric": "demographic_parity_ratio", "min": 0.999}
    constraints = {"fairness": [{"attribute": "age < 50", **ratio}]}
    assert 0.7 < float(found(3000, constraints=constraints).numbers["proved_if_alike"] or 0) < 0.999


def test_a_fairness_limit_against_a_demanded_value_shows_the_trade_off() -> None:
    money: dict[str, Any] = {"decision": {"values": {"true_positive": 5, "false_positive": -8}, "currency": "EUR"}}
    spec, split = asked(3000, **money, **limit(max=0.08))
    (trade_off,) = quick_trade_offs(spec, split.train)
    between = (trade_off.usual.value + trade_off.at_asked().value) / 2
    assert trade_off.usual.value > trade_off.at_asked().value + 0.05
    said = found(requirements=[{"id": "R1", "metric": "value", "min": between}], **money, **limit(max=0.08))
    assert "R1 asks for" in said.what
    assert "kept at 0.08 by limits by group" in said.what
    assert said.numbers["value_left"] == pytest.approx(trade_off.at_asked().value)
    assert said.numbers["value_at_0.3"] == pytest.approx(next(p.value for p in trade_off.points if p.limit == 0.3))
    assert not said.certain
    little = [{"id": "R1", "metric": "value", "min": trade_off.at_asked().value - 0.05}]
    assert contradictions(3000, requirements=little, **money, **limit(max=0.08)) == ()


def test_a_task_of_three_classes_has_no_fairness_limits() -> None:
    constraints = {"fairness": [{"attribute": "alcohol", "metric": METRIC, "max": 0.1}]}
    spec, split = split_of(wine_frame(), "cultivar", constraints=constraints)
    (said,) = find_contradictions(spec, split, measure=False)
    assert said.certain
    assert quick_trade_offs(spec, split.train) == []


def test_an_attribute_that_names_no_groups_is_an_error_before_the_search() -> None:
    with pytest.raises(GroupsUnclear, match="free text"):
        contradictions(600, **limit("review"))
    with pytest.raises(ExpressionInvalid):
        contradictions(600, **limit("city < 5"))
