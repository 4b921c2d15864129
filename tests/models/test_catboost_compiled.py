"""The compiled form of CatBoost models says what CatBoost says, whatever the columns, and is made without it."""

from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.problems import N_CLASSES, TASKS

from mlwright._kernels import kernel
from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix
from mlwright.models import FAMILIES, FitJob, Outline, Rows
from mlwright.models.families.catboost import FittedCatBoost
from mlwright.models.families.catboost_compiled import CompiledCatBoost, compile_catboost
from mlwright.models.families.catboost_file import Statistic, parse_catboost
from mlwright.spec import Task

FAMILY = FAMILIES["catboost"]
LEVELS = (2, 7, 40, 300)
every_task = pytest.mark.parametrize("task", TASKS)
pytestmark = pytest.mark.skipif(kernel("_oblivious") is None, reason="the kernel is not built here")


def table(n: int, numbers: int, categories: int, *, seed: int = 0, unseen: int = 0) -> FloatArray:
    """Numbers and numbers of levels, some of them missing; with some levels beyond those of the training rows."""
    rng = np.random.default_rng(seed)
    levels = [rng.integers(0, most + unseen, n) for most in LEVELS[:categories]]
    values: FloatArray = np.column_stack([rng.normal(size=(n, numbers)), *levels])
    values[rng.random(values.shape) < 0.05] = np.nan
    return values


def target(values: FloatArray, numbers: int, task: Task) -> FloatArray:
    rng = np.random.default_rng(9)
    known = np.nan_to_num(values)
    raw: FloatArray = known[:, :numbers].sum(axis=1) + 0.5 * rng.normal(size=len(values))
    for levels in known[:, numbers:].T:
        raw = raw + rng.normal(size=400)[levels.astype(int)]
    bounds = [0.0] if task == "binary" else [-1.0, 1.0]
    return raw if task == "regression" else np.digitize(raw, bounds).astype(np.float64)


def fit(
    task: Task, numbers: int, categories: int, *, n: int = 1500, parameters: dict[str, Any] | None = None, **more: Any
) -> FittedCatBoost:
    values = table(n, numbers, categories)
    matrix = Matrix(
        values=values,
        names=tuple(f"x{i}" for i in range(numbers + categories)),
        categorical=tuple(range(numbers, numbers + categories)),
    )
    outline = Outline(task=task, n_rows=n, n_features=numbers + categories, n_classes=N_CLASSES[task])
    job = FitJob(
        task=task,
        n_classes=N_CLASSES[task],
        rows=Rows(matrix=matrix, y=target(values, numbers, task)),
        parameters={**FAMILY.candidates(outline)[0], **(parameters or {})},
        seed=1,
        deadline=Deadline.after(120),
        settled={"rounds": 60.0},
    )
    fitted = FAMILY.fit(replace(job, **more))
    assert isinstance(fitted, FittedCatBoost)
    return fitted


@cache
def mixed(task: Task) -> tuple[FittedCatBoost, CompiledCatBoost]:
    fitted = fit(task, 4, 4)
    return fitted, compiled_of(fitted)


def compiled_of(fitted: FittedCatBoost) -> CompiledCatBoost:
    compiled = fitted.compiled()
    assert isinstance(compiled, CompiledCatBoost)
    return compiled


def assert_same(fitted: FittedCatBoost, values: FloatArray, *, alone: int = 100) -> None:
    compiled, expected = compiled_of(fitted), fitted.predict(values)
    assert compiled.n_features == values.shape[1]
    many = compiled.many(values)
    assert many.shape == expected.shape
    np.testing.assert_allclose(many, expected, rtol=0, atol=compiled.tolerance * max(np.abs(expected).max(), 1.0))
    each = np.array([compiled.one(row) for row in values[:alone]])
    assert each.reshape(many[:alone].shape).tolist() == many[:alone].tolist()


