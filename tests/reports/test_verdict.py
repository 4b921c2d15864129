"""The verdict in words: yes, no or not certain first, then what to do; never a certainty."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.verdicts import asked, interval, more, requirement, verdict
from tests.support import mixed_frame

from mlwright.data import Split
from mlwright.feasibility.noise import NoiseFinding
from mlwright.feasibility.simple_rules import SimpleRule
from mlwright.reports.more_rows import lasting, takes_of, waiting_for
from mlwright.reports.verdict import (
    answer,
    ceiling_in_words,
    certainty,
    cost_lines,
    expectation,
    finding_lines,
    in_percent,
    likelihood,
    reachable_bound,
    rows_to_look_at,
)
from mlwright.reports.verdict import asked as shown
from mlwright.spec import Spec


@pytest.fixture(scope="module")
def project() -> tuple[Spec, Split]:
    return asked()


@given(st.floats(0, 1))
def test_no_chance_is_told_as_a_certainty(probability: float) -> None:
    text = in_percent(probability)
    assert text not in {"0 %", "100 %"}
    assert text in likelihood(probability)


@pytest.mark.parametrize(
    ("probability", "tone", "short"), [(0.97, "good", "Yes"), (0.5, "open", "Not certain"), (0.04, "bad", "No")]
)
def test_the_answer_is_one_word_and_one_sentence(
    project: tuple[Spec, Split], probability: float, tone: str, short: str
) -> None:
    found = answer(verdict(requirement(probability)), *project)
    assert (found.tone, found.short) == (tone, short)
    assert f"R1, ROC AUC at least 0.75, is {likelihood(probability)}" in found.sentence
    assert "0.800 (0.740 to 0.860)" in found.sentence


def test_what_must_hold_decides_and_what_should_hold_does_not(project: tuple[Spec, Split]) -> None:
    wish = requirement(0.02, id="R2", priority="should")
    assert answer(verdict(requirement(0.97), wish), *project).short == "Yes"
    assert answer(verdict(wish), *project).short == "No"  # nothing must hold, so what should is the question


def test_the_requirement_that_is_hardest_is_told_and_the_others_are_named(project: tuple[Spec, Split]) -> None:
    found = answer(verdict(requirement(0.4), requirement(0.05, id="R2"), requirement(0.99, id="R3")), *project)
    assert found.short == "No"
    assert found.sentence.startswith("R2")
    assert "R1" in found.sentence
    assert "R3" not in found.sentence


def test_a_no_says_what_would_be_a_yes(project: tuple[Spec, Split]) -> None:
    spec, split = project
    hard = requirement(
        0.02, bound=0.9, limit="too few rows", more_rows=more(480, 1920, least_price=960, most_price=3840)
    )
    advice = answer(verdict(hard), spec, split).advice
    assert "Ask for at least 0.765, which is reached 9 times in 10" in advice
    assert "480 to 1,900 more rows (960 to 3,800 units)" in advice
    features = requirement(0.02, bound=0.9, limit="features", more_rows=more(None, None))
    assert "more rows will not do" in answer(verdict(features), spec, split).advice


def test_what_can_be_reached_but_not_proven_is_told(project: tuple[Spec, Split]) -> None:
    found = answer(verdict(requirement(0.95, provable=0.2, limit="test rows", test_rows_needed=640)), *project)
    assert found.tone == "good"
    assert "too few to prove R1 at 90% confidence" in found.sentence
    assert "640" in found.advice


def test_a_rule_that_does_it_makes_the_model_unnecessary(project: tuple[Spec, Split]) -> None:
    rule = SimpleRule(
        kind="one condition",
        offered=True,
        expression="age > 60",
        words="age over 60",
        sentence="A rule does it.",
        n=480,
    )
    found = answer(verdict(requirement(0.97), simple_rule=rule), *project)
    assert (found.short, found.sentence) == ("No model needed", "A rule does it.")


def test_without_requirements_or_without_a_forecast_it_says_so(project: tuple[Spec, Split]) -> None:
    unasked = answer(verdict(), *project)
    assert unasked.short == "Not asked"
    assert "requirements" in unasked.advice
    unknown = requirement(None, expected=None, interval=None, reachable=None, limit="cannot tell")
    silent = verdict(unknown, forecasts=(), ceilings=(), points=(), budgets=(), notes=("Only 40 rows.",))
    found = answer(silent, *project)
    assert found.short == "Not certain"
    assert "Only 40 rows." in found.sentence
    assert shown(silent, *project)[0].chance == "cannot be said"
    assert expectation(silent) == ""


def test_rows_cost_money_and_time() -> None:
    spec, split = asked(decision={"volume": {"count": 100, "per": "week"}}, operation={"label_delay": "30d"})
    text = takes_of(more(400, 1600), spec, split)
    assert (
        text
        == "400 to 1,600 more rows, which takes 2 months to 5 months at the present rate, with the 4 weeks until labels are known"
    )
    assert takes_of(more(0, 400), spec, split).startswith("up to 400 more rows, which takes up to 2 months")
    assert takes_of(more(None, None), spec, split) == "more rows will not do"


def test_the_rate_is_that_of_the_rows_where_they_have_times() -> None:
    spec, split = asked(data={"time": "joined"})
    times = split.dataset.times
    assert times is not None
    assert "at the present rate" in takes_of(more(400, 1600), spec, split)
    without, plain = asked()
    assert takes_of(more(400, 1600), without, plain) == "400 to 1,600 more rows"
    assert waiting_for(400, without, plain) == ""


@given(st.floats(0.001, 0.999), st.booleans())
def test_a_bound_is_never_told_harder_than_it_is(reachable: float, at_least: bool) -> None:
    told = float(reachable_bound(requirement(reachable=reachable, at_least=at_least)).split()[-1])
    assert (told <= reachable * (1 + 1e-9)) if at_least else (told >= reachable * (1 - 1e-9))
    assert abs(told - reachable) <= 0.01 * reachable


@given(st.floats(1, 1e9))
def test_times_are_told_in_units_that_people_use(seconds: float) -> None:
    count, unit = lasting(seconds).split()
    size = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "month": 2629000, "year": 31557600}
    assert float(count) * size[unit.removesuffix("s")] == pytest.approx(seconds, rel=0.35)


def test_the_cost_of_a_run_and_what_more_time_would_buy_are_told() -> None:
    lines = " ".join(cost_lines(verdict(requirement())))
    assert "about 26 seconds on this machine (8 times in 10: 18 seconds to 39 seconds)" in lines
    assert "20 seconds, expect ROC AUC 0.790" in lines
    assert "With 5 minutes, expect 0.800" in lines
    flat = verdict(requirement(), budgets=verdict().budgets[:1])
    assert "hardly be better" in " ".join(cost_lines(flat))


def test_the_ceiling_the_notes_and_how_sure_that_is_are_told() -> None:
    known = verdict(requirement(), notes=("The table is small.",))
    assert "between 0.800 and 0.900" in ceiling_in_words(known)
    assert finding_lines(known) == ["The table is small."]
    assert "nine in ten" in certainty()
    assert "(" not in certainty()


def test_rows_to_look_at_are_named_by_their_id() -> None:
    noise = NoiseFinding(outcome="cannot tell", sentence="Nobody can tell.", n=480, suspicious=(3, 0), relabel=(1,))
    for data in ({"id": "customer_id"}, {}):
        spec, split = asked(data=data)
        found = list(rows_to_look_at(verdict(noise=noise), split).values())
        rows = [[int(split.train_rows[row]) for row in chosen] for chosen in ((3, 0), (1,))]
        known = mixed_frame(600)["customer_id"].to_list()
        assert found == [[known[row] if spec.data.id else str(row + 1) for row in chosen] for chosen in rows]
    assert rows_to_look_at(verdict(), split) == {}


def test_an_interval_is_shown_beside_each_score(project: tuple[Spec, Split]) -> None:
    one = shown(verdict(requirement(0.95, interval=interval(0.7, 0.9), provable=0.6)), *project)[0]
    assert one.expected == "0.800 (0.700 to 0.900)"
    assert one.chance == "very likely (95 %); that the test proves it: 60 %"
    assert one.takes == "nothing more"
