"""How much worse the model answers when the values of one column are shuffled among the test rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from mlwright.core import Evidence, named_rng
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.evaluation.slices import row_losses
from mlwright.models import Model
from mlwright.statistics import Scored

_ROWS = 2000
_REPEATS = 3
_MOST_COLUMNS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """Of one column: the share of the loss that it saves, and its standard error over rows."""

    column: str
    loss_increase: float
    standard_error: float
    n: int

    def evidence(self) -> Evidence:
        return Evidence(
            id=f"importance.{self.column}",
            value=self.loss_increase,
            method=f"mean increase of the loss per row when the column is shuffled, {_REPEATS} repeats",
            rows="test rows",
            n=self.n,
        )


def permutation_importances(model: Model, test: Dataset, scored: Scored, *, seed: int) -> list[Importance]:
    """Importances of all columns that the model uses, the largest first.

    References
    ----------
    Breiman (2001), Random forests; Fisher, Rudin and Dominici (2019), All models are wrong, but many are useful, JMLR.
    """
    rng = named_rng(seed, "importance")
    rows = np.sort(rng.permutation(len(test))[:_ROWS])
    part, truth = test.take(rows), scored.take(rows)
    before = row_losses(test.task, truth)
    used = model.importances()
    columns = sorted(used, key=lambda name: -used[name])[:_MOST_COLUMNS]
    matrices = model.encoded(part.table)
    features = {view: encoder.features_by_column() for view, encoder in model.encoders.items()}
    found = []
    for name in columns:
        made = [(matrices[view], by_column[name]) for view, by_column in features.items() if name in by_column]
        increase = np.zeros(len(rows))
        for _ in range(_REPEATS):
            with _shuffled(made, rng.permutation(len(rows))):
                answer = model.answer(model.combined(matrices))
            after = row_losses(
                test.task,
                Scored(target=truth.target, prediction=answer.prediction, weight=truth.weight, cost=truth.cost),
            )
            increase += (after - before) / _REPEATS
        error = float(increase.std(ddof=1) / np.sqrt(len(rows))) if len(rows) > 1 else 0.0
        found.append(Importance(column=name, loss_increase=float(increase.mean()), standard_error=error, n=len(rows)))
    return sorted(found, key=lambda one: -one.loss_increase)


@contextmanager
def _shuffled(made: Sequence[tuple[FloatArray, list[int]]], order: IntArray) -> Iterator[None]:
    """Inside, the features that a column makes are those of other rows; the matrices are too large to copy."""
    before = [matrix[:, features] for matrix, features in made]
    for (matrix, features), values in zip(made, before, strict=True):
        matrix[:, features] = values[order]
    try:
        yield
    finally:
        for (matrix, features), values in zip(made, before, strict=True):
            matrix[:, features] = values