@every_task
@pytest.mark.parametrize(("numbers", "categories"), [(5, 0), (0, 4), (4, 4)], ids=["numbers", "categories", "mixed"])
def test_thousands_of_rows_with_gaps_and_levels_never_seen_are_answered_alike(
    task: Task, numbers: int, categories: int
) -> None:
    assert_same(fit(task, numbers, categories), table(5000, numbers, categories, seed=7, unseen=9))


@every_task
def test_at_each_border_and_beside_it_the_answer_is_the_librarys(task: Task) -> None:
    fitted, compiled = mixed(task)
    plain = table(1, 4, 4, seed=3)[0]
    rows = []
    for feature, probes in enumerate(compiled.probes()):
        narrow = probes.astype(np.float32)
        with np.errstate(over="ignore"):  # the lowest border is the lowest number there is
            beside = [np.nextafter(narrow, np.float32(side)).astype(np.float64) for side in (-np.inf, np.inf)]
        beside += [np.nextafter(probes, side) for side in (-np.inf, np.inf)]
        for value in np.concatenate([probes, *beside, [np.nan, np.inf, -np.inf, 1e300, -1e300]]):
            if feature < 4 or (np.isnan(value) or abs(value) < 1e6):
                rows.append(plain.copy())
                rows[-1][feature] = value if feature < 4 else np.trunc(value)
    assert len(rows) > 500
    assert_same(fitted, np.array(rows))


@given(
    numbers=st.lists(st.floats(width=64), min_size=4, max_size=4),
    levels=st.lists(st.just(np.nan) | st.integers(-(2**31), 2**31 - 1) | st.integers(-1, 320), min_size=4, max_size=4),
    task=st.sampled_from(TASKS),
)
def test_any_row_is_answered_as_the_library_answers_it(numbers: list[float], levels: list[float], task: Task) -> None:
    assert_same(mixed(task)[0], np.array([[*numbers, *levels]], dtype=np.float64))


@every_task
def test_only_the_settled_rounds_are_answered_with(task: Task) -> None:
    fitted = replace(mixed(task)[0], settled={"rounds": 17.0})
    values = table(300, 4, 4, seed=2)
    assert compiled_of(fitted).many(values).tolist() != mixed(task)[1].many(values).tolist()
    assert_same(fitted, values)


@pytest.mark.parametrize("depth", [1, 9, 12])
def test_shallow_and_deep_trees_are_walked(depth: int) -> None:
    assert_same(fit("binary", 4, 4, parameters={"depth": depth}), table(300, 4, 4, seed=2))


@pytest.mark.parametrize("nan_mode", ["Min", "Max"])
def test_a_missing_value_goes_where_the_model_sends_it(nan_mode: str) -> None:
    fitted = fit("regression", 4, 0, parameters={"nan_mode": nan_mode})
    values = table(500, 4, 0, seed=4)
    values[:4] = np.diag([np.nan] * 4)
    assert_same(fitted, values)


def test_a_gap_where_the_training_rows_had_none_is_answered() -> None:
    values = np.nan_to_num(table(400, 3, 0))
    rows = Rows(matrix=Matrix(values=values, names=("a", "b", "c")), y=target(values, 3, "regression"))
    assert_same(fit("regression", 3, 0, rows=rows), table(500, 3, 0, seed=4))


def test_more_borders_than_a_byte_can_count_are_told_apart() -> None:
    fitted = fit("regression", 2, 0, parameters={"border_count": 1000, "depth": 8}, settled={"rounds": 300.0})
    trees = parse_catboost(fitted._content())
    assert trees is not None
    assert max(len(number.borders) for number in trees.numbers) > 2 * 255
    assert_same(fitted, table(3000, 2, 0, seed=4))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize(
    ("given", "statistic"),
    [
        ("Buckets", Statistic.BUCKETS),
        ("BinarizedTargetMeanValue", Statistic.BINARIZED_TARGET_MEAN),
        ("Counter", Statistic.COUNTER),
        ("Borders", Statistic.BORDERS),
    ],
)
def test_each_kind_of_statistic_of_levels_is_worked_out(given: str, statistic: Statistic, task: Task) -> None:
    parameters = {"simple_ctr": f"{given}:Prior=0.5", "combinations_ctr": f"{given}:Prior=1"}
    fitted = fit(task, 2, 4, parameters=parameters)
    trees = parse_catboost(fitted._content())
    assert trees is not None
    assert {one.statistic for one in trees.statistics} == {statistic}
    assert any(len(one.combination.categories) > 1 or one.combination.borders for one in trees.statistics)
    assert_same(fitted, table(1000, 2, 4, seed=6, unseen=9))


