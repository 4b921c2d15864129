"""Which rows are for learning and which for the final test, and why; and the folds inside the rows for learning."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from mlwright.core import named_rng
from mlwright.data.dataset import Dataset, FloatArray, IntArray
from mlwright.data.errors import DataUnfit
from mlwright.data.rows import hash_rows
from mlwright.spec import Spec, show_duration

SplitKind = Literal["random", "stratified", "grouped", "temporal"]
_STRATA_OF_NUMBERS = 10
_NATURAL_TWINS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPlan:
    """How rows are kept apart.

    Attributes
    ----------
    gap
        Between the last training row and the first test row, in the unit of the time column (seconds for dates).
    reason
        Why this kind, for people.
    """

    kind: SplitKind
    test_share: float
    reason: str
    gap: float = 0.0
    folds: int | None = None


@dataclass(frozen=True, kw_only=True)
class Split:
    """Row numbers of the dataset by use; no number is in two of them. The rows themselves are taken once."""

    plan: SplitPlan
    dataset: Dataset = field(repr=False)
    train_rows: IntArray = field(repr=False)
    test_rows: IntArray = field(repr=False)
    left_out: IntArray = field(repr=False)

    @cached_property
    def train(self) -> Dataset:
        """The rows for learning."""
        return self.dataset.take(self.train_rows)

    @cached_property
    def test(self) -> Dataset:
        """The rows for the final test; they are looked at once."""
        return self.dataset.take(self.test_rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One of several train-validation pairs, as row numbers of the training rows."""

    train: IntArray = field(repr=False)
    validation: IntArray = field(repr=False)


def plan_split(dataset: Dataset, spec: Spec) -> SplitPlan:
    """Propose a split from the data, or take the one that the spec asks for.

    Raises
    ------
    DataUnfit
        If the time column does not allow a split in time.
    """
    kind, reason = _kind(dataset, spec)
    gap = 0.0
    if kind == "temporal":
        wanted = spec.split.gap if spec.split.gap is not None else spec.operation.label_delay
        gap = wanted.total_seconds()
        if gap:
            reason += f"; {show_duration(wanted)} between them, the time until the truth is known"
        time = dataset.schema.with_role("time")
        if gap and time is not None and time.type != "datetime":
            raise DataUnfit(
                "a gap in days or hours needs a time column of dates",
                where=f"column {time.name!r}, {spec.where('split', 'gap')}",
                fix="name a column of dates in data.time, or remove the gap and the label delay",
            )
    return SplitPlan(kind=kind, test_share=spec.split.test_share, reason=reason, gap=gap, folds=spec.split.folds)


def _kind(dataset: Dataset, spec: Spec) -> tuple[SplitKind, str]:
    if spec.split.kind != "auto":
        return spec.split.kind, "the spec asks for it"
    if spec.data.time is not None:
        return "temporal", f"rows have a time ({spec.data.time}): test rows are later than training rows"
    if spec.data.group is not None:
        return "grouped", f"rows belong to groups ({spec.data.group}): a group is on one side only"
    if dataset.task == "regression":
        return "random", "rows have neither time nor group; test rows have the same range of the target"
    return "stratified", "rows have neither time nor group; both sides have the same share of each class"


def split_rows(dataset: Dataset, plan: SplitPlan, *, seed: int) -> Split:
    """Keep test rows apart.

    Equal rows stay on the same side of a split by chance, so that no test row was learned by heart; unless so many rows are
    equal that they are no copies.

    Raises
    ------
    DataUnfit
        If one side would be empty or lack a class.
    """
    n = len(dataset)
    left_out = np.zeros(0, dtype=np.int64)
    if plan.kind == "temporal":
        train, test, left_out = _in_time(dataset, plan)
    else:
        unit, rng = _units(dataset, plan.kind), named_rng(seed, "split")
        order = _spread_order(unit, _strata(dataset), rng)
        # Every 1/share-th unit in that order, from a random start.
        passed = np.floor(np.arange(len(order) + 1) * plan.test_share + rng.random())
        chosen = np.zeros(len(order), dtype=bool)
        chosen[order[np.diff(passed) > 0]] = True
        in_test = chosen[unit]
        train, test = np.flatnonzero(~in_test), np.flatnonzero(in_test)
    _refuse_useless(dataset, train, test, plan)
    assert len(train) + len(test) + len(left_out) == n
    return Split(plan=plan, dataset=dataset, train_rows=train, test_rows=test, left_out=left_out)


