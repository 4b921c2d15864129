"""What an error costs, and which answer costs least: from the spec's expression to what a regression fits.

Its shape (`cost_shape.py`) says whether a quantile or the mean of the target costs least. Where no such rule holds, what
members say is moved to where errors out of fold cost least (`offset.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.models.cost_shape import Kind, costs_of, shape_of_cost
from mlwright.models.offset import CostAfterOffset, parts_of
from mlwright.spec import Columns, Expression
from mlwright.statistics import RowCost

if TYPE_CHECKING:
    from mlwright.spec import Spec  # brings pydantic, which a process that answers does without

#: What the expression calls by these names is not a column.
_GIVEN = ("error", "prediction")


@dataclass(frozen=True, slots=True, kw_only=True)
class CostOfRows:
    """What errors cost in some rows: the expression with the columns that it reads (a `RowCost`)."""

    expression: Expression
    target: str
    columns: Columns

    def of(self, prediction: FloatArray, target: FloatArray) -> FloatArray:
        """The cost of these predictions, where this is true, shape (n_rows,) each."""
        given = {**self.columns, self.target: target, "error": prediction - target, "prediction": prediction}
        return np.asarray(self.expression.evaluate(given, rows=len(target)), dtype=np.float64)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> CostOfRows:
        """What errors cost in the given rows (numbers or a mask)."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return CostOfRows(expression=self.expression, target=self.target, columns=columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlopesOfRows:
    """What errors cost in some rows where it is so much a unit: the same in a tenth of the time (a `RowCost`).

    Attributes
    ----------
    above, below, least : shape (n_rows,)
        What a unit of error costs upwards and downwards, and what no error costs.
    """

    above: FloatArray
    below: FloatArray
    least: FloatArray

    def of(self, prediction: FloatArray, target: FloatArray) -> FloatArray:
        """The cost of these predictions, where this is true, shape (n_rows,) each."""
        error = prediction - target
        cost: FloatArray = self.least + np.where(error > 0, self.above, -self.below) * error
        return cost

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> SlopesOfRows:
        """What errors cost in the given rows (numbers or a mask)."""
        return SlopesOfRows(above=self.above[rows], below=self.below[rows], least=self.least[rows])


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCost:
    """What an error costs, and what a regression fits so that it costs least.

    Attributes
    ----------
    expression
        Over `error` (prediction minus truth), `prediction`, the target and columns.
    target
        The name of the target column.
    quantile
        Which quantile of the target members fit; None: the mean.
    above, below
        What a unit of error costs upwards and downwards, on average over rows; None where it is not so much a unit.
    weighted
        Whether an error of the same size costs more in some rows: they then count more in the fit.
    """

    expression: Expression
    target: str
    kind: Kind
    size: float
    quantile: float | None = None
    above: float | None = None
    below: float | None = None
    weighted: bool = False

    def of_rows(self, rows: Dataset) -> CostOfRows:
        """What errors cost in these rows."""
        return cost_of_rows(self.expression, rows)

    def of_training_rows(self, rows: Dataset) -> CostOfRows | SlopesOfRows:
        """The same in the form that is quickest: it is asked for very many times."""
        cost = self.of_rows(rows)
        if self.above is None:
            return cost
        least, up, down = costs_of(cost, rows.y, self.size * np.array([0.0, 1.0, -1.0]))
        return SlopesOfRows(above=(up - least) / self.size, below=(down - least) / self.size, least=least)

    def after_offset(self, rows: Dataset) -> RowCost:
        """What errors cost once predictions are moved to where errors in other rows cost least: what is compared."""
        cost = self.of_training_rows(rows)
        if self.kind == "squared":
            return cost
        return CostAfterOffset(cost=cost, part=parts_of(len(rows), rows.groups), weight=rows.weight)

    def fit_weight(self, rows: Dataset) -> FloatArray | None:
        """How much each row counts in a fit, shape (n_rows,): its own weight times what errors cost in it."""
        if not self.weighted:
            return rows.weight
        of_size = self.size * np.array([0.0, 1.0, -1.0])
        nothing, up, down = costs_of(self.of_rows(rows), rows.y, of_size)
        scale = up + down - 2 * nothing
        weight: FloatArray = scale / scale.mean()
        return weight if rows.weight is None else weight * rows.weight

    def told(self, currency: str) -> str:
        """What it means for the predictions, for people."""
        each = " on average" if self.weighted else ""
        more = " Rows in which an error costs more count more." if self.weighted else ""
        about = "about " if self.weighted else ""
        if self.kind == "squared":
            return f"Errors cost by their square: the model predicts the mean of {self.target}.{more}"
        if self.kind == "general" or self.quantile is None or self.above is None or self.below is None:
            fitted = "the mean" if self.quantile is None else f"the {100 * self.quantile:.0f} % quantile"
            return (
                f"No quantile and no mean of {self.target} is what costs least: the members predict {fitted}, and what they "
                f"say is moved to where errors on rows that they had not seen cost least.{more}"
            )
        if self.quantile == 0.5:
            return (
                f"An error costs {self.above:.3g} {currency} a unit{each}, upwards as downwards: the model predicts the "
                f"median of {self.target}, which the truth is above {about}as often as below.{more}"
            )
        return (
            f"An error upwards costs {self.above:.3g} {currency} a unit{each}, downwards {self.below:.3g}: the model predicts "
            f"the {100 * self.quantile:.0f} % quantile of {self.target}, which the truth stays below in "
            f"{about}{100 * self.quantile:.0f} of 100 cases.{more}"
        )


def error_cost(spec: Spec, rows: Dataset) -> ErrorCost | None:
    """What the spec says that an error costs, translated on these rows; None if it says nothing, or the task has classes.

    Raises
    ------
    ErrorCostInvalid, ExpressionInvalid
        If it is no number of at least 0 in every row, if nothing costs anything, or if another error than 0 costs least.
    """
    expression = spec.decision.error_cost
    if expression is None or rows.task != "regression":
        return None
    cost = cost_of_rows(expression, rows)
    shape = shape_of_cost(cost, rows.y, text=expression.text, where=spec.where("decision", "error_cost"))
    return ErrorCost(
        expression=expression,
        target=rows.target,
        kind=shape.kind,
        size=shape.size,
        quantile=shape.quantile,
        above=shape.above,
        below=shape.below,
        weighted=shape.weighted,
    )


def cost_of_rows(expression: Expression, rows: Dataset) -> CostOfRows:
    """What errors cost in these rows, by an expression."""
    names = [name for name in expression.columns if name not in {*_GIVEN, rows.target}]
    return CostOfRows(expression=expression, target=rows.target, columns=rows.expression_columns(names))
