"""The door for kinds of estimators: what a family is asked, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mlwright.core import Deadline
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features import Matrix, View
from mlwright.spec import Task

Parameters = Mapping[str, Any]
#: What a validation fold decided, such as the number of rounds or the strength of a penalty.
Settled = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a family can take and give.

    Attributes
    ----------
    glass_box
        Whether a person can follow by hand how each column makes the answer.
    """

    missing: bool = False
    categories: bool = False
    monotonic: bool = False
    weights: bool = True
    importances: bool = False
    glass_box: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a family is told of the training rows before it says what it would try.

    Attributes
    ----------
    n_classes
        1 for a regression.
    most_levels
        Of the category with the most levels; 0 without categories.
    n_categories
        How many columns are categories.
    grouped
        Whether rows belong to groups.
    """

    task: Task
    n_rows: int
    n_features: int
    n_classes: int
    most_levels: int = 0
    n_categories: int = 0
    grouped: bool = False

    @classmethod
    def of(cls, train: Dataset) -> Outline:
        """The outline of training rows."""
        levels = [len(train.levels(column.name)[1]) for column in train.schema.features if column.type == "category"]
        return cls(
            task=train.task,
            n_rows=len(train),
            n_features=len(train.features),
            n_classes=max(len(train.classes), 1),
            most_levels=max(levels, default=0),
            n_categories=len(levels),
            grouped=train.schema.with_role("group") is not None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A range of numbers that a parameter is drawn from."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


#: What further candidates are drawn from: a range, or one of several choices.
Space = Mapping[str, Span | tuple[str | float | bool, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A matrix with its target.

    Attributes
    ----------
    y : shape (n_rows,)
        Class numbers from 0, or values.
    weight : shape (n_rows,), optional
    """

    matrix: Matrix
    y: FloatArray = field(repr=False)
    weight: FloatArray | None = field(default=None, repr=False)

    def taken(self, chosen: IntArray) -> Rows:
        """Some of the rows, by number."""
        weight = None if self.weight is None else self.weight[chosen]
        return Rows(matrix=replace(self.matrix, values=self.matrix.values[chosen]), y=self.y[chosen], weight=weight)

    def counted(self) -> Rows:
        """The rows that have weight; all of them, without weights, if none has any."""
        if self.weight is None or not self.weight.any():
            return replace(self, weight=None)
        return self.taken(np.flatnonzero(self.weight > 0))

    def sample(self, most: int, *, seed: int) -> Rows:
        """No more than so many of the rows, drawn at random, in their order."""
        if len(self.y) <= most:
            return self
        return self.taken(np.sort(np.random.default_rng(seed).choice(len(self.y), most, replace=False)))


@dataclass(frozen=True, slots=True, kw_only=True)
class FitJob:
    """Everything that a fit needs.

    Attributes
    ----------
    n_classes
        1 for a regression.
    validation
        Rows by which the family settles what it cannot know beforehand; without them `settled` says it.
    deadline
        When the fit must have ended; a family that can stop early stops then.
    monotonic
        For each feature 1, -1 or 0; empty if there are no such constraints.
    quantile
        Of a regression: the quantile of the target to fit, in (0, 1), by families that can; its mean if not given.
    """

    task: Task
    n_classes: int
    rows: Rows
    parameters: Parameters
    seed: int
    threads: int = 1
    deadline: Deadline
    validation: Rows | None = None
    settled: Settled | None = None
    monotonic: tuple[int, ...] = ()
    quantile: float | None = None

    @property
    def leaf_quantile(self) -> float | None:
        """The quantile that trees can fit: leaves are moved to it once a tree is grown, and that keeps no constraint.

        With monotonic constraints LightGBM refuses, and what XGBoost makes breaks them.
        """
        return None if any(self.monotonic) else self.quantile


class Compiled(Protocol):
    """A fitted estimator in a form that answers single rows in microseconds: what `FittedEstimator.predict` says.

    Attributes
    ----------
    n_features
        How many numbers a row has.
    """

    n_features: int

    def one(self, row: Any) -> tuple[float, ...]:
        """For one row, a buffer of `n_features` float64: the probability of class 1, of each class, or the value."""
        ...

    def many(self, values: FloatArray) -> FloatArray:
        """For rows, shape (n_rows, n_features), C order: what `FittedEstimator.predict` gives, of the same shape."""
        ...


class FittedEstimator(Protocol):
    """A fitted estimator; plain data that can be written and read back.

    Attributes
    ----------
    settled
        What its validation rows decided; the refit on all rows is given the mean over the folds.
    cut
        Whether the deadline ended the fit before it was done; what it settled is then no guide.
    """

    settled: Settled
    cut: bool

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:
        """Probability of class 1, shape (n_rows,), of each class, shape (n_rows, n_classes), or the value.

        Parameters
        ----------
        values : shape (n_rows, n_features)
        settled
            Predict as if this had been settled, where the estimator can (fewer rounds).
        """
        ...

    def importances(self) -> FloatArray | None:
        """How much each feature was used, shape (n_features,), summing to 1; None if that is not known."""
        ...

    def compiled(self) -> Compiled | None:
        """The same in a form that answers quickly; None where there is no quicker one than `predict`."""
        ...

    def write(self, folder: Path) -> None:
        """Write it into an empty folder, without code."""
        ...


class EstimatorFamily(Protocol):
    """A kind of estimator that takes part in the search.

    Attributes
    ----------
    name, title
        In packages and on leaderboards.
    view
        How it wants to see the columns.
    sentence
        Its strengths and limits, for the report.
    refits
        A member is fitted on all rows with so many seeds, whose mean varies less than one of them.
    """

    name: str
    title: str
    view: View
    abilities: Abilities
    sentence: str
    refits: int

    @property
    def installed(self) -> bool:
        """Whether what it needs is there; the import itself waits until a fit."""
        ...

    def candidates(self, outline: Outline) -> Sequence[Parameters]:
        """Parameters worth trying, the most promising first; each has a `name` that is unique among all families.

        None where the family is of no use for such rows.
        """
        ...

    def space(self, outline: Outline) -> Space:
        """Where further candidates are drawn from around the best one; empty if there is nothing to choose."""
        ...

    def fit(self, job: FitJob) -> FittedEstimator:
        """Fit one estimator."""
        ...

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:
        """What the folds settled together, for a fit on `growth` times as many rows as a fold had."""
        ...

    def read(self, folder: Path) -> FittedEstimator:
        """Read back what `FittedEstimator.write` wrote."""
        ...


def as_shares(sizes: FloatArray) -> FloatArray:
    """Sizes that are not negative, as shares of their sum; left alone where all are 0."""
    total = sizes.sum()
    return sizes / total if total > 0 else sizes
