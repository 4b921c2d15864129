"""Symmetric trees in compiled code: tables made by hand against a slow plain reading of them, and tables that do not fit."""

from __future__ import annotations

import threading
from array import array
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright._kernels import kernel
from mlwright.data.dataset import FloatArray
from mlwright.models.families.catboost_tables import ObliviousTables

pytestmark = pytest.mark.skipif(kernel("_oblivious") is None, reason="the kernel is not built here")

#: What CatBoost makes of the levels "0" to "3" and of "-1", written down from a model that it exported.
HASHES = {0: -1438285038, 1: 1121341681, 2: -1284790409, 3: 593172586}
_MULTIPLIER = 0x4906BA494954CB65
_WORD = 1 << 64


def combined(*hashed: int) -> int:
    """How CatBoost joins hashes and answers to questions."""
    result = 0
    for one in hashed:
        result = _MULTIPLIER * ((result + _MULTIPLIER * one) % _WORD) % _WORD
    return result


def made(n_outputs: int = 1) -> ObliviousTables:
    """Two numbers, a category, and a table about the category and whether the first number is above 1."""
    keys = [combined(HASHES[0], 0), combined(HASHES[0], 1), combined(HASHES[3], 1)]
    return ObliviousTables(
        n_features=3,
        number_features=np.array([0, 1], np.int32),
        number_missing_last=np.array([0, 1], np.uint8),
        border_starts=np.array([0, 2, 3], np.int32),
        borders=np.array([-1.0, 1.0, 0.5], np.float32),
        category_features=np.array([2], np.int32),
        level_categories=np.array([0], np.int32),
        level_hashes=np.array([HASHES[2]], np.int32),
        table_category_starts=np.array([0, 1], np.int32),
        table_categories=np.array([0], np.int32),
        table_question_starts=np.array([0, 1], np.int32),
        table_questions=np.array([2], np.uint32),
        table_widths=np.array([2], np.int32),
        table_key_starts=np.array([0, 3], np.int64),
        table_keys=np.array(keys, np.uint64),
        table_bins=np.array([[1, 0], [0, 3], [2, 1], [5, 5]], np.uint8).ravel(),
        depths=np.array([3, 0, 2], np.uint8),
        questions=np.array([2, 256 + 1, 2 * 256 + 1, 3 * 256 + 2, 4 * 256 + 3], np.uint32),
        leaves=np.arange(13.0 * n_outputs) ** 1.5 / 7 - 2,
        scale=0.5,
        biases=np.linspace(-1, 1, n_outputs),
    )


def plainly(row: FloatArray, n_outputs: int) -> FloatArray:
    """The sums of `made` for a row, step by step."""
    first, second, level = (np.float32(value) for value in row)
    hashed = {hash_: level for level, hash_ in HASHES.items()}
    number = -1 if np.isnan(level) else int(level)
    above = int(first > 1)
    known = {(0, 0): (0, 3), (0, 1): (2, 1), (3, 1): (5, 5)}
    low, high = known.get((number, above), (1, 0))
    leaf_of_first = above + 2 * int(second > 0.5 or bool(np.isnan(second))) + 4 * int(number == hashed[HASHES[2]])
    leaf_of_last = 9 + int(low >= 2) + 2 * int(high >= 3)
    leaves = made(n_outputs).leaves.reshape(13, n_outputs)
    sums: FloatArray = leaves[leaf_of_first] + leaves[8] + leaves[leaf_of_last]
    return 0.5 * sums + np.linspace(-1, 1, n_outputs)


def oblivious(tables: ObliviousTables, answer: str = "values") -> Any:
    module: Any = kernel("_oblivious")
    return module.Oblivious(tables, answer)


numbers = st.sampled_from([np.nan, np.inf, -np.inf, 0.5, 1.0, -1.0, 1 + 1e-9, 1e300]) | st.floats(-3, 3)
levels = st.just(np.nan) | st.integers(-1, 5)
rows = st.lists(st.tuples(numbers, numbers, levels), min_size=1, max_size=300)


@pytest.mark.parametrize("n_outputs", [1, 3])
@given(rows=rows)
def test_rows_are_answered_as_a_plain_reading_of_the_tables_does(rows: list[Any], n_outputs: int) -> None:
    values = np.array(rows, dtype=np.float64)
    with np.errstate(over="ignore"):
        expected = np.array([plainly(row, n_outputs) for row in values])
    trees = oblivious(made(n_outputs))
    answers = np.empty((len(values), n_outputs))
    trees.many(values, answers)
    np.testing.assert_allclose(answers, expected, rtol=1e-14, atol=1e-14)
    assert [list(trees.one(row)) for row in values] == answers.tolist()


def test_sums_become_probabilities() -> None:
    row = np.array([2.0, 0.0, 3.0])
    (raw,), several = oblivious(made()).one(row), oblivious(made(3)).one(row)
    assert oblivious(made(), "sigmoid").one(row) == pytest.approx((1 / (1 + np.exp(-raw)),), abs=1e-15)
    odds = np.exp(several)
    assert oblivious(made(3), "softmax").one(row) == pytest.approx(tuple(odds / odds.sum()), abs=1e-15)


