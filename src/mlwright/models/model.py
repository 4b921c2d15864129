"""The model: encoders, members, weights, calibration and decision as one fitted thing that answers for raw rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlwright.data import ClassValue, ColumnNotFound, Dataset, Schema, TableSummary, read_column, to_table
from mlwright.data.dataset import FloatArray
from mlwright.features import Encoder, View
from mlwright.models.calibration import Calibration
from mlwright.models.decision import DecisionRule
from mlwright.models.families import FAMILIES, FittedEstimator
from mlwright.models.history import TrainingHistory
from mlwright.models.offset import Offset
from mlwright.models.predictions import Predictions
from mlwright.models.spread import Spread
from mlwright.spec import Columns, Task

#: Rows answered at a time, so that memory does not grow with the table.
_BLOCK = 50_000
_WARM_UP = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A fitted estimator of the ensemble.

    Attributes
    ----------
    trial
        The trial that it comes from.
    weight
        Its share in the ensemble; those of all members sum to 1.
    """

    family: str
    trial: str
    weight: float
    estimator: FittedEstimator

    @property
    def view(self) -> View:
        return FAMILIES[self.family].view


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A fitted model.

    Attributes
    ----------
    schema
        Of the columns that it reads, with the levels and ranges of the training rows; those that only the decision needs
        are among them.
    encoders
        One per view that a member needs.
    rule
        Of a binary task: when the positive class is decided for.
    offset
        Of a regression where the spec says what errors cost: what is added so that they cost least.
    reference
        The summary of the training rows, for later comparison.
    history
        How the training rows differed from one stretch of time to the next, and out-of-fold scores; None in older packages.
    facts
        What is known about its making: fingerprint of the data, seed, number of rows.
    """

    task: Task
    classes: tuple[ClassValue, ...]
    target: str
    schema: Schema
    encoders: Mapping[View, Encoder]
    members: tuple[Member, ...]
    calibration: Calibration = field(default_factory=Calibration)
    rule: DecisionRule = field(default_factory=DecisionRule)
    offset: Offset | None = None
    spread: Spread | None = None
    reference: TableSummary = field(default_factory=TableSummary, repr=False)
    history: TrainingHistory | None = field(default=None, repr=False)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> list[str]:
        """The columns that it reads."""
        return self.schema.names

    @property
    def threshold(self) -> float:
        """The probability from which the positive class is decided for; where outcomes differ by row, at their means."""
        return self.rule.from_probability

    def predict(self, rows: Any) -> Predictions:
        """Answer for rows.

        Parameters
        ----------
        rows
            A `Dataset`, an Arrow table or batch, or a data frame of any library, with the model's columns in any order;
            other columns are left alone.

        Raises
        ------
        ColumnNotFound
            If a column is missing.
        """
        table = rows.table if isinstance(rows, Dataset) else self.typed(rows)
        blocks = [self._raw(table.slice(start, _BLOCK)) for start in range(0, table.num_rows, _BLOCK)]
        raw = np.concatenate(blocks) if blocks else self._nothing()
        return self.answer(raw, self.decision_columns(table))

    def decision_columns(self, table: pa.Table) -> Columns:
        """The columns of typed rows that the decision reads, as `answer` takes them; mostly none."""
        rows = Dataset(table=table, schema=self.schema, task=self.task)
        return rows.expression_columns(self.rule.columns)

    def answer(self, raw: FloatArray, columns: Columns | None = None) -> Predictions:
        """Calibrate what the ensemble says and decide.

        Parameters
        ----------
        columns
            Those that the decision reads; without them mean worths of outcomes decide.
        """
        if self.task == "regression":
            value = self.offset.apply(raw) if self.offset else raw
            low, high = self.spread.interval(value) if self.spread else (None, None)
            coverage = self.spread.coverage if self.spread else None
            return Predictions(classes=(), prediction=value, low=low, high=high, coverage=coverage)
        calibrated = self.calibration.apply(raw)
        if calibrated.ndim == 2:
            likeliest = calibrated.argmax(axis=1).astype(np.int64)
            return Predictions(classes=self.classes, prediction=calibrated, decision=likeliest)
        decided = self.rule.decide(calibrated, columns)
        return Predictions(
            classes=self.classes, prediction=calibrated, decision=decided.decision, assumed=decided.assumed
        )

    def typed(self, rows: Any) -> pa.Table:
        """Raw rows in the types of the schema; what cannot be read is missing."""
        table = to_table(rows)
        given = set(table.column_names)
        columns = []
        for column in self.schema:
            if column.name not in given:
                raise ColumnNotFound(column.name, table.column_names, where="the rows to predict for")
            chunks = table.column(column.name).chunks or [pa.nulls(0)]
            columns.append(
                pa.chunked_array([read_column(chunk, column).values for chunk in chunks]).unify_dictionaries()
            )
        return pa.table(columns, names=self.schema.names)

    def _raw(self, table: pa.Table) -> FloatArray:
        return self.combined(self.encoded(table))

    def encoded(self, table: pa.Table) -> dict[View, FloatArray]:
        """Typed rows as the matrix of each view, shape (n_rows, n_features)."""
        return {view: encoder.encode(table).values for view, encoder in self.encoders.items()}

    def combined(self, matrices: Mapping[View, FloatArray]) -> FloatArray:
        """What the ensemble says of encoded rows, before calibration."""
        return combine([member.estimator.predict(matrices[member.view]) for member in self.members], self.weights)

    @property
    def weights(self) -> list[float]:
        """Of the members; they sum to 1."""
        return [member.weight for member in self.members]

    def _nothing(self) -> FloatArray:
        return np.zeros((0, len(self.classes)) if len(self.classes) > 2 else 0)

    def importances(self) -> dict[str, float]:
        """How much each column was used by the members, summing to 1; columns that were not used are 0."""
        encoded = {name for encoder in self.encoders.values() for name in encoder.columns}
        total = dict.fromkeys((name for name in self.features if name in encoded), 0.0)
        for member in self.members:
            of_features = member.estimator.importances()
            if of_features is None:
                continue
            for name, share in self.encoders[member.view].shared_among_columns(of_features).items():
                total[name] += member.weight * share
        known = sum(total.values())
        return {name: value / known if known else 0.0 for name, value in total.items()}

    def save(self, folder: str | Path) -> None:
        """Write the package: data only, checked when it is loaded."""
        from mlwright.models.package import save_model

        save_model(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path) -> Model:
        """Read a package, verify its checksums and replay its golden rows.

        Raises
        ------
        PackageDamaged, PackageTooNew
            If it is not whole, was changed, or comes from a later version.
        """
        from mlwright.models.package import load_model

        return load_model(Path(folder))


def weights_of(members: Sequence[Member]) -> dict[str, float]:
    """How much each trial counts in a model, all its fits together."""
    total: dict[str, float] = {}
    for member in members:
        total[member.trial] = total.get(member.trial, 0.0) + member.weight
    return total


def seconds_of_rows(model: Model, rows: Dataset, times: int) -> FloatArray:
    """How long each of so many single rows takes; the first answers are left out, they load libraries."""
    singles = [rows.take(np.array([i % len(rows)])) for i in range(times)]
    for one in singles[:_WARM_UP]:
        model.predict(one)
    seconds = np.empty(times)
    for i, one in enumerate(singles):
        begun = time.perf_counter()
        model.predict(one)
        seconds[i] = time.perf_counter() - begun
    return seconds


def combine(predictions: Sequence[FloatArray], weights: Sequence[float]) -> FloatArray:
    """The weighted mean of what members say, of the shape that each of them has."""
    total = np.zeros_like(predictions[0])
    for prediction, weight in zip(predictions, weights, strict=True):
        total += weight * prediction
    return total
