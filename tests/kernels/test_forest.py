"""Compiled trees against the same trees walked one node at a time, and what is refused as a table."""

from __future__ import annotations

import math
import tracemalloc
from array import array
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from mlwright._kernels.trees import CompiledForest, LevelSplits, Link, Missing, Reading, Trees, compile_forest
from mlwright.data.dataset import FloatArray

kernel = pytest.importorskip("mlwright._kernels._forest", reason="the compiled kernels are not built here")

N_FEATURES = 5
#: Split by level; the others by threshold.
OF_LEVELS = (3, 4)
THRESHOLDS = (-1e300, -1.5, -1.0000000180025095e-35, 0.0, 1.0000000180025095e-35, 0.25, 3.0, 1e300)


@st.composite
def forests(draw: st.DrawFn) -> Trees:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    link = draw(st.sampled_from(Link))
    n_sums = 1 if link == Link.SIGMOID else draw(st.integers(1, 4))
    n_values = n_sums if link == Link.SHARES else 1
    n_trees = draw(st.integers(1, 40))
    nodes: list[dict[str, Any]] = []
    roots = [_grow(rng, nodes, draw(st.integers(0, 7)), n_values) for _ in range(n_trees)]
    on_levels = [i for i, node in enumerate(nodes) if node["left"] != i and node["feature"] in OF_LEVELS]
    listed = [rng.choice(70, rng.integers(0, 9), replace=False) for _ in on_levels]
    reading = draw(st.sampled_from(Reading))
    return Trees(
        n_features=N_FEATURES,
        root=np.array(roots),
        **{name: np.array([node[name] for node in nodes]) for name in ("feature", "left", "right", "missing", "value")},
        threshold=np.array([node["threshold"] for node in nodes]),
        levels=LevelSplits(
            node=np.array(on_levels, dtype=np.int64),
            missing_right=rng.random(len(on_levels)) < 0.5,
            listed_right=draw(st.booleans()),
            split=np.repeat(np.arange(len(listed)), [len(one) for one in listed]),
            level=np.concatenate([np.zeros(0, np.int64), *listed]),
        ),
        sum_of_tree=np.zeros(n_trees, np.int64) if n_values > 1 else np.arange(n_trees) % n_sums,
        start=rng.normal(size=n_sums).astype(np.float32).astype(np.float64),
        reading=reading,
        single=bool(reading == Reading.SINGLE),
        link=link,
        divisor=float(n_trees) if link == Link.SHARES else 1.0,
        shares=rng.dirichlet(np.ones(max(n_sums, 2))) if link == Link.SHARES else np.zeros(0),
        n_rows=20.0,
    )


def _grow(rng: np.random.Generator, nodes: list[dict[str, Any]], depth: int, n_values: int) -> int:
    """Adds a tree, its children before or after one another, and not beside each other; gives its root."""
    here = len(nodes)
    nodes.append(
        {
            "feature": int(rng.integers(0, N_FEATURES)),
            "threshold": float(rng.choice(THRESHOLDS)),
            "missing": int(rng.integers(0, len(Missing))),
            "left": here,
            "right": here,
            "value": rng.uniform(0.1, 1, size=n_values).astype(np.float32).astype(np.float64),
        }
    )
    if depth > 0 and rng.random() < 0.85:
        for side in rng.permutation(["left", "right"]):
            nodes[here][side] = _grow(rng, nodes, depth - 1, n_values)
    return here


def plainly(trees: Trees, row: FloatArray) -> FloatArray:
    """The sums of a row, node by node."""
    sums = trees.start.copy()
    split_of = {node: i for i, node in enumerate(trees.levels.node.tolist())}
    for root, first in zip(trees.root, trees.sum_of_tree, strict=True):
        at = int(root)
        while trees.left[at] != at:
            value = as_read(trees.reading, float(row[trees.feature[at]]))
            split = split_of.get(at)
            right = number_right(trees, at, value) if split is None else level_right(trees, split, value)
            at = int(trees.right[at] if right else trees.left[at])
        for j, value in enumerate(trees.value[at]):
            added = sums[first + j] + value
            sums[first + j] = np.float32(added) if trees.single else added
    return sums / trees.divisor


