"""Only what is new is read of a long log: by day, with a mark that changes when a day has news."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.lifecycle.world import START, drawn, log_answers, opened

from mlwright.lifecycle import Comparison, Decision, LabelledLog, LogMasked, Project, Turn, label_horizon, turn
from mlwright.lifecycle import Seen as Nothing
from mlwright.lifecycle.store import OVER
from mlwright.models import Model
from mlwright.predictions import add_labels


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def logged(project: Project, model: Model, days: int, rows: int = 40) -> None:
    for number in range(days):
        log_answers(project, model, drawn(rows, seed=number), start=day(number), days=0.5, name=f"d{number}-")


def given(project: Project, ids: list[str], *, now: datetime) -> None:
    add_labels(project.spec.folder / "predictions", pl.DataFrame({"id": ids, "label": ["yes"] * len(ids)}), now=now)


def changed(before: dict[date, str], after: dict[date, str]) -> set[int]:
    """The days whose marks differ, as numbers."""
    return {(one - START.date()).days for one in after if before.get(one) != after[one]}


def test_a_day_has_another_mark_once_it_has_answers_or_labels_that_are_new(project: Project, model: Model) -> None:
    assert project.log.days() == {}
    logged(project, model, 5)
    first = project.log.days()
    assert len(first) == 5
    assert project.log.days() == first
    assert len(project.log.days(day(3.2))) == 2
    given(project, ["d1-3"], now=day(6))
    second = project.log.days()
    assert changed(first, second) == {1}
    given(project, ["nobody"], now=day(5))
    third = project.log.days()
    assert changed(second, third) == {3, 4}, "an unknown answer may still be on its way, but not for long"
    log_answers(project, model, drawn(5, seed=9), start=day(2.7), days=0.1, name="late")
    assert changed(third, project.log.days()) == {2}


def test_the_latest_rows_are_read_and_no_more_than_are_asked_for(project: Project, model: Model) -> None:
    logged(project, model, 5)
    log = project.log
    assert len(log.latest(model, most=60)) == 60
    assert min(log.latest(model, most=40).ids) == "d4-0"
    assert len(log.latest(model, most=1000, since=day(3))) == 80
    assert len(log.latest(model, most=1000, since=day(4), least=100)) == 120, "whole days, until there are enough"
    assert len(log.latest(model, most=1000, until=day(1))) == 40
    assert log.counted_since(day(3.25)) == 60
    rows = log.latest(model, most=1000)
    assert (np.diff(rows.label_times) >= 0).all()
    assert len(set(rows.ids)) == len(rows) == 200


def test_a_log_that_hides_what_the_model_reads_gives_no_rows(project: Project, model: Model) -> None:
    logged(project, model, 1)
    with pytest.raises(LogMasked, match="'city'"):
        LabelledLog(project.spec.folder / "predictions", masked={"city"}).latest(model, most=10)
    assert len(LabelledLog(project.spec.folder / "predictions", masked={"other"}).latest(model, most=10)) == 10


def test_rows_of_days_that_are_over_are_not_remembered_and_never_counted_again(project: Project) -> None:
    store, ids = project.store, np.array(["a", "b"], dtype=object)
    comparison = store.begin(Comparison(kind="proof", new=2, old=1, since=START), now=START)
    begun = START.date()
    store.count(comparison, begun, ids, lambda current, _: current, mark="one")
    assert store.seen(comparison) == {begun: "one"}
    assert list(store.uncounted(comparison, begun, ids)) == []
    tomorrow = begun + timedelta(days=1)
    assert list(store.uncounted(comparison, tomorrow, ids)) == [], "an id may be answered before and after midnight"
    store.forget_rows(comparison, before=tomorrow)
    assert store.seen(comparison) == {begun: OVER}
    assert label_horizon(project.spec) >= timedelta(days=45)


def test_a_decision_that_ends_the_process_each_time_is_left_alone_in_the_end(project: Project, model: Model) -> None:
    logged(project, model, 1)
    decision = Decision(made=START, champion=1, action="retrain", reason="Asked for.", mode="automatic")
    project.store.record(decision)
    for times in range(1, 6):
        assert project.store.start(decision) == times  # and is killed for want of memory
    done = turned(project)
    assert done.decision.action == "nothing"
    (kept,) = opened(project.spec.folder, project.spec).store.decisions()
    assert kept.outcome.startswith("failed: it was begun 5 times")


def test_a_decision_whose_process_was_stopped_before_it_began_is_carried_out(project: Project, model: Model) -> None:
    logged(project, model, 1)
    decision = Decision(made=START, champion=1, action="quarantine", reason="Rows are wrong.", mode="automatic")
    assert project.store.record(decision)  # and is killed here
    turned(project)
    assert [one.outcome for one in project.store.decisions()] == ["done"]


def turned(project: Project) -> Turn:
    return turn(opened(project.spec.folder, project.spec), Nothing(), now=day(2))
