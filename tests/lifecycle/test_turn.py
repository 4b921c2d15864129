"""The whole loop over a real log: what was found becomes a challenger, a proof, a promotion; and back where it must."""

from __future__ import annotations

import os
from datetime import datetime
from itertools import count
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event
from tests.lifecycle.world import START, day, drawn, log_answers, opened, risen, scores, with_share

from mlwright.lifecycle import (
    Comparison,
    Decision,
    LabelledRows,
    NothingToDo,
    PriorShift,
    Project,
    Seen,
    accept,
    act,
    comparisons_due,
    objective_of_spec,
    prove,
    turn,
)
from mlwright.lifecycle.derived import register_derived
from mlwright.lifecycle.labelled import labelled_rows
from mlwright.lifecycle.priors import reweighted
from mlwright.lifecycle.promote import promote_at_once
from mlwright.models import Model
from mlwright.registry import Approval, challenge, promote

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow")


def reweight_decision(champion: int = 1, *, made: datetime = START) -> Decision:
    return Decision(made=made, champion=champion, action="reweight", reason="Shares have moved.", mode="automatic")


def to_share(share: float) -> PriorShift:
    return PriorShift(
        classes=("no", "yes"),
        before=(0.5, 0.5),
        now=(1 - share, share),
        between=(),
        fits=True,
        p_value=1.0,
        missed=0.0,
        rows=500,
        saves=0.02,
    )


def a_challenger(project: Project, model: Model, *, share: float = 0.8) -> int:
    """A version with probabilities moved to other shares of the classes, named challenger."""
    version = act(project, reweight_decision(), shift=to_share(share), now=START)
    assert version is not None
    return version.number


def test_what_is_off_is_calibrated_again_proven_promoted_and_rolled_back_when_the_world_turns(
    project: Project, model: Model
) -> None:
    log_answers(project, model, drawn(1500, seed=21, base=1.5), start=day(0), days=5, name="a")
    first = turn(project, Seen(findings=(risen(day(0)),)), now=day(5))
    assert first.decision.action == "recalibrate"
    assert first.made is not None
    assert project.registry.version("challenger").number == first.made.number == 2
    assert first.made.lineage.parent == 1
    assert first.made.lineage.decision == first.decision.id
    again = turn(project, Seen(findings=(risen(day(0)),)), now=day(5.1))
    assert not again.new
    assert [one.outcome for one in again.settled] == ["undecided"]

    log_answers(project, model, drawn(2500, seed=22, base=1.5), start=day(5), days=5, name="b")
    (promoted,) = prove(project, now=day(10))
    assert promoted.outcome == "promoted"
    assert promoted.comparison.rows == 2500
    champion = project.registry.version("champion")
    assert champion.number == 2
    assert champion.proof is not None
    assert champion.proof.e_value >= 20
    assert [entry.action for entry in project.registry.audit()][-2:] == ["prove", "promote"]

    log_answers(project, model, drawn(1200, seed=23, base=-1.5), start=day(10.01), days=2, name="c")
    (back,) = prove(project, now=day(12))
    assert back.outcome == "rolled back"
    assert project.registry.version("champion").number == 1
    assert project.registry.version(2).status == "withdrawn"
    assert project.store.open_comparison("watch") is None
    assert [outcome for _, outcome, _ in project.store.ended()] == ["promoted", "rolled back"]


def test_a_law_that_turned_round_gets_a_challenger_trained_on_rows_after_the_change(
    project: Project, model: Model
) -> None:
    log_answers(project, model, drawn(900, seed=31), start=day(0), days=2, name="a")
    log_answers(project, model, drawn(1800, seed=32, slope=-1.0), start=day(2), days=4, name="b")
    found = turn(project, Seen(findings=(risen(day(2)),)), now=day(6))
    assert found.decision.action == "retrain"
    assert found.failed == ""
    assert found.made is not None
    assert found.made.lineage.decision == found.decision.id
    later = drawn(1000, seed=33, slope=-1.0)
    truth = (later["bought"] == "yes").to_numpy()
    challenger = Model.load(found.made.package)
    assert np.square(challenger.predict(later).prediction - truth).mean() < 0.22
    assert np.square(model.predict(later).prediction - truth).mean() > 0.3
    run = next((project.spec.folder / "runs").glob(f"{found.made.lineage.run}/mlwright.yaml")).read_text()
    assert f"retraining/{found.decision.id}.parquet" in run
    log_answers(project, model, later, start=day(6), days=2, name="c")
    assert [one.outcome for one in prove(project, now=day(8))] == ["promoted"]


