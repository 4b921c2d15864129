"""Limits on the model itself: judged by what is measured, and what is not met ends the run with exit code 1."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.predicted import TASKS
from tests.models.made import made
from tests.support import spec_for

from mlwright.evaluation import ConstraintResult, ConstraintsNotMet, Evaluation, evaluate, judge_limits
from mlwright.models import size_in_bytes
from mlwright.spec import Task


def judged(folder: Path | None, task: Task = "binary", **constraints: Any) -> dict[str, ConstraintResult]:
    model, test = made(task).model, made(task).split.test
    if folder is not None:
        model.save(folder / "model")
    spec = spec_for(model.target, constraints=constraints)
    found = judge_limits(model, test, spec, None if folder is None else folder / "model")
    return {one.name: one for one in found}


@pytest.mark.parametrize("task", TASKS)
def test_wide_limits_are_met_and_narrow_ones_are_not(task: Task, tmp_path: Path) -> None:
    wide = judged(tmp_path / "a", task, latency_ms=10_000, size_mb=1_000)
    assert {one.outcome for one in wide.values()} == {"met"}
    narrow = judged(tmp_path / "b", task, latency_ms=1e-6, size_mb=1e-6)
    assert {one.outcome for one in narrow.values()} == {"not met"}


def test_a_latency_within_its_own_uncertainty_is_undecided(tmp_path: Path) -> None:
    found = judged(tmp_path, latency_ms=1.0)["latency_ms"]
    assert found.interval is not None
    assert found.value is not None
    assert found.interval.low <= found.value <= found.interval.high
    assert found.value < 100


def test_the_size_is_that_of_the_files(tmp_path: Path) -> None:
    size = judged(tmp_path, size_mb=1)["size_mb"].value
    assert size == pytest.approx(size_in_bytes(tmp_path / "model") / 1e6)


def test_the_memory_is_that_of_a_process_which_answers(tmp_path: Path) -> None:
    found = judged(tmp_path, "regression", memory_mb=20)["memory_mb"]
    assert found.value is not None
    assert 20 < found.value < 1000
    assert found.outcome == "not met"
    damaged = tmp_path / "model" / "manifest.json"
    damaged.write_text("{}")
    model, test = made("regression").model, made("regression").split.test
    (broken,) = judge_limits(model, test, spec_for("progression", constraints={"memory_mb": 2000}), tmp_path / "model")
    assert broken.outcome == "undecided"
    assert "could not be measured" in broken.reason


def test_without_limits_nothing_is_measured_and_without_a_package_nothing_is_said() -> None:
    assert judged(None) == {}
    assert {one.outcome for one in judged(None, size_mb=5, memory_mb=500).values()} == {"undecided"}


def test_a_constraint_that_is_not_met_ends_the_run_after_everything_is_told() -> None:
    one = made("regression")
    spec = spec_for("progression", constraints={"latency_ms": 1e-6})
    found = evaluate(one.model, one.split, spec, baselines={}, seed=0)
    assert [result.outcome for result in found.judged_constraints] == ["not met"]
    with pytest.raises(ConstraintsNotMet, match="an answer within 1e-06 ms is not met") as stop:
        found.raise_if_not_met()
    assert stop.value.exit_code == 1
    undecided = replace(found.constraints[0], outcome="undecided")
    replace(found, constraints=(undecided,)).raise_if_not_met()
    state = json.loads(json.dumps(found.state(), allow_nan=False))
    assert Evaluation.of_state(state) == found
    assert {record.id for record in found.evidence()} >= {"constraints.latency_ms", "constraints.latency_ms.value"}
    for key in ("constraints", "monotonic"):
        del state[key]  # as a version wrote it that judged none
    assert Evaluation.of_state(state).judged_constraints == ()
