"""The baseline: the same answer for every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mlwright.core import read_json, write_json
from mlwright.data.dataset import FloatArray
from mlwright.features import View
from mlwright.models.families.base import Abilities, Compiled, FitJob, Outline, Parameters, Settled, Space
from mlwright.models.families.single_rows import OneAndMany


@dataclass(slots=True)
class FittedConstant:
    """The shares of the classes, or the mean or a quantile."""

    answer: list[float]
    settled: Settled = field(default_factory=dict)
    cut: bool = False

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:  # noqa: ARG002 - nothing to settle
        if len(self.answer) == 1:
            return np.full(len(values), self.answer[0])
        return np.tile(self.answer, (len(values), 1))

    def importances(self) -> None:
        """It uses no feature."""

    def compiled(self) -> Compiled:
        """It reads none of the numbers of a row."""
        answer = tuple(self.answer)
        return OneAndMany(0, lambda _: answer, self.predict)

    def write(self, folder: Path) -> None:
        write_json(folder / "constant.json", {"answer": self.answer})


class ConstantFamily:
    """The share of each class, or the mean, whatever the row."""

    name = "constant"
    title = "constant"
    view: View = "codes"
    abilities = Abilities(missing=True, categories=True, monotonic=True, glass_box=True)
    sentence = "The same answer for every row: what is known without a model."

    refits = 1
    installed = True

    def candidates(self, outline: Outline) -> Sequence[Parameters]:  # noqa: ARG002 - there is one
        return [{"name": "constant"}]

    def space(self, outline: Outline) -> Space:  # noqa: ARG002 - nothing to choose
        return {}

    def fit(self, job: FitJob) -> FittedConstant:
        y, weight = job.rows.y, job.rows.weight
        if job.task == "regression":
            if job.quantile is not None:
                return FittedConstant([_quantile(y, weight, job.quantile)])
            return FittedConstant([float(np.average(y, weights=weight))])
        shares = np.bincount(y.astype(np.int64), weights=weight, minlength=job.n_classes)
        # One row more of each class: a share is never 0 only since no row was seen.
        shares = (shares + 1) / (shares.sum() + job.n_classes)
        return FittedConstant([float(shares[1])] if job.n_classes == 2 else shares.tolist())

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:  # noqa: ARG002 - nothing to settle
        return {}

    def read(self, folder: Path) -> FittedConstant:
        return FittedConstant(read_json(folder / "constant.json")["answer"])


def _quantile(y: FloatArray, weight: FloatArray | None, level: float) -> float:
    """The least value that at least this share of the weight is not above."""
    order = np.argsort(y, kind="stable")
    below = np.cumsum(np.ones(len(y)) if weight is None else weight[order])
    return float(y[order][min(int(np.searchsorted(below, level * below[-1])), len(y) - 1)])
