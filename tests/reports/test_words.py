"""Numbers and findings in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlwright.evaluation import RequirementResult
from mlwright.reports.words import chance, headline, limits, meaning, number, open_points, percent, span
from mlwright.runs import Run


def test_numbers_never_show_a_minus_zero_or_a_chance_of_none() -> None:
    assert number(-0.00001) == "0.000"
    assert chance(0.0) == "< 0.001"
    assert percent(0.1234) == "12.3 %"
    assert span(None) == "–"


def outcome(run: Run, result: str, priority: str = "must") -> Run:
    """The run with its requirement ended otherwise."""
    assert run.evaluation is not None
    one = run.evaluation.requirements[0]
    changed: RequirementResult = replace(one, outcome=result, priority=priority)  # type: ignore[arg-type]
    return replace(run, evaluation=replace(run.evaluation, requirements=(changed,)))


@pytest.mark.parametrize(
    ("result", "tone", "says"),
    [
        ("met", "good", "Meets what was asked"),
        ("undecided", "open", "Not proven yet"),
        ("not met", "bad", "Does not meet what was asked"),
    ],
)
def test_the_headline_follows_the_requirements(finished: Run, result: str, tone: str, says: str) -> None:
    top = headline(outcome(finished, result))
    assert (top.tone, top.verdict) == (tone, says)


def test_a_wish_that_is_not_met_is_said_but_does_not_turn_the_verdict(finished: Run) -> None:
    assert finished.evaluation is not None
    must = finished.evaluation.requirements[0]
    wish = replace(must, id="R2", priority="could", outcome="not met")
    both = replace(finished, evaluation=replace(finished.evaluation, requirements=(must, wish)))
    top = headline(both)
    assert top.tone == "good"
    assert "R2 (ROC AUC at least 0.6) is not met" in top.reason


def test_an_unscored_run_says_so(finished: Run) -> None:
    assert headline(replace(finished, evaluation=None)).verdict == "Not tested yet"


def test_what_scores_mean_is_said_without_statistics(finished: Run) -> None:
    assert finished.evaluation is not None
    lines = " ".join(meaning(finished.evaluation, finished.model, finished.spec))
    assert "of 100 cases" in lines
    assert "yes" in lines


def test_what_only_a_person_can_settle_is_listed(finished: Run) -> None:
    points = " ".join(open_points(finished))
    assert "decision.values" in points
    assert "project.statement" in points
    assert "project.owner" not in points  # it is named


def test_limits_say_what_was_not_tested(finished: Run) -> None:
    lines = " ".join(limits(finished))
    assert "later rows was not tested" in lines
    assert "shuffled targets" in lines
