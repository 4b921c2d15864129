"""What a new run learns from earlier ones of the same question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import mixed_frame

from mlwright.data import Dataset, read
from mlwright.reports import explain_choice
from mlwright.runs import Run, RunFolder, known_candidates
from mlwright.spec import Spec
from mlwright.workflow import train


def spec(folder: Path, **budget: Any) -> Spec:
    tree = {"data": {"source": "sales.csv", "target": "bought", "id": "customer_id"}}
    return Spec.of({**tree, "budget": {"seconds": 3600, "trials": 4, **budget}}).at(folder)


def sales(rows: int, *, seed: int = 0) -> pl.DataFrame:
    """Sales that no linear model understands: most young people who visit often buy, and most old ones who do not."""
    frame = mixed_frame(rows, seed=seed)
    young, often = pl.col("age").fill_null(40) < 50, pl.col("visits") > 3
    buys = (young == often) != pl.Series(np.random.default_rng(seed).random(rows) < 0.2)
    return frame.with_columns(bought=pl.when(buys).then(pl.lit("yes")).otherwise(pl.lit("no")))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of four trials; the others in this module come after it in the same folder."""
    folder: Path = tmp_path_factory.mktemp("project")
    sales(500).write_csv(folder / "sales.csv")
    return train(spec(folder))


def other(first: Run, frame: pl.DataFrame) -> tuple[RunFolder, Dataset]:
    """A run that has just begun, over other rows or columns."""
    asked = spec(first.spec.folder)
    return RunFolder(first.folder.path.parent / "99991231-235959-ffff"), read(asked, frame)


def test_the_members_of_an_earlier_run_are_known_although_there_are_more_rows_now(first: Run) -> None:
    known = known_candidates(*other(first, sales(700, seed=3)))
    chosen = {member.trial for member in first.model.members}
    assert {(one.family, one.parameters["name"]) for one in known} == {
        (first.trials[id_].family, first.trials[id_].name) for id_ in chosen
    }
    assert all(one.origin == f"{one.parameters['name']} of run {first.id}" for one in known)


@pytest.mark.parametrize("change", ["a feature more", "a feature less", "a feature of another type"])
def test_a_run_of_another_question_is_not_known(first: Run, change: str) -> None:
    frame = sales(500)
    frame = {
        "a feature more": frame.with_columns(more=pl.Series([i % 7 for i in range(500)])),
        "a feature less": frame.drop("age"),
        "a feature of another type": frame.with_columns(visits=pl.col("visits").cast(pl.String) + " times"),
    }[change]
    assert known_candidates(*other(first, frame)) == []


def test_a_run_does_not_know_itself_and_a_damaged_one_is_passed_over(first: Run, tmp_path: Path) -> None:
    assert known_candidates(first.folder, first.dataset) == []
    for damage in ("", "[]", '{"format_version": 1, "stages": {"fit": {}}, "folder": "."}'):
        place = tmp_path / "runs" / "20200101-000000-0000"
        place.mkdir(parents=True, exist_ok=True)
        (place / "run.json").write_text(damage)
        assert known_candidates(RunFolder(tmp_path / "runs" / "new"), first.dataset) == []


def test_with_a_number_of_trials_a_second_run_in_the_same_folder_is_the_same_model(first: Run) -> None:
    again = train(spec(first.spec.folder))

    def files(made: Run) -> dict[str, bytes]:
        place = made.folder.model_path
        return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*.*")}

    assert files(again) == files(first)


def test_a_run_that_is_asked_to_starts_warm_says_so_and_keeps_to_it_when_it_goes_on(first: Run) -> None:
    warm = train(spec(first.spec.folder, warm_start=True, trials=5))
    (known,) = [trial for trial in warm.trials if trial.origin]
    assert [trial.id for trial in warm.trials].index(known.id) == 3
    assert known.origin.startswith(f"{known.name} of run ")
    told = " ".join(explain_choice(warm.leaderboard(), warm.trials))
    assert f"earlier runs of this project chose them: {known.name} ({known.origin})" in told
    noted = json.loads((warm.folder.path / "trials" / "known.json").read_text())["candidates"]
    assert known.origin in [one["origin"] for one in noted]
    kept = [(trial.id, trial.origin) for trial in warm.folder.trials()]
    assert kept == [(trial.id, trial.origin) for trial in warm.trials]


def test_warm_starts_are_the_rule_unless_a_number_of_trials_is_given(tmp_path: Path) -> None:
    assert spec(tmp_path, trials=None).budget.starts_warm
    assert not spec(tmp_path).budget.starts_warm
    assert spec(tmp_path, warm_start=True).budget.starts_warm
    assert not spec(tmp_path, trials=None, warm_start=False).budget.starts_warm
