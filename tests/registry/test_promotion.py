"""Nobody becomes champion without evidence, and whoever goes back goes back once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.registry.conftest import MakeRun, registry_of

from mlwright.core import Interval
from mlwright.registry import (
    Approval,
    ArtifactsDamaged,
    Guard,
    PromotionRefused,
    Proof,
    Registry,
    RollbackRefused,
    VersionUnknown,
    challenge,
    promote,
    record_proof,
    register_run,
    rollback,
    verify_audit,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ANN = Approval(by="ann", reason="looked at 50 rows by hand")
CALM = Guard(metric="brier", limit=0.01, worse=Interval(low=-0.02, high=0.005, confidence=0.95))
PROOF = Proof(
    challenger=2,
    champion=1,
    objective="value per row",
    e_value=31.0,
    gain=0.4,
    unit="EUR",
    rows=2000,
    guards=(CALM,),
    made=NOW,
    source="shadow",
)


def aliases(registry: Registry) -> dict[str, int]:
    return {alias: one.number for one in registry.versions() for alias in one.aliases}


class TestPromoting:
    def test_a_proof_that_holds_is_enough_where_the_policy_is_automatic(self, two: Registry) -> None:
        challenge(two, 2)
        assert aliases(two) == {"champion": 1, "challenger": 2}
        move = promote(two, proof=PROOF, policy="automatic")
        assert (move.champion, move.before, move.changed) == (2, 1, True)
        assert move.why == "better by 0.4 EUR of value per row on 2,000 rows (E value 31)"
        assert aliases(two) == {"champion": 2, "previous": 1}
        assert verify_audit(two).holds

    def test_otherwise_a_person_approves_the_recorded_proof(self, two: Registry) -> None:
        record_proof(two, PROOF)
        with pytest.raises(PromotionRefused, match="a person has to say yes"):
            promote(two, 2)
        assert promote(two, 2, approval=Approval(by="ann")).changed
        assert [(one.action, one.who, one.outcome) for one in two.audit()[-3:]] == [
            ("promote", two.audit()[-3].who, "refused"),
            ("approve", "ann", "done"),
            ("promote", "ann", "done"),
        ]
        assert two.audit()[-1].evidence["proof"]["e_value"] == 31.0

    def test_a_person_with_a_reason_is_enough_without_a_proof(self, two: Registry) -> None:
        with pytest.raises(PromotionRefused, match="no proof that it is better than version 1, so the approval needs"):
            promote(two, 2, approval=Approval(by="ann"))
        assert promote(two, 2, approval=ANN).why.startswith("approved by ann: looked at 50 rows by hand")

    @pytest.mark.parametrize(
        ("proof", "why"),
        [
            (None, "there is no proof that it is better than version 1"),
            (replace(PROOF, e_value=19.9), "its E value is 19.9, and 20 is needed"),
            (replace(PROOF, e_value=float("nan")), "its E value is nan"),
            (replace(PROOF, rows=0), "it rests on no rows"),
            (replace(PROOF, champion=7), "the proof is about versions 2 and 7, and version 1 is champion"),
            (replace(PROOF, guards=(replace(CALM, limit=0.001),)), "brier may have got worse"),
            (replace(PROOF, guards=(CALM, replace(CALM, worse=None))), "brier may have got worse"),
        ],
    )
    def test_what_is_not_enough_is_said_and_audited(self, two: Registry, proof: Proof | None, why: str) -> None:
        with pytest.raises(PromotionRefused, match=why):
            promote(two, 2, proof=proof, policy="automatic", who="operate")
        assert aliases(two) == {"champion": 1}
        last = two.audit()[-1]
        assert (last.action, last.outcome, last.version, last.who) == ("promote", "refused", 2, "operate")
        assert why in last.evidence["why"]

    def test_a_must_that_is_not_met_bars_a_version_for_good(self, registry: Registry, make_run: MakeRun) -> None:
        register_run(make_run(1, "not met"), registry=registry)
        for act in (lambda: promote(registry, 1, approval=ANN), lambda: challenge(registry, 1)):
            with pytest.raises(PromotionRefused, match="R1 is not met"):
                act()

    def test_an_undecided_must_needs_a_person(self, registry: Registry, make_run: MakeRun) -> None:
        register_run(make_run(1, "undecided"), registry=registry)
        with pytest.raises(PromotionRefused, match="too few to decide R1"):
            promote(registry, 1, policy="automatic")
        assert promote(registry, 1, approval=ANN).champion == 1

    def test_another_question_is_another_project(self, registry: Registry, make_run: MakeRun) -> None:
        register_run(make_run(1), registry=registry)
        register_run(make_run(2, target="returned"), registry=registry)
        with pytest.raises(PromotionRefused, match="it predicts 'returned'"):
            promote(registry, 2, approval=ANN)

    def test_promoting_the_champion_changes_nothing(self, two: Registry) -> None:
        before = two.audit()
        assert not promote(two, 1).changed
        assert two.audit() == before

    def test_a_dry_run_judges_and_writes_nothing(self, two: Registry) -> None:
        before = two.audit()
        move = promote(two, 2, approval=ANN, dry_run=True)
        assert (move.champion, move.dry_run) == (2, True)
        with pytest.raises(PromotionRefused):
            promote(two, 2, dry_run=True)
        assert not rollback_is_possible(two)
        assert (two.audit(), aliases(two)) == (before, {"champion": 1})

    def test_whoever_decided_on_another_champion_is_stopped(self, two: Registry, make_run: MakeRun) -> None:
        register_run(make_run(3), registry=two)
        promote(two, 2, approval=ANN, instead_of=1)
        with pytest.raises(PromotionRefused, match="version 1 is not champion any more"):
            promote(two, 3, approval=ANN, instead_of=1)

    def test_without_a_challenger_one_has_to_be_named(self, two: Registry) -> None:
        with pytest.raises(PromotionRefused, match="there is no challenger"):
            promote(two)
        with pytest.raises(VersionUnknown, match="no version '9'"):
            promote(two, 9)


def rollback_is_possible(registry: Registry) -> bool:
    try:
        rollback(registry, dry_run=True)
    except RollbackRefused:
        return False
    return True


class TestRollingBack:
    def test_the_champion_before_answers_again(self, two: Registry) -> None:
        promote(two, 2, approval=ANN)
        move = rollback(two, reason="complaints", who="bob", now=NOW)
        assert (move.champion, move.before, move.changed) == (1, 2, True)
        assert aliases(two) == {"champion": 1}
        assert (two.version(2).status, two.version(2).reason) == ("withdrawn", "complaints")
        assert verify_audit(two).holds

    def test_asking_twice_goes_back_once(self, two: Registry) -> None:
        promote(two, 2, approval=ANN)
        rollback(two, who="bob", now=NOW)
        again = rollback(two, who="eve")
        assert (again.champion, again.changed) == (1, False)
        assert again.why == "bob has already gone back from version 2 on 2026-11-21T12:00 UTC"

    def test_of_several_at_once_one_goes_back(self, two: Registry) -> None:
        promote(two, 2, approval=ANN)
        folder = two.shelf.parents[1]
        others = [registry_of(folder) for _ in range(3)]
        for other in others:
            other.versions()  # what each of them saw: version 2 answers
        with ThreadPoolExecutor(3) as people:
            moves = list(people.map(lambda one: rollback(one, away_from=2), others))
        assert sorted(one.changed for one in moves) == [False, False, True]
        assert [one.action for one in two.audit()].count("rollback") == 1
        assert aliases(two) == {"champion": 1}

    def test_there_must_have_been_another_champion(self, registry: Registry, make_run: MakeRun) -> None:
        with pytest.raises(RollbackRefused, match="there is no champion"):
            rollback(registry)
        register_run(make_run(1), registry=registry)
        with pytest.raises(RollbackRefused, match="the first champion"):
            rollback(registry)

    def test_a_damaged_package_is_not_gone_back_to(self, two: Registry) -> None:
        promote(two, 2, approval=ANN)
        (two.version(1).package / "schema.json").unlink()
        with pytest.raises(ArtifactsDamaged, match="version 1"):
            rollback(two)
        assert aliases(two) == {"champion": 2, "previous": 1}

    def test_what_was_gone_back_from_needs_a_newer_proof(self, two: Registry) -> None:
        promote(two, proof=PROOF, which=2, policy="automatic")
        rollback(two, now=NOW + timedelta(days=1))
        with pytest.raises(PromotionRefused, match="rolled back on 2026-11-22, after the proof was made"):
            promote(two, 2, proof=PROOF, policy="automatic")
        newer = replace(PROOF, made=NOW + timedelta(days=2))
        assert promote(two, 2, proof=newer, policy="automatic").changed
        assert two.version(2).status == "candidate"
        assert verify_audit(two).holds


class TestPointerFiles:
    def test_they_follow_every_move(self, two: Registry) -> None:
        from mlwright.registry import followed

        def champion() -> Path:
            return followed(two.shelf / "champion.json")

        assert champion() == two.version(1).package
        promote(two, 2, approval=ANN)
        assert champion() == two.version(2).package
        assert (two.shelf / "previous.json").is_file()
        rollback(two)
        assert champion() == two.version(1).package
        assert not (two.shelf / "previous.json").exists()

    @pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("{"), None])
    def test_the_next_look_writes_them_again(self, two: Registry, damage: Callable[[Path], object] | None) -> None:
        pointer, before = two.shelf / "champion.json", (two.shelf / "champion.json").read_text()
        if damage is None:
            pointer.write_text(before.replace('"version": 1', '"version": 2'))
        else:
            damage(pointer)
        two.versions()
        assert pointer.read_text() == before


@given(
    e_value=st.one_of(st.floats(0, 1e300), st.just(float("inf"))),
    gain=st.floats(-1, 1),
    rows=st.integers(0, 10**9),
    high=st.one_of(st.none(), st.floats(-1, 1)),
)
def test_a_proof_comes_back_from_its_state(e_value: float, gain: float, rows: int, high: float | None) -> None:
    import json

    worse = None if high is None else Interval(low=-1, high=high, confidence=0.9)
    guards = (Guard(metric="brier", limit=0.0, worse=worse),)
    proof = replace(PROOF, e_value=e_value, gain=gain, rows=rows, guards=guards)
    again = Proof.of_state(json.loads(json.dumps(proof.state(), allow_nan=False)))
    assert again == proof
    assert again.holds == (not again.why_not()) == (e_value >= 20 and rows > 0 and high is not None and high <= 0)