def fold_rows(train: Dataset, plan: SplitPlan, k: int, *, seed: int) -> list[Fold]:
    """Folds of the training rows, of the same kind as the split.

    Parameters
    ----------
    k
        How many. A temporal plan gives k folds that go forward in time, each trained on all rows before it.
    """
    if plan.kind == "temporal":
        return _forward(train, plan, k)
    unit = _units(train, plan.kind)
    order = _spread_order(unit, _strata(train), named_rng(seed, "folds", k))
    number = np.empty(int(unit.max()) + 1, dtype=np.int64)
    number[order] = np.arange(len(order)) % k
    fold = number[unit]
    return [
        Fold(train=np.flatnonzero(fold != i), validation=np.flatnonzero(fold == i))
        for i in range(k)
        if (fold == i).any() and (fold != i).any()
    ]


def _units(dataset: Dataset, kind: SplitKind) -> IntArray:
    """What must stay together: groups, or equal rows; as numbers from 0, shape (n_rows,).

    Where many rows have a twin, equal rows are no copies but what such columns make, and each row stands for itself.
    """
    groups = dataset.groups if kind == "grouped" else None
    keys = groups if groups is not None else hash_rows(dataset.table, [*dataset.features])
    _, unit, counts = np.unique(keys, return_inverse=True, return_counts=True)
    if groups is None and (counts[unit] > 1).mean() > _NATURAL_TWINS:
        return np.arange(len(dataset), dtype=np.int64)
    return unit.astype(np.int64)


def _strata(dataset: Dataset) -> IntArray:
    """Class numbers, or tenths of a target of numbers; shape (n_rows,)."""
    if dataset.task != "regression":
        return dataset.y.astype(np.int64)
    ranks = np.argsort(np.argsort(dataset.y, kind="stable"), kind="stable")
    return (ranks * _STRATA_OF_NUMBERS // max(len(dataset), 1)).astype(np.int64)


def _spread_order(unit: IntArray, strata: IntArray, rng: np.random.Generator) -> IntArray:
    """The units so that neighbours are alike: by stratum (that of the first row), by size, and at random among equals."""
    first = np.unique(unit, return_index=True)[1]
    return np.lexsort([rng.permutation(len(first)), np.bincount(unit), strata[first]]).astype(np.int64)


def _in_time(dataset: Dataset, plan: SplitPlan) -> tuple[IntArray, IntArray, IntArray]:
    times = dataset.times
    assert times is not None
    time = dataset.schema.with_role("time")
    assert time is not None
    known = np.isfinite(times)
    if known.mean() < 0.5 or len(np.unique(times[known])) < 2:
        raise DataUnfit(
            "the time column is mostly missing or has one value only, so rows cannot be put in time",
            where=f"column {time.name!r}",
            fix="name another column in data.time, or set `split.kind: random`",
        )
    # A row without a time could be from after the test: it is for neither side.
    start = np.quantile(times[known], 1 - plan.test_share, method="higher")
    if start == times[known].min():
        start = np.unique(times[known])[1]
    test = known & (times >= start)
    train = known & (times < start - plan.gap) if plan.gap else known & (times < start)
    return np.flatnonzero(train), np.flatnonzero(test), np.flatnonzero(~train & ~test)


def _forward(train: Dataset, plan: SplitPlan, k: int) -> list[Fold]:
    times = train.times
    assert times is not None
    # The first part is for learning only and twice as long as the others.
    edges = np.quantile(times, np.arange(2, k + 3) / (k + 2), method="higher")
    folds = []
    for i in range(k):
        last = i == k - 1
        validation = (times >= edges[i]) & ((times <= edges[i + 1]) if last else (times < edges[i + 1]))
        before = times < edges[i] - plan.gap if plan.gap else times < edges[i]
        if validation.any() and before.sum() >= 10:
            folds.append(Fold(train=np.flatnonzero(before), validation=np.flatnonzero(validation)))
    if not folds:
        raise DataUnfit(
            "the rows span too little time for a validation forward in time with this gap",
            where="the training rows",
            fix="shorten split.gap, bring older rows, or set `split.kind: random`",
        )
    return folds


def _refuse_useless(dataset: Dataset, train: IntArray, test: IntArray, plan: SplitPlan) -> None:
    y: FloatArray = dataset.y
    where = f"a {plan.kind} split with a test share of {plan.test_share:g}"
    if len(train) < 10 or len(test) == 0:
        raise DataUnfit(
            f"the split leaves {len(train)} rows for training and {len(test)} for the test",
            where=where,
            fix="bring more rows, change split.test_share, or shorten split.gap",
        )
    if dataset.task != "regression" and len(np.unique(y[train])) < 2:
        raise DataUnfit(
            "all training rows have the same class",
            where=where,
            fix="bring more rows of the other classes, or set `split.kind: stratified`",
        )
    if dataset.task == "binary" and len(np.unique(y[test])) < 2:
        raise DataUnfit(
            "all test rows have the same class, so nothing could be tested",
            where=where,
            fix="bring more rows of the rarer class, or set split.test_share higher",
        )
