"""The whole workflow: what a run leaves behind, that it goes on after being stopped, and that it can be verified."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.support import mixed_frame, shared_table, spec_for

import mlwright
from mlwright.checks import ChecksFailed
from mlwright.core import ProgressEvent
from mlwright.evaluation import RequirementsNotMet
from mlwright.models import Model, PackageDamaged
from mlwright.runs import Run, RunBusy, RunFolder, RunNotFound, RunUnfit, all_runs
from mlwright.spec import Spec, SpecInvalid
from mlwright.translation import ContradictionFound
from mlwright.verification import verify
from mlwright.workflow import check, evaluate_run, open_run, report_run, run, train

FILES = {
    "run.json", "mlwright.yaml", "data.json", "split.arrow", "summary.json", "checks.json", "contradictions.json", "search.json",
    "predictions.arrow", "evaluation.json", "evidence.json", "report.html", "model_card.md",
}  # fmt: skip


def project(folder: Path, frame: pl.DataFrame | None = None, **sections: Any) -> Spec:
    (mixed_frame(400) if frame is None else frame).write_csv(folder / "sales.csv")
    data = {"source": "sales.csv", "target": "bought", **sections.pop("data", {})}
    return Spec.of({"data": data, "budget": {"seconds": 20, "trials": 2}, **sections}).at(folder)


@pytest.fixture
def copied(finished: Run, tmp_path: Path) -> RunFolder:
    """A finished run with its project, to be damaged."""
    target = tmp_path / "project"
    shutil.copytree(finished.folder.path.parent.parent, target)
    folder = RunFolder(target / "runs" / finished.id)
    state = folder.state | {"folder": str(target)}
    (folder.path / "run.json").write_text(json.dumps(state))
    return folder


def test_a_run_leaves_its_whole_story_behind(finished: Run) -> None:
    left = {path.name for path in finished.folder.path.iterdir() if path.is_file() and not path.name.startswith(".")}
    assert left == FILES
    assert (finished.folder.path / "model" / "documents" / "model_card.md").is_file()
    assert not list(finished.folder.path.rglob("*.part"))


def test_nothing_in_a_run_can_run(finished: Run) -> None:
    suffixes = {path.suffix for path in finished.folder.path.rglob("*") if path.is_file()}
    assert suffixes <= {".json", ".yaml", ".arrow", ".txt", ".html", ".md", ""}


def test_every_number_has_its_id_method_and_rows(finished: Run) -> None:
    records = list(finished.folder.evidence())
    assert len(records) > 100
    assert len({record.id for record in records}) == len(records)
    assert all(record.method and record.rows and record.code for record in records)


def test_a_finished_run_verifies(finished: Run) -> None:
    found = verify(finished.folder)
    assert found.differences == ()
    assert found.computed > 100


@pytest.mark.parametrize(
    "id_prefix", ["test.roc_auc", "checks.missing", "trials.02-linear.log_loss", "requirements.R1"]
)
def test_a_changed_number_is_found(copied: RunFolder, id_prefix: str) -> None:
    path = copied.path / "evidence.json"
    tree = json.loads(path.read_text())
    changed = next(r for r in tree["records"] if r["id"].startswith(id_prefix))
    changed["value"] = "met" if changed["value"] == "not met" else "not met" if changed["value"] == "met" else 0.123456
    path.write_text(json.dumps(tree))
    assert [difference.id for difference in verify(copied).differences] == [changed["id"]]


def test_changed_out_of_fold_predictions_are_found(copied: RunFolder) -> None:
    state_path = copied.path / "trials" / "01-lightgbm" / "predictions.arrow"
    other = copied.path / "trials" / "00-constant" / "predictions.arrow"
    state_path.write_bytes(other.read_bytes())
    assert any(d.id.startswith("trials.01-lightgbm") for d in verify(copied).differences)


def test_a_changed_package_does_not_verify(copied: RunFolder) -> None:
    path = copied.model_path / "model.json"
    path.write_text(path.read_text().replace('"threshold": 0.5', '"threshold": 0.4'))
    with pytest.raises(PackageDamaged, match=r"model\.json was changed"):
        verify(copied)


def test_changed_data_does_not_verify(copied: RunFolder) -> None:
    mixed_frame(901).write_parquet(copied.path.parent.parent / "sales.parquet")
    with pytest.raises(RunUnfit, match="no longer what the run was made of"):
        verify(copied)


def test_the_stages_can_be_taken_one_by_one(tmp_path: Path) -> None:
    spec = project(tmp_path)
    split, checks = check(spec)
    assert checks.status in {"pass", "warn"}
    trained = train(spec)
    assert trained.evaluation is None
    assert not (trained.folder.path / "evaluation.json").exists()
    opened = open_run(RunFolder.find("latest", start=tmp_path))
    assert opened.split.test_rows.tolist() == split.test_rows.tolist()
    evaluated = evaluate_run(opened)
    assert evaluated.evaluation is not None
    assert report_run(evaluated).is_file()


def test_progress_tells_each_stage_in_order(tmp_path: Path) -> None:
    events: list[ProgressEvent] = []
    run(project(tmp_path), progress=events.append)
    stages = ["read", "check", "contradictions", "search", "fit", "evaluate"]
    assert [e.stage for e in events if e.kind == "started"] == stages
    assert [e.stage for e in events if e.kind == "finished"] == stages
    assert all(e.elapsed_s >= 0 for e in events)


def test_the_test_rows_are_scored_once_and_later_runs_say_how_often(tmp_path: Path) -> None:
    spec = project(tmp_path)
    first = run(spec)
    stored = (first.folder.path / "evaluation.json").read_bytes()
    evaluate_run(open_run(first.folder))
    assert (first.folder.path / "evaluation.json").read_bytes() == stored
    second = run(spec)
    assert first.folder.state["stages"]["evaluate"]["earlier_tests"] == 0
    assert second.folder.state["stages"]["evaluate"]["earlier_tests"] == 1
    assert "already scored by 1 earlier run" in second.folder.report_path.read_text()


@pytest.mark.parametrize("stage", ["split", "check", "search", "fit", "evaluate"])
def test_a_run_that_was_stopped_goes_on_with_what_was_finished(tmp_path: Path, stage: str) -> None:
    spec = project(tmp_path, budget={"seconds": 20, "trials": 3})

    class Stopped(Exception):
        pass

    def stop(event: ProgressEvent) -> None:
        if event.stage == {"split": "check"}.get(stage, stage) and (
            event.kind == "finished" or (stage == "search" and "linear" in event.detail)
        ):
            raise Stopped

    with pytest.raises(Stopped):
        run(spec, progress=stop)
    folder = RunFolder.find("latest", start=tmp_path)
    trials = {path: path.stat().st_mtime_ns for path in folder.path.rglob("trial.json")}
    finished = run(spec, resume=folder)
    assert finished.evaluation is not None
    assert finished.folder.path == folder.path
    assert len(all_runs(tmp_path)) == 1
    assert {path: path.stat().st_mtime_ns for path in trials} == trials  # none of them was made again
    assert verify(folder).differences == ()


def test_a_resumed_run_is_the_run_that_was_not_stopped(tmp_path: Path) -> None:
    spec = project(tmp_path, budget={"seconds": 60, "trials": 3})
    whole = run(spec)

    def stop(event: ProgressEvent) -> None:
        if event.stage == "search" and "linear" in event.detail:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(spec, progress=stop)
    resumed = run(spec, resume=RunFolder.find("latest", start=tmp_path))
    assert resumed.id != whole.id
    a, b = (
        {r.id: (r.value, r.interval) for r in one.folder.evidence() if r.kind == "computed"} for one in (whole, resumed)
    )
    assert a == b


def test_a_run_is_worked_on_by_one_process_at_a_time(finished: Run) -> None:
    with finished.folder.locked(), pytest.raises(RunBusy, match="another process"), finished.folder.locked():
        pass


def test_leaking_data_stops_before_any_model_is_fitted(tmp_path: Path) -> None:
    frame = mixed_frame(400)
    leaky = frame.with_columns(reason=pl.when(pl.col("bought") == "yes").then(pl.lit("offer")).otherwise(None))
    with pytest.raises(ChecksFailed, match=r"reason is (missing|present) almost only") as caught:
        run(project(tmp_path, leaky))
    assert caught.value.exit_code == 1
    folder = RunFolder.find("latest", start=tmp_path)
    assert not (folder.path / "trials").exists()
    with pytest.raises(RunUnfit, match="no model yet"):
        open_run(folder)


def test_a_requirement_that_is_not_met_is_an_error_after_the_report_was_written(tmp_path: Path) -> None:
    spec = project(tmp_path, requirements=[{"id": "R1", "metric": "roc_auc", "min": 0.999}])
    with pytest.raises(RequirementsNotMet, match="R1 is not met") as caught:
        run(spec)
    assert caught.value.exit_code == 1
    report = RunFolder.find("latest", start=tmp_path).report_path.read_text()
    assert "Do not use it for this" in report
    assert "R1: ROC AUC at least 0.999 is not reached" in report


# ------------------------------------------------------------------------------------- what is said before the search


@pytest.fixture(scope="module")
def promised(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[ProgressEvent]]:
    """A run that is long enough to be judged before its search; what must hold is out of reach."""
    events: list[ProgressEvent] = []
    must = {"id": "R1", "metric": "roc_auc", "min": 0.97}
    spec = project(tmp_path_factory.mktemp("promised"), budget={"seconds": 20, "trials": 5}, requirements=[must])
    return evaluate_run(train(spec, progress=events.append)), events


def test_the_verdict_is_made_before_the_search_and_kept(promised: tuple[Run, list[ProgressEvent]]) -> None:
    made, events = promised
    assert made.verdict is not None
    assert made.verdict.trials == 0
    assert made.folder.verdict() == made.verdict
    assert made.folder.state["stages"]["feasibility"]["outcome"] == made.verdict.outcome
    stages = [e.stage for e in events if e.kind == "started"]
    assert stages == ["read", "check", "contradictions", "feasibility", "search", "fit"]
    assert open_run(made.folder).verdict == made.verdict


def test_an_infeasible_must_is_told_before_the_search_and_does_not_stop_it(
    promised: tuple[Run, list[ProgressEvent]],
) -> None:
    made, events = promised
    assert made.verdict is not None
    assert made.verdict.outcome == "infeasible"
    told = [(number, e) for number, e in enumerate(events) if e.kind == "told"]
    assert len(told) == 1
    assert told[0][1].detail.startswith("No. R1, ROC AUC at least 0.97, is ")
    assert told[0][0] < next(number for number, e in enumerate(events) if e.stage == "search")
    assert made.trials.usable


def test_the_chances_are_told_during_the_search(promised: tuple[Run, list[ProgressEvent]]) -> None:
    best = [e.best for e in promised[1] if e.stage == "search" and e.best]
    assert "chance of R1 now" in best[-1]


def test_what_was_promised_is_evidence_and_can_be_verified(promised: tuple[Run, list[ProgressEvent]]) -> None:
    folder = promised[0].folder
    stored = folder.evidence()
    assert stored["feasibility.outcome"].value == "infeasible"
    assert stored["feasibility.R1.probability"].kind == "computed"
    found = verify(folder)
    assert found.differences == ()


def test_the_report_shows_the_promise_beside_what_came_out(promised: tuple[Run, list[ProgressEvent]]) -> None:
    page = report_run(promised[0]).read_text()
    assert "What was said before the search" in page
    assert "came out: 0." in page


def test_a_run_that_goes_on_keeps_to_what_it_promised(promised: tuple[Run, list[ProgressEvent]]) -> None:
    made, _ = promised
    path = made.folder.path / "verdict.json"
    before = path.stat().st_mtime_ns
    events: list[ProgressEvent] = []
    train(made.spec, resume=made.folder, progress=events.append)
    assert path.stat().st_mtime_ns == before
    assert "feasibility" not in {e.stage for e in events}


@pytest.mark.parametrize(
    ("budget", "why"), [({"seconds": 20, "trials": 2}, "2 trials"), ({"seconds": 3}, "a search of 3 s")]
)
def test_a_search_that_is_shorter_than_a_forecast_is_not_forecast(
    tmp_path: Path, budget: dict[str, Any], why: str
) -> None:
    made = train(project(tmp_path, budget=budget))
    assert made.verdict is None
    assert why in made.folder.state["stages"]["feasibility"]["left_out"]
    assert why in report_run(made).read_text()


def test_it_can_be_judged_without_a_run(tmp_path: Path) -> None:
    spec = project(tmp_path, requirements=[{"id": "R1", "metric": "roc_auc", "min": 0.6}])
    split, checks, verdict = mlwright.judge(spec)
    assert checks.status in {"pass", "warn"}
    assert verdict.n_rows == len(split.train_rows)
    assert [one.id for one in verdict.requirements] == ["R1"]
    assert not (tmp_path / "runs").exists()


def test_leaking_data_is_not_judged(tmp_path: Path) -> None:
    frame = mixed_frame(400)
    leaky = frame.with_columns(reason=pl.when(pl.col("bought") == "yes").then(pl.lit("offer")).otherwise(None))
    with pytest.raises(ChecksFailed):
        mlwright.judge(project(tmp_path, leaky))


def test_what_cannot_all_be_stops_a_run_before_the_search(tmp_path: Path) -> None:
    asked = {"id": "R1", "metric": "roc_auc", "min": 0.6, "on": 'city == "Atlantis"'}
    with pytest.raises(ContradictionFound, match="none of the"):
        train(project(tmp_path, requirements=[asked]))
    folder = RunFolder.find("latest", start=tmp_path)
    assert [one.certain for one in folder.contradictions()] == [True]
    assert not (folder.path / "trials").exists()


def test_a_contradictory_spec_is_refused_before_the_data_is_read() -> None:
    with pytest.raises(SpecInvalid, match="also listed in must_not_use"):
        run(spec_for("bought", data={"source": "does-not-exist.csv", "must_not_use": ["bought"]}))


def test_a_metric_that_does_not_exist_is_told_before_the_search(tmp_path: Path) -> None:
    spec = project(tmp_path, requirements=[{"id": "R1", "metric": "roc_auk", "min": 0.5}])
    with pytest.raises(mlwright.MlwrightError, match="no metric 'roc_auk'") as caught:
        run(spec)
    assert "did you mean 'roc_auc'" in caught.value.fix
    assert not (RunFolder.find("latest", start=tmp_path).path / "trials").exists()


def test_runs_are_found_by_path_id_and_latest(finished: Run) -> None:
    start = finished.folder.path.parent.parent
    for name in (finished.folder.path, finished.id, "latest"):
        assert RunFolder.find(name, start=start).path == finished.folder.path
    with pytest.raises(RunNotFound, match="no run 'yesterday'"):
        RunFolder.find("yesterday", start=start)
    with pytest.raises(RunNotFound, match="no run yet"):
        RunFolder.find("latest", start=start / "nowhere")


def test_a_data_frame_takes_the_place_of_the_source(tmp_path: Path) -> None:
    spec = spec_for("bought", budget={"seconds": 20, "trials": 2}).at(tmp_path)
    frame = mixed_frame(300)
    finished = mlwright.run(spec, frame)
    assert verify(finished.folder, frame).holds


def test_the_package_of_a_run_answers_without_the_run(finished: Run, tmp_path: Path) -> None:
    shutil.copytree(finished.folder.model_path, tmp_path / "model")
    model = Model.load(tmp_path / "model")
    rows = mixed_frame(50, seed=9)
    assert model.predict(rows).prediction.tolist() == finished.model.predict(rows).prediction.tolist()


TABLES = ["telco_churn", "german_credit", "titanic", "hpc_jobs", "ames_housing", "nyc_taxis"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_the_workflow_runs_unchanged_on_real_tables(name: str, tmp_path: Path) -> None:
    path, entry = shared_table(name)
    data: dict[str, Any] = {
        "source": str(path),
        "target": entry["target"],
        "known_after_decision": entry["leak_columns"],
    }
    if "positive" in entry:
        data["positive_class"] = entry["positive"]
    spec = Spec.of({"data": data, "budget": {"seconds": 6}}).at(tmp_path)
    finished = run(spec)
    assert finished.evaluation is not None
    assert finished.dataset.task == entry["task"]
    main = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "r2"}[entry["task"]]
    score = finished.evaluation.score(main)
    assert score.value is not None
    assert next(b.gain or 0 for b in score.baselines if b.baseline == "constant") > 0
    assert finished.folder.report_path.stat().st_size > 30_000
    assert verify(finished.folder).holds
