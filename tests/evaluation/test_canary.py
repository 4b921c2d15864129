"""The canary: on shuffled targets nothing is found, unless the pipeline itself leaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import breast_cancer_frame, diabetes_frame, mixed_frame, split_of, wine_frame

from mlwright.core import Interval
from mlwright.data import Split
from mlwright.evaluation import Canary, run_canary
from mlwright.features import Matrix
from mlwright.models import FAMILIES, FitJob, Rows
from mlwright.models.families import LightGbmFamily, LinearFamily

FRAMES = {
    "binary": (breast_cancer_frame(), "diagnosis"),
    "multiclass": (wine_frame(), "cultivar"),
    "regression": (diabetes_frame(), "progression"),
}


def canaries(split: Split, *, seed: int = 0) -> list[Canary]:
    return run_canary(split.train, split.plan, seed=seed)


@pytest.mark.parametrize("task", FRAMES)
def test_on_shuffled_targets_no_family_finds_anything(task: str) -> None:
    """Though on the true ones they find nearly all there is."""
    _, split = split_of(*FRAMES[task])
    found = canaries(split)
    assert [one.family for one in found] == ["lightgbm", "linear"]
    for one in found:
        assert one.silent
        assert one.value is not None
        assert abs(one.value - one.chance) < 0.2
        assert one.interval is not None
        assert one.value in one.interval
        assert one.n == len(split.train)


@pytest.mark.parametrize("seed", [1, 21])
def test_what_one_shuffle_finds_by_chance_is_not_found_on_the_next(seed: int) -> None:
    """With these seeds the first shuffle of this small table passes for a find."""
    _, split = split_of(wine_frame(), "cultivar")
    assert all(one.silent for one in canaries(split, seed=seed))


def test_columns_that_name_rows_groups_and_time_do_not_sing() -> None:
    """Target statistics of many levels are where pipelines leak; with groups and with time, folds are of that kind."""
    frame = mixed_frame(400).with_columns(
        shop=pl.Series([f"shop {i % 60}" for i in range(400)]),
        street=pl.Series([f"s{(i * 7) % 150}" for i in range(400)]),
    )
    for data in ({}, {"group": "shop"}, {"time": "joined"}):
        _, split = split_of(frame, "bought", data={**data, "columns": {"customer_id": {"type": "category"}}})
        assert all(one.silent for one in canaries(split)), data


class Peeking(LinearFamily):
    """A family that also learns from the rows that it is judged by."""

    def fit(self, job: FitJob) -> Any:
        assert job.validation is not None
        train, later = job.rows, job.validation
        both = Rows(
            matrix=Matrix(
                values=np.concatenate([train.matrix.values, *[later.matrix.values] * 5]), names=train.matrix.names
            ),
            y=np.concatenate([train.y, *[later.y] * 5]),
        )
        return super().fit(replace(job, rows=both))


class Memorising(LightGbmFamily):
    """A family that hands back the targets of the rows that it is judged by."""

    def fit(self, job: FitJob) -> Any:
        assert job.validation is not None
        known, y = job.validation.matrix.values, job.validation.y
        fitted = super().fit(job)

        class Remembering:
            settled, cut = fitted.settled, False

            def predict(self, values: np.ndarray, *, settled: object = None) -> np.ndarray:
                assert np.array_equal(values, known, equal_nan=True)
                return 0.25 + 0.5 * y

        return Remembering()


@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize(("name", "family"), [("linear", Peeking()), ("lightgbm", Memorising())])
def test_a_pipeline_that_leaks_makes_the_canary_sing(
    task: str, name: str, family: LinearFamily | LightGbmFamily, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FAMILIES, name, family)
    _, split = split_of(*FRAMES[task])
    found = {one.family: one for one in canaries(split)}
    assert not found[name].silent
    assert all(one.silent for other, one in found.items() if other != name)


def test_the_canary_can_be_repeated_and_leaves_the_training_rows_alone() -> None:
    _, split = split_of(mixed_frame(200), "bought")
    before = split.train.table
    assert canaries(split, seed=2) == canaries(split, seed=2)
    assert split.train.table.equals(before)


def test_a_canary_is_evidence() -> None:
    interval = Interval(low=0.45, high=0.58, confidence=0.995)
    one = Canary(family="linear", metric="roc_auc", value=0.51, interval=interval, chance=0.5, n=400)
    record = one.evidence()
    assert (record.id, record.value, record.interval, record.n) == ("canary.linear.roc_auc", 0.51, interval, 400)
    assert "shuffled" in record.method
    assert one.silent
    assert not replace(one, interval=Interval(low=0.51, high=0.6, confidence=0.995)).silent
    assert replace(one, interval=None).silent