def test_only_a_buffer_of_the_right_numbers_is_a_row() -> None:
    trees = oblivious(made())
    assert trees.one(array("d", [0.0, 1.0, 2.0])) == trees.one(np.array([0.0, 1.0, 2.0]))
    assert trees.n_features == 3
    assert trees.n_outputs == 1
    for wrong in (np.zeros(2), np.zeros(4), np.zeros(3, np.float32), np.zeros(6)[::2], [0.0, 1.0, 2.0], "row", None):
        with pytest.raises((TypeError, ValueError, BufferError)):
            trees.one(wrong)


def test_answers_are_written_only_where_they_have_room() -> None:
    trees, values = oblivious(made()), np.zeros((4, 3))
    fixed = np.zeros(4)
    fixed.flags.writeable = False
    for wrong in (np.zeros(3), np.zeros(5), np.zeros(4, np.float32), fixed):
        with pytest.raises((TypeError, ValueError, BufferError)):
            trees.many(values, wrong)
    with pytest.raises(ValueError, match="rows of 3"):
        trees.many(np.zeros(4), np.zeros(1))
    trees.many(np.zeros((0, 3)), np.zeros(0))


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_features": 2},
        {"n_features": 0},
        {"number_features": np.array([0, 3], np.int32)},
        {"number_features": np.array([-1, 1], np.int32)},
        {"number_missing_last": np.array([0], np.uint8)},
        {"border_starts": np.array([0, 3, 2], np.int32)},
        {"border_starts": np.array([0, 2, 4], np.int32)},
        {"border_starts": np.array([1, 2, 3], np.int32)},
        {"border_starts": np.array([0, 3], np.int32)},
        {"border_starts": np.array([0, 1, 300], np.int32), "borders": np.arange(300, dtype=np.float32)},
        {"borders": np.array([-1.0, 1.0, 0.5])},
        {"category_features": np.array([3], np.int32)},
        {"level_categories": np.array([1], np.int32)},
        {"level_hashes": np.array([], np.int32)},
        {"table_categories": np.array([1], np.int32)},
        {"table_questions": np.array([3 * 256 + 1], np.uint32)},  # about a table
        {"table_widths": np.array([1], np.int32)},
        {"table_widths": np.array([-1], np.int32)},
        {"table_widths": np.array([2**31 - 1], np.int32)},
        {"table_key_starts": np.array([0, 4], np.int64)},
        {"table_key_starts": np.array([0, 2**62], np.int64)},
        {"table_keys": np.array([1, 2], np.uint64)},
        {"table_bins": np.zeros(7, np.uint8)},
        {"depths": np.array([3, 1, 2], np.uint8)},
        {"depths": np.array([200], np.uint8)},
        {"questions": np.array([5 * 256, 0, 0, 0, 0], np.uint32)},
        {"questions": np.array([2**32 - 1, 0, 0, 0, 0], np.uint32)},
        {"questions": np.array([0, 0, 0, 0], np.uint32)},
        {"leaves": np.zeros(12)},
        {"leaves": np.zeros(26)[::2]},
        {"biases": np.zeros(0)},
        {"biases": np.zeros(2)},
    ],
    ids=str,
)
def test_tables_that_do_not_fit_together_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, BufferError)):
        oblivious(replace(made(), **wrong))


def test_an_answer_that_the_sums_cannot_become_is_refused() -> None:
    with pytest.raises(ValueError, match="values, sigmoid or softmax"):
        oblivious(made(), "cosine")
    with pytest.raises(ValueError, match="biases"):
        oblivious(made(3), "sigmoid")


@given(data=st.data())
def test_changed_tables_are_refused_or_answer_something(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([one.name for one in fields(ObliviousTables) if one.name not in _ALONE]))
    changed = getattr(made(), name).copy()
    whole = st.sampled_from([0, 1, 2, 3, 5, 255, 256, 65535, 2**24 - 1, 2**31 - 1])
    kept = changed[: data.draw(st.integers(0, len(changed)))]
    for place in data.draw(st.lists(st.integers(0, max(len(kept) - 1, 0)), max_size=3)):
        if len(kept):
            kept[place] = np.array(data.draw(whole)).astype(kept.dtype)
    try:
        trees = oblivious(replace(made(), **{name: kept}))
    except ValueError:
        return
    values = np.tile([[0.0, np.nan, 1.0], [2.0, 1.0, 3.0]], (70, 1))
    answers = np.empty(140 * trees.n_outputs)
    trees.many(values, answers)
    assert trees.one(values[1]) == tuple(answers.reshape(140, -1)[1])


_ALONE = ("n_features", "scale")


def test_several_threads_share_one_object() -> None:
    trees, values = oblivious(made(3)), np.random.default_rng(0).normal(size=(20_000, 3)) * 2
    expected = np.empty((20_000, 3))
    trees.many(values, expected)
    found = [np.empty((20_000, 3)) for _ in range(4)]
    threads = [threading.Thread(target=trees.many, args=(values, answers)) for answers in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answers.tobytes() == expected.tobytes() for answers in found)
