"""Champion against challenger: how often a worthless one wins, and how soon a better or a worse one is known."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lifecycle.world import START, drawn, labelled
from tests.support import spec_for

from mlwright.lifecycle import Comparison, GuardUnfit, LabelledRows, objective_of_spec
from mlwright.lifecycle.comparison import Kind
from mlwright.models import Model, Predictions


def answers(p: np.ndarray) -> Predictions:
    return Predictions(classes=("no", "yes"), prediction=p, decision=(p > 0.5).astype(np.int64))


def begun(model: Model, kind: Kind = "proof", *, guards: dict[str, float] | None = None) -> Comparison:
    spec = spec_for("bought", operation={"retrain": {"guards": guards or {}}})
    some = labelled(model, drawn(10, seed=0))
    objective = objective_of_spec(spec, some.rows, model.predict(some.rows.table))
    return Comparison(kind=kind, new=2, old=1, since=START).declared(objective)


def year_of_looks(
    rows: LabelledRows,
    comparison: Comparison,
    rng: np.random.Generator,
    *,
    noise: tuple[float, float],
    per_day: int = 40,
) -> tuple[str, int]:
    """Daily looks at two models that know the law up to noise of their own; the outcome and the day."""
    age, visits = rows.rows.numbers("age"), rows.rows.numbers("visits")
    city = np.array(rows.rows.table.column("city").to_pylist())
    logit = 0.09 * (age - 45) + (city == "Rome") * 1.5 - 0.45 + 0.4 * (visits - 3)
    said = [1 / (1 + np.exp(-logit - rng.normal(0, one, len(rows)))) for one in noise]
    for day in range(365):
        part = slice(day * per_day, (day + 1) * per_day)
        which = np.arange(len(rows))[part]
        comparison = comparison.after(rows.take(which), answers(said[0][part]), answers(said[1][part]))
        if comparison.outcome in {"better", "worse"}:
            return comparison.outcome, day
    return comparison.outcome, 365


@pytest.fixture(scope="module")
def year(model: Model) -> LabelledRows:
    return labelled(model, drawn(365 * 40, seed=11))


def test_an_equal_challenger_is_hardly_ever_promoted_though_looked_at_daily_for_a_year(model: Model) -> None:
    # The gains of Comparison with 0/1 answers, without the rows around them: 100 years take too long otherwise.
    rng, promoted = np.random.default_rng(0), 0
    comparison = begun(model)
    assert comparison.test is not None
    for _ in range(100):
        disagree = rng.random(365 * 40) < 0.1
        gains = np.where(disagree, rng.choice([-0.3, 0.3], 365 * 40), 0.0)
        test = comparison.test.update(gains)  # `highest` remembers every look
        promoted += test.verdict == "better"
    assert promoted <= 5


def test_a_better_challenger_is_promoted_and_a_worse_one_is_sent_away(model: Model, year: LabelledRows) -> None:
    rng = np.random.default_rng(1)
    assert year_of_looks(year, begun(model), rng, noise=(0.3, 1.6))[0] == "better"
    assert year_of_looks(year, begun(model), rng, noise=(1.6, 0.3))[0] == "worse"


def test_an_equal_challenger_stays_undecided_on_real_answers(model: Model, year: LabelledRows) -> None:
    outcome, _ = year_of_looks(year, begun(model), np.random.default_rng(2), noise=(0.5, 0.5))
    assert outcome == "undecided"


def test_a_promotion_that_costs_five_points_is_taken_back_within_two_windows_of_500_rows(model: Model) -> None:
    found = []
    for seed in range(20):
        rng, rows = np.random.default_rng(seed), labelled(model, drawn(1000, seed=100 + seed))
        truth = rows.y
        good = np.clip(0.15 + 0.7 * truth + rng.normal(0, 0.1, 1000), 0.01, 0.99)
        # Five of a hundred rows that were right are now wrong.
        bad = np.where(rng.random(1000) < 0.05, 1 - good, good)
        comparison = begun(model, "watch")
        for window in (np.arange(500), np.arange(500, 1000)):
            comparison = comparison.after(rows.take(window), answers(bad[window]), answers(good[window]))
        found.append(comparison.outcome)
    assert found.count("worse") >= 19


def test_a_watch_is_still_quick_after_months_in_which_the_new_version_did_better(model: Model) -> None:
    rng, comparison = np.random.default_rng(3), begun(model, "watch")
    rows = labelled(model, drawn(500, seed=12))
    good = np.clip(0.1 + 0.8 * rows.y, 0.01, 0.99)
    for _ in range(120):
        fair = np.where(rng.random(500) < 0.05, 1 - good, good)
        comparison = comparison.after(rows, answers(good), answers(fair))
    windows, before = 0, comparison.outcome
    while comparison.outcome != "worse":
        bad, windows = np.where(rng.random(500) < 0.08, 1 - good, good), windows + 1
        comparison = comparison.after(rows, answers(bad), answers(good))
    assert before == "undecided"
    assert windows <= 4


def test_harm_to_a_guard_holds_a_promotion_back(model: Model) -> None:
    comparison = begun(model, guards={"accuracy": 0.01})
    rows = labelled(model, drawn(3000, seed=13))
    truth = rows.y
    old = np.where(truth == 1, 0.52, 0.48)  # right, and unsure
    new = np.where(truth == 1, 0.95, 0.05)
    wrong = np.random.default_rng(4).random(3000) < 0.05
    new[wrong] = 1 - new[wrong]  # much better probabilities, five points fewer right answers
    comparison = comparison.after(rows, answers(new), answers(old))
    assert comparison.outcome == "guarded"
    proof = comparison.proof(now=START)
    assert not proof.holds
    assert proof.broken_guards[0].metric == "accuracy"


def test_a_guard_that_is_no_mean_over_rows_is_refused(model: Model) -> None:
    with pytest.raises(GuardUnfit, match="roc_auc"):
        begun(model, guards={"roc_auc": 0.01})


@given(parts=st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_looks_may_be_cut_anywhere_and_states_written_down_between_them(model: Model, parts: list[int]) -> None:
    rows = labelled(model, drawn(sum(parts), seed=14))
    new, old = answers(np.full(len(rows), 0.6)), answers(np.full(len(rows), 0.4))
    whole = begun(model).after(rows, new, old)
    pieces, start = begun(model), 0
    for count in parts:
        which = np.arange(start, start + count)
        cut = pieces.after(rows.take(which), answers(new.prediction[which]), answers(old.prediction[which]))
        pieces, start = Comparison.of_state(cut.state()), start + count
    assert pieces.rows == whole.rows
    assert pieces.e_value == pytest.approx(whole.e_value)
    assert pieces.gain == pytest.approx(whole.gain)


def test_money_is_compared_where_the_spec_gives_it(model: Model) -> None:
    rows = labelled(model, drawn(400, seed=15))
    spec = spec_for("bought", decision={"values": {"true_positive": 40, "false_positive": -10}, "currency": "EUR"})
    objective = objective_of_spec(spec, rows.rows, model.predict(rows.rows.table))
    assert (objective.measure, objective.bound, objective.unit) == ("value", 40.0, "EUR")
    act, wait = answers(np.ones(400)), answers(np.zeros(400))
    gain = objective.of_rows(rows.rows, act) - objective.of_rows(rows.rows, wait)
    assert gain == pytest.approx(np.where(rows.y == 1, 40.0, -10.0))
    later = Comparison(kind="proof", new=2, old=1, since=START + timedelta(days=1)).declared(objective)
    assert Comparison.of_state(later.state()) == later
