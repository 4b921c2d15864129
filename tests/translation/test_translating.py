"""What the spec asks and what the run does: with the numbers that the run itself uses."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import diabetes_frame, mixed_frame, split_of, wine_frame
from tests.translation.asked import asked, requirement, translated

from mlwright.checks import run_checks
from mlwright.models import FAMILIES, decision_rule
from mlwright.statistics import Worth
from mlwright.translation import Translation, translate
from mlwright.translation.decisions import row_thresholds

MONEY = {"true_positive": 40, "false_positive": -10}


def done(topic: str, **sections: Any) -> str:
    (line,) = translated(**sections).of(topic)
    return line.done


def test_fixed_worths_become_the_rule_with_their_numbers_in_it() -> None:
    spec, split = asked(decision={"values": MONEY, "currency": "EUR"})
    (line,) = translate(spec, split).of("decision")
    assert "p > (tn - fp) / ((tn - fp) + (tp - fn)) = (0 - (-10)) / ((0 - (-10)) + (40 - 0)) = 0.2" in line.done
    assert line.numbers["threshold"] == pytest.approx(decision_rule(spec, split.train).threshold)
    assert line.asked == "true_positive 40, false_positive -10, false_negative 0.0, true_negative 0.0 (EUR)"
    assert line.where.endswith("decision.values")


def test_worths_that_differ_by_row_become_a_range_of_thresholds() -> None:
    spec, split = asked(decision={"values": {"true_positive": "2 * visits", "false_positive": -5}})
    (line,) = translate(spec, split).of("decision")
    visits = split.train.numbers("visits")
    threshold = np.where(visits > 0, 5 / (5 + 2 * visits), 1.0)
    for share in (5, 50, 95):
        assert line.numbers[f"threshold_{share}"] == pytest.approx(np.quantile(threshold, share / 100))
    assert line.numbers["assumed"] == 0
    assert "row by row" in line.done


def test_a_worth_that_is_known_only_later_decides_with_its_mean() -> None:
    values = {"true_positive": "2 * visits", "false_positive": -5}
    said = done("decision", decision={"values": values}, data={"known_after_decision": ["visits"]})
    assert "visits: known only after the decision" in said


worths = st.floats(-50, 50).map(lambda value: round(value, 3))


@given(st.tuples(worths, worths, worths, worths), st.floats(0.001, 0.999))
def test_the_threshold_of_a_row_is_where_acting_begins_to_pay(amounts: tuple[float, ...], probability: float) -> None:
    tp, fp, fn, tn = (np.array([amount]) for amount in amounts)
    worth = Worth(true_positive=tp, false_positive=fp, false_negative=fn, true_negative=tn)
    if (tp - fn) - (fp - tn) <= 1e-6:
        return  # acting pays at low probabilities: no threshold says that
    threshold = row_thresholds(worth)[0]
    if abs(probability - threshold) > 1e-9:
        assert (worth.act(np.array([probability]))[0] == 1) == (probability > threshold)


def test_without_worths_it_acts_from_a_half_on() -> None:
    assert translated().of("decision")[0].numbers == {"threshold": 0.5}


def test_a_capacity_becomes_a_share_and_a_ranking() -> None:
    decision = {"capacity": "50 per week", "volume": {"count": 1000, "per": "week"}, "values": MONEY}
    (line,) = translated(decision=decision).of("capacity")
    assert line.numbers["share"] == pytest.approx(0.05)
    assert "ranked by what acting is expected to be worth" in line.done
    assert "top 5.0%" in line.done
    assert "ranked by probability" in done("capacity", decision={"capacity": "10%"})


@pytest.mark.parametrize(
    ("cost", "told", "quantile"),
    [
        ("where(error > 0, 2 * error, -6 * error)", "the 75 % quantile of progression", 0.75),
        ("3 * abs(error)", "the median of progression", 0.5),
    ],
)
def test_the_cost_of_an_error_becomes_a_quantile(cost: str, told: str, quantile: float) -> None:
    spec, split = split_of(diabetes_frame(), "progression", decision={"error_cost": cost})
    (line,) = translate(spec, split).of("error_cost")
    assert told in line.done
    assert line.numbers["quantile"] == pytest.approx(quantile)


def dated(delay: str, **data: Any) -> tuple[Translation, int]:
    frame = mixed_frame(600).with_columns(joined=pl.date_range(pl.date(2024, 1, 1), pl.date(2025, 8, 22), eager=True))
    spec, split = split_of(frame, "bought", data={"id": "customer_id", **data}, operation={"label_delay": delay})
    return translate(spec, split), len(split.left_out)


def test_a_label_delay_becomes_a_gap_with_the_rows_in_it() -> None:
    found, left_out = dated("30d", time="joined")
    (line,) = found.of("label_delay")
    assert line.numbers == {"gap_days": 30.0, "rows_in_gap": left_out}
    assert left_out == 30
    assert "30 rows fall into them" in line.done


def test_a_label_delay_without_a_time_makes_no_gap_and_says_so() -> None:
    (line,) = dated("30d")[0].of("label_delay")
    assert line.numbers == {"gap_days": 0.0, "rows_in_gap": 0}
    assert "data.time" in line.done


def test_columns_that_must_not_be_used_come_with_what_tells_them() -> None:
    frame = mixed_frame(600).with_columns(town=pl.col("city").replace({"Paris": "P", "Rome": "R"}))
    spec, split = split_of(frame, "bought", data={"id": "customer_id", "must_not_use": ["town"], "sensitive": ["city"]})
    plain = translate(spec, split)
    assert plain.of("must_not_use")[0].done == "town is left out, and the features that tell it are searched for"
    checks = run_checks(split.dataset, spec, split, only=["proxies"])
    assert "the features tell it" in translate(spec, split, checks=checks).of("must_not_use")[0].done
    assert "it is a feature all the same" in plain.of("sensitive")[0].done


def test_monotonic_columns_leave_the_families_that_can_keep_them() -> None:
    said = done("monotonic", constraints={"monotonic": {"age": "increasing"}})
    taking, without = said.split("(not: ")
    assert FAMILIES["lightgbm"].title in taking
    assert FAMILIES["catboost"].title in taking
    assert FAMILIES["linear"].title in without
    assert FAMILIES["additive"].title not in taking
    readable = done("interpretability", constraints={"interpretability": "glass_box"})
    assert FAMILIES["additive"].title in readable
    assert FAMILIES["catboost"].title not in readable


def test_a_requirement_names_the_rows_that_judge_it() -> None:
    spec, split = asked(**requirement("recall", min=0.5, on='city == "Rome"', confidence=0.95, priority="should"))
    (line,) = translate(spec, split).of("requirements")
    rome = sum(city == "Rome" for city in split.test.table.column("city").to_pylist())
    assert line.numbers == {"bound": 0.5, "confidence": 0.95, "test_rows": rome}
    assert line.asked == 'R1: recall at least 0.5 where city == "Rome"'
    assert f"judged on {rome} test rows" in line.done
    assert "exit code" not in line.done


def test_everything_that_is_asked_has_a_line() -> None:
    fairness = [{"attribute": "city", "metric": "demographic_parity_ratio", "min": 0.8}]
    constraints = {"latency_ms": 5, "size_mb": 2, "memory_mb": 300, "interpretability": "reasons", "fairness": fairness}
    found = translated(constraints=constraints, decision={"values": MONEY, "action": "call"})
    assert {line.topic for line in found.lines} == {
        "objective",
        "decision",
        "interpretability",
        "fairness",
        "latency",
        "size",
        "memory",
        "budget",
    }
    assert len({line.id for line in found.lines}) == len(found.lines)
    assert found.of("objective")[0].asked == "call"


@pytest.mark.parametrize("rows", ["binary", "multiclass", "regression"])
def test_a_translation_is_evidence_and_comes_back_from_json(rows: str) -> None:
    frame, target = {
        "binary": (mixed_frame(300), "bought"),
        "multiclass": (wine_frame(), "cultivar"),
        "regression": (diabetes_frame(), "progression"),
    }[rows]
    found = translate(*split_of(frame, target))
    assert Translation.of_state(json.loads(json.dumps(found.state(), allow_nan=False))) == found
    records = list(found.evidence())
    assert len({record.id for record in records}) == len(records)
    assert {record.id for record in records} >= {"translation.objective.objective", "translation.budget.seconds"}
