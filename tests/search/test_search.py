"""The search: what is tried, what is kept, that the budget holds, and that the same seed gives the same model."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import breast_cancer_frame, dataset_of, diabetes_frame, mixed_frame, spec_for, wine_frame

from mlwright.core import Deadline
from mlwright.data import Dataset, fold_rows, plan_split
from mlwright.models import FAMILIES, EstimatorFamily, FitJob, Model, Outline
from mlwright.models.families import LightGbmFamily
from mlwright.search import (
    EncodedFolds,
    FolderStore,
    MemoryStore,
    Threads,
    Trial,
    Trials,
    assemble,
    baseline_models,
    choose_members,
    cross_validate,
    search,
)
from mlwright.search.assembly import NothingWorked
from mlwright.search.folds import TrialPlan
from mlwright.statistics import METRICS, Scored

SPEC = spec_for("bought")


def searched(dataset: Dataset, *, trials: int = 3, seconds: float = 30, **options: Any) -> Trials:
    spec = spec_for(dataset.target, budget={"seconds": seconds, "trials": trials})
    return search(dataset, spec, plan_split(dataset, spec), seed=0, **options)


@pytest.mark.parametrize(
    ("frame", "target", "better_than"),
    [
        (breast_cancer_frame(), "diagnosis", 0.2),
        (wine_frame(), "cultivar", 0.3),
        (diabetes_frame(), "progression", 62.0),
    ],
    ids=["binary", "multiclass", "regression"],
)
def test_each_task_is_searched_and_the_best_candidate_beats_the_constant_one(
    frame: Any, target: str, better_than: float
) -> None:
    trials = searched(dataset_of(frame, target))
    constant, *others = trials.usable
    assert constant.family == "constant"
    assert min(t.score for t in others if t.score is not None) < better_than < (constant.score or 0)


def test_every_training_row_gets_an_out_of_fold_prediction_unless_folds_go_forward_in_time(mixed: Dataset) -> None:
    trials = searched(mixed)
    assert trials.rows.all()
    dated = dataset_of(mixed_frame(), "bought", data={"time": "joined"})
    spec = spec_for("bought", data={"time": "joined"})
    forward = search(dated, spec, plan_split(dated, spec), seed=0)
    assert 0.5 < forward.rows.mean() < 0.95
    for trial in forward.usable:
        assert trial.predictions is not None
        assert np.isfinite(trial.predictions[forward.rows]).all()
        assert np.isnan(trial.predictions[~forward.rows]).all()


def test_the_same_seed_gives_the_same_model_to_the_bit_whatever_the_number_of_workers(
    mixed: Dataset, tmp_path: Path
) -> None:
    packages = []
    for number, workers in enumerate((1, 2)):
        spec = spec_for("bought", budget={"seconds": 60, "trials": 4, "workers": workers})
        trials = search(mixed, spec, plan_split(mixed, spec), seed=3)
        assemble(trials, mixed, spec, seed=3).save(tmp_path / str(number))
        packages.append(
            {p.relative_to(tmp_path / str(number)): p.read_bytes() for p in (tmp_path / str(number)).rglob("*.*")}
        )
    assert packages[0] == packages[1]


def test_another_seed_gives_other_folds(mixed: Dataset) -> None:
    plan = plan_split(mixed, SPEC)
    first, second = fold_rows(mixed, plan, 5, seed=0), fold_rows(mixed, plan, 5, seed=1)
    assert any((a.validation.tolist() != b.validation.tolist()) for a, b in zip(first, second, strict=True))


@pytest.mark.slow
def test_the_budget_is_kept_and_what_was_left_out_is_said() -> None:
    big = dataset_of(mixed_frame(40_000), "bought")
    spec = spec_for("bought", budget={"seconds": 3})
    start = time.monotonic()
    deadline = Deadline.after(3)
    trials = search(big, spec, plan_split(big, spec), seed=0, deadline=deadline)
    assemble(trials, big, spec, seed=0, deadline=deadline)
    assert time.monotonic() - start < 3 * 2.5  # the machine may be busy; what must not happen is a multiple of it
    cut_or_left_out = [t for t in trials if t.status in {"left out", "cut"}]
    assert cut_or_left_out
    assert all(trial.reason for trial in cut_or_left_out)


def test_finished_trials_are_kept_and_not_made_again(mixed: Dataset, tmp_path: Path) -> None:
    first = searched(mixed, store=FolderStore(tmp_path))
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("trial.json")}
    again = searched(mixed, store=FolderStore(tmp_path))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("trial.json")} == made
    for a, b in zip(first, again, strict=True):
        assert (a.id, a.score, a.settled, a.fold_scores) == (b.id, b.score, dict(b.settled), b.fold_scores)
        np.testing.assert_array_equal(a.predictions, b.predictions)


@pytest.mark.parametrize("damage", ["", "{", "{}", '{"format_version": 1, "id": "07-x"}'])
def test_a_damaged_trial_counts_as_not_made(damage: str, tmp_path: Path) -> None:
    kept = FolderStore(tmp_path)
    kept.put(Trial(id="07-x", family="linear", parameters={"name": "x"}, status="failed"))
    (tmp_path / "07-x" / "trial.json").write_text(damage)
    assert kept.get("07-x") is None


@pytest.mark.parametrize("store", ["memory", "folder"])
def test_a_store_gives_back_what_it_was_given(store: str, tmp_path: Path) -> None:
    kept = MemoryStore() if store == "memory" else FolderStore(tmp_path)
    predictions = np.array([[0.2, 0.5, 0.3], [np.nan, np.nan, np.nan]])
    trial = Trial(id="07-x", family="linear", parameters={"name": "x"}, status="finished", predictions=predictions)
    kept.put(trial)
    found = kept.get("07-x")
    assert found is not None
    np.testing.assert_array_equal(found.predictions, predictions)
    assert (found.id, found.parameters, found.status) == (trial.id, trial.parameters, trial.status)
    assert kept.get("08-y") is None


class Failing(LightGbmFamily):
    """A family with a fault of the kind that other people's code has."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault

    def candidates(self, outline: Any) -> Sequence[Any]:
        return [{"name": "failing"}]

    def fit(self, job: FitJob) -> Any:
        if self.fault == "raises":
            raise RuntimeError("out of luck")
        fitted = super().fit(job)
        real = fitted.predict

        class Wrong:
            settled, cut = fitted.settled, False

            def predict(self, values: Any, *, settled: Any = None) -> Any:
                right = real(values, settled=settled)
                return right * np.nan if fault == "nan" else right[:-1]

        fault = self.fault
        return Wrong()


