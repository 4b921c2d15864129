"""The encoder: all fitted steps of one view, and the matrix they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from mlwright.data import Column, Dataset
from mlwright.data.dataset import FloatArray
from mlwright.features.aggregates import FromGroupMean, GroupAggregates
from mlwright.features.aggregating import fit_aggregates
from mlwright.features.crosses import CrossMeans
from mlwright.features.crossing import fit_crosses, levels_that_pay
from mlwright.features.fitting import fit_codes, fit_dense, fit_level_means
from mlwright.features.means import inner_folds, means_of_other_rows
from mlwright.features.steps import (
    DateParts,
    LevelCodes,
    LevelMeans,
    LevelShares,
    Number,
    OneHot,
    ScaledNumber,
    Step,
)
from mlwright.features.words import Words

View = Literal["codes", "dense", "crossed"]
_MOST_CLASSES = 10

#: Every kind of step by name, for reading a package.
STEPS: dict[str, type[Step]] = {
    step.kind: step
    for step in (
        Number,
        LevelCodes,
        LevelShares,
        OneHot,
        LevelMeans,
        ScaledNumber,
        DateParts,
        Words,
        CrossMeans,
        GroupAggregates,
        FromGroupMean,
    )
}


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
        return list(dict.fromkeys(name for step in self.steps for name in step.columns))

    def encode(self, table: pa.Table | pa.RecordBatch) -> Matrix:
        """The matrix of typed rows."""
        parts = [step.transform(*(table.column(name) for name in step.columns)) for step in self.steps]
        return self._matrix(parts, table.num_rows)

    def _matrix(self, parts: Sequence[FloatArray], n_rows: int) -> Matrix:
        names: list[str] = []
        categorical: list[int] = []
        # Sets of many levels only invite to learn single rows: the loss on folds was lower on five of five tables where
        # their numbers, ordered by how common they are, are numbers. The plain view has the sets, for the tables to come.
        numbers = (
            {step.column for step in self.steps if isinstance(step, LevelShares)} if self.view == "crossed" else ()
        )
        for step in self.steps:
            if isinstance(step, LevelCodes) and step.column not in numbers:
                categorical.append(len(names))
            names.extend(step.names())
        values = np.hstack(parts) if parts else np.zeros((n_rows, 0))
        return Matrix(values=values, names=tuple(names), categorical=tuple(categorical))

    def features_by_column(self) -> dict[str, list[int]]:
        """Of each column the positions of the features that it makes; those of a cross are of both its columns."""
        positions: dict[str, list[int]] = {}
        start = 0
        for step in self.steps:
            width = len(step.names())
            for name in dict.fromkeys(step.columns):
                positions.setdefault(name, []).extend(range(start, start + width))
            start += width
        return positions

    def shared_among_columns(self, of_features: FloatArray) -> dict[str, float]:
        """What each column has of a quantity known by feature; a cross gives its columns equal parts."""
        positions = self.features_by_column()
        owners = Counter(position for found in positions.values() for position in found)
        return {
            name: float(sum(of_features[position] / owners[position] for position in found))
            for name, found in positions.items()
        }

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


def fit_encoder(train: Dataset, view: View, *, seed: int = 0, groups_recur: bool = False) -> tuple[Encoder, Matrix]:
    """Fit the steps of a view on training rows, and encode those rows.

    The matrix of the training rows is not always what `Encoder.encode` gives for them: features made of the target or of
    groups come from other training rows, so that no row sees itself.

    Parameters
    ----------
    groups_recur
        Whether rows to come may be of groups that are known by then; a split by groups says that they are not. Only then
        are there aggregates of groups.
    """
    columns = [column for column in train.schema if column.role == "feature" or _is_dated(column)]
    target = np.zeros((len(train), 0)) if view == "codes" else _target_columns(train, view)
    weight = None if view == "codes" else _weight(train)
    steps: list[Step] = []
    for column in columns:
        values = train.table.column(column.name)
        steps.extend(fit_dense(column, values, target, weight) if view == "dense" else fit_codes(column, values))
    if view == "crossed":
        steps = _with_means(steps, train, target, weight, seed)
    parts = [
        _of_other_rows(step, train, target, weight, seed)
        if isinstance(step, LevelMeans)
        else step.transform(*(train.table.column(name) for name in step.columns))
        for step in steps
    ]
    if view == "crossed":
        made: list[tuple[Step, FloatArray]] = [*fit_crosses(train, target, weight, seed=seed)]
        if groups_recur:
            made += fit_aggregates(train, target, weight, seed=seed)
        steps += [step for step, _ in made]
        parts += [features for _, features in made]
    encoder = Encoder(view=view, steps=tuple(steps))
    return encoder, encoder._matrix(parts, len(train))


def _with_means(
    steps: Sequence[Step], train: Dataset, target: FloatArray, weight: FloatArray | None, seed: int
) -> list[Step]:
    """The steps, and beside how common a level is, its mean target where that pays."""
    many = [step.column for step in steps if isinstance(step, LevelShares)]
    paying = levels_that_pay(train, many, target, weight, seed=seed)
    made: list[Step] = []
    for step in steps:
        made.append(step)
        if isinstance(step, LevelShares) and step.column in paying:
            made.append(fit_level_means(step.column, train.table.column(step.column), target, weight))
    return made


def _is_dated(column: Column) -> bool:
    """The time column is no feature itself, but the month, weekday and hour in it are."""
    return column.role == "time" and column.type == "datetime"


def _target_columns(train: Dataset, view: View) -> FloatArray:
    """The target in numbers, shape (n_rows, n_targets): values, or 0 and 1 for each class but the first.

    Trees have no use for a mean of every rare class: with many classes, only the most frequent ones are theirs.
    """
    y = train.y
    if train.task == "regression":
        return y[:, None]
    classes = np.arange(1, len(train.classes))
    if view == "crossed" and len(classes) > _MOST_CLASSES:
        rows = np.bincount(y.astype(np.int64), minlength=len(train.classes))
        classes = np.sort(np.argsort(-rows, kind="stable")[:_MOST_CLASSES])
    return np.column_stack([(y == k).astype(np.float64) for k in classes]) if len(classes) else np.zeros((len(y), 0))


def _weight(train: Dataset) -> FloatArray | None:
    """How much each row counts, with a mean of 1; None if all count the same."""
    weight = train.weight
    if weight is None or not (np.isfinite(weight).all() and weight.sum() > 0):
        return None
    return weight / float(weight.mean())


def _of_other_rows(
    step: LevelMeans, train: Dataset, target: FloatArray, weight: FloatArray | None, seed: int
) -> FloatArray:
    codes, levels = train.levels(step.column)
    fold = inner_folds(len(train), step.column, seed=seed, groups=train.groups)
    cells = np.where(codes < 0, len(levels), codes)
    features: FloatArray = means_of_other_rows(cells, len(levels) + 1, target, fold, weight) / np.array(step.scale)
    return features
