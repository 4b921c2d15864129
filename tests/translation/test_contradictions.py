"""What is asked and cannot be on these rows, with the numbers that show it; what can be is let through."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm
from tests.support import diabetes_frame, split_of, wine_frame
from tests.translation.asked import asked, contradictions, requirement

from mlwright.statistics import LevelMissing, MetricUnknown
from mlwright.translation import (
    Contradiction,
    ContradictionFound,
    find_contradictions,
    measure_lightest,
    raise_if_certain,
)

MONEY = {"true_positive": 40, "false_positive": -10}
WEEKLY = {"count": 1000, "per": "week"}


def one(**sections: Any) -> Contradiction:
    (found,) = contradictions(**sections)
    return found


@pytest.mark.parametrize(
    "sections",
    [
        {},
        requirement("roc_auc", min=0.9),
        requirement("recall", min=0.5, on='city == "Rome"'),
        requirement("log_loss", max=0.001),
        requirement("accuracy", min=0.97),
        {**requirement("value", min=5), "decision": {"values": MONEY}},
        {**requirement("recall", min=0.1), "decision": {"capacity": "20%"}},
        {"constraints": {"monotonic": {"age": "increasing", "member": "decreasing"}, "interpretability": "glass_box"}},
        {"decision": {"values": {"true_positive": "2 * visits", "false_positive": -5}}},
        # It may be free to act on a wrong row where few rows can be acted on.
        {"decision": {"values": {"true_positive": "visits"}, "capacity": "5%"}},
        {"constraints": {"latency_ms": 10_000, "size_mb": 1}},
    ],
)
def test_what_can_be_is_let_through(sections: dict[str, Any]) -> None:
    assert contradictions(measure=True, **sections) == ()


def test_worths_by_which_no_row_is_acted_on_or_every_row() -> None:
    never = one(decision={"values": {"true_positive": "0 * visits", "false_positive": "-1 - visits"}})
    assert "acting pays in no row" in never.what
    assert "480 training rows" in never.what
    always = one(decision={"values": {"true_positive": "visits + 1"}})
    assert "acting pays in every row" in always.what
    assert never.certain
    assert always.certain


def test_a_value_above_perfect_foresight_under_the_capacity() -> None:
    decision = {"values": MONEY, "capacity": "10%"}
    found = one(**requirement("value", min=20), decision=decision)
    positives = float(asked()[1].test.y.mean())
    assert found.certain
    assert found.numbers["bound"] == 20
    # At most a tenth of the rows, and what a limit from training rows lets through by chance, at 40 each.
    assert 4 <= float(str(found.numbers["perfect"])) < 40 * 0.2 < 40 * positives
    assert "under a capacity of 10.0%" in found.what
    assert contradictions(**requirement("value", min=20), decision={"values": MONEY}) == ()
    per_week = {**decision, "volume": WEEKLY}
    assert "value of 1,000 rows" in one(**requirement("value_per_period", min=20_000), decision=per_week).what


def test_a_recall_that_the_capacity_does_not_allow_would_need_a_precision_above_1() -> None:
    found = one(**requirement("recall", min=0.9), decision={"capacity": "50 per week", "volume": WEEKLY})
    base = float(asked()[1].test.y.mean())
    assert found.numbers["precision"] == pytest.approx(0.9 * base / 0.05)
    assert float(str(found.numbers["precision"])) > 1
    assert found.certain
    assert "the capacity acts on 5.0%" in found.what


def test_precision_among_the_top_above_what_there_are_positives() -> None:
    found = one(**requirement("precision_at_top", at=0.9, min=0.95))
    base = float(asked()[1].test.y.mean())
    assert found.numbers["perfect"] == pytest.approx(base / 0.9, abs=0.01)


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.99])
@pytest.mark.parametrize(("metric", "min_"), [("accuracy", 0.995), ("recall", 0.995), ("specificity", 0.99)])
def test_a_share_that_even_no_error_would_not_prove(metric: str, min_: float, confidence: float) -> None:
    """The oracle: Wilson's lower end at n of n, n / (n + z²)."""
    found = one(**requirement(metric, min=min_, confidence=confidence))
    y = asked()[1].test.y
    n = {"accuracy": len(y), "recall": int(y.sum()), "specificity": int((1 - y).sum())}[metric]
    z2 = norm.ppf(confidence) ** 2
    assert found.numbers["counted"] == n
    assert found.numbers["lower_end"] == pytest.approx(n / (n + z2))
    needed = int(str(found.numbers["rows_needed"]))
    assert needed / (needed + z2) >= min_ > (needed - 1) / (needed - 1 + z2) or needed == 20
    assert found.certain


def test_what_even_no_error_would_prove_is_let_through() -> None:
    y = asked()[1].test.y
    lower_end = len(y) / (len(y) + norm.ppf(0.9) ** 2)
    assert contradictions(**requirement("accuracy", min=lower_end - 1e-6)) == ()
    assert one(**requirement("accuracy", min=lower_end + 1e-6)).certain


def test_a_requirement_that_only_should_hold_is_a_warning() -> None:
    assert not one(**requirement("accuracy", min=0.999, priority="should")).certain


