"""A run on disk: what is written comes back, what is damaged is a plain error, and nothing stands there half-written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import dataset_of, mixed_frame, spec_for, split_of

from mlwright.core import Evidence, EvidenceStore, Interval, MlwrightError
from mlwright.data import Split, SplitPlan, split_rows
from mlwright.runs import Run, RunFolder, RunNotFound, RunUnfit, all_runs, earlier_tests, name_of_test_rows
from mlwright.search import Trial, Trials
from mlwright.spec import Spec, load_spec

NOW = datetime(2026, 11, 21, 7, 15, 12, tzinfo=UTC)


def new(folder: Path, *, now: datetime = NOW, **sections: Any) -> RunFolder:
    return RunFolder.create(spec_for("bought", **sections).at(folder), now=now)


@pytest.fixture
def copied(finished: Run, tmp_path: Path) -> RunFolder:
    """A finished run, to be damaged."""
    shutil.copytree(finished.folder.path, tmp_path / "runs" / finished.id)
    return RunFolder(tmp_path / "runs" / finished.id)


# --------------------------------------------------------------------------------------------------- making and finding


def test_a_new_run_has_its_spec_and_says_where_it_began(tmp_path: Path) -> None:
    folder = new(tmp_path, project={"name": "sales"}, seed=7)
    assert folder.path.parent == tmp_path / "runs"
    assert folder.path.name.startswith("20261121-071512-")
    assert {path.name for path in folder.path.iterdir()} == {"run.json", "mlwright.yaml"}
    state = folder.state
    assert (state["id"], state["project"], state["seed"], state["stages"]) == (folder.path.name, "sales", 7, {})
    assert state["created"] == "2026-11-21T07:15:12+00:00"


def test_the_spec_comes_back_with_the_folder_that_paths_start_from(tmp_path: Path) -> None:
    spec = spec_for(
        "bought",
        data={"id": "customer_id", "must_not_use": ["städte"], "columns": {"age": {"missing": [-1.0, "?"]}}},
        requirements=[{"id": "R1", "metric": "roc_auc", "min": 0.7, "on": 'city == "Rome"'}],
        split={"gap": "30d"},
        decision={"values": {"true_positive": "0.3 * age", "false_positive": -10}, "capacity": "500 per week"},
    ).at(tmp_path)
    again = RunFolder.create(spec).spec()
    assert again.model_dump() == spec.model_dump()
    assert again.folder == tmp_path


def test_the_file_of_the_spec_is_kept_with_its_comments(tmp_path: Path) -> None:
    text = "# why we do this\ndata: {source: sales.csv, target: bought}  # of each customer\n"
    (tmp_path / "mlwright.yaml").write_text(text)
    folder = RunFolder.create(load_spec(tmp_path / "mlwright.yaml"))
    assert (folder.path / "mlwright.yaml").read_text() == text


def test_runs_are_listed_the_oldest_first_and_the_latest_is_found(tmp_path: Path) -> None:
    assert all_runs(tmp_path) == []
    made = [new(tmp_path, now=NOW.replace(hour=hour)) for hour in (9, 3, 12)]
    (tmp_path / "runs" / "notes").mkdir()
    assert [run.path for run in all_runs(tmp_path)] == [made[1].path, made[0].path, made[2].path]
    assert RunFolder.find("latest", start=tmp_path).path == made[2].path


def test_two_runs_of_one_second_are_two_folders(tmp_path: Path) -> None:
    made = [new(tmp_path).path for _ in range(20)]
    assert len(set(made)) == 20
    assert [run.path for run in all_runs(tmp_path)] == made


def test_a_run_that_is_not_there_is_an_error_with_the_nearest_name(tmp_path: Path) -> None:
    folder = new(tmp_path)
    with pytest.raises(RunNotFound, match="there is no run") as caught:
        RunFolder.find(folder.path.name[:-1] + "x", start=tmp_path)
    assert folder.path.name in caught.value.fix


# ---------------------------------------------------------------------------------------------------------- what comes back


def test_stages_are_noted_with_their_facts_one_after_the_other(tmp_path: Path) -> None:
    folder = new(tmp_path)
    assert not folder.done("split")
    folder.finish("split")
    folder.finish("fit", seconds=12.5)
    assert folder.done("split")
    assert folder.done("fit")
    assert not folder.done("evaluate")
    assert folder.state["stages"]["fit"]["seconds"] == 12.5


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"split": {"test_share": 0.35, "folds": 3}},
        {"data": {"time": "joined"}, "split": {"gap": "90d"}},
        {"data": {"group": "city"}},
    ],
    ids=["stratified", "with folds", "in time", "by group"],
)
def test_a_split_comes_back_as_it_was(sections: dict[str, Any], tmp_path: Path) -> None:
    _, split = split_of(mixed_frame(400, seed=2), "bought", **sections)
    folder = new(tmp_path)
    folder.write_data(split)
    again = folder.split(split.dataset)
    assert again.plan == split.plan
    for one, other in (("train_rows", "train_rows"), ("test_rows", "test_rows"), ("left_out", "left_out")):
        assert getattr(again, one).tolist() == getattr(split, other).tolist()
    assert folder.summary().state() == split.train.summary().state()
    assert folder.data()["fingerprint"] == split.dataset.fingerprint


def test_trials_come_back_as_they_were(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.arange(50) > 9
    predictions = np.where(rows, rng.random(50), np.nan)
    finished = Trial(
        id="00-a", family="linear", parameters={"name": "a", "c": 0.5}, status="finished", score=0.4,
        fold_scores=(0.3, 0.5), settled={"penalty": 0.1}, seconds=1.5, predictions=predictions,
    )  # fmt: skip
    left_out = Trial(id="01-b", family="lightgbm", parameters={"name": "b"}, status="left out", reason="no time")
    trials = Trials(
        objective="log_loss", trials=(finished, left_out), rows=rows, n_folds=4, fit_share=0.6, seconds=3, stopped="so"
    )
    folder = new(tmp_path)
    folder.trial_store().put(finished)
    folder.write_search(trials)
    again = folder.trials()
    assert [trial.id for trial in again] == ["00-a", "01-b"]
    assert again.rows.tolist() == rows.tolist()
    np.testing.assert_array_equal(again["00-a"].predictions, predictions)
    assert (again["00-a"].fold_scores, again["01-b"].reason) == ((0.3, 0.5), "no time")
    assert (again.objective, again.n_folds, again.fit_share, again.stopped) == ("log_loss", 4, 0.6, "so")


def test_evidence_comes_back_as_it_was(tmp_path: Path) -> None:
    records = [
        Evidence(id="a", value=0.1 + 0.2, method="m", rows="r", n=3, interval=Interval(low=0, high=1, confidence=0.9)),
        Evidence(id="b", value=None, method="m", rows="r", kind="measured", unit="ms"),
        Evidence(id="c", value="größer", method="m", rows="r"),
    ]
    folder = new(tmp_path)
    folder.write_evidence(EvidenceStore(records))
    assert list(folder.evidence()) == records


def test_everything_of_a_finished_run_comes_back(finished: Run) -> None:
    folder = finished.folder
    assert folder.evaluation() == finished.evaluation
    assert folder.checks() == finished.checks
    assert folder.spec().model_dump() == finished.spec.model_dump()
    assert [trial.id for trial in folder.trials()] == [trial.id for trial in finished.trials]
    assert list(folder.evidence()) == list(finished.evidence())


def test_the_answers_for_the_test_rows_are_kept_with_row_and_target(finished: Run) -> None:
    import pyarrow as pa

    with pa.memory_map(str(finished.folder.path / "predictions.arrow")) as source:
        table = pa.ipc.open_file(source).read_all()
    assert table.column_names == ["row", "target", "prediction", "probability_no", "probability_yes"]
    assert table.column("row").to_pylist() == finished.split.test_rows.tolist()
    answers = finished.model.predict(finished.split.test)
    assert table.column("probability_yes").to_pylist() == answers.prediction.tolist()


# ---------------------------------------------------------------------------------------------------- damaged or missing

READERS: dict[str, Callable[[RunFolder, Run], Any]] = {
    "run.json": lambda folder, run: folder.done("fit"),
    "mlwright.yaml": lambda folder, run: folder.spec(),
    "data.json": lambda folder, run: (folder.data(), folder.split(run.dataset)),
    "split.arrow": lambda folder, run: folder.split(run.dataset),
    "summary.json": lambda folder, run: folder.summary(),
    "checks.json": lambda folder, run: folder.checks(),
    "search.json": lambda folder, run: folder.trials(),
    "trials/01-lightgbm/trial.json": lambda folder, run: folder.trials(),
    "trials/01-lightgbm/predictions.arrow": lambda folder, run: folder.trials(),
    "evaluation.json": lambda folder, run: folder.evaluation(),
    "evidence.json": lambda folder, run: folder.evidence(),
}
DAMAGES: dict[str, Callable[[Path], Any]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "list": lambda path: path.write_text("[1, 2]"),
    "other": lambda path: path.write_text('{"format_version": 1}'),
    "noise": lambda path: path.write_bytes(bytes(range(256)) * 4),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_a_plain_error_that_names_it(
    name: str, damage: str, copied: RunFolder, finished: Run
) -> None:
    DAMAGES[damage](copied.path / name)
    with pytest.raises(MlwrightError) as caught:
        READERS[name](copied, finished)
    assert name.split("/")[0] in caught.value.where
    assert caught.value.fix


@pytest.mark.parametrize("name", [name for name in READERS if not name.startswith(("trials/", "evaluation", "mlw"))])
def test_a_missing_file_is_a_plain_error_that_names_it(name: str, copied: RunFolder, finished: Run) -> None:
    (copied.path / name).unlink()
    with pytest.raises(MlwrightError, match="missing") as caught:
        READERS[name](copied, finished)
    assert name in caught.value.where


def test_a_trial_that_is_gone_is_named(copied: RunFolder) -> None:
    shutil.rmtree(copied.path / "trials" / "01-lightgbm")
    with pytest.raises(RunUnfit, match="a trial is missing") as caught:
        copied.trials()
    assert "01-lightgbm" in caught.value.where


def test_a_run_that_was_not_evaluated_has_no_evaluation(copied: RunFolder) -> None:
    (copied.path / "evaluation.json").unlink()
    assert copied.evaluation() is None


def test_a_split_of_other_rows_is_refused(copied: RunFolder) -> None:
    with pytest.raises(RunUnfit, match="damaged"):
        copied.split(dataset_of(mixed_frame(100), "bought"))


def test_a_run_of_a_later_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = new(tmp_path)
    state = json.loads((folder.path / "run.json").read_text())
    (folder.path / "run.json").write_text(json.dumps(state | {"format_version": 2}))
    with pytest.raises(RunUnfit, match="the run has format 2") as caught:
        folder.done("fit")
    assert "the version of mlwright that made it" in caught.value.fix


# ------------------------------------------------------------------------------------------------------------ atomicity


def test_what_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    folder = new(tmp_path)
    folder.finish("split")
    before = (folder.path / "run.json").read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        folder.finish("fit", seconds=float("nan"))
    assert (folder.path / "run.json").read_bytes() == before
    assert not list(folder.path.rglob("*.part"))
    with pytest.raises(TypeError):
        folder.finish("fit", seconds=object())
    assert folder.done("split")
    assert not folder.done("fit")


def test_what_a_killed_process_left_aside_is_removed_with_the_lock_and_nothing_else(copied: RunFolder) -> None:
    kept = set(copied.path.rglob("*"))
    (copied.path / ".evidence.json.1a2b3c4d.part").write_text("{")
    for name in (".05-x.1a2b3c4d.part", ".01-lightgbm.1a2b3c4d.old"):
        (copied.path / "trials" / name).mkdir()
        (copied.path / "trials" / name / "trial.json").write_text("{")
    assert len(copied.trials().trials) == 4  # they were never part of the run
    with copied.locked():
        pass
    assert set(copied.path.rglob("*")) - {copied.path / ".lock"} == kept - {copied.path / ".lock"}


def test_the_lock_is_given_back_after_an_error(tmp_path: Path) -> None:
    folder = new(tmp_path)
    with pytest.raises(KeyboardInterrupt), folder.locked():
        raise KeyboardInterrupt
    with folder.locked():
        folder.finish("split")


# -------------------------------------------------------------------------------------------------- how often it was tested


def scored_on(folder: RunFolder, split: Split) -> RunFolder:
    folder.finish("evaluate", test_rows=name_of_test_rows(split))
    return folder


def test_other_runs_that_scored_the_same_test_rows_are_counted(tmp_path: Path) -> None:
    dataset = dataset_of(mixed_frame(200), "bought")
    plan = SplitPlan(kind="stratified", test_share=0.2, reason="")
    split, other = (split_rows(dataset, plan, seed=seed) for seed in (0, 1))
    last = new(tmp_path)
    assert earlier_tests(last, split) == 0
    scored_on(new(tmp_path), split)
    scored_on(new(tmp_path), split)
    scored_on(new(tmp_path), other)
    new(tmp_path)  # never came so far
    assert earlier_tests(scored_on(last, split), split) == 2
    assert earlier_tests(last, other) == 1
    assert name_of_test_rows(split) != name_of_test_rows(other)


def test_a_damaged_run_does_not_stop_those_after_it(tmp_path: Path) -> None:
    dataset = dataset_of(mixed_frame(200), "bought")
    split = split_rows(dataset, SplitPlan(kind="stratified", test_share=0.2, reason=""), seed=0)
    for content in ("{", '{"format_version": 9}', "[]", ""):
        (new(tmp_path).path / "run.json").write_text(content)
    scored_on(new(tmp_path), split)
    assert earlier_tests(new(tmp_path), split) == 1


def test_the_same_rows_of_another_table_are_other_test_rows() -> None:
    plan = SplitPlan(kind="random", test_share=0.2, reason="")
    one, other = (split_rows(dataset_of(mixed_frame(200, seed=s), "bought"), plan, seed=0) for s in (0, 1))
    assert name_of_test_rows(one) != name_of_test_rows(other)


def test_a_spec_made_in_python_is_written_as_a_file_that_can_be_read(tmp_path: Path) -> None:
    spec = Spec.of({"data": {"source": "a.csv", "target": "y", "positive_class": True}, "seed": 3})
    folder = RunFolder.create(spec.at(tmp_path))
    assert load_spec(folder.path / "mlwright.yaml").model_dump() == spec.model_dump()
