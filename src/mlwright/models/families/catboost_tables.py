"""The trees of a CatBoost model as the plain arrays that answer rows: only the questions that are asked, each with its bin."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlwright.data.dataset import FloatArray
from mlwright.models.families.catboost_file import (
    CatBoostTrees,
    Combination,
    Statistic,
    StatisticFeature,
    StatisticTable,
)

#: A bin is one byte: a column with more borders than that is several columns.
_MOST_BORDERS = 255
#: CatBoost grows no deeper trees.
_MOST_DEPTH = 16
#: The place of a column in the number of a question, beside the least bin that says yes.
_COLUMN = 256


Kind = Literal["number", "level", "statistic"]
#: Whether the number or statistic with this index lies above a border, or the category is at the level with this hash.
Question = tuple[Kind, int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObliviousTables:
    """What `mlwright._kernels._oblivious.Oblivious` is made from.

    Each column holds a small number ("bin"): how many of its borders lie below a number or a statistic, or whether a
    category has a level. First come the columns of numbers, then those of levels, then those of the tables. A question is
    256 times a column plus the least bin that says yes.

    Attributes
    ----------
    number_features, number_missing_last : shape (n_number_columns,)
        The feature that a column reads, and whether a missing value lies above all borders.
    border_starts : shape (n_number_columns + 1,)
        Where the borders of a column start.
    category_features : shape (n_categories,)
    level_categories, level_hashes : shape (n_level_columns,)
    table_category_starts, table_question_starts, table_key_starts : shape (n_tables + 1,)
    table_categories, table_questions
        What is hashed together: categories, then the answers to questions about columns of numbers and of levels.
    table_widths : shape (n_tables,)
        How many columns a table fills.
    table_bins
        Of each table first the bins of a hash that it does not know, then those of each of its keys.
    depths : shape (n_trees,)
    questions : shape (sum of depths,)
    leaves : shape (sum of 2 ** depth, n_outputs)
    biases : shape (n_outputs,)
    """

    n_features: int
    number_features: NDArray[np.int32] = field(repr=False)
    number_missing_last: NDArray[np.uint8] = field(repr=False)
    border_starts: NDArray[np.int32] = field(repr=False)
    borders: NDArray[np.float32] = field(repr=False)
    category_features: NDArray[np.int32] = field(repr=False)
    level_categories: NDArray[np.int32] = field(repr=False)
    level_hashes: NDArray[np.int32] = field(repr=False)
    table_category_starts: NDArray[np.int32] = field(repr=False)
    table_categories: NDArray[np.int32] = field(repr=False)
    table_question_starts: NDArray[np.int32] = field(repr=False)
    table_questions: NDArray[np.uint32] = field(repr=False)
    table_widths: NDArray[np.int32] = field(repr=False)
    table_key_starts: NDArray[np.int64] = field(repr=False)
    table_keys: NDArray[np.uint64] = field(repr=False)
    table_bins: NDArray[np.uint8] = field(repr=False)
    depths: NDArray[np.uint8] = field(repr=False)
    questions: NDArray[np.uint32] = field(repr=False)
    leaves: FloatArray = field(repr=False)
    scale: float
    biases: FloatArray


class _Column(NamedTuple):
    """A column of bins: of a number or a statistic with borders, or of a category with one level."""

    kind: Kind
    about: int
    borders: tuple[float, ...]


def tables_of(trees: CatBoostTrees, rounds: int) -> ObliviousTables:
    """The first `rounds` trees as arrays; columns, borders and statistics that these do not ask for are left out.

    Raises
    ------
    ValueError, IndexError, KeyError
        If parts of the model do not fit together.
    """
    depths = trees.depths[:rounds]
    if not ((depths >= 0) & (depths <= _MOST_DEPTH)).all():
        raise ValueError("a tree is too deep")
    asked = trees.questions[: depths.sum()]
    if asked.size and asked.min() < 0:
        raise ValueError("a question has no number")
    everything = _questions_of(trees)
    used = {everything[number] for number in np.unique(asked).tolist()}
    combined: dict[Combination, list[_Column]] = {}
    for column in _columns_of("statistic", used):
        combined.setdefault(trees.statistics[column.about].combination, []).append(column)
    used.update(question for combination in combined for question in _questions_within(combination))
    numbers, levels = _columns_of("number", used), _columns_of("level", used)
    code = _codes([*numbers, *levels, *(column for columns in combined.values() for column in columns)])
    entries = [_entries(trees, columns) for columns in combined.values()]
    within = [_questions_within(combination) for combination in combined]
    return ObliviousTables(
        n_features=trees.n_columns,
        number_features=_int32(trees.numbers[column.about].column for column in numbers),
        number_missing_last=np.array([trees.numbers[column.about].missing_last for column in numbers], dtype=np.uint8),
        border_starts=_int32(_starts(column.borders for column in numbers)),
        borders=np.array([border for column in numbers for border in column.borders], dtype=np.float32),
        category_features=_int32(trees.categories),
        level_categories=_int32(column.about for column in levels),
        level_hashes=_int32(column.borders[0] for column in levels),
        table_category_starts=_int32(_starts(combination.categories for combination in combined)),
        table_categories=_int32(number for combination in combined for number in combination.categories),
        table_question_starts=_int32(_starts(within)),
        table_questions=np.array([code[question] for questions in within for question in questions], dtype=np.uint32),
        table_widths=_int32(len(columns) for columns in combined.values()),
        table_key_starts=np.array(_starts(keys for keys, _ in entries), dtype=np.int64),
        table_keys=np.concatenate([np.empty(0, np.uint64), *(keys for keys, _ in entries)]),
        table_bins=np.concatenate([np.empty(0, np.uint8), *(bins.ravel() for _, bins in entries)]),
        depths=depths.astype(np.uint8),
        questions=np.array([code[everything[number]] for number in asked.tolist()], dtype=np.uint32),
        leaves=trees.leaves[: (1 << depths.astype(np.int64)).sum()].astype(np.float64),
        scale=trees.scale,
        biases=trees.biases.astype(np.float64),
    )


def _questions_of(trees: CatBoostTrees) -> list[Question]:
    """All that a tree could ask, in the order in which the model numbers it."""
    return [
        *(("number", index, border) for index, one in enumerate(trees.numbers) for border in one.borders.tolist()),
        *(("level", category, value) for category, values in trees.one_hot for value in values.tolist()),
        *(
            ("statistic", index, border)
            for index, one in enumerate(trees.statistics)
            for border in one.borders.tolist()
        ),
    ]


def _questions_within(combination: Combination) -> list[Question]:
    return [
        *(("number", index, border) for index, border in combination.borders),
        *(("level", category, value) for category, value in combination.levels),
    ]


def _columns_of(kind: Kind, used: set[Question]) -> list[_Column]:
    """As few columns as can hold the borders; a level has a column of its own."""
    borders = defaultdict(list)
    for _, index, border in sorted(question for question in used if question[0] == kind):
        borders[index].append(border)
    most = 1 if kind == "level" else _MOST_BORDERS
    return [
        _Column(kind, index, tuple(found[first : first + most]))
        for index, found in borders.items()
        for first in range(0, len(found), most)
    ]


def _codes(columns: Sequence[_Column]) -> dict[Question, int]:
    return {
        (column.kind, column.about, border): _COLUMN * number + least
        for number, column in enumerate(columns)
        for least, border in enumerate(column.borders, start=1)
    }


def _entries(trees: CatBoostTrees, columns: Sequence[_Column]) -> tuple[NDArray[np.uint64], NDArray[np.uint8]]:
    """Of one combination the hashes that are known, and the bins of none and of each of them."""
    features = {column.about: trees.statistics[column.about] for column in columns}
    tables = {index: trees.tables[one.combination, one.statistic] for index, one in features.items()}
    keys = np.unique(np.concatenate([table.hashes for table in tables.values()]))
    values = {index: _values(one, tables[index], keys) for index, one in features.items()}
    bins = np.empty((len(keys) + 1, len(columns)), dtype=np.uint8)
    for place, column in enumerate(columns):
        bins[:, place] = np.searchsorted(np.array(column.borders, dtype=np.float32), values[column.about], side="left")
    return keys, bins


def _values(feature: StatisticFeature, table: StatisticTable, keys: NDArray[np.uint64]) -> NDArray[np.float32]:
    """The statistic of a combination that is not known, and of each key, in single precision as CatBoost has it."""
    good, total, total_of_none = _counts(feature, table)
    order = np.argsort(table.hashes)
    place = np.searchsorted(table.hashes, keys, sorter=order).clip(max=max(len(order) - 1, 0))
    known = table.hashes[order][place] == keys if len(order) else np.zeros(len(keys), dtype=bool)
    entry = table.entries[order][place[known]]
    goods = np.zeros(len(keys) + 1, dtype=np.float32)
    totals = np.full(len(keys) + 1, total_of_none, dtype=np.float32)
    goods[1:][known] = good[entry]
    totals[1:][known] = total[entry]
    with np.errstate(all="ignore"):
        share = (goods + np.float32(feature.prior)) / (totals + np.float32(feature.prior_weight))
        value: NDArray[np.float32] = (share + np.float32(feature.shift)) * np.float32(feature.scale)
    return np.where(np.isnan(value), np.float32(-np.inf), value)  # above no border


def _counts(feature: StatisticFeature, table: StatisticTable) -> tuple[NDArray[np.generic], NDArray[np.generic], int]:
    """What counts for a statistic and out of how much, by entry; and out of how much where there is no entry."""
    if feature.statistic == Statistic.BINARIZED_TARGET_MEAN:
        means = np.frombuffer(table.content, dtype=[("sum", "<f4"), ("count", "<i4")])
        return means["sum"], means["count"], 0
    counts = np.frombuffer(table.content, dtype="<i4")
    if feature.statistic == Statistic.COUNTER:
        return counts, np.full(len(counts), table.denominator), table.denominator
    if feature.statistic == Statistic.BUCKETS:
        by_class = counts.reshape(-1, table.n_classes)
        return by_class[:, feature.target_border], by_class.sum(axis=1), 0
    by_class = counts.reshape(-1, max(table.n_classes, 2))
    first = feature.target_border + 1 if table.n_classes > 2 else 1
    return by_class[:, first:].sum(axis=1), by_class.sum(axis=1), 0


def _starts(slices: Iterable[Sized]) -> list[int]:
    return [0, *accumulate(len(one) for one in slices)]


def _int32(numbers: Iterable[float]) -> NDArray[np.int32]:
    return np.array(list(numbers), dtype=np.int32)
