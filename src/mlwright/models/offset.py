"""What to add to a prediction so that errors cost least, learned from errors on rows that the members did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.core import named_rng
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.statistics import RowCost

#: Offsets are looked for among these quantiles of the errors, and then between the neighbours of the best one.
_LEVELS = np.r_[0.005, 0.01, 0.025, np.linspace(0.05, 0.95, 19), 0.975, 0.99, 0.995]
_BETWEEN = np.linspace(0.0, 1.0, 11)[1:-1]
#: Offsets are found on so many rows, where candidates are compared and where the model is made.
_ROWS_OF_CANDIDATE, _ROWS_OF_MODEL = 1_000, 10_000
#: Rows are in so many parts: an offset that is judged was found on other parts. With fewer rows there is none.
_PARTS = 5
_LEAST_ROWS = 20
#: Bands of predictions, each of so many rows.
_MOST_BANDS, _ROWS_OF_BAND = 10, 200
#: A band of so many rows leans half way to the offset of all rows: much, and hardly, whichever costs less.
_LEANS = (200.0, 20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offset:
    """What is added to a prediction, by how large it is.

    Attributes
    ----------
    edges
        Between the bands of predictions, in rising order; one fewer than there are bands.
    amounts
        What is added in each band.
    saves
        What that saves a row out of fold, in the spec's currency: offsets found on four fifths, judged on the last.
    """

    edges: tuple[float, ...]
    amounts: tuple[float, ...]
    saves: float = 0.0

    def apply(self, prediction: FloatArray) -> FloatArray:
        """The moved predictions, shape (n_rows,)."""
        moved: FloatArray = prediction + np.array(self.amounts)[np.searchsorted(self.edges, prediction)]
        return moved

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"edges": list(self.edges), "amounts": list(self.amounts), "saves": self.saves}

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Offset:
        """The offset that had this state."""
        return cls(edges=tuple(state["edges"]), amounts=tuple(state["amounts"]), saves=state["saves"])


@dataclass(frozen=True, slots=True, kw_only=True)
class CostAfterOffset:
    """What errors cost once predictions are moved by one offset that was found on other rows (a `RowCost`).

    Candidates are compared by it, so that one that predicts the mean is not thrown out for what one number mends.

    Attributes
    ----------
    part : shape (n_rows,)
        Numbers of the parts: rows of a part are moved by what was found on the others.
    """

    cost: RowCost
    part: IntArray
    weight: FloatArray | None

    def of(self, prediction: FloatArray, target: FloatArray) -> FloatArray:
        """The cost of these predictions once they are moved, shape (n_rows,)."""
        if len(target) < _LEAST_ROWS or not np.isfinite(prediction).all():
            return self.cost.of(prediction, target)
        rows = _spaced(len(target), _ROWS_OF_CANDIDATE)
        shifts = _shifts(target[rows] - prediction[rows])
        table = _table(self.cost, prediction, target, shifts, rows)
        weight = np.ones(len(rows)) if self.weight is None else self.weight[rows]
        part = self.part[rows]
        of_part = np.array([shifts[_least(table, np.where(part == k, 0.0, weight))] for k in range(_PARTS)])
        return self.cost.of(prediction + of_part[self.part], target)

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> CostAfterOffset:
        """The same for the given rows (numbers or a mask)."""
        weight = None if self.weight is None else self.weight[rows]
        return CostAfterOffset(cost=self.cost.take(rows), part=self.part[rows], weight=weight)


def parts_of(n: int, group: IntArray | None) -> IntArray:
    """Numbers of the parts that rows are in, shape (n,); rows of a group are in the same one."""
    unit = np.arange(n) if group is None else np.unique(group, return_inverse=True)[1]
    order: IntArray = named_rng(0, "offset").permutation(int(unit.max(initial=-1)) + 1) % _PARTS
    return order[unit]


def fit_offset(
    prediction: FloatArray,
    target: FloatArray,
    cost: RowCost,
    *,
    weight: FloatArray | None = None,
    group: IntArray | None = None,
    in_bands: bool = True,
) -> Offset | None:
    """Learn the offset from out-of-fold predictions; None where moving them saves nothing, and under 20 rows.

    One offset for all rows is taken if it saves anything on rows that it was not found on, and one for each band of
    predictions if that clearly saves more.

    Parameters
    ----------
    in_bands
        Whether there may be one a band. Answers then fall where one band ends and another begins, which a model with
        monotonic columns may not do.
    """
    if len(target) < _LEAST_ROWS:
        return None
    rows = _spaced(len(target), _ROWS_OF_MODEL)
    part = parts_of(len(target), group)[rows]
    cost, prediction, target = cost.take(rows), prediction[rows], target[rows]
    share = np.ones(len(rows)) if weight is None else weight[rows]
    share = share / share.sum()
    most = int(np.clip(len(rows) // _ROWS_OF_BAND, 1, _MOST_BANDS)) if in_bands else 1
    plain = cost.of(prediction, target)
    found: tuple[int, float] | None = None
    costs = plain
    for bands, lean in [(1, 0.0), *((most, lean) for lean in _LEANS if most > 1)]:
        moved = prediction.copy()
        for k in np.unique(part):
            seen = np.flatnonzero(part != k)
            learned = _fitted(prediction[seen], target[seen], cost.take(seen), share[seen], bands, lean)
            moved[part == k] = learned.apply(prediction[part == k])
        tried = cost.of(moved, target)
        saved = share * (costs - tried)
        if saved.sum() > (0.0 if found is None else np.sqrt((saved**2).sum())):
            found, costs = (bands, lean), tried
    if found is None:
        return None
    whole = _fitted(prediction, target, cost, share, *found)
    return Offset(edges=whole.edges, amounts=whole.amounts, saves=float(share @ (plain - costs)))


def _fitted(
    prediction: FloatArray, target: FloatArray, cost: RowCost, weight: FloatArray, bands: int, lean: float
) -> Offset:
    """One offset, or one a band that leans to the one of all rows where the band is small."""
    edges: FloatArray = np.unique(np.quantile(prediction, np.arange(1, bands) / bands))
    all_rows = np.arange(len(target))
    whole = _best(prediction, target, cost, weight, all_rows)
    band = np.searchsorted(edges, prediction)
    amounts = []
    for number in range(len(edges) + 1):
        rows = all_rows[band == number]
        own = _best(prediction, target, cost, weight, rows) if len(edges) and len(rows) >= _LEAST_ROWS else whole
        amounts.append(whole + len(rows) / max(len(rows) + lean, 1.0) * (own - whole))
    return Offset(edges=tuple(edges.tolist()), amounts=tuple(amounts))


def _best(prediction: FloatArray, target: FloatArray, cost: RowCost, weight: FloatArray, rows: IntArray) -> float:
    """The offset with which these rows cost least."""
    shifts = _shifts(target[rows] - prediction[rows])
    coarse = _least(_table(cost, prediction, target, shifts, rows), weight[rows])
    # The first shift is none at all; its neighbours are those of its place among the others.
    order = np.sort(shifts)
    place = int(np.searchsorted(order, shifts[coarse]))
    low, high = order[max(place - 1, 0)], order[min(place + 1, len(order) - 1)]
    fine = np.r_[shifts[coarse], low + _BETWEEN * (high - low)] if coarse else shifts[:1]
    return float(fine[_sums(_table(cost, prediction, target, fine, rows), weight[rows]).argmin()])


def _shifts(error: FloatArray) -> FloatArray:
    """What may be added: nothing, and quantiles of truth minus prediction."""
    shifts: FloatArray = np.r_[0.0, np.sort(error)[(_LEVELS * (len(error) - 1)).round().astype(np.int64)]]
    return shifts


def _table(cost: RowCost, prediction: FloatArray, target: FloatArray, shifts: FloatArray, rows: IntArray) -> FloatArray:
    """What each row costs with each shift, shape (n_shifts, n_rows)."""
    several = np.tile(rows, len(shifts))
    moved = prediction[several] + np.repeat(shifts, len(rows))
    return cost.take(several).of(moved, target[several]).reshape(len(shifts), len(rows))


def _least(table: FloatArray, weight: FloatArray) -> int:
    """The shift with which rows cost least; the first, which is none, unless another clearly costs less."""
    best = int(_sums(table, weight).argmin())
    saved = weight * (table[0] - table[best])
    return best if saved.sum() > np.sqrt((saved**2).sum()) else 0


def _sums(table: FloatArray, weight: FloatArray) -> FloatArray:
    """What all rows cost with each shift; infinitely much where a shift leads to where the cost is no number."""
    sums = table.dot(weight)
    return np.where(np.isfinite(sums), sums, np.inf)


def _spaced(n: int, most: int) -> IntArray:
    """So many row numbers, evenly spaced; all, if there are no more."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)
