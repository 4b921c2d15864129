"""Which crosses pay: chosen on training rows by what they say beyond the columns on their own, judged on other rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mlwright.core import named_rng
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features.crosses import FEW_VALUES, CrossMeans, Part, cross, fit_cross, part_of_levels, parts_of
from mlwright.features.means import inner_folds, smoothed_means

_MOST_CROSSES = 8
_MOST_FEATURES = 32
_MOST_PARTS = 14
_LEAST_COMBINATIONS = 100
#: How many of the best pairs are judged again after each choice.
_SHORT_LIST = 24
#: Rows and targets on which is chosen; more would cost time and change little.
_CHOICE_ROWS = 30_000
_CHOICE_TARGETS = 3
_CHOICE_FOLDS = 3
_PASSES = 3
#: By how many standard errors a cross must gain; there are about a hundred pairs to be lucky with.
_SURE = 3.0
#: And how much of what the columns on their own leave unexplained.
_LEAST_GAIN = 0.0005
#: An integer repeats so often that its values may be names: a number of a flight, a postcode.
_REPEATS = 8


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A cross that may pay: its parts, and the number of the combination that each row has."""

    parts: tuple[Part, ...]
    cells: IntArray


def fit_crosses(
    train: Dataset, target: FloatArray, weight: FloatArray | None, *, seed: int
) -> list[tuple[CrossMeans, FloatArray]]:
    """The crosses that pay, the best first, each with its features of the training rows.

    Parameters
    ----------
    target : shape (n_rows, n_targets)
    weight : shape (n_rows,), optional
        With a mean of 1.
    """
    groups = train.groups
    most = min(_MOST_CROSSES, max(_MOST_FEATURES // (target.shape[1] + 1), 2))
    made = []
    for candidate in choose_crosses(train, target, weight, seed=seed, most=most):
        name = " × ".join(part.name for part in candidate.parts)
        fold = inner_folds(len(train), name, seed=seed, groups=groups)
        # Of a name it matters how common it is; of a pair, a share has cost more than it gave on most tables.
        counted = len(candidate.parts) == 1
        made.append(fit_cross(candidate.parts, candidate.cells, target, fold, weight, counted=counted))
    return made


def choose_crosses(
    train: Dataset, target: FloatArray, weight: FloatArray | None, *, seed: int, most: int = _MOST_CROSSES
) -> list[_Candidate]:
    """Crosses in the order in which they are chosen: each for what it adds to the columns and the crosses before it.

    An additive model of the columns (smoothed means, backfitted) is fitted on some folds; a cross gains what the means
    of its residuals explain in the other folds.

    References
    ----------
    Breiman and Friedman (1985), Estimating optimal transformations for multiple regression and correlation, JASA.
    Lou, Caruana, Gehrke and Hooker (2013), Accurate intelligible models with pairwise interactions, KDD.
    """
    rng = named_rng(seed, "crosses")
    rows = np.sort(rng.permutation(len(train))[:_CHOICE_ROWS])
    if len(rows) < 2 * _CHOICE_FOLDS or target.shape[1] == 0 or not np.ptp(target, axis=0).any():
        return []
    fold = inner_folds(len(train), "crosses", seed=seed, groups=train.groups, folds=_CHOICE_FOLDS)[rows]
    y = target[rows][:, np.argsort(-target.var(axis=0), kind="stable")[:_CHOICE_TARGETS]]
    spread = y.std(axis=0)
    y = (y - y.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    judge = _Judge(y, fold, None if weight is None else weight[rows])
    singles = _strongest(train, rows, judge)
    judge.take_out_singles([candidate.cells[rows] for candidate in singles])
    candidates = [
        _Candidate(parts, cross([a.cells, b.cells], parts))
        for a, b in combinations(singles, 2)
        if _is_hard_for_trees(*a.parts, *b.parts)
        for parts in [(*a.parts, *b.parts)]
    ]
    candidates += _names_among_numbers(train)
    return judge.choose(candidates, rows, most)


def _is_hard_for_trees(a: Part, b: Part) -> bool:
    """Pairs of categories, or of parts of one date, with many combinations: trees find others by themselves, and better.

    With bins of numbers, small integers and pairs of few levels as well, the loss on folds rose on four of six tables.
    """
    alike = (a.levels is not None and b.levels is not None) or (bool(a.date_part) and a.column == b.column)
    return alike and a.size * b.size >= _LEAST_COMBINATIONS


def _strongest(train: Dataset, rows: IntArray, judge: _Judge) -> list[_Candidate]:
    """The parts that say most on their own, each a candidate of one part."""
    columns = [column for column in train.schema if column.role == "feature" or column.role == "time"]
    found = []
    for column in columns:
        values = train.table.column(column.name)
        found += [_Candidate((part,), part.cells(values)) for part in parts_of(column, values)]
    gains = [judge.gain(_compact(one.cells[rows]))[0] for one in found]
    order = sorted(range(len(found)), key=lambda i: (-gains[i], i))[:_MOST_PARTS]
    return [found[i] for i in sorted(order)]


def _names_among_numbers(train: Dataset) -> list[_Candidate]:
    """Integers of many values that come again and again: each value a cell."""
    found = []
    for column in train.schema.features:
        if column.type != "integer":
            continue
        values = train.table.column(column.name)
        distinct = values.drop_null().unique()
        if FEW_VALUES < len(distinct) <= len(train) / _REPEATS:
            part = part_of_levels(column.name, values, least=2)
            if part is not None:
                found.append(_Candidate((part,), part.cells(values)))
    return found


def _compact(cells: IntArray) -> IntArray:
    """The same cells with numbers that leave none out, where there would be many more numbers than rows."""
    if cells.max(initial=0) <= 4 * len(cells):
        return cells
    compact: IntArray = np.unique(cells, return_inverse=True)[1]
    return compact


class _Judge:
    """Says what cells explain of the target in folds that they were not fitted on.

    Parameters
    ----------
    y : shape (n_rows, n_targets)
    fold, weight : shape (n_rows,)
    """

    def __init__(self, y: FloatArray, fold: IntArray, weight: FloatArray | None) -> None:
        self._weight = weight
        self._inside = [fold == number for number in np.unique(fold)]
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

    def take_out(self, cells: IntArray) -> None:
        """Leave only what these cells do not explain."""
        for number in range(len(self._left)):
            self._left[number] = self._left[number] - self._means(number, cells)[cells]

    def take_out_singles(self, singles: list[IntArray]) -> None:
        """Leave what no sum of these explains; several passes, because each was fitted beside the others."""
        singles = [_compact(cells) for cells in singles]
        for number in range(len(self._left)):
            effects = [np.zeros((int(cells.max(initial=0)) + 1, self._left[number].shape[1])) for cells in singles]
            for _ in range(_PASSES):
                for position, cells in enumerate(singles):
                    self._left[number] = self._left[number] + effects[position][cells]
                    effects[position] = self._means(number, cells)
                    self._left[number] = self._left[number] - effects[position][cells]

    def choose(self, candidates: list[_Candidate], rows: IntArray, most: int) -> list[_Candidate]:
        """One after the other, the best of those that surely gain."""
        judged = [(candidate, _compact(candidate.cells[rows])) for candidate in candidates]
        gains = [self.gain(cells)[0] for _, cells in judged]
        order = sorted(range(len(judged)), key=lambda i: (-gains[i], i))[:_SHORT_LIST]
        chosen: list[_Candidate] = []
        while order and len(chosen) < most:
            again = {i: self.gain(judged[i][1]) for i in order}
            order = [i for i in order if again[i][0] >= _LEAST_GAIN and again[i][1] >= _SURE]
            if not order:
                break
            best = max(order, key=lambda i: (again[i][0], -i))
            order.remove(best)
            chosen.append(judged[best][0])
            self.take_out(judged[best][1])
        return chosen