def test_weights_and_monotonic_constraints_change_nothing_about_it() -> None:
    values = table(600, 3, 2)
    weight = np.random.default_rng(0).random(600) * (np.arange(600) % 5 > 0)
    matrix = Matrix(values=values, names=tuple("abcde"), categorical=(3, 4))
    rows = Rows(matrix=matrix, y=target(values, 3, "binary"), weight=weight)
    assert_same(fit("binary", 3, 2, rows=rows, monotonic=(1, 0, -1, 0, 0)), values)


@every_task
@pytest.mark.parametrize("n", [2, 3, 7])
def test_tiny_tables_and_constant_columns_and_targets_are_answered(task: Task, n: int) -> None:
    values = table(n, 3, 2)
    values[:, 1] = 1.0
    matrix = Matrix(values=values, names=tuple("abcde"), categorical=(3, 4))
    targets: list[FloatArray] = [np.zeros(n), np.arange(n, dtype=np.float64) % N_CLASSES[task]]
    for y in targets:
        assert_same(fit(task, 3, 2, rows=Rows(matrix=matrix, y=y)), table(50, 3, 2, seed=1))


def test_trees_that_are_not_symmetric_have_no_compiled_form() -> None:
    assert fit("binary", 3, 0, parameters={"grow_policy": "Depthwise"}).compiled() is None


def test_without_the_kernel_there_is_no_compiled_form(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted, _ = mixed("binary")
    monkeypatch.setitem(sys.modules, "mlwright._kernels._oblivious", None)
    kernel.cache_clear()
    try:
        assert fitted.compiled() is None
    finally:
        kernel.cache_clear()


def test_reading_and_compiling_a_stored_model_does_not_import_catboost(tmp_path: Path) -> None:
    fitted, compiled = mixed("multiclass")
    fitted.write(tmp_path)
    row = table(1, 4, 4, seed=5)[0]
    script = f"""
import sys, array
from pathlib import Path
from mlwright.models import FAMILIES
compiled = FAMILIES["catboost"].read(Path({str(tmp_path)!r})).compiled()
print(compiled.one(array.array("d", bytes.fromhex({row.tobytes().hex()!r}))), "catboost" in sys.modules)
"""
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == f"{compiled.one(row)} False"


REFUSALS = (ValueError, IndexError, KeyError, struct.error)


def test_a_file_that_is_cut_off_anywhere_is_refused() -> None:
    content = mixed("binary")[0]._content()
    core = 8 + struct.unpack_from("<I", content, 4)[0]
    for length in [*range(0, core, core // 97), core, *range(core + 1, len(content), (len(content) - core) // 97)]:
        with pytest.raises(REFUSALS):
            parse_catboost(content[:length])


@cache
def small() -> bytes:
    return fit("binary", 2, 3, n=200, settled={"rounds": 3.0})._content()


@given(st.data())
def test_a_damaged_file_is_refused_or_answers_something(data: st.DataObject) -> None:
    content = bytearray(small())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.sampled_from([0, 1, 3, 127, 128, 255]))
    try:
        trees = parse_catboost(bytes(content))
        compiled = None if trees is None else compile_catboost(trees, 0, "sigmoid")
    except REFUSALS:
        return
    if compiled is not None:
        assert compiled.many(np.zeros((3, compiled.n_features))).shape == (3,)


def test_the_probes_are_in_order_and_go_from_missing_to_a_level_never_seen() -> None:
    probes = mixed("binary")[1].probes()
    assert all(low < high for borders in probes[:4] for low, high in pairwise(borders.tolist()))
    assert [levels[0] for levels in probes[4:]] == [-1.0] * 4
    assert probes[6].max() >= 40