def as_read(reading: Reading, value: float) -> float:
    if reading == Reading.SINGLE:
        with np.errstate(over="ignore"):
            return float(np.float32(value))
    return 0.0 if reading == Reading.TINY_IS_ZERO and abs(value) <= float(np.float32(1e-35)) else value


def number_right(trees: Trees, at: int, value: float) -> bool:
    if math.isnan(value):
        missing = Missing(trees.missing[at])
        return bool(trees.threshold[at] < 0.0) if missing == Missing.AS_ZERO else missing == Missing.RIGHT
    return bool(value > trees.threshold[at])


def level_right(trees: Trees, split: int, value: float) -> bool:
    if math.isnan(value):
        return bool(trees.levels.missing_right[split])
    least = 0.0 if trees.reading == Reading.SINGLE else math.nextafter(-1.0, 0.0)
    listed = trees.levels.level[trees.levels.split == split].tolist()
    known = least <= value < 1e9 and int(value) in listed
    return known == trees.levels.listed_right


def answer(trees: Trees, sums: FloatArray) -> FloatArray:
    if trees.link == Link.SIGMOID:
        return np.asarray(expit(sums))
    if trees.link == Link.SOFTMAX:
        return np.asarray(softmax(sums))
    if trees.link == Link.IDENTITY:
        return sums
    means = np.array([1 - sums[0], sums[0]]) if len(sums) == 1 else sums
    smoothed: FloatArray = (trees.n_rows * means / means.sum() + trees.shares) / (trees.n_rows + 1)
    return smoothed if len(smoothed) > 2 else smoothed[1:]


ODD = [*THRESHOLDS, np.nan, np.inf, -np.inf, -0.0, -0.5, -1.0, 2.0, 2.7, 69.0, 69.5, 70.0, 71.0, 1e20, 1e-36, -1e-36]
ROWS = st.lists(
    st.lists(st.sampled_from(ODD) | st.floats(width=64) | st.floats(0, 75), min_size=N_FEATURES, max_size=N_FEATURES),
    min_size=1,
    max_size=30,
)


def compiled(trees: Trees) -> CompiledForest:
    form = compile_forest(trees, tolerance=0.0)
    assert form is not None
    return form


@given(trees=forests(), rows=ROWS)
def test_sums_are_those_of_a_walk_node_by_node_to_the_bit(trees: Trees, rows: list[list[float]]) -> None:
    values = np.array(rows)
    expected = np.array([plainly(trees, row) for row in values])
    # The sums are told before they are divided.
    assert np.array_equal(compiled(trees).raw(values).reshape(expected.shape) / trees.divisor, expected)


@given(trees=forests(), rows=ROWS)
def test_one_row_and_many_rows_give_what_the_link_makes_of_the_sums(trees: Trees, rows: list[list[float]]) -> None:
    form, values = compiled(trees), np.array(rows)
    expected = np.array([answer(trees, plainly(trees, row)) for row in values])
    one_by_one = np.array([form.one(row) for row in values])
    np.testing.assert_allclose(one_by_one, expected, rtol=1e-13, atol=1e-15)
    assert np.array_equal(form.many(values).reshape(expected.shape), one_by_one)


def stumps(n_trees: int = 3) -> Trees:
    """Trees that ask whether feature 0 is above 0, 1, 2 and so on, and add 1 where it is."""
    return Trees(
        n_features=2,
        root=np.arange(n_trees) * 3,
        feature=np.zeros(n_trees * 3, np.int64),
        left=np.repeat(np.arange(n_trees) * 3, 3) + np.tile([1, 1, 2], n_trees),
        right=np.repeat(np.arange(n_trees) * 3, 3) + np.tile([2, 1, 2], n_trees),
        threshold=np.repeat(np.arange(n_trees, dtype=np.float64), 3),
        missing=np.zeros(n_trees * 3, np.int64),
        value=np.tile([0.0, 0.0, 1.0], n_trees)[:, None],
        sum_of_tree=np.zeros(n_trees, np.int64),
        start=np.zeros(1),
    )


