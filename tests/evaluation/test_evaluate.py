"""The evaluation as a whole: everything is there, it can be repeated, and it comes back from JSON as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.evaluation.predicted import TASKS
from tests.models.made import made
from tests.support import mixed_frame, spec_for, split_of

from mlwright.core import EvidenceStore, ProgressEvent
from mlwright.data import Split
from mlwright.evaluation import Evaluation, RequirementsNotMet, evaluate, scored_rows
from mlwright.models import Model
from mlwright.spec import Spec, Task

MAIN = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}


def spec_of(task: Task) -> Spec:
    bound = {"max": 90} if task == "regression" else {"min": 0.6}
    sensitive = ["city", "member"] if task == "binary" else []
    target = made(task).split.dataset.target
    return spec_for(
        target,
        data={"sensitive": sensitive},
        requirements=[{"id": "R1", "metric": MAIN[task], **bound}],
    )


@cache
def evaluated(task: Task, *, seed: int = 0) -> Evaluation:
    one = made(task)
    baselines = {"constant": made(task, ("constant",)).model}
    return evaluate(one.model, one.split, spec_of(task), baselines=baselines, seed=seed)


def numbers(evaluation: Evaluation) -> dict[str, object]:
    return {r.id: (r.value, r.interval, r.n) for r in evaluation.evidence() if r.kind == "computed"}


@pytest.mark.parametrize("task", TASKS)
def test_an_evaluation_has_all_its_parts(task: Task) -> None:
    found = evaluated(task)
    assert (found.task, found.n) == (task, len(made(task).split.test))
    assert [b.baseline for b in found.score(MAIN[task]).baselines] == ["constant"]
    assert [r.outcome for r in found.requirements] == ["met"]
    assert {one.column for one in found.importances} == set(made(task).model.features)
    assert [one.family for one in found.canaries] == ["lightgbm", "linear"]
    assert all(one.silent for one in found.canaries)
    assert bool(found.curves.confusion) == (task != "regression")
    assert bool(found.sensitive_slices) == (task == "binary")
    assert found.efficiency.latency_ms_p50 > 0


@pytest.mark.parametrize("task", TASKS)
def test_an_evaluation_comes_back_from_json_as_it_was(task: Task) -> None:
    found = evaluated(task)
    state = json.loads(json.dumps(found.state(), allow_nan=False))
    assert Evaluation.of_state(state) == found


def test_the_same_seed_gives_the_same_numbers() -> None:
    one = made("binary")
    baselines = {"constant": made("binary", ("constant",)).model}
    again = evaluate(one.model, one.split, spec_of("binary"), baselines=baselines, seed=0)
    assert numbers(again) == numbers(evaluated("binary"))


@pytest.mark.parametrize("task", TASKS)
def test_every_number_is_evidence_under_its_own_id(task: Task) -> None:
    records = list(evaluated(task).evidence())
    assert len({record.id for record in records}) == len(records)
    assert len(EvidenceStore(records)) == len(records)
    starts = {record.id.split(".")[0] for record in records}
    assert {"test", "requirements", "importance", "canary", "efficiency"} <= starts
    assert all(record.n for record in records)


def test_only_the_test_rows_are_scored() -> None:
    """Other training rows change nothing but the canary, which lives on them."""
    one = made("binary")
    fewer = replace(one.split, train_rows=one.split.train_rows[:200])
    found = evaluate(one.model, fewer, spec_of("binary"), baselines={}, seed=0)
    assert found.score("roc_auc").value == evaluated("binary").score("roc_auc").value
    assert found.importances == evaluated("binary").importances
    assert found.weak_slices == evaluated("binary").weak_slices


def test_the_size_is_that_of_the_package(tmp_path: Path) -> None:
    one = made("regression")
    one.model.save(tmp_path / "model")
    found = evaluate(one.model, one.split, spec_of("regression"), baselines={}, package=tmp_path / "model", seed=0)
    assert found.efficiency.size_mb > 0.005


def test_progress_tells_what_is_done() -> None:
    events: list[ProgressEvent] = []
    one = made("multiclass")
    evaluate(one.model, one.split, spec_of("multiclass"), baselines={}, seed=0, progress=events.append)
    told = [event.detail for event in events if event.kind == "advanced"]
    assert [event.stage for event in events] == ["evaluate"] * len(events)
    assert any("canary" in detail for detail in told)
    assert any("test rows" in detail for detail in told)


@pytest.mark.parametrize(("priority", "stops"), [("must", True), ("should", False), ("could", False)])
def test_only_a_must_that_is_not_met_stops(priority: str, stops: bool) -> None:
    found = evaluated("binary")
    missed = replace(found.requirements[0], outcome="not met", priority=priority)
    failed = replace(found, requirements=(missed,))
    if stops:
        with pytest.raises(RequirementsNotMet, match="R1 is not met"):
            failed.raise_if_not_met()
    else:
        failed.raise_if_not_met()
    replace(found, requirements=(replace(missed, outcome="undecided"),)).raise_if_not_met()


def test_rows_with_weights_and_groups_are_scored_with_them() -> None:
    frame = mixed_frame(300).with_columns(
        worth=pl.Series([1.0 + i % 3 for i in range(300)]), shop=pl.Series([f"s{i % 40}" for i in range(300)])
    )
    spec, split = split_of(frame, "bought", data={"id": "customer_id", "weight": "worth", "group": "shop"})
    model: Model = made("binary").model
    scored = scored_rows(split.test, model.predict(split.test))
    assert scored.weight is not None
    assert scored.weight.tolist() == (split.test.table.column("worth").to_pylist())
    assert scored.group is not None
    assert len(np.unique(scored.group)) == len(set(split.test.table.column("shop").to_pylist()))
    found = evaluate(model, split, spec, baselines={}, seed=0)
    y, p, w = scored.target, scored.prediction, scored.weight
    assert found.score("log_loss").value == pytest.approx(np.average(-np.log(np.where(y == 1, p, 1 - p)), weights=w))
    assert Evaluation.of_state(json.loads(json.dumps(found.state(), allow_nan=False))) == found


@pytest.mark.parametrize("rows", [1, 4])
def test_a_test_of_few_rows_is_evaluated_without_invented_numbers(rows: int) -> None:
    one = made("binary")
    split: Split = replace(one.split, test_rows=one.split.test_rows[:rows])
    found = evaluate(one.model, split, spec_of("binary"), baselines={"constant": one.model}, seed=0)
    json.dumps(found.state(), allow_nan=False)
    if rows == 1:
        assert found.score("roc_auc").value is None
        assert [r.outcome for r in found.requirements] == ["undecided"]
    assert found.weak_slices == ()
