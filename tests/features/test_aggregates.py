"""Group aggregates: what they say, which are chosen, and that no row sees itself in them."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import f_oneway
from tests.features.tables import Typed, array_of, purchases, typed_dataset

from mlwright.data import Dataset, Schema
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.features import Encoder, RecordEncoder, Step, fit_encoder
from mlwright.features.aggregates import (
    Aggregated,
    FromGroupMean,
    GroupAggregates,
    means_of_groups,
    rows_of_groups,
    table_of,
    targets_of_groups,
)
from mlwright.features.means import inner_folds


def aggregates_of(dataset: Dataset, *, seed: int = 0) -> list[GroupAggregates | FromGroupMean]:
    encoder, _ = fit_encoder(dataset, "crossed", seed=seed, groups_recur=True)
    return [step for step in encoder.steps if isinstance(step, GroupAggregates | FromGroupMean)]


def balanced(n_groups: int, rows_each: int, *, seed: int, between: float = 1.0) -> tuple[IntArray, FloatArray]:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(n_groups), rows_each)
    return group, between * rng.normal(size=n_groups)[group] + rng.normal(size=len(group))


# --------------------------------------------------------------------------------------------------- what they say


def test_means_are_drawn_to_that_of_all_rows_as_far_as_an_analysis_of_variance_says() -> None:
    group, values = balanced(30, 8, seed=0)
    made = means_of_groups(group, 30, values)
    assert made is not None
    ratio = f_oneway(*(values[group == g] for g in range(30))).statistic
    means = np.array([values[group == g].mean() for g in range(30)])
    # Of equally large groups the best linear prediction keeps 1 - 1/F of a mean.
    np.testing.assert_allclose(made.of_groups, (means - values.mean()) / values.std() * (1 - 1 / ratio))


@given(
    group=st.lists(st.integers(-1, 5), min_size=40, max_size=80),
    seed=st.integers(0, 10_000),
    gone=st.sampled_from([0.0, 0.3]),
)
def test_a_row_has_what_the_other_rows_of_its_group_say(group: list[int], seed: int, gone: float) -> None:
    rng = np.random.default_rng(seed)
    numbers = np.array(group)
    values = np.where(rng.random(len(group)) < gone, np.nan, 3.0 * numbers + rng.normal(size=len(group)))
    made = means_of_groups(numbers, 6, values)
    if made is None:  # all rows in one group, or hardly any row known
        return
    scaled = (values - made.mean) / made.deviation
    members = [[i for i in range(len(group)) if group[i] == g and np.isfinite(scaled[i])] for g in range(6)]
    largest = max(range(6), key=lambda g: abs(made.of_groups[g]))
    drawn = scaled[members[largest]].sum() / made.of_groups[largest] - len(members[largest])
    assert drawn > 0
    for i, g in enumerate(group):
        others = [j for j in members[g] if j != i] if g >= 0 else []
        expected = scaled[others].sum() / (len(others) + drawn)
        assert made.of_rows[i] == pytest.approx(expected, abs=1e-8)
    counted = rows_of_groups(numbers, 6)
    assert np.expm1(counted.of_rows).round(9).tolist() == [max(group.count(g) - 1, 0) if g >= 0 else 0 for g in group]
    assert np.expm1(counted.of_groups).round(9).tolist() == [group.count(g) for g in range(6)]


@given(seed=st.integers(0, 10_000))
def test_row_order_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    group, values = balanced(8, 10, seed=seed, between=2.0)
    group[rng.random(80) < 0.1] = -1
    order = rng.permutation(80)
    made, moved = means_of_groups(group, 8, values), means_of_groups(group[order], 8, values[order])
    assert made is not None
    assert moved is not None
    np.testing.assert_allclose(moved.of_groups, made.of_groups)
    np.testing.assert_allclose(moved.of_rows, made.of_rows[order])


def test_groups_that_differ_as_by_chance_have_no_means() -> None:
    made = [
        means_of_groups(*(group, 50, values))
        for s in range(40)
        for group, values in [balanced(50, 6, seed=s, between=0)]
    ]
    assert sum(one is not None for one in made) <= 1


@pytest.mark.parametrize(
    ("group", "values"),
    [
        ([0, 0, 1, 1], [np.nan] * 4),
        ([0, 0, 1, 1], [2.0] * 4),
        ([-1] * 4, [1.0, 2.0, 3.0, 4.0]),
        ([0] * 4, [1.0, 2.0, 3.0, 4.0]),
        ([0, 1, 2, 3], [1.0, 2.0, 3.0, 4.0]),
        ([], []),
    ],
)
def test_without_rows_to_compare_there_are_no_means(group: list[int], values: list[float]) -> None:
    assert means_of_groups(np.array(group, dtype=np.int64), 4, np.array(values, dtype=float)) is None


def test_huge_numbers_have_finite_means() -> None:
    group, values = balanced(10, 10, seed=0, between=9.0)
    for factor in (1e300, 1e-300):
        made = means_of_groups(group, 10, values * factor)
        assert made is None or (np.isfinite(made.of_groups).all() and np.isfinite(made.of_rows).all())


@given(seed=st.integers(0, 10_000), row=st.integers(0, 79), value=st.floats(-1e3, 1e3))
def test_a_rows_own_target_changes_nothing_that_it_is_told_but_the_unit(seed: int, row: int, value: float) -> None:
    rng = np.random.default_rng(seed)
    group, fold, target = rng.integers(-1, 5, 80), rng.integers(0, 5, 80), rng.normal(size=(80, 1))
    changed = target.copy()
    changed[row] = value
    told = [targets_of_groups(group, 5, y, fold, None)[0].of_rows * y.std() for y in (target, changed)]
    assert told[1][row] == pytest.approx(told[0][row], rel=1e-12, abs=1e-12)
    assert (told[0][group < 0] == 0).all()


def test_a_booster_learns_nothing_from_mean_targets_of_groups_where_the_target_is_noise() -> None:
    """Fitted on some rows and judged on others: what a row is told of itself would make it right about them."""
    import lightgbm
    from sklearn.metrics import roc_auc_score

    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "learning_rate": 0.1, "num_leaves": 15}
    honest: list[float] = []
    telling: list[float] = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        group, y = rng.integers(0, 1500, 6000), rng.integers(0, 2, 6000).astype(float)
        (made,) = targets_of_groups(group, 1500, y[:, None], inner_folds(6000, "g", seed=seed), None)
        counted = rows_of_groups(group, 1500)
        for of, found in ((made.of_rows, honest), (made.of_groups[group], telling)):
            X = np.column_stack([of, counted.of_rows])
            booster = lightgbm.train(parameters, lightgbm.Dataset(X[:3000], y[:3000]), 30)
            found.append(roc_auc_score(y[3000:], np.asarray(booster.predict(X[3000:], num_threads=1))))
    # A mean of four areas of 3000 rows has a standard error of 0.005.
    assert abs(np.mean(honest) - 0.5) < 0.02
    assert np.min(telling) > 0.7  # what it would be if every row were among those of its own mean


# ------------------------------------------------------------------------------------------------------- the steps


@given(groups=st.lists(st.none() | st.sampled_from(["a", "b", "never seen", ""]), max_size=20))
def test_a_group_has_its_aggregates_and_one_never_seen_has_none(groups: list[str | None]) -> None:
    stored: dict[str, tuple[float, ...]] = {"a": (1.5, -0.25, 2.0), "b": (0.5, 0.75, -1.0)}
    step = GroupAggregates(column="who", groups=stored, rows=True, n_targets=1, means_of=("amount",))
    found = step.transform(array_of(Typed("identifier", groups)))
    assert step.names() == ["who (rows)", "who (mean target)", "who (mean amount)"]
    assert [tuple(row) for row in found.tolist()] == [stored.get(g or "", (0.0, 0.0, 0.0)) for g in groups]


def test_a_number_is_told_from_the_mean_of_its_group_or_of_all_rows() -> None:
    step = FromGroupMean(column="amount", group="who", means={"a": 0.5}, mean=10.0, deviation=2.0)
    amounts, who = [14.0, 14.0, 14.0, None], ["a", "new", None, "a"]
    found = step.transform(array_of(Typed("number", amounts)), array_of(Typed("identifier", who)))
    np.testing.assert_array_equal(found, [[1.5], [2.0], [2.0], [np.nan]])


@given(
    values=st.lists(
        st.tuples(
            st.none() | st.sampled_from(["a", "b", "x"]),
            st.floats(allow_infinity=True, allow_nan=True) | st.sampled_from([-0.0, 1e308]),
        ),
        min_size=1,
        max_size=12,
    ),
    mean=st.sampled_from([0.0, -3.25, 1e12]),
)
def test_one_record_has_the_same_bits_as_in_a_table_also_after_json(
    values: list[tuple[str | None, float]], mean: float
) -> None:
    steps: tuple[Step, ...] = (
        GroupAggregates(column="g", groups={"a": (0.1, 0.2), "b": (-0.0, 3.0)}, rows=False, n_targets=2, means_of=()),
        FromGroupMean(column="x", group="g", means={"a": 0.3, "b": -1.7}, mean=mean, deviation=0.7),
    )
    encoder = Encoder(view="crossed", steps=steps)
    again = Encoder.of_state(json.loads(json.dumps(encoder.state(), allow_nan=False)))
    assert again == encoder
    groups, numbers = zip(*values, strict=True)
    known = [None if x != x else x for x in numbers]
    table = pa.table({"g": array_of(Typed("identifier", groups)), "x": array_of(Typed("number", known))})
    one = RecordEncoder(again, {"g": "identifier", "x": "number"})
    assert np.array([one.encode(value) for value in values]).tobytes() == encoder.encode(table).values.tobytes()


def test_a_hundred_thousand_groups_take_a_second() -> None:
    rng = np.random.default_rng(0)
    group, levels = rng.integers(0, 100_000, 300_000), [f"customer {i}" for i in range(100_000)]
    values, names = rng.normal(size=100_000)[group] + rng.normal(size=300_000), pa.array(levels).take(pa.array(group))
    started = time.process_time()
    mean = means_of_groups(group, 100_000, values)
    assert mean is not None
    targets = targets_of_groups(group, 100_000, values[:, None], np.arange(300_000) % 5, None)
    table = table_of(levels, group, [rows_of_groups(group, 100_000), *targets, mean])
    step = GroupAggregates(column="c", groups=table, rows=True, n_targets=1, means_of=("x",))
    assert step.transform(names).shape == (300_000, 3)
    assert time.process_time() - started < 2.0  # 0.5 s on an idle machine


def test_of_very_many_groups_the_largest_are_kept() -> None:
    group = np.append(np.arange(100_005), [7, 7, 100_004])
    table = table_of(
        [str(i) for i in range(100_005)], group, [Aggregated(of_groups=np.arange(100_005.0), of_rows=group * 1.0)]
    )
    assert len(table) == 100_000
    assert list(table)[:2] == ["7", "100004"]
    assert table["100004"] == (100_004.0,)


# -------------------------------------------------------------------------------------------------- which are chosen


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_what_customers_usually_spend_is_told_and_noise_is_not(task: str) -> None:
    made = aggregates_of(purchases(task=task))
    names = [name for step in made for name in step.names()]
    assert "amount × customer (from the mean)" in names
    assert "customer (mean target)" in names
    assert not any("noise" in name for name in names)


def test_without_a_word_that_groups_come_again_there_are_no_aggregates() -> None:
    encoder, matrix = fit_encoder(purchases(), "crossed")
    assert "customer" not in encoder.columns
    assert matrix.names == fit_encoder(purchases(), "codes")[1].names


def test_groups_that_never_come_again_have_no_aggregates() -> None:
    dataset = purchases()
    alone = pa.array([f"c{i // 3}" for i in range(len(dataset))])  # three rows in a row, then never again
    assert aggregates_of(replace(dataset, table=dataset.table.set_column(0, "customer", alone))) == []


def test_a_target_that_groups_say_nothing_of_has_no_aggregates() -> None:
    dataset = purchases()
    made = [
        aggregates_of(dataset.with_target_order(np.random.default_rng(s).permutation(3000)), seed=s) for s in range(5)
    ]
    assert sum(len(one) for one in made) <= 1


def test_without_a_time_groups_are_judged_on_rows_by_chance() -> None:
    dataset = purchases()
    timeless = replace(
        dataset, schema=Schema(tuple(c.but(role="unused") if c.name == "at" else c for c in dataset.schema))
    )
    assert "amount × customer (from the mean)" in [name for step in aggregates_of(timeless) for name in step.names()]


def test_a_booster_is_better_on_later_rows_with_aggregates_than_without() -> None:
    import lightgbm
    from sklearn.metrics import roc_auc_score

    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, "learning_rate": 0.1, "num_leaves": 15}
    gained = []
    for seed in range(3):
        dataset = purchases(seed=seed)
        before, after = dataset.take(np.arange(2000)), dataset.take(np.arange(2000, 3000))
        areas = []
        for recur in (False, True):
            encoder, matrix = fit_encoder(before, "crossed", groups_recur=recur)
            booster = lightgbm.train(parameters, lightgbm.Dataset(matrix.values, before.y), 60)
            predicted = np.asarray(booster.predict(encoder.encode(after.table).values, num_threads=1))
            areas.append(roc_auc_score(after.y, predicted))
        gained.append(areas[1] - areas[0])
    assert min(gained) > 0.05


# ------------------------------------------------------------------------------------------------------ the encoder


def test_the_encoder_comes_back_from_json_and_encodes_a_row_alone_as_in_the_table() -> None:
    dataset = purchases()
    encoder, matrix = fit_encoder(dataset, "crossed", groups_recur=True)
    assert {"group_aggregates", "from_group_mean"} <= {step.kind for step in encoder.steps}
    again = Encoder.of_state(json.loads(json.dumps(encoder.state(), allow_nan=False)))
    whole = encoder.encode(dataset.table).values
    assert whole.shape == matrix.values.shape
    assert again.encode(dataset.table).values.tobytes() == whole.tobytes()
    for row in (0, 17, 2999):
        assert again.encode(dataset.table.slice(row, 1)).values.tobytes() == whole[row : row + 1].tobytes()


def test_the_same_seed_chooses_the_same_aggregates_and_makes_the_same_matrix() -> None:
    dataset = purchases()
    (first, matrix), (again, same) = (fit_encoder(dataset, "crossed", seed=5, groups_recur=True) for _ in range(2))
    assert first.state() == again.state()
    assert matrix.values.tobytes() == same.values.tobytes()


def test_aggregates_belong_to_the_group_and_a_distance_from_a_mean_to_its_number_too() -> None:
    encoder, matrix = fit_encoder(purchases(), "crossed", groups_recur=True)
    by_column = encoder.features_by_column()
    of_group = {matrix.names[i] for i in by_column["customer"]}
    assert {"customer (mean target)", "amount × customer (from the mean)"} <= of_group
    assert {matrix.names[i] for i in by_column["amount"]} == {"amount", "amount × customer (from the mean)"}


@pytest.mark.parametrize("rows", [1, 2, 3, 99, 100, 150])
def test_few_rows_and_one_class_make_a_matrix_too(rows: int) -> None:
    dataset = purchases(200).take(np.arange(rows))
    nobody = replace(dataset, table=dataset.table.set_column(0, "customer", pa.nulls(rows, pa.string())))
    one_class = dataset.take(np.flatnonzero(dataset.y == dataset.y[0]))
    for odd in (dataset, nobody, one_class):
        encoder, matrix = fit_encoder(odd, "crossed", groups_recur=True)
        assert encoder.encode(odd.table).values.shape == matrix.values.shape == (len(odd), len(matrix.names))


def test_many_classes_have_a_mean_target_each() -> None:
    rng = np.random.default_rng(0)
    customer = rng.integers(0, 40, 3000)
    y = [
        f"k{(c + (0 if sure else extra)) % 5}"
        for c, sure, extra in zip(customer, rng.random(3000) < 0.5, rng.integers(0, 5, 3000), strict=True)
    ]
    columns = {
        "who": Typed("identifier", [f"c{c}" for c in customer]),
        "x": Typed("number", rng.normal(size=3000).tolist()),
    }
    (step,) = aggregates_of(typed_dataset(columns, y, roles={"who": "group"}))
    assert isinstance(step, GroupAggregates)
    assert step.n_targets == 4
