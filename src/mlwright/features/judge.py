"""What numbers of cells explain of the target beyond the columns on their own, in rows that they were not fitted on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features.means import smoothed_means

BoolArray = NDArray[np.bool_]

#: How many of the best candidates are judged again after each choice.
_SHORT_LIST = 24
_PASSES = 3
#: Targets on which is chosen; more would cost time and change little.
_TARGETS = 3
#: By how many standard errors a candidate must gain; there are about a hundred to be lucky with.
_SURE = 3.0
#: And how much of what the columns on their own leave unexplained.
_LEAST_GAIN = 0.0005


def compact(cells: IntArray) -> IntArray:
    """The same cells with numbers that leave none out, where there would be many more numbers than rows."""
    if cells.max(initial=0) <= 4 * len(cells):
        return cells
    numbered: IntArray = np.unique(cells, return_inverse=True)[1]
    return numbered


def standardised(target: FloatArray) -> FloatArray:
    """The targets that vary most, with mean 0 and deviation 1, shape (n_rows, at most 3)."""
    y = target[:, np.argsort(-target.var(axis=0), kind="stable")[:_TARGETS]]
    spread = y.std(axis=0)
    scaled: FloatArray = (y - y.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return scaled


class Judge:
    """Says what cells explain of the target in rows that they were not fitted on.

    An additive model of the columns (smoothed means, backfitted) is fitted on the other rows; cells gain what the means
    of its residuals explain.

    Parameters
    ----------
    y : shape (n_rows, n_targets)
    inside : each of shape (n_rows,)
        For each fold, which rows are kept for judging.
    weight : shape (n_rows,), optional

    References
    ----------
    Breiman and Friedman (1985), Estimating optimal transformations for multiple regression and correlation, JASA.
    Lou, Caruana, Gehrke and Hooker (2013), Accurate intelligible models with pairwise interactions, KDD.
    """

    def __init__(self, y: FloatArray, inside: Sequence[BoolArray], weight: FloatArray | None) -> None:
        self._weight = weight
        self._inside = list(inside)
        #: What is not explained yet, for each fold by what was fitted on the others.
        self._left = [y - y[~inside].mean(axis=0) for inside in self._inside if not inside.all()]

    def _means(self, number: int, cells: IntArray) -> FloatArray:
        outside = ~self._inside[number]
        weight = None if self._weight is None else self._weight[outside]
        n_cells = int(cells.max(initial=0)) + 1
        return smoothed_means(cells[outside], n_cells, self._left[number][outside], weight)[0]

    def gain(self, cells: IntArray) -> tuple[float, float]:
        """The share of what is left that these cells explain, and by how many standard errors it is above 0."""
        saved, left = [], []
        for number in range(len(self._left)):
            inside = self._inside[number]
            before = self._left[number][inside]
            after = before - self._means(number, cells)[cells[inside]]
            weight = 1.0 if self._weight is None else self._weight[inside]
            left.append((before**2).sum(axis=1) * weight)
            saved.append((before**2 - after**2).sum(axis=1) * weight)
        gained, total = np.concatenate(saved), float(np.concatenate(left).sum()) if left else 0.0
        if total <= 0:
            return 0.0, 0.0
        error = float(gained.std()) * len(gained) ** 0.5
        return float(gained.sum()) / total, float(gained.sum()) / error if error > 0 else 0.0

    def surely_gains(self, cells: IntArray) -> bool:
        """Whether these cells explain more of what is left than chance would."""
        return _is_sure(*self.gain(compact(cells)))

    def take_out(self, cells: IntArray) -> None:
        """Leave only what these cells do not explain."""
        for number in range(len(self._left)):
            self._left[number] = self._left[number] - self._means(number, cells)[cells]

    def take_out_singles(self, singles: list[IntArray]) -> None:
        """Leave what no sum of these explains; several passes, because each was fitted beside the others."""
        singles = [compact(cells) for cells in singles]
        for number in range(len(self._left)):
            effects = [np.zeros((int(cells.max(initial=0)) + 1, self._left[number].shape[1])) for cells in singles]
            for _ in range(_PASSES):
                for position, cells in enumerate(singles):
                    self._left[number] = self._left[number] + effects[position][cells]
                    effects[position] = self._means(number, cells)
                    self._left[number] = self._left[number] - effects[position][cells]

    def choose(self, candidates: Sequence[IntArray], most: int) -> list[int]:
        """Numbers of candidates, one after the other the best of those that surely gain."""
        judged = [compact(cells) for cells in candidates]
        gains = [self.gain(cells)[0] for cells in judged]
        order = sorted(range(len(judged)), key=lambda i: (-gains[i], i))[:_SHORT_LIST]
        chosen: list[int] = []
        while order and len(chosen) < most:
            again = {i: self.gain(judged[i]) for i in order}
            order = [i for i in order if _is_sure(*again[i])]
            if not order:
                break
            best = max(order, key=lambda i: (again[i][0], -i))
            order.remove(best)
            chosen.append(best)
            self.take_out(judged[best])
        return chosen


def _is_sure(gain: float, errors: float) -> bool:
    return gain >= _LEAST_GAIN and errors >= _SURE