def test_a_row_may_be_any_buffer_of_float64_and_nothing_else() -> None:
    one = compiled(stumps()).one
    row = np.array([1.5, 0.0])
    for buffer in (row, array("d", row), bytearray(row.tobytes()), memoryview(row.tobytes())):
        assert one(buffer) == (2.0,)
    for wrong in (
        row[:1],
        np.zeros(3),
        np.zeros(4)[::2],
        np.zeros(2, np.float32),
        np.zeros(2, np.int64),
        [1.5, 0.0],
        None,
    ):
        with pytest.raises((TypeError, ValueError, BufferError)):
            one(wrong)


def test_rows_of_the_wrong_shape_are_refused_and_the_answers_left_alone() -> None:
    table = compiled(stumps())._table
    out = np.full(3, 7.0)
    read_only = np.zeros(3)
    read_only.flags.writeable = False
    for values, n, into in ((np.zeros((3, 3)), 3, out), (np.zeros((3, 2)), 2, out), (np.zeros((3, 2)), -1, out)):
        with pytest.raises(ValueError, match=r"float64 is needed|number of rows"):
            table.many(values, n, into, False)
    with pytest.raises(ValueError, match="read-only"):
        table.many(np.zeros((3, 2)), 3, read_only, False)
    assert (out == 7).all()
    assert compiled(stumps()).many(np.zeros((0, 2))).shape == (0,)


def test_threads_that_share_a_forest_do_not_disturb_each_other() -> None:
    form = compiled(stumps(200))
    parts = [np.random.default_rng(i).uniform(-5, 205, size=(3000, 2)) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(form.many, parts))
    for values, found in zip(parts, together, strict=True):
        assert np.array_equal(found, np.clip(np.ceil(values[:, 0]), 0, 200))


def tables() -> dict[str, Any]:
    """A whole table with a column of numbers, one of levels, and one tree of two splits."""
    return {
        "n_features": 2,
        "ranked": np.array([[0, 2, 1]], np.int32),
        "thresholds": np.array([0.5, 1.5]),
        "levelled": np.array([[1, 1, 2, 3]], np.int32),
        "row_of_level": np.array([0, 1, 0, 1, 0], np.int32),
        "answers": np.array([0, 1], np.uint8),
        "questions": np.array([2, 3, 0, 0, 0], np.int32),
        "lefts": np.array([1, 3, 2, 3, 4], np.int32),
        "values": np.array([0.0, 0.0, 1.0, 2.0, 3.0]),
        "roots": np.array([0], np.int32),
        "sum_of_tree": np.array([0], np.int32),
        "start": np.array([10.0]),
        "shares": np.zeros(0),
        "reading": 0,
        "single": False,
        "link": 0,
        "divisor": 1.0,
        "n_rows": 0.0,
    }


def test_a_whole_table_answers() -> None:
    forest = kernel.Forest(**tables())
    rows = [[0.0, 0.0], [1.5, 1.0], [1.6, 0.0], [np.nan, 3.0], [1.0, np.nan]]
    assert [forest.one(np.array(row))[0] for row in rows] == [12.0, 13.0, 11.0, 13.0, 12.0]


