"""Which group aggregates pay: chosen by what those of earlier rows say of later ones, beyond the columns on their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from mlwright.core import named_rng
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features.aggregates import (
    Aggregated,
    FromGroupMean,
    GroupAggregates,
    means_of_groups,
    rows_of_groups,
    table_of,
    targets_of_groups,
)
from mlwright.features.crossing import CHOICE_ROWS, strongest
from mlwright.features.judge import BoolArray, Judge, standardised
from mlwright.features.means import inner_folds

_MOST_AGGREGATES = 8
#: Columns whose means are tried; each costs a sum over all rows.
_MOST_NUMBERS = 60
#: What is kept for judging, and how many of those rows must be of a group that the others know.
_HELD_OUT = 1 / 3
_LEAST_KNOWN = 0.05
_LEAST_ROWS = 100
_BINS = 20

#: Which aggregates are wanted: what ("rows", "target", "mean" or "from mean") and of which column.
_Wanted: TypeAlias = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Training rows as aggregates take them.

    Attributes
    ----------
    group : shape (n_rows,)
        Numbers from 0 to `n_groups` - 1; -1 for a row without a group.
    target : shape (n_rows, n_targets)
    weight : shape (n_rows,), optional
    numbers
        Of each column that may be averaged, shape (n_rows,).
    """

    group: IntArray = field(repr=False)
    n_groups: int
    target: FloatArray = field(repr=False)
    weight: FloatArray | None = field(repr=False)
    numbers: dict[str, FloatArray] = field(repr=False)

    def taken(self, chosen: IntArray) -> _Rows:
        return _Rows(
            group=self.group[chosen],
            n_groups=self.n_groups,
            target=self.target[chosen],
            weight=None if self.weight is None else self.weight[chosen],
            numbers={name: values[chosen] for name, values in self.numbers.items()},
        )

    def means(self, names: set[str]) -> dict[str, Aggregated]:
        found = {name: means_of_groups(self.group, self.n_groups, self.numbers[name]) for name in sorted(names)}
        return {name: mean for name, mean in found.items() if mean is not None}

    def targets(self, *, seed: int) -> list[Aggregated]:
        # Rows of one group are spread over the folds, unlike with levels: a new row is of a group that is known.
        fold = inner_folds(len(self.group), "aggregates", seed=seed)
        return targets_of_groups(self.group, self.n_groups, self.target, fold, self.weight)


def fit_aggregates(
    train: Dataset, target: FloatArray, weight: FloatArray | None, *, seed: int
) -> list[tuple[GroupAggregates | FromGroupMean, FloatArray]]:
    """The aggregates that pay, as steps with their features of the training rows; none without a column of groups.

    Parameters
    ----------
    target : shape (n_rows, n_targets)
    weight : shape (n_rows,), optional
        With a mean of 1.
    """
    column = train.schema.with_role("group")
    if column is None or len(train) < _LEAST_ROWS or target.shape[1] == 0 or not np.ptp(target, axis=0).any():
        return []
    group, levels = train.levels(column.name)
    later = _held_out(train, seed)
    if not _known_again(group, later):
        return []
    numbers = [one.name for one in train.schema.features if one.is_number or one.type == "boolean"][:_MOST_NUMBERS]
    rows = _Rows(
        group=group,
        n_groups=len(levels),
        target=target,
        weight=weight,
        numbers={name: train.numbers(name) for name in numbers},
    )
    wanted = _choose(train, rows, later, seed)
    return _steps(column.name, levels, rows, wanted, seed) if wanted else []


def _held_out(train: Dataset, seed: int) -> BoolArray:
    """The later rows where rows have a time, as in the split; else some by chance. Shape (n_rows,)."""
    times = train.times
    if times is None or not np.isfinite(times).any():
        return named_rng(seed, "aggregates").random(len(train)) < _HELD_OUT
    known = times[np.isfinite(times)]
    return np.nan_to_num(times, nan=-np.inf) > np.quantile(known, 1 - _HELD_OUT, method="lower")


def _known_again(group: IntArray, later: BoolArray) -> bool:
    """Whether enough of the later rows are of a group that earlier rows have: else there is nothing to be computed."""
    known = np.zeros(int(group.max(initial=-1)) + 2, dtype=bool)
    known[group[~later]] = True
    known[-1] = False  # a row without a group has the number -1
    return bool(later.any() and not later.all() and known[group[later]].mean() >= _LEAST_KNOWN)


def _choose(train: Dataset, rows: _Rows, later: BoolArray, seed: int) -> _Wanted:
    """Aggregates of the earlier rows that surely say something of the later ones."""
    before = np.flatnonzero(~later)
    earlier = rows.taken(before)
    seen = np.append(np.bincount(earlier.group[earlier.group >= 0], minlength=rows.n_groups) > 0, False)
    known = np.where(seen[rows.group], rows.group, -1)

    def of_all(one: Aggregated) -> FloatArray:
        values = one.for_rows(known)
        values[before] = one.of_rows
        return values

    named = [(("rows", ""), of_all(rows_of_groups(earlier.group, rows.n_groups)))]
    named += [(("target", ""), of_all(one)) for one in earlier.targets(seed=seed)]
    for name, one in earlier.means(set(rows.numbers)).items():
        mean = of_all(one)
        named += [(("mean", name), mean), (("from mean", name), one.above(rows.numbers[name], mean))]
    part = np.sort(named_rng(seed, "aggregates", "rows").permutation(len(train))[:CHOICE_ROWS])
    weight = None if rows.weight is None else rows.weight[part]
    judge = Judge(standardised(rows.target[part]), [later[part]], weight)
    judge.take_out_singles([single.cells[part] for single in strongest(train, part, judge)])
    chosen = judge.choose([_binned(values, before)[part] for _, values in named], _MOST_AGGREGATES)
    return frozenset(named[i][0] for i in chosen)


def _binned(values: FloatArray, fitted: IntArray) -> IntArray:
    """Cells of about equally many of the fitted rows; missing has one of its own."""
    known = values[fitted]
    known = known[np.isfinite(known)]
    edges = np.unique(np.quantile(known, np.arange(1, _BINS) / _BINS)) if len(known) else np.zeros(0)
    cells = np.searchsorted(edges, values, side="right")
    return np.where(np.isnan(values), len(edges) + 1, cells).astype(np.int64)


def _steps(
    column: str, levels: list[str], rows: _Rows, wanted: _Wanted, seed: int
) -> list[tuple[GroupAggregates | FromGroupMean, FloatArray]]:
    means = rows.means({name for what, name in wanted if name})
    counts = [rows_of_groups(rows.group, rows.n_groups)] if ("rows", "") in wanted else []
    targets = rows.targets(seed=seed) if ("target", "") in wanted else []
    own = {name: mean for name, mean in means.items() if ("mean", name) in wanted}
    made: list[tuple[GroupAggregates | FromGroupMean, FloatArray]] = []
    if together := [*counts, *targets, *own.values()]:
        step = GroupAggregates(
            column=column,
            groups=table_of(levels, rows.group, together),
            rows=bool(counts),
            n_targets=len(targets),
            means_of=tuple(own),
        )
        features: FloatArray = np.column_stack([one.of_rows for one in together]).round(6)
        made.append((step, features))
    for name, mean in means.items():
        if ("from mean", name) in wanted:
            table = {level: value for level, (value,) in table_of(levels, rows.group, [mean]).items()}
            above = FromGroupMean(column=name, group=column, means=table, mean=mean.mean, deviation=mean.deviation)
            made.append((above, mean.above(rows.numbers[name], mean.of_rows)[:, None]))
    return made
