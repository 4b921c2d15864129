"""Verification: all numbers come out again, and whatever was changed afterwards is found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.support import diabetes_frame, mixed_frame, spec_for

from mlwright.core import MlwrightError
from mlwright.core.files import NotReadable
from mlwright.models import PackageDamaged
from mlwright.runs import Run, RunFolder, RunUnfit
from mlwright.verification import Difference, EvidenceDiffers, Verification, verify
from mlwright.workflow import run, train


@pytest.fixture
def copied(finished: Run, tmp_path: Path) -> RunFolder:
    """A finished run with its project, to be changed."""
    target = tmp_path / "project"
    shutil.copytree(finished.folder.path.parent.parent, target)
    folder = RunFolder(target / "runs" / finished.id)
    (folder.path / "run.json").write_text(json.dumps(folder.state | {"folder": str(target)}))
    return folder


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))


def record(tree: Any, id_: str) -> dict[str, Any]:
    return next(one for one in tree["records"] if one["id"] == id_)


def differing(folder: RunFolder) -> list[str]:
    return [one.id for one in verify(folder).differences]


# --------------------------------------------------------------------------------------------------- what holds, holds


def test_all_numbers_come_out_again_and_verifying_changes_nothing(copied: RunFolder) -> None:
    before = {path: path.read_bytes() for path in copied.path.rglob("*") if path.is_file()}
    found = verify(copied)
    assert found.holds
    records = list(copied.evidence())
    assert found.computed == sum(one.kind == "computed" for one in records) > 100
    assert found.measured == len(records) - found.computed > 5
    assert found.run == copied.path.name
    assert {path: path.read_bytes() for path in copied.path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("kind", ["regression in groups", "forward in time with weights"])
def test_runs_of_other_kinds_come_out_again_too(kind: str, tmp_path: Path) -> None:
    if kind == "regression in groups":
        frame = diabetes_frame().with_columns(ward=pl.Series([f"w{i % 50}" for i in range(442)]))
        spec = spec_for("progression", data={"group": "ward"}, budget={"seconds": 20, "trials": 2})
    else:
        frame = mixed_frame(400).with_columns(worth=pl.Series([1.0 + i % 3 for i in range(400)]))
        data = {"time": "joined", "weight": "worth"}
        spec = spec_for("bought", data=data, split={"folds": 3, "gap": "30d"}, budget={"seconds": 20, "trials": 2})
    made = run(spec.at(tmp_path), frame)
    assert verify(made.folder, frame).differences == ()


def test_a_run_that_was_not_evaluated_is_verified_as_far_as_it_came(tmp_path: Path) -> None:
    frame = mixed_frame(200)
    made = train(spec_for("bought", budget={"seconds": 20, "trials": 2}).at(tmp_path), frame)
    found = verify(made.folder, frame)
    assert found.holds
    assert not any(one.id.startswith("test.") for one in made.folder.evidence())


def test_folds_that_the_spec_asks_for_are_those_of_a_run_that_goes_on(tmp_path: Path) -> None:
    """The plan of the split comes back with its folds; a search that goes on would else make others."""
    frame = mixed_frame(300)
    spec = spec_for("bought", split={"folds": 3}, budget={"seconds": 20, "trials": 1}).at(tmp_path)
    first = train(spec, frame)
    assert first.trials.n_folds == 3
    (first.folder.path / "search.json").unlink()
    edit(first.folder.path / "run.json", lambda tree: tree["stages"].pop("fit"))
    again = train(spec, frame, resume=first.folder)
    assert again.trials.n_folds == 3


# ------------------------------------------------------------------------------------------------ changes in the evidence

CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "test.roc_auc": lambda one: one.update(value=one["value"] + 0.001),
    "test.log_loss": lambda one: one["interval"].update(low=one["interval"]["low"] + 0.001),
    "test.brier": lambda one: one["interval"].update(confidence=0.99),
    "test.accuracy": lambda one: one.update(interval=None),
    "test.recall": lambda one: one.update(n=one["n"] * 10),
    "test.f1": lambda one: one.update(value=0.99, kind="measured"),
    "test.pr_auc": lambda one: one.update(kind="measured"),
    "test.mcc": lambda one: one.update(value=None),
    "test.precision": lambda one: one.update(value=str(one["value"])),
    "test.roc_auc.constant": lambda one: one.update(value=0.4),
    "canary.linear.roc_auc": lambda one: one.update(value=0.5),
    "requirements.R1": lambda one: one.update(value="not met"),
    "data.fingerprint": lambda one: one.update(value="0" * 64),
    "data.rows": lambda one: one.update(value=True),
}


def test_every_change_in_the_evidence_is_found_and_named(copied: RunFolder) -> None:
    """A number, its interval, its confidence, its rows, its kind, its type: one change in each of several records."""

    def change(tree: Any) -> None:
        for id_, made in CHANGES.items():
            made(record(tree, id_))

    edit(copied.path / "evidence.json", change)
    found = verify(copied)
    assert not found.holds
    assert {one.id for one in found.differences} == set(CHANGES)
    assert len(found.differences) == len(CHANGES)
    for one in found.differences:
        assert one.stored != one.computed


def test_a_number_that_was_taken_out_or_made_up_is_found(copied: RunFolder) -> None:
    def change(tree: Any) -> None:
        tree["records"].remove(record(tree, "test.brier"))
        tree["records"].append(record(tree, "test.roc_auc") | {"id": "test.excellence"})

    edit(copied.path / "evidence.json", change)
    assert sorted(differing(copied)) == ["test.brier", "test.excellence"]


def test_what_only_rounding_changes_is_no_difference(copied: RunFolder) -> None:
    edit(copied.path / "evidence.json", lambda tree: record(tree, "test.roc_auc").update(value=_nearly(tree)))
    assert verify(copied).holds


def _nearly(tree: Any) -> float:
    return float(record(tree, "test.roc_auc")["value"]) * (1 + 1e-9)


# ----------------------------------------------------------------------------------------- changes in what it rests upon


def test_scores_that_were_changed_in_the_files_of_the_run_are_found(copied: RunFolder) -> None:
    """Where the report takes them from; there and in the evidence; in the record of a trial."""

    def change(tree: Any) -> None:
        for one in tree["scores"]:
            if one["metric"] in {"roc_auc", "accuracy"}:
                one["value"] = 0.99

    edit(copied.path / "evaluation.json", change)
    edit(copied.path / "evidence.json", lambda tree: record(tree, "test.roc_auc").update(value=0.99))
    edit(copied.path / "trials" / "01-lightgbm" / "trial.json", lambda tree: tree.update(score=0.01))
    # A trial with a made-up score also has another place on the leaderboard.
    assert {"test.accuracy", "test.roc_auc", "trials.01-lightgbm.log_loss"} <= set(differing(copied))


def _files(folder: RunFolder) -> list[Path]:
    return sorted(p for p in folder.model_path.rglob("*") if p.is_file() and "documents" not in p.parts)


def test_any_changed_file_of_the_package_is_found(copied: RunFolder, finished: Run) -> None:
    """One letter in each file in turn."""
    for path in _files(copied):
        whole = path.read_bytes()
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
        # In the manifest itself the letter may be one without which it is no JSON any more.
        with pytest.raises((PackageDamaged, NotReadable) if path.name == "manifest.json" else PackageDamaged):
            verify(copied)
        path.write_bytes(whole)
    assert len(_files(copied)) > 4


def test_a_package_without_one_of_its_files_is_found(copied: RunFolder) -> None:
    path = _files(copied)[-1]
    path.unlink()
    with pytest.raises(PackageDamaged):
        verify(copied)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.with_columns(visits=pl.col("visits") + (pl.int_range(pl.len()) == 5)),
        lambda frame: frame.reverse(),
        lambda frame: frame.head(899),
    ],
    ids=["one value", "order", "one row less"],
)
def test_changed_data_is_found(change: Callable[[pl.DataFrame], pl.DataFrame], copied: RunFolder) -> None:
    change(mixed_frame(900)).write_parquet(copied.path.parent.parent / "sales.parquet")
    with pytest.raises(RunUnfit, match="no longer what the run was made of"):
        verify(copied)


def test_data_that_is_gone_is_a_plain_error(copied: RunFolder) -> None:
    (copied.path.parent.parent / "sales.parquet").unlink()
    with pytest.raises(MlwrightError, match=r"sales\.parquet"):
        verify(copied)


@pytest.mark.parametrize("how", ["swapped", "two rows"])
def test_a_changed_split_is_found(how: str, copied: RunFolder) -> None:
    """Training rows called test rows: the model knows them by heart."""
    path = copied.path / "split.arrow"
    with pa.memory_map(str(path)) as source:
        use = np.array(pa.ipc.open_file(source).read_all().column("use").combine_chunks().indices)
    if how == "swapped":
        use = 1 - use
    else:
        first = [int(np.flatnonzero(use == side)[0]) for side in (0, 1)]
        use[first] = use[first[::-1]]
    table = pa.table({"use": pa.DictionaryArray.from_arrays(use, ["train", "test", "left out"])})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(RunUnfit, match="not split as"):
        verify(copied)


def test_the_error_says_how_many_and_which_is_the_first() -> None:
    found = [Difference(id=id_, stored="0.9", computed="0.8") for id_ in ("test.roc_auc", "test.f1")]
    error = EvidenceDiffers(Verification(run="r", computed=120, measured=9, differences=tuple(found)))
    assert error.exit_code == 1
    assert "2 of 120 numbers do not come out again, first test.roc_auc: stored 0.9, computed 0.8" in str(error)
    assert error.where == "r"
