"""A stream that changes faster than a proof: versions follow it, on evidence, and not more often than is allowed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.lifecycle.world import day, drawn, log_answers, risen

from mlwright.lifecycle import (
    Comparison,
    Decision,
    Project,
    Seen,
    Situation,
    champion_since,
    decide,
    prove,
    recalibration,
    situation_of,
    turn,
)
from mlwright.lifecycle.act import recent_rows
from mlwright.lifecycle.ancestry import answering_since, last_trained, learnt_until
from mlwright.lifecycle.derived import register_derived
from mlwright.lifecycle.promote import _close_watch, standing
from mlwright.models import Model
from mlwright.registry import Approval, promote, rollback

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


@pytest.fixture
def following(project: Project) -> Project:
    spec = project.spec
    policy = spec.operation.retrain.model_copy(update={"prove": "retraining", "on": ("loss", "staleness")})
    return replace(project, spec=spec.but(operation=spec.operation.model_copy(update={"retrain": policy})))


def brier(model: Model, rows: pl.DataFrame) -> float:
    truth = (rows["bought"] == "yes").to_numpy()
    return float(np.square(model.predict(rows).prediction - truth).mean())


def test_once_challengers_have_gained_a_new_calibration_answers_at_once_and_the_model_stays_as_old_as_it_is(
    following: Project, model: Model
) -> None:
    log_answers(following, model, drawn(1200, seed=1, base=1.5), start=day(0), days=3, name="a")
    first = turn(following, Seen(), now=day(3))
    assert first.decision.action == "recalibrate"
    assert following.registry.version("champion").number == 1  # nothing is trusted yet
    log_answers(following, model, drawn(2500, seed=2, base=1.5), start=day(3), days=3, name="b")
    assert [one.outcome for one in prove(following, now=day(6))] == ["promoted"]
    log_answers(following, model, drawn(1500, seed=3, base=4.0), start=day(6.01), days=1, name="c")
    second = turn(following, Seen(), now=day(7.5))
    assert second.decision.action == "recalibrate"
    assert second.made is not None
    champion = following.registry.version("champion")
    assert champion.number == second.made.number == 3
    assert following.registry.version("previous").number == 2
    later = drawn(2000, seed=4, base=4.0)
    before = Model.load(following.registry.version(2).package)
    assert brier(Model.load(champion.package), later) < brier(before, later) - 0.005
    since = answering_since(following.registry, champion)
    assert since is not None
    assert since == answering_since(following.registry, following.registry.version(1))
    assert since != champion_since(following.registry)
    assert learnt_until(following.registry, champion) is None  # it has learnt from no row of the log


def test_a_model_of_the_loop_is_calibrated_only_on_rows_that_it_has_not_seen(following: Project, model: Model) -> None:
    start = datetime.now(tz=UTC) + timedelta(days=1)  # versions are registered now
    log_answers(following, model, drawn(600, seed=31), start=start, days=3, name="a")
    log_answers(following, model, drawn(1500, seed=32, slope=-1.0), start=day(3, start), days=4, name="b")
    found = turn(following, Seen(findings=(risen(day(3, start)),)), now=day(7, start))
    assert found.decision.action == "retrain"
    assert found.made is not None
    trained = last_trained(following.registry, following.store)
    assert trained is not None
    assert trained.at == found.decision.made
    assert trained.rows >= 1500
    log_answers(following, model, drawn(900, seed=33, slope=-1.0), start=day(7, start), days=2, name="c")
    assert [one.outcome for one in prove(following, now=day(9, start))] == ["promoted"]
    log_answers(following, model, drawn(300, seed=34, slope=-1.0), start=day(9.001, start), days=0.9, name="d")
    champion = following.registry.version("champion")
    assert learnt_until(following.registry, champion) == day(9, start)
    rows = recent_rows(following.log, model, None, unseen=learnt_until(following.registry, champion))
    assert len(rows) == 300
    situation = situation_of(following, Seen(), now=day(10, start))
    assert (situation.windows_since, situation.gaining) == (3, True)
    assert situation.trained_rows == trained.rows

    prove(following, now=day(10, start))
    watch = following.store.open_comparison("watch")
    assert watch is not None
    assert (watch.new, watch.old, watch.rows) == (2, 1, 300)
    log_answers(following, model, drawn(900, seed=35, slope=-1.0, base=3.0), start=day(10, start), days=1, name="e")
    assert turn(following, Seen(), now=day(11, start)).decision.action == "recalibrate"
    assert following.registry.version("champion").number == 3
    assert following.registry.version("previous").number == 1  # the last version with other members
    prove(following, now=day(11.5, start))
    carried = following.store.open_comparison("watch")
    assert carried is not None
    assert (carried.new, carried.old, carried.rows) == (3, 1, 1200)


def test_a_challenger_that_is_due_takes_the_place_of_one_that_could_not_prove_itself(
    following: Project, model: Model
) -> None:
    decision = Decision(made=day(0), champion=1, action="retrain", reason="The loss has risen.", mode="automatic")
    champion = following.registry.version("champion")
    made = register_derived(model, champion, decision, registry=following.registry, who="loop", facts={}, now=day(0))
    assert made.number == 1  # the same package is the same version
    assert last_trained(following.registry, following.store) is None
    situation = Situation(champion=1, windows_since=6, labelled_rows=10, trained_rows=1000, gaining=True)
    assert decide(situation, following.spec, now=day(6)).action == "retrain"
    slow = replace(situation, gaining=False)
    assert decide(slow, following.spec, now=day(6)).action == "nothing"
    assert decide(replace(slow, windows_since=10), following.spec, now=day(10)).action == "retrain"


def test_trust_ends_with_the_second_rollback_in_a_row(following: Project, model: Model) -> None:
    registry, store = following.registry, following.store
    store.begin(standing(following.spec, now=day(0)), now=day(0))
    outcomes = []
    for number, move in enumerate("pbpcpbpb"):
        champion, now = registry.version("champion"), day(number + 1)
        if move == "b":
            comparison = store.begin(
                Comparison(kind="watch", new=champion.number, old=registry.version("previous").number, since=now),
                now=now,
            )
            rollback(registry, reason="it does worse", who="loop", now=now)
            _close_watch(comparison, registry, store, "rolled back", now=now)
        else:
            a_version(following, model, number, run=None if move == "p" else champion.lineage.run, now=now)
        outcomes.append(store.open_comparison("retraining") is not None)
    # p: another model; c: its calibration; b: back
    assert outcomes == [True] * 7 + [False]


def a_version(project: Project, model: Model, number: int, *, run: str | None, now: datetime) -> None:
    """A version becomes champion: of a run of its own, or with the members of another."""
    decision = Decision(made=now, champion=1, action="retrain", reason="The loss has risen.", mode="automatic")
    champion = project.registry.version("champion")
    parent = replace(champion, lineage=replace(champion.lineage, run=run or f"run-{number}"))
    changed = replace(model, facts={**model.facts, "number": number})
    made = register_derived(changed, parent, decision, registry=project.registry, who="loop", facts={}, now=now)
    promote(project.registry, made.number, approval=Approval(by="ann", reason="a test"), now=now)


def test_the_loss_asks_for_no_second_challenger_before_the_first_had_its_time(following: Project) -> None:
    situation = Situation(champion=1, findings=(risen(day(0)),), windows_since=2, trained_rows=1000)
    assert decide(situation, following.spec, now=day(2)).action == "nothing"
    assert decide(replace(situation, windows_since=5), following.spec, now=day(5)).action == "retrain"


def test_numbers_are_followed_though_the_ranking_suffers_until_a_challenger_is_due(
    following: Project, project: Project, model: Model
) -> None:
    log_answers(following, model, drawn(1500, seed=5, base=2.0, slope=0.3), start=day(0), days=3, name="a")
    rows = recent_rows(following.log, model, None)
    found = recalibration(model, rows, rng=np.random.default_rng(0))
    assert found is not None
    assert found.off
    assert not found.ranking_intact
    situation = Situation(champion=1, calibration=found, windows_since=2, trained_rows=1000, gaining=True)
    decision = decide(situation, following.spec, now=day(3))
    assert decision.action == "recalibrate"
    assert "until the next challenger is due" in decision.reason
    assert decide(situation, project.spec, now=day(3)).action == "nothing"
    assert decide(replace(situation, windows_since=5), following.spec, now=day(5)).action == "retrain"
