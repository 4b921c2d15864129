"""The shape of a cost: so much a unit of error, by its square, or any other; and whether it makes sense at all.

The cost is looked at and not read: it is evaluated on rows with errors of several sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlwright.core import MlwrightError
from mlwright.data.dataset import FloatArray
from mlwright.spec import ExpressionInvalid
from mlwright.statistics import RowCost

#: `quantile`: so much a unit, another amount upwards than downwards; `squared`: by the square of the error; `general`: any
#: other.
Kind = Literal["quantile", "squared", "general"]
#: Sizes of the errors that are tried, in standard deviations of the target, on so many rows.
_SIZES = np.array([0.02, 0.1, 0.5, 1.0, 2.0])
_MOST_ROWS = 20_000
#: Models predict beyond the targets that they have seen, by so many standard deviations.
_BEYOND = 0.25
#: Costs that differ by less than this share are the same.
_SAME = 1e-6
_EXAMPLE = "`0.02 * abs(error)`, or `where(error > 0, 0.02 * error, -0.05 * error)`"


class ErrorCostInvalid(MlwrightError):
    """What the spec says of the cost of an error makes no answer the best one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostShape:
    """What kind of cost it is.

    Attributes
    ----------
    size
        Of a usual error: a standard deviation of the target.
    quantile
        Of the target, that costs least, or would if its share were the same in each row; None: the mean.
    above, below
        What a unit of error costs upwards and downwards, on average over rows; None where it is not so much a unit.
    weighted
        Whether an error of the same size costs more in some rows.
    """

    kind: Kind
    size: float
    quantile: float | None = None
    above: float | None = None
    below: float | None = None
    weighted: bool = False


def shape_of_cost(cost: RowCost, y: FloatArray, *, text: str, where: str) -> CostShape:
    """Look at the cost of errors of several sizes in these rows.

    Parameters
    ----------
    y : shape (n_rows,)
        The target.
    text, where
        The expression and its place, for messages.

    Raises
    ------
    ErrorCostInvalid, ExpressionInvalid
        If it is no number of at least 0 in every row, if nothing costs anything, or if another error than 0 costs least.

    References
    ----------
    Koenker and Bassett (1978), Regression quantiles, Econometrica; Arrow, Harris and Marschak (1951), Optimal inventory
    policy, Econometrica: costs of a / b a unit above / below make the quantile b / (a + b) the cheapest answer.
    """
    size = float(y.std()) or 1.0
    _check_finite(cost, text, y, size, where)
    some = np.unique(np.linspace(0, len(y) - 1, min(len(y), _MOST_ROWS)).astype(np.int64))
    errors = size * np.r_[-_SIZES[::-1], 0.0, _SIZES]
    table = costs_of(cost.take(some), y[some], errors)
    _check_shape(table, errors, y[some], _plausible(y[some], errors, y), where)
    return _shape(table - table[len(_SIZES)], errors, size)


def costs_of(cost: RowCost, y: FloatArray, errors: FloatArray) -> FloatArray:
    """The cost of each error in each row, shape (n_errors, n_rows)."""
    return np.stack([cost.of(y + error, y) for error in errors])


def _plausible(y: FloatArray, errors: FloatArray, seen: FloatArray) -> NDArray[np.bool_]:
    """Which errors make a prediction that a model may give: from the smallest to the largest target and a bit beyond."""
    predicted = y + errors[:, None]
    beyond = _BEYOND * float(seen.std())
    inside: NDArray[np.bool_] = (predicted >= seen.min() - beyond) & (predicted <= seen.max() + beyond)
    return inside


def _check_finite(cost: RowCost, text: str, y: FloatArray, size: float, where: str) -> None:
    errors = size * np.array([0.0, 1.0, -1.0])
    try:
        table = costs_of(cost, y, errors)
    except (TypeError, ValueError) as error:
        raise ExpressionInvalid(
            text, "text stands where a cost is needed", where=where, fix="calculate with number columns"
        ) from error
    wrong = (~np.isfinite(table) & _plausible(y, errors, y)).any(axis=0)
    if wrong.any():
        raise ErrorCostInvalid(
            f"the cost of an error is no finite number in {int(wrong.sum()):,} of {len(y):,} rows: `{text}`",
            where=where,
            fix="a value is missing there, or something is divided by 0: write `where(missing(price), 10, price)` for a "
            "column that has gaps, `max(amount, 1)` below a fraction",
        )


