"""What earlier runs chose is tried early, once, and told."""

from __future__ import annotations

from pathlib import Path

from tests.support import spec_for

from mlwright.core import ProgressEvent
from mlwright.data import Dataset, plan_split
from mlwright.models import Outline
from mlwright.search import FolderStore, Known, search
from mlwright.search.known import with_known
from mlwright.search.portfolio import portfolio

SPEC = spec_for("bought", budget={"seconds": 3600, "trials": 4})
OUTLINE = Outline(task="binary", n_rows=5000, n_features=20, n_classes=2, most_levels=5)
LEAVES = {"name": "lightgbm variation 7", "learning_rate": 0.08, "num_leaves": 9, "min_data_in_leaf": 4}
FOUND = Known(family="lightgbm", parameters=LEAVES, origin="lightgbm variation 7 of run a")


def test_what_is_known_comes_right_after_the_yardsticks_under_a_name_of_its_own() -> None:
    usual = portfolio(OUTLINE, SPEC)
    planned = with_known(usual, [FOUND], OUTLINE, SPEC)
    assert planned[:3] == usual[:3]
    assert planned[4:] == usual[3:]
    assert planned[3].parameters == {**LEAVES, "name": "lightgbm known 1"}
    assert planned[3].origin == FOUND.origin


def test_a_candidate_of_the_portfolio_is_brought_forward_and_not_tried_twice() -> None:
    usual = portfolio(OUTLINE, SPEC)
    deep = next(one for one in usual if one.parameters["name"] == "catboost deep")
    plain = usual[1]
    known = [
        Known(family="lightgbm", parameters={**plain.parameters, "learning_rate": 0.15}, origin="lightgbm of run a"),
        Known(
            family="catboost", parameters={**deep.parameters, "learning_rate": 0.15}, origin="catboost deep of run a"
        ),
    ]
    planned = with_known(usual, known, OUTLINE, SPEC)
    assert sorted(one.id for one in planned) == sorted(one.id for one in usual)
    assert (planned[3].id, planned[3].parameters, planned[3].origin) == (
        deep.id, deep.parameters, "catboost deep of run a",
    )  # fmt: skip


def test_what_is_known_twice_or_of_no_use_here_is_left_out() -> None:
    many = Outline(task="binary", n_rows=5_000_000, n_features=20, n_classes=2)
    network = Known(family="network", parameters={"name": "network variation 1", "hidden": 99}, origin="of run a")
    gone = Known(family="of a later version", parameters={"name": "x"}, origin="of run a")
    planned = with_known(portfolio(many, SPEC), [FOUND, FOUND, network, gone], many, SPEC)
    assert [one.origin for one in planned if one.origin] == [FOUND.origin]
    rising = spec_for("bought", constraints={"monotonic": {"age": "increasing"}})
    assert not any(one.origin for one in with_known(portfolio(OUTLINE, rising), [network], OUTLINE, rising))


def test_a_search_tries_what_is_known_and_says_where_it_is_from(mixed: Dataset) -> None:
    told: list[ProgressEvent] = []
    trials = search(mixed, SPEC, plan_split(mixed, SPEC), seed=0, known=[FOUND], progress=told.append)
    assert [trial.family for trial in trials] == ["constant", "lightgbm", "linear", "lightgbm"]
    assert trials.trials[3].origin == FOUND.origin
    assert trials.trials[3].usable
    assert any(FOUND.origin in event.detail for event in told)


def test_a_search_that_goes_on_keeps_to_what_it_was_given_when_it_began(mixed: Dataset, tmp_path: Path) -> None:
    def ids(known: list[Known], store: Path) -> list[tuple[str, str]]:
        trials = search(mixed, SPEC, plan_split(mixed, SPEC), seed=0, known=known, store=FolderStore(store))
        return [(trial.id, trial.origin) for trial in trials]

    with_it, without = ids([FOUND], tmp_path / "a"), ids([], tmp_path / "b")
    assert with_it != without
    assert ids([], tmp_path / "a") == with_it
    assert ids([FOUND], tmp_path / "b") == without