def test_where_a_person_says_yes_a_proven_challenger_waits_for_it(project: Project, model: Model) -> None:
    spec = project.spec
    person = spec.operation.model_copy(
        update={"retrain": spec.operation.retrain.model_copy(update={"approve": "person"})}
    )
    careful = Project(spec=spec.but(operation=person), registry=project.registry, store=project.store, log=project.log)
    number = a_challenger(careful, model)
    window = with_share(drawn(6000, seed=41), 0.85, 3000, seed=42)
    log_answers(careful, model, window, start=day(0.1), days=4, name="a")
    (waiting,) = prove(careful, now=day(5))
    assert waiting.outcome == "waiting"
    assert "mlwright promote --approve" in waiting.sentence
    assert careful.registry.version("champion").number == 1
    promote(careful.registry, approval=Approval(by="ann"))
    assert careful.registry.version("champion").number == number
    due = comparisons_due(careful.registry, careful.store, careful.spec, now=day(5))
    assert [(one.kind, one.new, one.old) for one in due] == [("watch", number, 1)]
    assert [outcome for _, outcome, _ in careful.store.ended()] == ["promoted"]


def test_a_challenger_that_is_worse_is_sent_away(project: Project, model: Model) -> None:
    a_challenger(project, model, share=0.95)
    log_answers(project, model, drawn(2500, seed=51), start=day(0.1), days=4, name="a")
    (ended,) = prove(project, now=day(5))
    assert ended.outcome == "ended"
    assert project.registry.holder("challenger") is None


def test_a_must_that_is_not_met_on_the_latest_rows_bars_an_automatic_promotion(project: Project, model: Model) -> None:
    from mlwright.spec import Requirement

    strict = project.spec.but(requirements=(Requirement(id="R1", metric="accuracy", min=0.99),))
    a_challenger(project, model)
    demanding = Project(spec=strict, registry=project.registry, store=project.store, log=project.log)
    window = with_share(drawn(6000, seed=61), 0.85, 3000, seed=62)
    log_answers(project, model, window, start=day(0.1), days=4, name="a")
    (refused,) = prove(demanding, now=day(5))
    assert refused.outcome == "refused"
    assert "R1" in refused.sentence
    assert project.registry.version("champion").number == 1


def test_a_decision_is_carried_out_once_though_it_was_stopped_half_way(project: Project, model: Model) -> None:
    log_answers(project, model, drawn(100, seed=71), start=day(0), days=1, name="a")
    shift = to_share(0.7)
    decision = reweight_decision()
    champion = project.registry.version("champion")
    made = register_derived(
        reweighted(model, shift), champion, decision, registry=project.registry, who="loop", facts={}, now=START
    )  # and is killed here, before it is named challenger
    assert project.registry.holder("challenger") is None
    again = act(opened(project.spec.folder, project.spec), decision, shift=shift, now=day(1))
    assert again is not None
    assert again.number == made.number
    assert len(project.registry.versions()) == 2
    assert project.registry.version("challenger").number == made.number


def test_what_is_recommended_waits_until_a_person_accepts_it(project: Project, model: Model) -> None:
    spec = project.spec
    asking = spec.operation.model_copy(update={"act": spec.operation.act.model_copy(update={"reweight": "recommend"})})
    careful = Project(spec=spec.but(operation=asking), registry=project.registry, store=project.store, log=project.log)
    log_answers(careful, model, drawn(50, seed=95), start=day(0), days=1, name="a")
    window = with_share(drawn(6000, seed=96), 0.85, 4000, seed=97)
    found = turn(careful, Seen(findings=(risen(day(0)),), scores=scores(model, window)), now=day(1))
    assert (found.decision.action, found.decision.mode, found.made) == ("reweight", "recommend", None)
    with pytest.raises(NothingToDo, match="waits for a yes"):
        accept(careful, "20260101-retrain-000000", now=day(2))
    done = accept(careful, found.decision.id, now=day(2))
    assert done.made is not None
    said = Model.load(done.made.package).predict(window)
    truth = (window["bought"] == "yes").to_numpy()
    assert np.square(said.prediction - truth).mean() < np.square(model.predict(window).prediction - truth).mean() - 0.01
    assert [one.outcome for one in careful.store.decisions()] == [f"done: version {done.made.number}"]