def test_a_ranking_that_few_rows_cannot_prove_is_a_warning() -> None:
    """Another ranking may have a narrower interval than a perfect one, so it is not certain."""
    found = one(rows=120, **requirement("roc_auc", min=0.93, confidence=0.99))
    fewer = int(np.unique(asked(120)[1].test.y, return_counts=True)[1].min())
    assert found.numbers["lower_end"] == pytest.approx(0.01 ** (1 / fewer))
    assert not found.certain


def test_a_slice_without_a_row_and_one_with_few() -> None:
    empty = one(**requirement("roc_auc", min=0.6, on='city == "rome"'))
    assert empty.what == 'R1 is about rows where city == "rome", and none of the 600 rows is one'
    assert empty.certain
    assert "spellings" in empty.fix
    few = one(**requirement("roc_auc", min=0.6, on="age > 85"))
    assert "under 20 nothing can be said" in few.what
    assert few.certain
    assert not one(**requirement("roc_auc", min=0.6, on="age > 85", priority="could")).certain


def test_a_recall_where_nobody_is_positive_cannot_be_measured() -> None:
    found = one(**requirement("recall", min=0.6, on='bought == "no"'))
    assert "cannot be measured" in found.what


@pytest.mark.parametrize(
    ("column", "data", "says"),
    [
        ("city", {}, "its values (category) have no order"),
        ("joined", {}, "its values (datetime) have no order"),
        ("review", {}, "its values (text) have no order"),
        ("customer_id", {"id": None}, "is not a feature"),
    ],
)
def test_a_monotonic_column_needs_an_order(column: str, data: dict[str, Any], says: str) -> None:
    found = one(constraints={"monotonic": {column: "increasing"}}, data=data)
    assert says in found.what
    assert found.certain


def test_a_monotonic_column_that_is_sensitive_is_shown_to_a_person() -> None:
    found = one(constraints={"monotonic": {"age": "increasing"}}, data={"sensitive": ["age"]})
    assert "which the spec calls sensitive" in found.what
    assert found.numbers == {"low": 18.0, "high": 89.0}
    assert not found.certain


def test_of_many_classes_there_is_no_one_prediction_to_push() -> None:
    spec, split = split_of(wine_frame(), "cultivar", constraints={"monotonic": {"alcohol": "increasing"}})
    (found,) = find_contradictions(spec, split)
    assert found.certain
    assert found.numbers == {"classes": 3}


def test_a_latency_that_the_lightest_model_does_not_meet_is_measured() -> None:
    spec, split = asked(constraints={"latency_ms": 1e-4})
    (found,) = find_contradictions(spec, split)
    assert found.certain
    assert "linear model" in found.what
    assert set(found.measured) == {"p50_ms", "p95_ms", "p95_low_ms", "p95_high_ms"}
    assert set(found.measured) < set(found.numbers)
    assert find_contradictions(spec, split, measure=False) == ()


@pytest.mark.parametrize(
    ("constraints", "family"),
    [
        ({}, "linear model"),
        ({"monotonic": {"age": "increasing"}}, "LightGBM"),
        ({"monotonic": {"age": "increasing"}, "interpretability": "glass_box"}, "additive model"),
    ],
)
def test_the_lightest_model_is_one_that_may_take_part(constraints: dict[str, Any], family: str) -> None:
    spec, split = asked(constraints=constraints)
    found = measure_lightest(spec, split.train, seed=0)
    assert found is not None
    assert found.family == family
    assert 0 < found.p50 <= found.p95


def test_a_deadline_before_the_labels_is_told_and_does_not_stop() -> None:
    spec, split = asked(project={"deadline": "2026-03-01"}, operation={"label_delay": "60d"})
    (found,) = find_contradictions(spec, split, today=date(2026, 2, 1))
    assert found.numbers == {"days_left": 28, "label_delay_days": 60, "unlabelled_rows": 0}
    assert not found.certain
    assert find_contradictions(spec, split) == ()


def test_metrics_that_do_not_fit_are_told_as_such() -> None:
    with pytest.raises(MetricUnknown):
        contradictions(**requirement("rmse", max=1.0))
    with pytest.raises(LevelMissing):
        contradictions(**requirement("recall_at_top", min=0.5))


def test_numbers_and_several_classes_are_judged_too() -> None:
    spec, split = split_of(diabetes_frame(), "progression", **requirement("r2", min=0.9))
    assert find_contradictions(spec, split) == ()
    spec, split = split_of(diabetes_frame(), "progression", **requirement("interval_coverage", min=0.99))
    assert find_contradictions(spec, split)[0].numbers["counted"] == len(split.test_rows)
    spec, split = split_of(wine_frame(), "cultivar", **requirement("accuracy", min=0.99))
    assert find_contradictions(spec, split)[0].certain


def test_certain_ones_come_first_and_stop_together() -> None:
    found = contradictions(
        requirements=[
            {"id": "R1", "metric": "accuracy", "min": 0.999, "priority": "could"},
            {"id": "R2", "metric": "accuracy", "min": 0.999},
            {"id": "R3", "metric": "recall", "min": 0.999},
        ]
    )
    assert [one.certain for one in found] == [True, True, False]
    with pytest.raises(ContradictionFound) as stop:
        raise_if_certain(found)
    assert stop.value.exit_code == 2
    assert str(stop.value).count("  fix    ") == 2
    raise_if_certain(found[2:])
    assert [Contradiction.of_state(json.loads(json.dumps(one.state()))) for one in found] == list(found)
