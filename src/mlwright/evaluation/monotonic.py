"""Proof of monotonic constraints: with all else left as it is, the answer never moves the wrong way along a column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlwright.core import Evidence, named_rng
from mlwright.data import Dataset, Split
from mlwright.data.dataset import FloatArray
from mlwright.evaluation.constraints import ConstraintResult
from mlwright.models import Model
from mlwright.spec import Spec

_ROWS = 200
_GRID = 30
#: Beyond both ends of the training range, by these shares of it.
_BEYOND = (0.1, 1.0)
#: Sums of many trees differ in their last digits with the order of the terms: moves of this share of the spread are none.
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class MonotonicProof:
    """One constrained column, tried on a grid.

    Attributes
    ----------
    holds
        Whether no answer moved the wrong way.
    worst
        The largest move the wrong way between two neighbouring values of the grid, in probability or in the target's unit.
    worst_from, worst_to
        The two values of the column between which it was; None if there was none.
    violated
        In how many of the `n` rows there was one.
    grid
        How many values were tried in each row.
    used
        Whether the model reads the column at all.
    """

    column: str
    direction: str
    holds: bool
    worst: float
    worst_from: float | None
    worst_to: float | None
    violated: int
    n: int
    grid: int
    used: bool

    def sentence(self) -> str:
        """For people."""
        tried = f"{self.grid} values in each of {self.n:,} test rows"
        if not self.used:
            return f"the model does not use {self.column}, so its answer cannot move the wrong way"
        if self.holds:
            return f"the answer never moved the wrong way when {self.column} grew: {tried}"
        between = "" if self.worst_from is None else f", between {self.worst_from:g} and {self.worst_to:g}"
        return (
            f"the answer is to be {self.direction} in {self.column}, and moved the wrong way in {self.violated:,} of "
            f"{self.n:,} test rows, by up to {self.worst:.3g}{between}"
        )

    def as_constraint(self) -> ConstraintResult:
        """The proof as one of the constraints that are judged."""
        return ConstraintResult(
            name=f"monotonic.{self.column}",
            asked=f"{self.direction} in {self.column}",
            outcome="met" if self.holds else "not met",
            value=self.worst,
            limit=0.0,
            unit="answer",
            interval=None,
            n=self.n,
            reason=self.sentence(),
        )

    def evidence(self) -> Iterator[Evidence]:
        """The outcome, the largest violation and the number of rows with one."""
        method = f"the model's answer on a grid of {self.grid} values of the column, all else as in the row"
        base = f"monotonic.{self.column}"
        for id_, value in (
            (base, "proven" if self.holds else "violated"),
            (f"{base}.worst", self.worst),
            (f"{base}.rows", self.violated),
        ):
            yield Evidence(id=id_, value=value, method=method, rows="test rows, drawn", n=self.n)


def prove_monotonic(model: Model, split: Split, spec: Spec, *, seed: int) -> tuple[MonotonicProof, ...]:
    """Try each constrained column on a grid, in at most 200 test rows.

    The answer is that of the whole model: the members together, calibrated. The grid has at most 30 values: quantiles of the
    training rows, their ends, and values beyond both.

    Notes
    -----
    Trees are constant between the values at which they split, and a grid may miss a narrow dent: what is proved is that there
    is none on the grid. Families that keep a constraint by construction keep it everywhere.
    """
    wanted = spec.constraints.monotonic
    if not wanted or len(split.test_rows) == 0 or model.task == "multiclass":
        return ()
    rows = np.sort(named_rng(seed, "monotonic").permutation(len(split.test_rows))[:_ROWS])
    test = split.test.take(rows)
    return tuple(_proved(model, test, name, direction, _grid(split.train, name)) for name, direction in wanted.items())


def _grid(train: Dataset, name: str) -> FloatArray:
    """Rising values: of the training rows, and beyond them where the column can have others."""
    values = train.numbers(name)
    known = np.unique(values[np.isfinite(values)])
    kind = train.schema[name].type
    if kind == "boolean" or len(known) == 0:
        return np.array([0.0, 1.0])
    low, high = float(known[0]), float(known[-1])
    spread = (high - low) or max(abs(low), 1.0)
    beyond = [end for share in _BEYOND for end in (low - share * spread, high + share * spread)]
    inside = known
    if len(known) > _GRID - len(beyond):
        inside = np.quantile(known, np.linspace(0, 1, _GRID - len(beyond)))
    grid = np.unique(np.r_[inside, beyond])
    return np.unique(np.round(grid)) if kind == "integer" else grid


def _proved(model: Model, test: Dataset, name: str, direction: str, grid: FloatArray) -> MonotonicProof:
    n, width = len(test), len(grid)
    column = test.table.column(name)
    position = test.table.column_names.index(name)
    many = test.take(np.repeat(np.arange(n), width))
    values = pc.cast(pa.array(np.tile(grid, n)), column.type, safe=False)
    moved = replace(many, table=many.table.set_column(position, name, values))
    answers = model.predict(moved).prediction.reshape(n, width)
    steps = np.diff(answers, axis=1) * (1.0 if direction == "increasing" else -1.0)
    allowed = _ROUNDING * max(float(np.ptp(answers)), 1e-12)
    wrong = steps < -allowed
    worst, at = 0.0, None
    if wrong.any():
        at = int(steps.min(axis=0).argmin())
        worst = float(-steps.min())
    return MonotonicProof(
        column=name,
        direction=direction,
        holds=not wrong.any(),
        worst=worst,
        worst_from=None if at is None else float(grid[at]),
        worst_to=None if at is None else float(grid[at + 1]),
        violated=int(wrong.any(axis=1).sum()),
        n=n,
        grid=width,
        used=name in {read for encoder in model.encoders.values() for read in encoder.columns},
    )