@pytest.mark.parametrize("fault", ["raises", "nan", "wrong shape"])
def test_a_family_that_fails_ends_its_trial_and_not_the_run(mixed: Dataset, fault: str) -> None:
    family: EstimatorFamily = Failing(fault)
    data = EncodedFolds(mixed, fold_rows(mixed, plan_split(mixed, SPEC), 3, seed=0), seed=0)
    plan = TrialPlan(id="99-failing", family=family, parameters={"name": "failing"})
    trial = cross_validate(plan, data, METRICS["log_loss"], seed=0, deadline=Deadline.after(20), executor=Threads(2))
    assert trial.status == "failed"
    assert trial.reason
    assert not trial.usable


def test_without_any_usable_trial_the_error_says_why(mixed: Dataset) -> None:
    failed = Trial(id="00-x", family="linear", parameters={"name": "x"}, status="failed", reason="out of luck")
    trials = Trials(objective="log_loss", trials=(failed,), rows=np.ones(len(mixed), bool), n_folds=3, fit_share=0.6)
    with pytest.raises(NothingWorked, match="no candidate could be fitted") as caught:
        assemble(trials, mixed, SPEC, seed=0)
    assert "out of luck" in caught.value.where


def made_trials(truth: np.ndarray, *predictions: np.ndarray) -> tuple[Trials, Scored]:
    rows = np.ones(len(truth), dtype=bool)
    listed = []
    for number, p in enumerate(predictions):
        score = METRICS["log_loss"].compute(Scored(target=truth, prediction=p))
        name = {"name": f"t{number}"}
        listed.append(
            Trial(id=f"t{number}", family="linear", parameters=name, status="finished", score=score, predictions=p)
        )
    trials = Trials(objective="log_loss", trials=tuple(listed), rows=rows, n_folds=5, fit_share=0.8)
    return trials, Scored(target=truth, prediction=np.zeros(len(truth)))