def _check_shape(table: FloatArray, errors: FloatArray, y: FloatArray, near: NDArray[np.bool_], where: str) -> None:
    """No cost is negative, something costs something, and no error costs less than a smaller one to the same side."""
    middle = len(errors) // 2
    small = 1e-9 * float(np.abs(table[near]).max())
    negative = near & (table < -small)
    if negative.any():
        worst = np.unravel_index(np.where(negative, table, np.inf).argmin(), table.shape)
        raise ErrorCostInvalid(
            f"an error of {errors[worst[0]]:.3g} (a prediction of {y[worst[1]] + errors[worst[0]]:.3g} in place of "
            f"{y[worst[1]]:.3g}) would cost {table[worst]:.3g}, less than nothing "
            f"(in {negative.any(axis=0).mean():.0%} of the rows)",
            where=where,
            fix=f"a cost is 0 or more, upwards and downwards: write {_EXAMPLE}; and `max(prediction, 1)` below a fraction",
        )
    more = np.where(near & near[middle], table - table[middle], 0.0)
    if not (np.abs(more) > small).any():
        raise ErrorCostInvalid(
            f"no error up to {errors[-1]:.3g} costs anything",
            where=where,
            fix=f"write what an error costs: {_EXAMPLE}",
        )
    falls = _steps_away(np.where(near, table, np.nan), middle) < -small
    if falls.any():
        number = int(falls.any(axis=1).argmax())
        raise ErrorCostInvalid(
            f"an error of {_away(errors, middle)[number + 1]:.3g} costs less than one of "
            f"{_away(errors, middle)[number]:.3g} (in {falls.any(axis=0).mean():.0%} of the rows)",
            where=where,
            fix=f"no error may cost less than a smaller one, and none less than 0: write {_EXAMPLE}",
        )
    for side, name, answer in ((slice(middle), "downwards", "lowest"), (slice(middle + 1, None), "upwards", "highest")):
        if near[side].any() and not (more[side] > small).any():
            raise ErrorCostInvalid(
                f"an error {name} costs nothing, so the {answer} answer would always be the best",
                where=where,
                fix=f"say what errors to both sides cost: {_EXAMPLE}",
            )


def _away(values: FloatArray, middle: int) -> FloatArray:
    """From the middle up to the last, and then from the middle down to the first."""
    return np.concatenate([values[middle:], values[middle::-1]])


def _steps_away(table: FloatArray, middle: int) -> FloatArray:
    """How much more each error costs than the one before it on the way from 0, shape (n_errors, n_rows)."""
    steps = np.diff(_away(table, middle), axis=0)
    steps[len(table) - middle - 1] = 0.0  # from the largest error upwards back to none
    return np.nan_to_num(steps, nan=0.0)


def _shape(more: FloatArray, errors: FloatArray, size: float) -> CostShape:
    """What each error costs more than none, shape (n_errors, n_rows), as a kind of cost."""
    general = CostShape(kind="general", size=size)
    if not np.isfinite(more).all():
        return general
    other = errors != 0
    squares = more[other] / (errors[other] ** 2)[:, None]
    if _constant(squares, squares.mean(axis=0)):
        return CostShape(kind="squared", size=size, weighted=_differ(squares.mean(axis=0)))
    above, below = (more[side] / np.abs(errors[side])[:, None] for side in (errors > 0, errors < 0))
    a, b = above.mean(axis=0), below.mean(axis=0)
    if not (_constant(above, a + b) and _constant(below, a + b)):
        return general
    counted = a + b > 0
    share = b[counted] / (a + b)[counted]
    of_all = float(b.sum() / (a + b).sum())
    if not 0 < of_all < 1:
        return general
    return CostShape(
        kind="quantile" if float(np.ptp(share)) <= _SAME else "general",
        size=size,
        quantile=0.5 if abs(of_all - 0.5) <= _SAME else of_all,
        above=float(a.mean()),
        below=float(b.mean()),
        weighted=_differ(a + b),
    )


def _constant(slopes: FloatArray, scale: FloatArray) -> bool:
    """Whether a slope is the same for errors of every size, in each row."""
    return bool((np.ptp(slopes, axis=0) <= _SAME * scale).all())


def _differ(scale: FloatArray) -> bool:
    """Whether rows have different scales."""
    return float(np.ptp(scale)) > _SAME * float(scale.max())
