"""Slices of the rows where the model is clearly worse, with control over how many slices were looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from mlwright.core import Evidence, Interval, finite, named_rng
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.spec import Task
from mlwright.statistics import METRICS, Scored, objective_of, score_with_interval

_LEAST_ROWS = 30
_MOST_LEVELS = 12
_BEAM = 40
_SHOWN = 10
_FALSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceResult:
    """One slice.

    Attributes
    ----------
    condition
        In words: `contract = Month-to-month and tenure <= 9`.
    value, interval
        Of `metric` on the rows of the slice.
    loss_gap
        Mean loss inside minus outside, in units of the loss; positive where the model is worse.
    p_adjusted
        Chance of such a gap in any of the slices that were tried, if there were none; None if it was not searched for.
    """

    condition: str
    n: int
    metric: str
    value: float | None
    interval: Interval | None
    loss_gap: float
    p_adjusted: float | None
    n_tried: int

    def evidence(self, number: int, kind: str) -> Iterator[Evidence]:
        """Score and gap."""
        base = f"slices.{kind}.{number}"
        rows = f"test rows where {self.condition}"
        yield Evidence(
            id=f"{base}.{self.metric}",
            value=self.value,
            interval=self.interval,
            method=self.metric,
            rows=rows,
            n=self.n,
        )
        tried = f"; Bonferroni over {self.n_tried} slices" if self.p_adjusted is not None else ""
        yield Evidence(
            id=f"{base}.loss_gap",
            value=self.loss_gap,
            method=f"mean loss inside minus outside{tried}",
            rows=rows,
            n=self.n,
        )


@dataclass(frozen=True, slots=True)
class _Atom:
    column: str
    condition: str
    rows: NDArray[np.bool_]


def row_losses(task: Task, scored: Scored) -> FloatArray:
    """The loss of each row, shape (n_rows,): what its error costs, if that is known, else by the task's proper score."""
    metric = objective_of(task, with_cost=scored.cost is not None)
    assert metric.per_row is not None
    return metric.per_row(scored)


def main_metric(task: Task, *, with_cost: bool = False) -> str:
    """The metric that a slice is shown by."""
    if with_cost:
        return "error_cost"
    return {"binary": "roc_auc", "multiclass": "accuracy", "regression": "rmse"}[task]


def find_weak_slices(test: Dataset, scored: Scored, *, seed: int) -> list[SliceResult]:
    """Search single conditions and pairs of them for slices with a clearly larger loss.

    One-sided tests of the loss inside against outside; a pair is kept only if it is worse than both of its conditions
    alone. Bonferroni over every condition and every pair, also those that were not looked into: which ones were depends
    on the same losses.

    References
    ----------
    Chung et al. (2019), Slice Finder: automated data slicing for model validation, ICDE.
    """
    loss = row_losses(test.task, scored)
    atoms = [atom for atom in _atoms(test) if _LEAST_ROWS <= atom.rows.sum() <= len(loss) - _LEAST_ROWS]
    if not atoms:
        return []
    tested = [(atom.condition, atom.rows, *_more_inside(loss, atom.rows, scored.group)) for atom in atoms]
    order = sorted(range(len(atoms)), key=lambda i: tested[i][3])[:_BEAM]
    pairs = []
    for position, i in enumerate(order):
        for j in order[position + 1 :]:
            rows = atoms[i].rows & atoms[j].rows
            if atoms[i].column != atoms[j].column and rows.sum() >= _LEAST_ROWS:
                gap, p = _more_inside(loss, rows, scored.group)
                if p < min(tested[i][3], tested[j][3]):
                    pairs.append((f"{atoms[i].condition} and {atoms[j].condition}", rows, gap, p))
    n_tried = len(atoms) + _pairs_of_columns(atoms)
    found: list[SliceResult] = []
    taken: list[NDArray[np.bool_]] = []
    for condition, rows, gap, p in sorted([*tested, *pairs], key=lambda entry: entry[3]):
        adjusted = min(p * n_tried, 1.0)
        if adjusted > _FALSE or len(found) == _SHOWN:
            break
        if any((rows & other).sum() > 0.7 * min(rows.sum(), other.sum()) for other in taken):
            continue  # nearly the same rows under another name
        taken.append(rows)
        found.append(_described(condition, rows, gap, adjusted, n_tried, test, scored, seed))
    return found


def sensitive_slices(test: Dataset, scored: Scored, columns: tuple[str, ...], *, seed: int) -> list[SliceResult]:
    """Every group of the sensitive columns, worse or not."""
    loss = row_losses(test.task, scored)
    results = []
    for atom in _atoms(test, only=columns):
        if 0 < atom.rows.sum() < len(loss):
            gap = float(loss[atom.rows].mean() - loss[~atom.rows].mean())
            results.append(_described(atom.condition, atom.rows, gap, None, 0, test, scored, seed))
    return results


