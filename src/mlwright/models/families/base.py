"""The door for kinds of estimators: what a family is asked, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix, View
from mlwright.spec import Task

Parameters = Mapping[str, Any]
#: What a validation fold decided, such as the number of rounds or the strength of a penalty.
Settled = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a family can take and give."""

    missing: bool = False
    categories: bool = False
    monotonic: bool = False
    weights: bool = True
    importances: bool = False


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
    """

    name: str
    title: str
    view: View
    abilities: Abilities
    sentence: str

    def candidates(self, task: Task, n_rows: int, n_features: int) -> Sequence[Parameters]:
        """Parameters worth trying, the most promising first; each has a `name` that is unique in the family."""
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