@pytest.mark.parametrize(
    ("name", "where", "value"),
    [
        ("ranked", (0, 0), 2),
        ("ranked", (0, 0), -1),
        ("ranked", (0, 1), 0),
        ("ranked", (0, 1), 1),
        ("ranked", (0, 1), 3),
        ("ranked", (0, 2), 3),
        ("ranked", (0, 2), -1),
        ("thresholds", 1, 0.5),
        ("thresholds", 0, np.nan),
        ("levelled", (0, 0), 2),
        ("levelled", (0, 1), 0),
        ("levelled", (0, 1), 2**31 - 1),
        ("levelled", (0, 2), 1),
        ("levelled", (0, 2), 3),
        ("levelled", (0, 3), 2),
        ("levelled", (0, 3), 4),
        ("levelled", (0, 3), -2),
        ("row_of_level", 4, 2),
        ("row_of_level", 0, -1),
        ("answers", 0, 2),
        ("questions", 0, 4),
        ("questions", 0, -1),
        ("questions", 0, 0),
        ("questions", 4, 1),
        ("lefts", 0, 0),
        ("lefts", 1, 0),
        ("lefts", 1, 4),
        ("lefts", 1, 5),
        ("lefts", 1, -1),
        ("roots", 0, 5),
        ("roots", 0, -1),
        ("sum_of_tree", 0, 1),
        ("sum_of_tree", 0, -1),
    ],
)
def test_an_index_that_leads_outside_is_refused(name: str, where: Any, value: float) -> None:
    table = tables()
    table[name][where] = value
    with pytest.raises(ValueError, match="not a forest"):
        kernel.Forest(**table)


@pytest.mark.parametrize("name", [name for name, value in tables().items() if isinstance(value, np.ndarray)])
def test_an_array_that_is_too_short_too_long_or_of_another_kind_is_refused(name: str) -> None:
    whole = tables()[name]
    longer = np.concatenate([whole.ravel(), np.ones(1, whole.dtype)])
    for wrong in (whole.ravel()[:-1], longer, whole.ravel().astype(np.int16), "text"):
        if name == "shares" or (name == "start" and wrong is longer):
            continue  # a sum to which no tree adds, and shares that this link does not use, do no harm
        with pytest.raises((ValueError, TypeError)):
            kernel.Forest(**(tables() | {name: wrong}))


def test_a_table_without_sums_is_refused() -> None:
    none = np.zeros(0, np.int32)
    with pytest.raises(ValueError, match="no sums"):
        kernel.Forest(**(tables() | {"start": np.zeros(0), "roots": none, "sum_of_tree": none}))


@pytest.mark.parametrize("changed", [{"link": 4}, {"link": -1}, {"link": 3}, {"reading": 3}, {"n_features": 1}])
def test_an_unknown_kind_is_refused(changed: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="not a forest"):
        kernel.Forest(**(tables() | changed))


def test_nothing_is_left_in_memory_of_tables_made_asked_and_refused() -> None:
    def use() -> None:
        forest = kernel.Forest(**tables())
        forest.one(np.zeros(2))
        forest.many(np.zeros((90, 2)), 90, np.empty(90), False)
        for name in ("ranked", "row_of_level", "lefts", "sum_of_tree"):
            broken = tables()
            broken[name].ravel()[0] = -7
            with suppress(ValueError):
                kernel.Forest(**broken)
        with suppress(ValueError):
            forest.one(np.zeros(3))

    use()
    tracemalloc.start()
    try:
        use()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(300):
            use()
        # A table takes about 300 bytes, so that one kept in each turn would be far more.
        assert tracemalloc.get_traced_memory()[0] - before < 20_000
    finally:
        tracemalloc.stop()


def test_nodes_that_lead_back_are_refused_rather_than_followed_for_ever() -> None:
    trees = stumps(1)
    trees.right[0] = 0
    with pytest.raises(ValueError, match="two parents"):
        compile_forest(trees, tolerance=0.0)


def test_a_table_that_would_be_huge_is_not_made() -> None:
    levels = LevelSplits(
        node=np.array([0]), missing_right=np.ones(1, np.bool_), split=np.array([0]), level=np.array([2**30])
    )
    trees = stumps(1)
    huge = Trees(**{name: getattr(trees, name) for name in Trees.__slots__ if name != "levels"}, levels=levels)
    assert compile_forest(huge, tolerance=0.0) is None