def _described(
    condition: str,
    rows: NDArray[np.bool_],
    gap: float,
    adjusted: float | None,
    n_tried: int,
    test: Dataset,
    scored: Scored,
    seed: int,
) -> SliceResult:
    name = main_metric(test.task, with_cost=scored.cost is not None)
    found = score_with_interval(METRICS[name], scored.take(rows), rng=named_rng(seed, "slice", condition))
    return SliceResult(
        condition=condition,
        n=int(rows.sum()),
        metric=name,
        value=finite(found.value),
        interval=found.interval,
        loss_gap=gap,
        p_adjusted=adjusted,
        n_tried=n_tried,
    )


def _pairs_of_columns(atoms: Sequence[_Atom]) -> int:
    """How many pairs of conditions on different columns there are."""
    of_column = Counter(atom.column for atom in atoms).values()
    return (len(atoms) ** 2 - sum(count**2 for count in of_column)) // 2


def _more_inside(loss: FloatArray, rows: NDArray[np.bool_], group: IntArray | None) -> tuple[float, float]:
    """How much larger the loss is inside, and the one-sided p-value of that: the larger of Welch's and Student's.

    Losses have a long tail. Of few rows that lack it, mean and variance are both too small: where such rows are the ones
    outside, Welch's test alone raises false alarms; where few rows that have it are inside, Student's alone does. Of rows
    in groups, Welch's test counts the groups.
    """
    inside, outside = loss[rows], loss[~rows]
    n, m = len(inside), len(outside)
    gap = float(inside.mean() - outside.mean())
    pooled = ((n - 1) * inside.var(ddof=1) + (m - 1) * outside.var(ddof=1)) / (n + m - 2)
    (a, units_in), (b, units_out) = (_variance_of_mean(loss, side, group) for side in (rows, ~rows))
    if pooled == 0 or a + b == 0 or min(units_in, units_out) < 2:
        return gap, 1.0
    freedom = (a + b) ** 2 / (a**2 / (units_in - 1) + b**2 / (units_out - 1))
    welch = stdtr(freedom, -gap / np.sqrt(a + b))
    student = stdtr(n + m - 2, -gap / np.sqrt(pooled * (1 / n + 1 / m)))
    return gap, float(max(welch, student))


def _variance_of_mean(loss: FloatArray, rows: NDArray[np.bool_], group: IntArray | None) -> tuple[float, int]:
    """The variance of the mean loss of some rows, and how many of them (or of their groups) are independent."""
    values = loss[rows]
    if group is None:
        return float(values.var(ddof=1)) / len(values), len(values)
    unit = np.unique(group[rows], return_inverse=True)[1]
    share = np.bincount(unit, weights=values - values.mean()) / len(values)
    units = len(share)
    return float((share**2).sum()) * units / max(units - 1, 1), units


def _atoms(test: Dataset, only: tuple[str, ...] | None = None) -> Iterator[_Atom]:
    """Single conditions: levels, quarters of numbers, missing."""
    columns = [test.schema[name] for name in only] if only is not None else test.schema.features
    for column in columns:
        if column.type == "text":
            continue
        if column.type in {"category", "identifier", "constant"}:
            codes, levels = test.levels(column.name)
            counts = np.bincount(codes[codes >= 0], minlength=len(levels))
            for level in np.argsort(-counts, kind="stable")[:_MOST_LEVELS]:
                yield _Atom(column.name, f"{column.name} = {levels[level]}", codes == level)
            missing = codes < 0
        else:
            numbers = test.numbers(column.name)
            missing = ~np.isfinite(numbers)
            yield from _quarters(column.name, numbers, ~missing, boolean=column.type == "boolean")
        if missing.any():
            yield _Atom(column.name, f"{column.name} is missing", missing)


def _quarters(name: str, numbers: FloatArray, known: NDArray[np.bool_], *, boolean: bool) -> Iterator[_Atom]:
    if not known.any():
        return
    if boolean:
        yield _Atom(name, f"{name} is true", numbers == 1)
        yield _Atom(name, f"{name} is false", numbers == 0)
        return
    values = np.unique(numbers[known])
    if len(values) <= 6:
        for value in values:
            yield _Atom(name, f"{name} = {value:g}", numbers == value)
        return
    edges = np.unique(np.quantile(numbers[known], [0.25, 0.5, 0.75]))
    with np.errstate(invalid="ignore"):
        yield _Atom(name, f"{name} <= {edges[0]:g}", numbers <= edges[0])
        for low, high in pairwise(edges):
            yield _Atom(name, f"{low:g} < {name} <= {high:g}", (numbers > low) & (numbers <= high))
        yield _Atom(name, f"{name} > {edges[-1]:g}", numbers > edges[-1])
