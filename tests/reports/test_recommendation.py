"""What to do with a model: by what was asked, what was found, and what it is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.reports.verdicts import interval, more, requirement, verdict

from mlwright.core import Interval
from mlwright.evaluation import DecisionValue, Evaluation
from mlwright.reports.recommendation import kept_promises, promise_in_words, recommend
from mlwright.reports.words import money
from mlwright.runs import Run
from mlwright.search import Alternative


def evaluation_of(run: Run) -> Evaluation:
    assert run.evaluation is not None
    return run.evaluation


def ended(run: Run, outcome: str, **changes: Any) -> Run:
    """The run with its requirement ended otherwise."""
    evaluation = evaluation_of(run)
    known: dict[str, Any] = {"outcome": outcome, **changes}
    one = replace(evaluation.requirements[0], **known)
    return replace(run, evaluation=replace(evaluation, requirements=(one,)))


def earning(run: Run, low: float, high: float, *, today: bool = False) -> Run:
    """The run with decisions that earn so much more a row than without it."""
    sure = Interval(low=low, high=high, confidence=0.95)
    names = ["act_on_none", "current_process"] if today else ["act_on_none"]
    value = DecisionValue(
        currency="EUR", n=180, per_row=2.0, interval=sure, total=360.0, acted=0.2, assumed=0, method="t interval",
        alternatives=tuple(
            Alternative(name=name, per_row=0.0, gain=(low + high) / 2, gain_interval=sure) for name in names
        ),
    )  # fmt: skip
    return replace(run, evaluation=replace(evaluation_of(run), value=value))


def deciding(run: Run, **decision: Any) -> Run:
    """The run with another section on the decision."""
    known = run.spec.decision
    changed = type(known).model_validate(known.model_dump(exclude_unset=True) | decision, strict=False)
    return replace(run, spec=run.spec.but(decision=changed))


@pytest.mark.parametrize(
    ("outcome", "tone", "verdict_is"),
    [
        ("met", "good", "Use it"),
        ("undecided", "open", "Not yet: it is not proven"),
        ("not met", "bad", "Do not use it for this"),
    ],
)
def test_without_money_the_requirements_decide(finished: Run, outcome: str, tone: str, verdict_is: str) -> None:
    found = recommend(ended(finished, outcome))
    assert (found.tone, found.verdict) == (tone, verdict_is)
    assert found.gain is None


@pytest.mark.parametrize(
    ("low", "high", "verdict_is"),
    [(1.0, 3.0, "Use it"), (-1.0, 3.0, "Try it on a part first"), (-3.0, -1.0, "Do not use it")],
)
def test_what_is_met_is_used_only_if_it_earns_more(finished: Run, low: float, high: float, verdict_is: str) -> None:
    assert recommend(earning(ended(finished, "met"), low, high)).verdict == verdict_is


def test_what_is_not_proven_but_earns_is_tried_on_a_part(finished: Run) -> None:
    found = recommend(earning(ended(finished, "undecided", labels_needed=5282), 1.0, 3.0))
    assert found.tone == "open"
    assert "try it on a part first" in found.verdict
    assert "picked at random" in found.steps[0]
    assert "about 5,300 more rows" in found.steps[1]


def test_money_is_told_beside_what_is_done_today_and_for_the_volume_of_the_spec(finished: Run) -> None:
    run = deciding(earning(ended(finished, "met"), 1.0, 3.0, today=True), volume={"count": 500, "per": "week"})
    gain = recommend(run).gain
    assert gain is not None
    assert (
        gain.sentence() == "It earns about 1,000 EUR a week more than what is done today (95 % range: +500 to +1,500)."
    )
    assert gain.id == "value.current_process.gain"
    without = recommend(earning(ended(finished, "met"), 1.0, 3.0)).gain
    assert without is not None
    assert without.sentence().startswith("It earns about 2,000 EUR per 1,000 rows more than acting on none")


def test_on_how_many_it_acts_is_told_with_the_capacity(finished: Run) -> None:
    run = earning(ended(finished, "met"), 1.0, 3.0)
    run = deciding(run, action="call them", volume={"count": 500, "per": "week"}, capacity="120 per week")
    assert recommend(run).acts == (
        "Call them where the model says so: 20 % of the rows, about 100 a week (at most 120 a week can be handled)."
    )


def test_a_pipeline_that_finds_something_in_nothing_is_not_to_be_used(finished: Run) -> None:
    evaluation = evaluation_of(finished)
    canaries = tuple(
        replace(one, interval=Interval(low=0.9, high=0.95, confidence=0.999)) for one in evaluation.canaries
    )
    assert recommend(replace(finished, evaluation=replace(evaluation, canaries=canaries))).verdict == "Do not use it"


def test_an_unscored_run_is_to_be_scored(finished: Run) -> None:
    assert recommend(replace(finished, evaluation=None)).verdict == "Not tested yet"


def test_after_a_miss_the_forecast_says_what_would_have_done(finished: Run) -> None:
    promised = verdict(requirement(0.05, limit="too few rows", more_rows=more(480, 1920)))
    found = recommend(replace(ended(finished, "not met"), verdict=promised))
    assert "at least 0.765 was within reach of R1" in found.steps[0]
    assert "480 to 1,900 more rows" in found.steps[1]
    assert recommend(ended(finished, "not met")).steps  # without a forecast there is advice as well


@pytest.mark.parametrize(("score", "held"), [(0.81, True), (0.71, False)])
def test_what_was_promised_is_compared_with_what_came_out(finished: Run, score: float, held: bool) -> None:
    promised = verdict(requirement(0.9, interval=interval(0.74, 0.86)))
    run = replace(ended(finished, "met", value=score), verdict=promised)
    kept = kept_promises(run, evaluation_of(run))
    assert [one.held for one in kept] == [held]
    assert kept[0].chance == "90 %"
    words = promise_in_words(run, evaluation_of(run))
    assert ("came out" in words) == held
    assert ("R1" in words) != held


def test_without_a_forecast_nothing_was_promised(finished: Run) -> None:
    run = replace(finished, verdict=None)
    assert [one.held for one in kept_promises(run, evaluation_of(run))] == [None]
    assert promise_in_words(run, evaluation_of(run)) == ""


def test_money_is_told_to_three_digits() -> None:
    assert [money(amount) for amount in (12345.6, -1234.5, 98.4, 0.0)] == ["12,300", "−1,230", "98", "0.000"]
