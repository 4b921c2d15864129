"""CatBoost's own model file (`.cbm`), read without CatBoost: what its trees ask, what they answer, what it knows of levels.

The file is a FlatBuffer with the trees, followed by one FlatBuffer for each table of statistics of levels. A field is asked
for by its number, which is its place in CatBoost's own schemas.

References
----------
CatBoost, `catboost/libs/model/flatbuffers/{model,features,ctr_data}.fbs`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from mlwright.models.families.flatbuffers import Reader, Table, root_of

_MAGIC = b"CBM1"
_VERSION = b"FlabuffersModel_v1"
_STATISTICS = b"static_provider_v1"
#: Fields of the trees: nodes and leaves of trees that are not symmetric, features of text, estimated ones, embeddings.
_NOT_READ = (10, 11, 12, 13, 18)
#: How CatBoost lays out an entry of a table of hashes.
_BUCKET = np.dtype([("hash", "<u8"), ("entry", "<u4")])
_FLOAT_QUESTION = np.dtype([("feature", "<i4"), ("border", "<f4")])
_LEVEL_QUESTION = np.dtype([("feature", "<i4"), ("value", "<i4")])


class Statistic(IntEnum):
    """What a statistic of a level says, as CatBoost numbers them; two more exist only on graphics cards."""

    BORDERS = 0
    BUCKETS = 1
    BINARIZED_TARGET_MEAN = 2
    COUNTER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFeature:
    """A column of numbers and the borders that trees may ask about.

    Attributes
    ----------
    column
        Its position among all columns.
    missing_last
        A missing value lies above all borders, else below.
    """

    column: int
    borders: NDArray[np.float32] = field(repr=False)
    missing_last: bool


@dataclass(frozen=True, slots=True)
class Combination:
    """Levels of categories with answers to questions, which together are looked up by hash.

    Attributes
    ----------
    borders, levels
        Pairs of a feature (among the numbers, among the categories) with a border or with the hash of a level.
    """

    categories: tuple[int, ...]
    borders: tuple[tuple[int, float], ...]
    levels: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticFeature:
    """A number that is worked out from the statistic of a combination, and the borders that trees may ask about."""

    combination: Combination
    statistic: Statistic
    target_border: int
    prior: float
    prior_weight: float
    shift: float
    scale: float
    borders: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatisticTable:
    """What the training rows say of each combination.

    Attributes
    ----------
    hashes : shape (n_combinations,)
    entries : shape (n_combinations,)
        Where in `content` each stands.
    """

    hashes: NDArray[np.uint64] = field(repr=False)
    entries: NDArray[np.int64] = field(repr=False)
    content: bytes = field(repr=False)
    denominator: int
    n_classes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CatBoostTrees:
    """Symmetric trees with all that they need to answer.

    Attributes
    ----------
    categories
        Position among all columns of each category.
    one_hot
        Categories with the hashes of their levels that trees may ask for.
    depths : shape (n_trees,)
    questions : shape (sum of depths,)
        Numbers into all borders of numbers, then all levels of `one_hot`, then all borders of `statistics`.
    leaves : shape (sum of 2 ** depth, n_outputs)
    biases : shape (n_outputs,)
    """

    n_columns: int
    numbers: tuple[NumberFeature, ...]
    categories: tuple[int, ...]
    one_hot: tuple[tuple[int, NDArray[np.int32]], ...]
    statistics: tuple[StatisticFeature, ...]
    tables: dict[tuple[Combination, Statistic], StatisticTable]
    depths: NDArray[np.int32] = field(repr=False)
    questions: NDArray[np.int32] = field(repr=False)
    leaves: NDArray[np.float64] = field(repr=False)
    scale: float
    biases: NDArray[np.float64]


def parse_catboost(data: bytes) -> CatBoostTrees | None:
    """The trees of a model file; None if it has trees or features of a kind that is not read here.

    Raises
    ------
    ValueError, struct.error, IndexError
        If it is no such file, or is cut off.
    """
    if data[:4] != _MAGIC:
        raise ValueError("this is no CatBoost model file")
    core = Reader(data[8:]).slice(struct.unpack_from("<I", data, 4)[0])
    root = root_of(core)
    if root.text(0) != _VERSION or root.texts(3) not in ([], [_STATISTICS]):
        return None
    trees = root.table(1)
    if trees is None:
        raise ValueError("there are no trees")
    if any(trees.length(number) for number in _NOT_READ):
        return None
    try:
        return _trees(trees, Reader(data[8 + len(core) :]) if root.length(3) else None)
    except _NotRead:
        return None


class _NotRead(Exception):
    """A kind of statistic that is not known here."""


def _trees(trees: Table, rest: Reader | None) -> CatBoostTrees:
    n_outputs = trees.int32(0)
    biases = trees.array(16, np.float64)
    numbers, categories = trees.tables(5), trees.tables(4)
    order = [*(one.int32(1, -1) for one in numbers), *(one.int32(0, -1) for one in categories)]
    if order != [*range(len(numbers)), *range(len(categories))]:
        raise ValueError("the features do not stand in their order")
    return CatBoostTrees(
        n_columns=len(numbers) + len(categories),
        numbers=tuple(
            NumberFeature(column=one.int32(2, -1), borders=one.array(3, np.float32), missing_last=one.int8(5) == 2)
            for one in numbers
        ),
        categories=tuple(one.int32(1, -1) for one in categories),
        one_hot=tuple((one.int32(0, -1), one.array(1, np.int32)) for one in trees.tables(6)),
        statistics=tuple(_statistic(one) for one in trees.tables(7)),
        tables={} if rest is None else _tables(rest),
        depths=trees.array(2, np.int32),
        questions=trees.array(1, np.int32),
        leaves=trees.array(8, np.float64).reshape(-1, n_outputs),
        scale=trees.float64(14, 1.0),
        biases=biases if len(biases) else np.full(n_outputs, trees.float64(15, 0.0)),
    )


def _statistic(feature: Table) -> StatisticFeature:
    ctr = feature.table(0)
    base = ctr and ctr.table(0)
    if ctr is None or base is None:
        raise ValueError("a statistic is about nothing")
    return StatisticFeature(
        combination=_combination(base),
        statistic=_kind(base),
        target_border=ctr.int32(1),
        prior=ctr.float32(2, 0.0),
        prior_weight=ctr.float32(3, 1.0),
        shift=ctr.float32(4, 0.0),
        scale=ctr.float32(5, 1.0),
        borders=feature.array(1, np.float32),
    )


def _kind(base: Table) -> Statistic:
    if base.int8(1) not in list(Statistic):
        raise _NotRead
    return Statistic(base.int8(1))


def _combination(base: Table) -> Combination:
    given = base.table(0)
    if given is None:
        raise ValueError("a statistic is about no category")
    return Combination(
        tuple(given.array(0, np.int32).tolist()),
        tuple(given.records(1, _FLOAT_QUESTION).tolist()),
        tuple(given.records(2, _LEVEL_QUESTION).tolist()),
    )


def _tables(rest: Reader) -> dict[tuple[Combination, Statistic], StatisticTable]:
    found = {}
    for _ in range(rest.size()):
        table = root_of(rest.slice(rest.size()))
        base = table.table(0)
        if base is None:
            raise ValueError("a table is about nothing")
        buckets = np.frombuffer(table.array(1, np.uint8), _BUCKET)
        # The hash of all ones marks a place that is empty.
        buckets = buckets[buckets["hash"] != np.iinfo(np.uint64).max]
        found[_combination(base), _kind(base)] = StatisticTable(
            hashes=buckets["hash"].astype(np.uint64),
            entries=buckets["entry"].astype(np.int64),
            content=table.array(2, np.uint8).tobytes(),
            denominator=table.int32(3),
            n_classes=table.int32(4),
        )
    return found
