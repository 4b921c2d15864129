"""Crosses: what they say, which are chosen, and that no row sees its own target in them."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.features.tables import Typed, array_of, typed_dataset, with_weight

from mlwright.data import Column, Dataset
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features import fit_encoder
from mlwright.features.crosses import CrossMeans, Part, cross, fit_cross, parts_of
from mlwright.features.means import LEAST_ROWS, SMOOTHING, inner_folds, means_of_other_rows, smoothed_means
from mlwright.features.steps import LevelMeans


def shops_and_items(rows: int = 3000, *, seed: int = 0, task: str = "binary") -> Dataset:
    """What a shop sells of an item depends on both together and on neither alone; a third column is noise."""
    rng = np.random.default_rng(seed)
    shop, item, noise = (rng.integers(0, k, rows) for k in (12, 10, 40))
    together = np.random.default_rng(99).normal(size=(12, 10))
    together -= together.mean(axis=0) + together.mean(axis=1, keepdims=True)
    raw = 1.5 * together[shop, item] + rng.normal(size=rows)
    columns = {
        "shop": Typed("category", [None if s == 11 else f"shop {s}" for s in shop]),
        "noise": Typed("category", [f"n{k}" for k in noise]),
        "item": Typed("category", [f"item {i}" for i in item]),
        "size": Typed("number", rng.normal(size=rows).tolist()),
    }
    if task == "regression":
        return typed_dataset(columns, raw.tolist())
    bounds, names = ([0.0], ["no", "yes"]) if task == "binary" else ([-1.0, 1.0], ["a", "b", "c"])
    return typed_dataset(columns, [names[k] for k in np.digitize(raw, bounds)])


def crosses_of(dataset: Dataset, *, seed: int = 0) -> list[CrossMeans]:
    encoder, _ = fit_encoder(dataset, "crossed", seed=seed)
    return [step for step in encoder.steps if isinstance(step, CrossMeans)]


# ------------------------------------------------------------------------------------------------------ the step


@given(
    cells=st.lists(st.integers(0, 6), min_size=1, max_size=60),
    seed=st.integers(0, 10_000),
    n_targets=st.integers(1, 3),
    weighted=st.booleans(),
)
def test_means_of_other_rows_are_those_that_a_plain_loop_finds(
    cells: list[int], seed: int, n_targets: int, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    n = len(cells)
    target: FloatArray = rng.normal(size=(n, n_targets))
    fold = rng.integers(0, 3, n)
    weight = rng.integers(0, 4, n) / 2 if weighted else None
    found = means_of_other_rows(np.array(cells), 7, target, fold, weight)
    counts = np.ones(n) if weight is None else weight
    for i in range(n):
        others = [j for j in range(n) if fold[j] != fold[i]]
        alike = [j for j in others if cells[j] == cells[i]]
        expected = np.zeros(n_targets)
        if len(alike) >= LEAST_ROWS:
            used = counts if counts[others].sum() > 0 else np.ones(n)
            overall = sum(used[j] * target[j] for j in others) / used[others].sum()
            total = sum(used[j] * target[j] for j in alike)
            expected = (total + SMOOTHING * overall) / (used[alike].sum() + SMOOTHING) - overall
        np.testing.assert_allclose(found[i], expected, rtol=1e-9, atol=1e-9)


@given(seed=st.integers(0, 10_000), row=st.integers(0, 79), value=st.floats(-1e6, 1e6))
def test_a_rows_own_target_changes_nothing_that_it_is_told(seed: int, row: int, value: float) -> None:
    """To the last bit: trees split on the smallest difference."""
    rng = np.random.default_rng(seed)
    cells, fold, target = rng.integers(0, 5, 80), rng.integers(0, 5, 80), rng.normal(size=(80, 1))
    changed = target.copy()
    changed[row] = value
    before, after = (means_of_other_rows(cells, 5, y, fold)[row] for y in (target, changed))
    assert before.tobytes() == after.tobytes()


@given(values=st.lists(st.tuples(st.none() | st.sampled_from("abx"), st.none() | st.floats(-5, 5)), max_size=20))
def test_a_combination_has_its_features_and_one_never_seen_the_mean_of_all(
    values: list[tuple[str | None, float | None]],
) -> None:
    parts = (Part(column="c", levels={"a": 0, "b": 1}), Part(column="n", edges=(0.0, 2.0), coarse=True))
    stored = {("a", "low"): (0.5, -1.0), (None, "high"): (-0.25, -2.0), ("other", "missing"): (2.0, -3.0)}
    first, second = {"a": 0, "b": 1, "other": 2, None: 3}, {"low": 0, "middle": 1, "high": 2, "missing": 3}
    step = CrossMeans(
        parts=parts,
        cells={first[a] * 4 + second[b]: features for (a, b), features in stored.items()},
        n_targets=1,
        unseen=(0.0, -9.0),
    )

    def plain(level: str | None, number: float | None) -> tuple[float, ...]:
        where = "missing" if number is None else "low" if number < 0 else "middle" if number < 2 else "high"
        return stored.get(("other" if level == "x" else level, where), (0.0, -9.0))

    arrays = array_of(Typed("category", [a for a, _ in values])), array_of(Typed("number", [b for _, b in values]))
    found = step.transform(*arrays)
    assert found.shape == (len(values), 2)
    assert [tuple(row) for row in found.tolist()] == [plain(a, b) for a, b in values]
    again = CrossMeans.of_state(json.loads(json.dumps(step.state(), allow_nan=False)))
    assert again == step


def test_the_stored_means_are_the_smoothed_ones_in_units_of_the_targets_deviation() -> None:
    rng = np.random.default_rng(0)
    crossed, target = rng.integers(0, 9, 500), rng.normal(5, 3, (500, 1))
    crossed[0] = 50  # a combination of one row
    parts = (Part(column="a", levels={}), Part(column="b", levels={}))
    step, features = fit_cross(parts, crossed, target, inner_folds(500, "x", seed=0), counted=True)
    assert set(step.cells) == set(range(9))
    for cell, (mean, share) in step.cells.items():
        of_cell = target[crossed == cell]
        smoothed = (of_cell.sum() + SMOOTHING * target.mean()) / (len(of_cell) + SMOOTHING)
        assert mean == pytest.approx((smoothed - target.mean()) / target.std(), abs=1e-6)
        assert share == pytest.approx(np.log(len(of_cell) / 500), abs=1e-6)
    assert features[0].tolist() == list(step.unseen) == [0.0, pytest.approx(np.log(1 / 500), abs=1e-6)]
    assert features.shape == (500, 2)


@pytest.mark.parametrize(
    ("kind", "values", "sizes"),
    [
        ("category", ["a"] * 10 + ["b"] * 10 + ["rare"], [4]),
        ("category", ["only"] * 20, []),
        ("category", [f"id{i}" for i in range(50)], []),
        ("integer", [*range(10)] * 3, [11]),
        ("integer", [*range(1000)], [13]),
        ("number", [0.1] * 30, []),
        ("number", [-1.7e308, 1.7e308] * 10, [3]),
        ("boolean", [True, False, None] * 7, [3]),
        ("number", [None] * 9, []),
        ("datetime", [1_500_000_000_000_000 + i * 40 * 3_600_000_000 for i in range(200)], [13, 8, 4]),
        ("text", ["some words"] * 9, []),
    ],
)
def test_what_of_a_column_can_be_crossed(kind: Any, values: list[Any], sizes: list[int]) -> None:
    array = pa.chunked_array([array_of(Typed(kind, values))])
    parts = parts_of(Column(name="c", type=kind), array)
    assert [part.size for part in parts] == sizes
    for part in parts:
        cells = part.cells(array)
        assert cells.min() >= 0
        assert cells.max() < part.size
        assert part.cells(pa.chunked_array([pa.nulls(2, array.type)])).tolist() == [part.size - 1] * 2
        assert Part.of_state(json.loads(json.dumps(part.state()))) == part


@given(numbers=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=30))
def test_each_combination_has_a_number_of_its_own(numbers: list[tuple[int, int]]) -> None:
    parts = (Part(column="a", levels={"x": 0, "y": 1}), Part(column="b", edges=(1.0, 2.0, 3.0)))
    first, second = (np.array(side) for side in zip(*numbers, strict=True))
    crossed = cross([first, second], parts).tolist()
    assert len(set(crossed)) == len(set(numbers))


# -------------------------------------------------------------------------------------------------- which are chosen


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_columns_that_only_work_together_are_crossed_and_noise_is_not(task: str) -> None:
    made = crosses_of(shops_and_items(task=task))
    assert [step.columns for step in made] == [("shop", "item")]
    assert made[0].n_targets == {"binary": 1, "multiclass": 2, "regression": 1}[task]


def test_a_sum_of_two_columns_is_no_cross() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 12, 4000), rng.integers(0, 12, 4000)
    y = rng.normal(size=12)[a] + rng.normal(size=12)[b] + 0.5 * rng.normal(size=4000)
    columns = {name: Typed("category", [f"l{v}" for v in values]) for name, values in (("a", a), ("b", b))}
    assert crosses_of(typed_dataset(columns, y.tolist())) == []


def test_numbers_that_are_names_are_taken_value_by_value() -> None:
    rng = np.random.default_rng(0)
    flight = rng.integers(100, 250, 4000)
    late = rng.random(4000) < rng.random(250)[flight]
    dataset = typed_dataset(
        {"flight": Typed("integer", flight.tolist()), "kind": Typed("category", rng.choice(["x", "y"], 4000).tolist())},
        np.where(late, "yes", "no").tolist(),
    )
    made = crosses_of(dataset)
    assert [step.columns for step in made] == [("flight",)]
    assert made[0].names() == ["flight (mean target)", "flight (how common)"]


def test_the_same_seed_chooses_the_same_crosses_and_makes_the_same_matrix() -> None:
    dataset = shops_and_items()
    (first, matrix), (again, same) = (fit_encoder(dataset, "crossed", seed=5) for _ in range(2))
    assert first.state() == again.state()
    assert matrix.values.tobytes() == same.values.tobytes()


def test_many_classes_have_means_of_the_most_frequent_ones_and_fewer_crosses() -> None:
    rng = np.random.default_rng(0)
    k = rng.integers(0, 23, 3000)
    y = [f"k{i:02d}" for i in k]
    names = [f"n{i}" for i in (k * 7 + rng.integers(0, 12, 3000)) % 60]
    encoder, matrix = fit_encoder(typed_dataset({"name": Typed("category", names)}, y), "crossed")
    (means,) = (step for step in encoder.steps if isinstance(step, LevelMeans))
    assert len(means.overall) == 10
    assert np.isfinite(matrix.values).all()


# ------------------------------------------------------------------------------------------------------- no leakage


def noise(rows: int, *, seed: int) -> Dataset:
    """A column of ten thousand levels and others of some, with a target that nothing can know."""
    rng = np.random.default_rng(seed)
    columns = {
        "name": Typed("category", [f"n{i}" for i in rng.integers(0, 10_000, rows)]),
        "shop": Typed("category", [f"s{i}" for i in rng.integers(0, 300, rows)]),
        "item": Typed("category", [f"i{i}" for i in rng.integers(0, 20, rows)]),
        "flight": Typed("integer", rng.integers(0, 400, rows).tolist()),
    }
    return typed_dataset(columns, rng.choice(["no", "yes"], rows).tolist())


def area(y: FloatArray, predicted: FloatArray) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, predicted))


def boosted(X: FloatArray, y: FloatArray, X_new: FloatArray) -> FloatArray:
    import lightgbm

    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "learning_rate": 0.1, "num_leaves": 15}
    return np.asarray(lightgbm.train(parameters, lightgbm.Dataset(X, y), 30).predict(X_new, num_threads=1))


def forced_crosses(dataset: Dataset, *, seed: int) -> tuple[FloatArray, FloatArray]:
    """Features of levels and of crosses whether they pay or not: of the training rows, and as for new ones."""
    target = dataset.y[:, None]
    columns = [column for column in dataset.schema.features if column.name != "flight"]
    parts = {}
    for column in columns:
        _, levels = dataset.levels(column.name)
        parts[column.name] = Part(column=column.name, levels={level: i for i, level in enumerate(levels)})
    made: list[tuple[CrossMeans, FloatArray]] = []
    for names in (("name", "item"), ("shop", "item"), ("name", "shop"), ("name",), ("shop",)):
        chosen = tuple(parts[name] for name in names)
        crossed = cross([part.cells(dataset.table.column(part.column)) for part in chosen], chosen)
        made.append(fit_cross(chosen, crossed, target, inner_folds(len(dataset), "".join(names), seed=seed)))
    new = [step.transform(*(dataset.table.column(name) for name in step.columns)) for step, _ in made]
    return np.hstack([features for _, features in made]), np.hstack(new)


def test_a_booster_learns_nothing_from_levels_and_crosses_of_a_target_that_is_noise() -> None:
    """Fitted on some training rows and judged on others: what a row is told of itself would make it right about them."""
    honest, telling, of_new = [], [], []
    for seed in range(4):
        dataset = noise(6000, seed=seed)
        y, half = dataset.y, np.arange(6000) < 3000
        X, X_own = forced_crosses(dataset, seed=seed)
        honest.append(area(y[~half], boosted(X[half], y[half], X[~half])))
        telling.append(area(y[~half], boosted(X_own[half], y[half], X_own[~half])))
        part, rest = dataset.take(half), dataset.take(~half)
        fitted, of_part = fit_encoder(part, "crossed", seed=seed)
        of_new.append(area(y[~half], boosted(of_part.values, y[half], fitted.encode(rest.table).values)))
    # A mean of four areas of 3000 rows has a standard error of 0.005.
    assert abs(np.mean(honest) - 0.5) < 0.02
    assert abs(np.mean(of_new) - 0.5) < 0.02
    assert np.min(telling) > 0.7  # what it would be if every row were among those of its own means


def test_noise_is_hardly_ever_crossed_nor_told_by_level() -> None:
    made = [step for seed in range(5) for step in fit_encoder(noise(3000, seed=seed), "crossed", seed=seed)[0].steps]
    assert sum(isinstance(step, CrossMeans | LevelMeans) for step in made) <= 1


def test_levels_are_told_their_mean_target_where_that_says_something_of_other_rows() -> None:
    rng = np.random.default_rng(0)
    telling, silent = rng.integers(0, 50, 3000), rng.integers(0, 50, 3000)
    y = np.where(rng.random(3000) < rng.random(50)[telling], "yes", "no")
    names = {"telling": telling, "silent": silent}
    dataset = typed_dataset({k: Typed("category", [f"{k} {i}" for i in v]) for k, v in names.items()}, y.tolist())
    encoder, matrix = fit_encoder(dataset, "crossed")
    assert [step.column for step in encoder.steps if isinstance(step, LevelMeans)] == ["telling"]
    # Either way sets of so many levels would be learned by heart.
    assert matrix.categorical == ()


def test_rows_of_a_group_do_not_see_each_others_targets() -> None:
    groups = np.repeat(np.arange(50), 6)
    fold = inner_folds(300, "c", seed=0, groups=groups)
    assert all(len({*fold[groups == g].tolist()}) == 1 for g in range(50))
    assert {*fold.tolist()} == set(range(5))
    few = inner_folds(300, "c", seed=0, groups=np.repeat([0, 1], 150))
    assert {*few.tolist()} == set(range(5))


# ------------------------------------------------------------------------------------------------------- awkward rows


def test_a_row_alone_is_encoded_as_in_the_table() -> None:
    dataset = shops_and_items(600)
    encoder, _ = fit_encoder(dataset, "crossed")
    assert any(isinstance(step, CrossMeans) for step in encoder.steps)
    whole = encoder.encode(dataset.table).values
    for row in (0, 17, 599):
        assert encoder.encode(dataset.table.slice(row, 1)).values.tobytes() == whole[row : row + 1].tobytes()


def test_a_combination_never_seen_is_as_if_nothing_were_known() -> None:
    encoder, _ = fit_encoder(shops_and_items(), "crossed")
    step = next(step for step in encoder.steps if isinstance(step, CrossMeans))
    new = [array_of(Typed("category", values)) for values in (["shop 99", None], ["item 99", "item 98"])]
    assert step.transform(*new).tolist() == [[0.0]] * 2


def test_a_cross_is_of_both_its_columns_and_gives_each_its_half() -> None:
    encoder, matrix = fit_encoder(shops_and_items(), "crossed")
    by_column = encoder.features_by_column()
    crossed = [i for i, name in enumerate(matrix.names) if name.startswith("shop × item")]
    assert crossed
    assert set(crossed) <= {*by_column["shop"]} & {*by_column["item"]}
    quantity = np.zeros(len(matrix.names))
    quantity[crossed[0]] = 1.0
    shared = encoder.shared_among_columns(quantity)
    assert (shared["shop"], shared["item"], sum(shared.values())) == (0.5, 0.5, 1.0)


def test_levels_that_have_means_are_ordered_numbers_and_others_are_sets() -> None:
    dataset = shops_and_items()
    codes, crossed = (fit_encoder(dataset, view)[1] for view in ("codes", "crossed"))
    assert [codes.names[i] for i in codes.categorical] == ["shop", "noise", "item"]
    assert [crossed.names[i] for i in crossed.categorical] == ["shop", "item"]
    assert set(codes.names) < set(crossed.names)
    for name in codes.names:
        before, after = (m.values[:, m.names.index(name)] for m in (codes, crossed))
        assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 20])
def test_few_rows_and_one_class_make_a_matrix_too(rows: int) -> None:
    dataset = shops_and_items(40).take(np.arange(rows))
    one_class = dataset.take(np.flatnonzero(dataset.y == dataset.y[0]))
    for odd in (dataset, one_class):
        encoder, matrix = fit_encoder(odd, "crossed")
        assert matrix.values.shape == (len(odd), len(matrix.names))
        assert encoder.encode(odd.table).values.shape == matrix.values.shape


def test_rows_of_weight_zero_say_nothing_in_a_mean_and_a_common_factor_does_not_matter() -> None:
    rng = np.random.default_rng(0)
    cells, target = rng.integers(0, 6, 200), rng.normal(size=(200, 1))
    zero = (rng.random(200) < 0.5).astype(float)
    means, _, overall = smoothed_means(cells, 6, target, zero)
    alone, _, overall_alone = smoothed_means(cells[zero > 0], 6, target[zero > 0])
    np.testing.assert_allclose(means, alone)
    np.testing.assert_allclose(overall, overall_alone)
    dataset = shops_and_items(800)
    weight = rng.uniform(0, 2, 800)
    one, other = (fit_encoder(with_weight(dataset, w), "crossed")[1].values for w in (weight, 1024 * weight))
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=2e-6)
    nothing = fit_encoder(with_weight(dataset, np.zeros(800)), "crossed")[1].values
    assert nothing.tobytes() == fit_encoder(dataset, "crossed")[1].values.tobytes()


def test_a_target_of_huge_numbers_does_not_break_it() -> None:
    dataset = shops_and_items(400, task="regression")
    huge = dataset.table.set_column(dataset.table.column_names.index("y"), "y", pa.array(dataset.y * 1e150))
    _, matrix = fit_encoder(replace(dataset, table=huge), "crossed")
    assert np.isfinite(matrix.values[:, 3:]).all()


@pytest.mark.slow
def test_a_wide_table_is_encoded_in_less_than_two_seconds() -> None:
    rng = np.random.default_rng(0)
    rows = 20_000
    columns: dict[str, Typed] = {
        f"c{i}": Typed("category", [f"l{v}" for v in rng.integers(0, 5 * 2**i, rows)]) for i in range(12)
    }
    columns |= {f"n{i}": Typed("number", rng.normal(size=rows).tolist()) for i in range(10)}
    columns |= {f"i{i}": Typed("integer", rng.integers(0, 4**i, rows).tolist()) for i in range(8)}
    dataset = typed_dataset(columns, rng.choice(["no", "yes"], rows).tolist())
    started = time.process_time()
    fit_encoder(dataset, "crossed")
    assert time.process_time() - started < 2.0


def test_folds_are_those_of_the_rows_and_not_of_the_values() -> None:
    first: IntArray = inner_folds(100, "a", seed=1)
    assert first.tolist() == inner_folds(100, "a", seed=1).tolist()
    assert first.tolist() != inner_folds(100, "b", seed=1).tolist()
    assert np.bincount(first).tolist() == [20] * 5
