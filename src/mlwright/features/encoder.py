"""The encoder: all fitted steps of one view, and the matrix they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mlwright.core import named_rng
from mlwright.data import Column, Dataset
from mlwright.data.dataset import FloatArray
from mlwright.features.fitting import fit_codes, fit_dense, fit_level_means
from mlwright.features.steps import STEPS, LevelCodes, LevelMeans, Step

View = Literal["codes", "dense"]
_INNER_FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """What an estimator takes.

    Attributes
    ----------
    values : shape (n_rows, n_features)
    names
        Of the features.
    categorical
        Positions of the features that are numbers of levels.
    """

    values: FloatArray = field(repr=False)
    names: tuple[str, ...]
    categorical: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """The fitted steps of one view, in the order of their features."""

    view: View
    steps: tuple[Step, ...]

    @property
    def columns(self) -> list[str]:
        """The columns it reads."""
        return list(dict.fromkeys(step.column for step in self.steps))

    def encode(self, table: pa.Table | pa.RecordBatch) -> Matrix:
        """The matrix of typed rows."""
        return self._matrix([step.transform(table.column(step.column)) for step in self.steps], table.num_rows)

    def _matrix(self, parts: Sequence[FloatArray], n_rows: int) -> Matrix:
        names: list[str] = []
        categorical: list[int] = []
        for step in self.steps:
            if isinstance(step, LevelCodes):
                categorical.append(len(names))
            names.extend(step.names())
        values = np.hstack(parts) if parts else np.zeros((n_rows, 0))
        return Matrix(values=values, names=tuple(names), categorical=tuple(categorical))

    def features_by_column(self) -> dict[str, list[int]]:
        """Of each column the positions of the features that it makes."""
        positions: dict[str, list[int]] = {}
        start = 0
        for step in self.steps:
            width = len(step.names())
            positions.setdefault(step.column, []).extend(range(start, start + width))
            start += width
        return positions

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"view": self.view, "steps": [{"kind": step.kind, **step.state()} for step in self.steps]}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Encoder:
        """The encoder that had this state."""
        steps = [
            STEPS[entry["kind"]].of_state({k: v for k, v in entry.items() if k != "kind"}) for entry in state["steps"]
        ]
        return cls(view=state["view"], steps=tuple(steps))


def fit_encoder(train: Dataset, view: View, *, seed: int = 0) -> tuple[Encoder, Matrix]:
    """Fit the steps of a view on training rows, and encode those rows.

    The matrix of the training rows is not always what `Encoder.encode` gives for them: features made of the target come
    from other training rows, so that no row sees its own target.
    """
    columns = [column for column in train.schema if column.role == "feature" or _is_dated(column)]
    target = _target_columns(train) if view == "dense" else np.zeros((len(train), 0))
    steps: list[Step] = []
    for column in columns:
        values = train.table.column(column.name)
        steps.extend(fit_codes(column, values) if view == "codes" else fit_dense(column, values, target))
    encoder = Encoder(view=view, steps=tuple(steps))
    parts = [
        _from_other_rows(step, train, target, seed)
        if isinstance(step, LevelMeans)
        else step.transform(train.table.column(step.column))
        for step in steps
    ]
    return encoder, encoder._matrix(parts, len(train))


def _is_dated(column: Column) -> bool:
    """The time column is no feature itself, but the month, weekday and hour in it are."""
    return column.role == "time" and column.type == "datetime"


def _target_columns(train: Dataset) -> FloatArray:
    """The target in numbers, shape (n_rows, n_targets): values, or 0 and 1 for each class but the first."""
    y = train.y
    if train.task == "regression":
        return y[:, None]
    return np.column_stack([(y == k).astype(np.float64) for k in range(1, len(train.classes))])


def _from_other_rows(step: LevelMeans, train: Dataset, target: FloatArray, seed: int) -> FloatArray:
    values = train.table.column(step.column)
    fold = named_rng(seed, "level means", step.column).permutation(len(train)) % _INNER_FOLDS
    features = np.empty((len(train), target.shape[1]))
    for i in range(_INNER_FOLDS):
        inside, outside = np.flatnonzero(fold == i), np.flatnonzero(fold != i)
        other = fit_level_means(step.column, values.take(pa.array(outside)), target[outside])
        # Its own middle: the mean of the other rows is lower where a row's own fold is higher, which would tell on it.
        features[inside] = replace(other, scale=step.scale).transform(values.take(pa.array(inside)))
    return features
