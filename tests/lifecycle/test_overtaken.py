"""Another challenger while one is being compared, and recommendations that hold no longer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.lifecycle.world import day, drawn, log_answers, risen

from mlwright.lifecycle import Project, Seen, turn
from mlwright.models import Model
from mlwright.spec import Acting

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


def test_a_challenger_from_few_rows_is_overtaken_by_one_from_more(project: Project, model: Model) -> None:
    """The first one has seen hardly a row of the new law, and the comparison with it would take very long."""
    log_answers(project, model, drawn(1400, seed=31), start=day(0), days=2, name="a")
    log_answers(project, model, drawn(500, seed=32, slope=-1.0), start=day(2), days=1, name="b")
    first = turn(project, Seen(findings=(risen(day(2)),)), now=day(3))
    assert first.made is not None
    same = turn(project, Seen(findings=(risen(day(2)),)), now=day(3.5))
    assert same.made is None

    # Rows that it does no better on, and that are twice as many.
    log_answers(project, model, drawn(700, seed=33), start=day(3), days=1, name="c")
    second = turn(project, Seen(findings=(risen(day(2)),)), now=day(4))
    assert second.made is not None
    assert second.made.number == first.made.number + 1
    assert project.registry.version("challenger").number == second.made.number
    compared = project.store.open_comparison("proof")
    assert compared is not None
    assert compared.new == second.made.number
    assert [outcome for _, outcome, _ in project.store.ended()] == ["replaced"]


def test_a_recommendation_that_holds_no_longer_is_over_and_open_again_when_it_does(project: Project) -> None:
    operation = project.spec.operation.model_copy(update={"act": Acting()})
    asking = replace(project, spec=project.spec.but(operation=operation))
    found = Seen(findings=(risen(day(2)),))
    asked = turn(asking, found, now=day(3))
    assert (asked.new, asked.decision.mode) == (True, "recommend")
    assert [one.outcome for one in asking.store.decisions()] == ["open"]
    turn(asking, Seen(), now=day(3.2))
    assert [one.outcome for one in asking.store.decisions()] == ["over"]
    again = turn(asking, found, now=day(3.4))
    assert not again.new
    assert [one.outcome for one in asking.store.decisions()] == ["open"]