def test_a_challenger_that_was_named_by_hand_is_compared_too(project: Project, model: Model) -> None:
    number = a_challenger(project, model)
    challenge(project.registry, None)
    assert comparisons_due(project.registry, project.store, project.spec, now=day(1)) == []
    challenge(project.registry, number)
    (due,) = comparisons_due(project.registry, project.store, project.spec, now=day(2))
    assert (due.kind, due.new, due.old) == ("proof", number, 1)


def compared(model: Model, frame: Any) -> tuple[Comparison, LabelledRows]:
    from tests.lifecycle.world import answered
    from tests.support import spec_for

    rows = labelled_rows(answered(model, frame), model)
    objective = objective_of_spec(spec_for("bought"), rows.rows, model.predict(rows.rows.table))
    return Comparison(kind="proof", new=2, old=1, since=START).declared(objective), rows


def test_a_look_that_is_killed_between_any_two_statements_counts_each_row_once(project: Project, model: Model) -> None:
    comparison, rows = compared(model, drawn(120, seed=81))
    project.store.begin(comparison, now=START)
    known = [np.arange(80), np.arange(40, 120)]  # at the first look, and at the second

    def look(which: Any) -> None:
        fresh, given = opened(project.spec.folder, project.spec), rows.take(which)

        def counted(current: Comparison, new: Any) -> Comparison:
            answers = model.predict(given.take(new).rows.table)
            return current.after(given.take(new), answers, answers)

        fresh.store.count(comparison, START.date(), given.ids, counted)

    look(known[0])
    for which in known[1:]:
        for step in count():
            child = os.fork()
            if not child:
                left = [step]

                def asked(*_: Any, left: list[int] = left) -> None:
                    left[0] -= 1
                    if left[0] < 0:
                        os._exit(9)

                from sqlalchemy.engine import Engine

                event.listen(Engine, "before_cursor_execute", asked)
                event.listen(Engine, "commit", asked)
                try:
                    look(which)
                    os._exit(0)
                finally:
                    os._exit(1)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code in {0, 9}
            if code == 0:
                break
        assert step > 3
    found = project.store.open_comparison("proof")
    assert found is not None
    assert found.rows == 120


def test_once_retraining_has_proven_itself_the_next_challenger_answers_at_once_and_can_be_taken_back(
    project: Project, model: Model
) -> None:
    spec = project.spec
    trusting = spec.operation.retrain.model_copy(update={"prove": "retraining"})
    trusted = Project(
        spec=spec.but(operation=spec.operation.model_copy(update={"retrain": trusting})),
        registry=project.registry,
        store=project.store,
        log=project.log,
    )
    a_challenger(trusted, model)
    window = with_share(drawn(6000, seed=91), 0.85, 3000, seed=92)
    log_answers(trusted, model, window, start=day(0.1), days=4, name="a")
    assert [one.outcome for one in prove(trusted, now=day(5))] == ["promoted"]
    standing = trusted.store.open_comparison("retraining")
    assert standing is not None
    assert (standing.outcome, standing.rows) == ("better", 3000)

    champion = trusted.registry.version("champion")
    made = register_derived(
        reweighted(model, to_share(0.2)), champion, reweight_decision(2), registry=trusted.registry, who="loop",
        facts={}, now=day(5),
    )  # fmt: skip
    done = promote_at_once(
        made, champion, registry=trusted.registry, store=trusted.store, spec=trusted.spec, now=day(5.1)
    )
    assert done
    proof = trusted.registry.version("champion").proof
    assert trusted.registry.version("champion").number == made.number
    assert proof is None or proof.source == "earlier challengers"
    log_answers(trusted, model, window[:1000], start=day(5.2), days=1, name="b")
    assert [one.outcome for one in prove(trusted, now=day(7))] == ["rolled back"]
    assert trusted.registry.version("champion").number == champion.number
    assert trusted.store.open_comparison("retraining") is not None  # one rollback is no proof against retraining
