"""Each rule on findings as the monitor makes them, with what a real model's scores and labels say."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.lifecycle.world import START, drawn, labelled, scores, with_share
from tests.support import spec_for

from mlwright.core import Interval
from mlwright.lifecycle import Decision, PriorShift, Recalibration, Situation, decide, prior_shift, recalibration
from mlwright.models import Model
from mlwright.monitoring.findings import Finding
from mlwright.spec import Spec

NOW = START + timedelta(days=20)


def spec_with(**operation: object) -> Spec:
    return spec_for("bought", operation=operation)


def loss(low: float, high: float, *, unit: str = "Brier score", **evidence: float) -> Finding:
    return Finding(
        kind="loss",
        level="page",
        what="The Brier score has risen.",
        since=START,
        cost=Interval(low=low, high=high, confidence=0.9),
        cost_unit=unit,
        evidence=evidence,
    )


def fault(kind: str = "unit_change") -> Finding:
    return Finding(kind=kind, level="page", what="`age` is a thousand times as large.", columns=("age",), since=START)


def shift_of(model: Model) -> PriorShift:
    window = with_share(drawn(6000, seed=2), 0.85, 4000, seed=3)
    assert model.history is not None
    assert model.history.scores is not None
    found = prior_shift(
        scores(model, window), model.history.scores, classes=model.classes, rng=np.random.default_rng(0)
    )
    assert found is not None
    return found


def calibration_of(model: Model, **law: float) -> Recalibration:
    found = recalibration(model, labelled(model, drawn(2500, seed=4, **law)), rng=np.random.default_rng(0))
    assert found is not None
    return found


def test_broken_input_is_kept_back_and_nothing_is_learnt_from_it() -> None:
    decision = decide(Situation(champion=1, findings=(fault(), loss(0.02, 0.05))), spec_with(), now=NOW)
    assert decision.action == "quarantine"
    assert decision.findings == (fault().key,)
    assert decision.since == START


def test_broken_input_is_repaired_where_the_owner_accepted_the_rule() -> None:
    situation = Situation(champion=1, findings=(fault(),), accepted=frozenset({"unit_change"}))
    assert decide(situation, spec_with(), now=NOW).action == "repair"


@pytest.mark.parametrize("kind", ["stopped_feed", "late_batch"])
def test_a_feed_that_stopped_holds_no_rows_back(kind: str) -> None:
    assert decide(Situation(champion=1, findings=(fault(kind),)), spec_with(), now=NOW).action == "nothing"


def test_moved_shares_ask_for_other_priors_and_not_for_a_new_model(model: Model) -> None:
    situation = Situation(champion=1, findings=(loss(0.02, 0.05),), shift=shift_of(model))
    decision = decide(situation, spec_with(), now=NOW)
    assert decision.action == "reweight"
    assert decision.mode == "recommend"
    assert re.match(
        r"The share of 'yes' has moved from 51\.\d % to 8[3-6](\.\d)? %, and that explains the scores", decision.reason
    )
    assert "labels would tell" in decision.reason


def test_shares_that_seem_to_have_moved_are_no_reason_while_the_drift_watch_is_quiet(model: Model) -> None:
    moved = Situation(champion=1, shift=shift_of(model))
    assert decide(moved, spec_with(), now=NOW).action == "nothing"
    drift = Finding(kind="drift", level="info", what="The model's score is higher.", since=START)
    assert decide(replace(moved, findings=(drift,)), spec_with(), now=NOW).action == "reweight"


def test_a_class_that_has_vanished_is_no_new_share(model: Model) -> None:
    shift = shift_of(model)
    gone = replace(shift, now=(0.9999, 0.0001), between=(Interval(low=0.99, high=1.0, confidence=0.95),) * 2)
    assert gone.moved
    assert not gone.explains


def test_twice_as_many_rows_from_after_the_change_ask_for_another_challenger_at_once() -> None:
    begun = Situation(champion=1, findings=(loss(0.1, 0.2),), rows_after_change=800)
    first = decide(begun, spec_with(), now=NOW)
    assert first.evidence["labelled_rows_after_change"] == 800
    assert first.again_after > timedelta(0)
    tried = replace(begun, tried_with=800, rows_after_change=1500)
    assert decide(tried, spec_with(), now=NOW).again_after > timedelta(0)
    assert decide(replace(tried, rows_after_change=1600), spec_with(), now=NOW).again_after == timedelta(0)


def test_labels_that_say_the_probabilities_still_hold_speak_against_other_priors(model: Model) -> None:
    situation = Situation(champion=1, findings=(), shift=shift_of(model), calibration=calibration_of(model))
    assert decide(situation, spec_with(), now=NOW).action == "nothing"


def test_numbers_that_are_off_while_the_ranking_holds_ask_for_a_calibration(model: Model) -> None:
    calibration = calibration_of(model, base=1.3)
    decision = decide(
        Situation(champion=1, findings=(loss(0.02, 0.05),), calibration=calibration), spec_with(), now=NOW
    )
    assert decision.action == "recalibrate"
    assert decision.saves == calibration.gain


def test_a_law_that_changed_asks_for_a_challenger_from_after_the_change(model: Model) -> None:
    calibration = calibration_of(model, slope=-1.0)
    spec = spec_with(act={"retrain": "automatic"}, retrain={"cost": 100.0})
    decision = decide(Situation(champion=1, findings=(loss(0.1, 0.2),), calibration=calibration), spec, now=NOW)
    assert (decision.action, decision.mode, decision.since) == ("retrain", "automatic", START)


def test_a_loss_within_the_tolerance_changes_nothing() -> None:
    spec = spec_with(retrain={"tolerance": 0.03})
    decision = decide(Situation(champion=1, findings=(loss(0.02, 0.05),)), spec, now=NOW)
    assert decision.action == "nothing"
    assert "none of them costs more than is tolerated" in decision.reason


def test_drift_without_a_cost_changes_nothing_unless_the_spec_says_so() -> None:
    drift = Finding(kind="drift", level="warn", what="`age` is higher.", columns=("age",), since=START)
    assert decide(Situation(champion=1, findings=(drift,)), spec_with(), now=NOW).action == "nothing"
    spec = spec_with(retrain={"on": ["drift"]})
    assert decide(Situation(champion=1, findings=(drift,)), spec, now=NOW).action == "retrain"


@pytest.mark.parametrize(("rows_per_day", "action"), [(10, "nothing"), (1000, "retrain")])
def test_a_new_version_must_save_more_than_it_costs(rows_per_day: float, action: str) -> None:
    spec = spec_with(retrain={"cost": 1000.0, "horizon": "30d"})
    situation = Situation(champion=1, findings=(loss(0.02, 0.08, unit="EUR"),), rows_per_day=rows_per_day)
    decision = decide(situation, spec, now=NOW)
    assert decision.action == action
    assert decision.saves_in_all == pytest.approx(0.05 * rows_per_day * 30)
    if action == "nothing":
        assert "not worth it" in decision.reason


def test_what_cannot_be_told_asks_for_labels() -> None:
    unsure = Finding(
        kind="cannot_tell", level="warn", what="Nobody can tell what it costs.", evidence={"labels_needed": 400}
    )
    decision = decide(Situation(champion=1, findings=(unsure,)), spec_with(), now=NOW)
    assert decision.action == "label"
    assert "400" in decision.reason


def test_the_schedule_and_a_growing_table_ask_for_a_challenger_without_any_finding() -> None:
    spec = spec_with(retrain={"on": ["schedule"], "every": "7d"})
    assert decide(Situation(champion=1, champion_since=NOW - timedelta(days=6)), spec, now=NOW).action == "nothing"
    assert decide(Situation(champion=1, champion_since=NOW - timedelta(days=7)), spec, now=NOW).action == "retrain"
    stale = spec_with(retrain={"on": ["staleness"]})
    grown = Situation(champion=1, windows_since=6, labelled_rows=900, trained_rows=2000)
    assert decide(grown, stale, now=NOW).action == "retrain"
    assert decide(replace(grown, labelled_rows=100), stale, now=NOW).action == "nothing"
    assert decide(replace(grown, labelled_rows=100, windows_since=10), stale, now=NOW).action == "retrain"


def test_a_decision_survives_being_written_down() -> None:
    decision = decide(Situation(champion=3, findings=(loss(0.1, 0.2),)), spec_with(), now=NOW)
    again = Decision.of_state(decision.state())
    assert again == decision
    assert again.id == decision.id
    assert decision.key == "retrain/3"
