"""Test rows with what was predicted for them: by models on real tables, or as a test says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import polars as pl
from tests.models.made import made
from tests.support import dataset_of

from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.evaluation import scored_rows
from mlwright.spec import Task
from mlwright.statistics import Scored

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
Kind = Literal["binary", "regression"]


def on_test_rows(task: Task) -> tuple[Dataset, Scored]:
    """The test rows of a real table, with what a model of two members says."""
    test = made(task).split.test
    return test, scored_rows(test, made(task).model.predict(test))


def chances(n: int, *, seed: int = 0) -> tuple[FloatArray, list[str]]:
    """Probabilities that are right, and the classes that were drawn by them."""
    rng = np.random.default_rng(seed)
    probability = rng.beta(1.5, 3.0, n)
    return probability, np.where(rng.random(n) < probability, "yes", "no").tolist()


def told(
    columns: Mapping[str, Any], probability: FloatArray, drawn: list[str], **sections: Any
) -> tuple[Dataset, Scored]:
    """Rows of a binary task and what was said of each."""
    frame = pl.DataFrame({**columns, "y": drawn})
    dataset = dataset_of(frame, "y", **{"data": {"positive_class": "yes"}, **sections})
    return dataset, Scored(target=dataset.y, prediction=probability, weight=dataset.weight, group=dataset.groups)
