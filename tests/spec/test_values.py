from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.spec import Capacity, Spec, SpecInvalid, parse_duration, show_duration

# Durations.


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15min", timedelta(minutes=15)),
        ("12h", timedelta(hours=12)),
        ("30d", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
        ("0s", timedelta(0)),
        ("1.5h", timedelta(minutes=90)),
        (" 30 d ", timedelta(days=30)),
        (timedelta(days=1), timedelta(days=1)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: Any, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    ["", "30", "d", "30 days", "-30d", "30m", "1 d 2 h", "1e3s", "30D", 30, 30.0, None, True, ["30d"], "9" * 30 + "d"],
)
def test_anything_else_is_no_duration(text: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(0), "0s"),
        (timedelta(seconds=90), "90s"),
        (timedelta(seconds=120), "2min"),
        (timedelta(hours=36), "36h"),
        (timedelta(days=7), "7d"),
        (timedelta(days=14), "2w"),
        (timedelta(days=15), "15d"),
        (timedelta(seconds=1234567), "1234567s"),
        (timedelta(seconds=10**9), "1000000000s"),
        (timedelta(microseconds=1), "0.000001s"),
        (timedelta(weeks=10_000_000), "10000000w"),
    ],
)
def test_a_duration_is_shown_in_the_largest_unit_that_fits(duration: timedelta, text: str) -> None:
    assert show_duration(duration) == text


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=36500)))
def test_a_duration_reads_back_as_it_is_shown(duration: timedelta) -> None:
    assert parse_duration(show_duration(duration)) == duration


# Capacities.


def capacity_of(value: Any) -> Capacity:
    spec = Spec.of({"data": {"source": "a.csv", "target": "y"}, "decision": {"capacity": value}})
    assert spec.decision.capacity is not None
    return spec.decision.capacity


@pytest.mark.parametrize(
    ("written", "count", "per", "share"),
    [
        ("500 per week", 500, "week", None),
        ("500/week", 500, "week", None),
        ("1 a day", 1, "day", None),
        (" 20 per quarter ", 20, "quarter", None),
        ("5%", None, None, 0.05),
        ("2.5 %", None, None, 0.025),
        ("100%", None, None, 1.0),
        (0.05, None, None, 0.05),
        (1, None, None, 1.0),
        ({"count": 3, "per": "hour"}, 3, "hour", None),
        ({"share": 0.5}, None, None, 0.5),
    ],
)
def test_a_capacity_is_a_count_per_period_or_a_share(
    written: Any, count: int | None, per: str | None, share: float | None
) -> None:
    capacity = capacity_of(written)
    assert (capacity.count, capacity.per) == (count, per)
    assert capacity.share == (None if share is None else pytest.approx(share))


@pytest.mark.parametrize(
    ("written", "what"),
    [
        ("500", "write a capacity as"),
        ("500 per fortnight", "write a capacity as"),
        ("-5%", "write a capacity as"),
        ("5 per week per day", "write a capacity as"),
        ([5], "write a capacity as"),
        (True, "write a capacity as"),
        (0, "input should be greater than 0"),
        (5, "input should be less than or equal to 1"),
        ("150%", "input should be less than or equal to 1"),
        ("0 per week", "input should be greater than 0"),
        (float("nan"), "input should be a finite number"),
        ({"count": 5}, "a capacity is either a count per period or a share"),
        ({"per": "week"}, "a capacity is either a count per period or a share"),
        ({}, "a capacity is either a count per period or a share"),
        ({"share": 0.1, "count": 5, "per": "week"}, "a capacity is either a count per period or a share"),
        ({"share": 0.1, "per": "week"}, "a capacity is either a count per period or a share"),
    ],
)
def test_anything_else_is_no_capacity(written: Any, what: str) -> None:
    with pytest.raises(SpecInvalid) as raised:
        capacity_of(written)
    (problem,) = raised.value.problems
    assert problem.what.startswith(f"capacity: {what}")
    assert problem.where == "the spec, decision.capacity"


# Names and expressions.


@pytest.mark.parametrize("written", ["age", ["age"], ("age",)])
def test_one_column_name_may_be_written_without_brackets(written: Any) -> None:
    assert Spec.of({"data": {"source": "a", "target": "y", "must_not_use": written}}).data.must_not_use == ("age",)


@pytest.mark.parametrize("text", ["nan", "inf", "infinity", "Infinity + 1", "-5", "1e3", "amount * 2"])
def test_an_expression_keeps_its_meaning_when_a_spec_is_written_out(text: str) -> None:
    spec = Spec.of({"data": {"source": "a", "target": "y"}, "decision": {"error_cost": text}})
    again = Spec.of(spec.model_dump(mode="json", exclude_none=True))
    assert spec.decision.error_cost is not None
    assert again.decision.error_cost is not None
    assert again.decision.error_cost.columns == spec.decision.error_cost.columns
    columns = {name: [3.0] for name in spec.decision.error_cost.columns}
    both = [s.decision.error_cost.evaluate(columns, rows=1) for s in (spec, again) if s.decision.error_cost]  # type: ignore[arg-type]
    assert both[0] == both[1]


@pytest.mark.parametrize("worth", [float("nan"), float("inf"), float("-inf")])
def test_a_worth_that_is_no_number_is_refused(worth: float) -> None:
    with pytest.raises(SpecInvalid, match="a number that is not finite"):
        Spec.of({"data": {"source": "a", "target": "y"}, "decision": {"values": {"true_positive": worth}}})