def test_the_ensemble_is_never_worse_out_of_fold_than_its_best_member_and_has_few() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random(800) < 0.4).astype(float)
    noisy = [np.clip(0.4 + 0.2 * (truth - 0.4) + rng.normal(0, 0.12, 800), 0.02, 0.98) for _ in range(9)]
    trials, scored = made_trials(truth, *noisy)
    ensemble = choose_members(trials, scored, METRICS["log_loss"])
    assert ensemble.score < min(t.score for t in trials if t.score is not None)
    assert 2 <= len(ensemble.weights) <= 4
    assert sum(ensemble.weights.values()) == pytest.approx(1)


def test_a_copy_of_the_best_candidate_is_not_worth_its_price() -> None:
    rng = np.random.default_rng(1)
    truth = (rng.random(500) < 0.5).astype(float)
    good = np.clip(0.2 + 0.6 * truth + rng.normal(0, 0.05, 500), 0.01, 0.99)
    trials, scored = made_trials(truth, good, good.copy(), np.full(500, 0.5))
    assert list(choose_members(trials, scored, METRICS["log_loss"]).weights) == ["t0"]


def test_a_candidate_that_was_cut_is_chosen_if_it_is_better_than_what_was_finished() -> None:
    rng = np.random.default_rng(2)
    truth = (rng.random(300) < 0.5).astype(float)
    trials, scored = made_trials(truth, np.full(300, 0.5), np.clip(0.3 + 0.4 * truth, 0, 1))
    cut = replace(trials["t1"], status="cut")
    ensemble = choose_members(replace(trials, trials=(trials["t0"], cut)), scored, METRICS["log_loss"])
    assert list(ensemble.weights) == ["t1"]


def test_baselines_are_fitted_models_themselves(mixed: Dataset) -> None:
    baselines = baseline_models(searched(mixed), mixed, SPEC, seed=0)
    assert list(baselines) == ["constant", "linear"]
    assert all(isinstance(model, Model) for model in baselines.values())
    assert len(set(baselines["constant"].predict(mixed).prediction)) == 1


def test_monotonic_constraints_of_the_spec_hold_for_the_model(mixed: Dataset) -> None:
    spec = spec_for("bought", constraints={"monotonic": {"visits": "increasing"}}, budget={"seconds": 20, "trials": 2})
    model = assemble(search(mixed, spec, plan_split(mixed, spec), seed=0), mixed, spec, seed=0)
    base = mixed.take(np.arange(40))
    table = base.table
    before = None
    for visits in range(12):
        position = table.column_names.index("visits")
        moved = table.set_column(position, "visits", [[visits] * len(base)])
        answer = model.predict(moved).prediction
        assert before is None or (answer >= before - 1e-12).all()
        before = answer


def test_a_family_that_cannot_keep_a_monotonic_constraint_is_no_member_however_good() -> None:
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 500))
    y = np.where(rng.random(500) < 1 / (1 + np.exp(2 * x - z)), "yes", "no")
    dataset = dataset_of(pl.DataFrame({"x": x, "z": z, "y": y}), "y")
    spec = spec_for("y", constraints={"monotonic": {"x": "increasing"}}, budget={"seconds": 20, "trials": 4})
    model = assemble(search(dataset, spec, plan_split(dataset, spec), seed=0), dataset, spec, seed=0)
    assert "linear" not in {member.family for member in model.members}
    answers = model.predict(pl.DataFrame({"x": np.linspace(-3, 3, 50), "z": np.zeros(50)})).prediction
    assert (np.diff(answers) >= 0).all()


def test_every_family_says_what_it_is() -> None:
    for name, family in FAMILIES.items():
        assert family.name == name
        assert family.sentence.endswith(".")
        names = [
            parameters["name"]
            for parameters in family.candidates(
                Outline(task="binary", n_rows=5000, n_features=20, n_classes=2, n_categories=3, most_levels=40)
            )
        ]
        assert len(names) == len(set(names)) >= 1
