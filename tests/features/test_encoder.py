from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.features.tables import Typed, datasets, typed_dataset, with_weight
from tests.support import dataset_of, mixed_frame

from mlwright.data import Dataset, fingerprint_of_rows
from mlwright.data.dataset import FloatArray
from mlwright.features import Encoder, View, fit_encoder
from mlwright.features.steps import LevelMeans

VIEWS: list[View] = ["codes", "dense", "crossed"]


def with_many_levels(rows: int = 600, *, seed: int = 0) -> Dataset:
    """The mixed table with a column of 60 levels and a time of day beside it."""
    rng = np.random.default_rng(seed)
    frame = mixed_frame(rows, seed=seed).with_columns(
        shop=pl.Series([f"shop {i}" for i in rng.zipf(1.3, rows) % 60]),
        seen=pl.Series(rng.integers(0, 10**9, rows)).cast(pl.Datetime("ms")),
        spent=pl.Series(rng.lognormal(3, 2, rows)),
    )
    return dataset_of(frame, "bought", data={"id": "customer_id"})


@pytest.fixture(scope="module")
def rich() -> Dataset:
    return with_many_levels()


def through_json(encoder: Encoder) -> Encoder:
    return Encoder.of_state(json.loads(json.dumps(encoder.state(), allow_nan=False)))


def same(a: FloatArray, b: FloatArray) -> bool:
    """Bit for bit, NaN included."""
    return a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.mark.parametrize("view", VIEWS)
def test_an_encoder_read_back_from_json_makes_the_same_bits(rich: Dataset, view: View) -> None:
    encoder, _ = fit_encoder(rich, view)
    again = through_json(encoder)
    assert again.state() == encoder.state()
    before, after = encoder.encode(rich.table), again.encode(rich.table)
    assert same(before.values, after.values)
    assert (before.names, before.categorical) == (after.names, after.categorical)


@given(dataset=datasets(), view=st.sampled_from(VIEWS))
def test_whatever_the_columns_are_the_state_is_json_and_the_encoder_comes_back(dataset: Dataset, view: View) -> None:
    encoder, _ = fit_encoder(dataset, view)
    assert same(through_json(encoder).encode(dataset.table).values, encoder.encode(dataset.table).values)


@given(dataset=datasets(), share=st.floats(0.3, 1.0))
def test_the_dense_view_is_finite_for_any_input(dataset: Dataset, share: float) -> None:
    """Also for rows that the encoder was not fitted on, whatever they have that those did not."""
    train = dataset.take(np.arange(max(int(share * len(dataset)), 3)))
    encoder, matrix = fit_encoder(train, "dense")
    assert np.isfinite(matrix.values).all()
    encoded = encoder.encode(dataset.table)
    assert np.isfinite(encoded.values).all()
    assert encoded.values.shape == (len(dataset), len(encoded.names))
    assert matrix.names == encoded.names


@given(dataset=datasets(), view=st.sampled_from(VIEWS), seed=st.integers(0, 1000))
def test_row_order_does_not_matter_and_batches_give_what_the_whole_gives(
    dataset: Dataset, view: View, seed: int
) -> None:
    encoder, _ = fit_encoder(dataset, view)
    whole = encoder.encode(dataset.table).values
    order = np.random.default_rng(seed).permutation(len(dataset))
    assert same(encoder.encode(dataset.take(order).table).values, whole[order])
    cut = 1 + seed % (len(dataset) - 1)
    batches = [*dataset.table.slice(0, cut).to_batches(), *dataset.table.slice(cut).to_batches()]
    assert same(np.vstack([encoder.encode(batch).values for batch in batches]), whole)
    assert same(encoder.encode(pa.Table.from_batches(batches)).values, whole)


@pytest.mark.parametrize("view", VIEWS)
def test_encoding_leaves_its_input_alone(rich: Dataset, view: View) -> None:
    before = fingerprint_of_rows(rich.table.to_batches())
    encoder, _ = fit_encoder(rich, view)
    encoder.encode(rich.table)
    assert fingerprint_of_rows(rich.table.to_batches()) == before


@pytest.mark.parametrize("view", VIEWS)
def test_no_rows_make_a_matrix_without_rows(rich: Dataset, view: View) -> None:
    encoder, matrix = fit_encoder(rich, view)
    for empty in (rich.table.slice(0, 0), rich.table.schema.empty_table()):
        assert encoder.encode(empty).values.shape == (0, len(matrix.names))


@pytest.mark.parametrize("view", VIEWS)
def test_what_other_rows_have_changes_nothing_that_was_fitted(rich: Dataset, view: View) -> None:
    train_rows = np.arange(300)
    odd = Dataset(
        table=pa.concat_tables([rich.table.slice(0, 300), _strange(rich, 300)]).unify_dictionaries().combine_chunks(),
        schema=rich.schema,
        task=rich.task,
        classes=rich.classes,
    )
    (encoder, matrix), (other, other_matrix) = (fit_encoder(d.take(train_rows), view) for d in (rich, odd))
    assert encoder.state() == other.state()
    assert same(matrix.values, other_matrix.values)


def _strange(dataset: Dataset, rows: int) -> pa.Table:
    """Rows of the same types whose values no training row has."""
    made: dict[str, pa.Array] = {}
    for column in dataset.schema:
        arrow = dataset.table.schema.field(column.name).type
        if column.role == "target":
            made[column.name] = dataset.table.column(column.name).slice(0, rows).combine_chunks()
        elif column.type == "category":
            made[column.name] = pa.array([f"new {i}" for i in range(rows)]).dictionary_encode().cast(arrow)
        elif pa.types.is_string(arrow):
            made[column.name] = pa.array([f"words never seen {i}" for i in range(rows)])
        else:
            made[column.name] = pa.nulls(rows, arrow)
    return pa.table(made)


@pytest.mark.parametrize("view", VIEWS)
def test_no_level_is_kept_that_the_training_rows_do_not_have(rich: Dataset, view: View) -> None:
    """A dataset that was taken from a larger one still knows the levels of the larger one."""
    rome = (rich.table.column("city").to_numpy(zero_copy_only=False) == "Rome") | (np.arange(len(rich)) % 2 == 0)
    without = rich.take(~rome)
    assert "Rome" in without.levels("city")[1]
    encoder, _ = fit_encoder(without, view)
    assert "Rome" not in json.dumps(encoder.state())


def test_codes_keep_missing_values_and_number_levels_by_how_common_they_are(rich: Dataset) -> None:
    encoder, matrix = fit_encoder(rich, "codes")
    city, age = (matrix.values[:, encoder.features_by_column()[name][0]] for name in ("city", "age"))
    names = rich.table.column("city").to_pylist()
    assert [np.isnan(value) for value in city] == [name is None for name in names]
    assert [city[names.index(name)] for name in ("Paris", "Rome", "Oslo", "Bern")] == [0, 1, 2, 3]
    assert np.isnan(age).sum() == rich.table.column("age").null_count > 0
    assert [matrix.names[i] for i in matrix.categorical] == ["city", "shop"]


def test_unseen_levels_and_new_missing_values_have_their_answers() -> None:
    rng = np.random.default_rng(0)
    shops = [f"s{i % 40:02d}" for i in range(400)]
    train = typed_dataset(
        {
            "few": Typed("category", rng.choice(["a", "b"], 400).tolist()),
            "many": Typed("category", shops),
            "size": Typed("number", rng.normal(5, 2, 400).tolist()),
            "day": Typed("datetime", rng.integers(0, 10**15, 400).tolist()),
            "text": Typed("text", ["red blue green"] * 200 + ["red house mouse"] * 200),
        },
        rng.choice(["no", "yes"], 400).tolist(),
    )
    new = typed_dataset(
        {
            "few": Typed("category", ["never seen", None]),
            "many": Typed("category", ["never seen", None]),
            "size": Typed("number", [1e9, None]),
            "day": Typed("datetime", [0, None]),
            "text": Typed("text", ["never seen", None]),
        },
        ["no", "yes"],
    )

    def features(view: View, column: str) -> list[list[float]]:
        encoder, _ = fit_encoder(train, view)
        values: list[list[float]] = encoder.encode(new.table).values[:, encoder.features_by_column()[column]].tolist()
        return values

    nan = pytest.approx(np.nan, nan_ok=True)
    assert features("codes", "few") == [[2.0], [nan]]
    assert features("codes", "many") == [[40.0, pytest.approx(np.log(1 / 400))], [nan, pytest.approx(np.log(1 / 400))]]
    assert features("codes", "size") == [[1e9], [nan]]
    assert features("dense", "few") == [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    unseen, missing = features("dense", "many")
    assert sum(unseen) == 0  # no level, not missing, and the mean of all
    assert missing[30] == 1
    assert missing[31] == pytest.approx(0.0, abs=1e-9)  # it never was missing, so nothing is known but the mean of all
    far, gone = features("dense", "size")
    encoder, matrix = fit_encoder(train, "dense")
    assert far == [
        matrix.values[:, encoder.features_by_column()["size"][0]].max()
    ]  # cut off where the training rows end
    assert gone == [0.0]
    assert features("dense", "day")[1] == [0.0] * 6
    assert features("dense", "text") == [[pytest.approx(np.log(3))] + [0.0] * 4, [0.0] * 5]


def test_a_pure_noise_column_of_many_levels_does_not_know_its_rows_own_target() -> None:
    of_training, of_encode = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        dataset = typed_dataset(
            {"name": Typed("category", [f"n{i}" for i in rng.integers(0, 400, 1500)])},
            rng.normal(size=1500).tolist(),
        )
        encoder, matrix = fit_encoder(dataset, "dense", seed=seed)
        position = matrix.names.index("name (mean target)")
        of_training.append(np.corrcoef(matrix.values[:, position], dataset.y)[0, 1])
        of_encode.append(np.corrcoef(encoder.encode(dataset.table).values[:, position], dataset.y)[0, 1])
    # A mean of eight correlations of 1500 rows has a standard error of 0.009.
    assert abs(np.mean(of_training)) < 0.03
    assert np.min(of_encode) > 0.3  # what it would be if every row were among those of its own mean


@pytest.mark.parametrize("target", ["classes", "numbers"])
def test_a_rows_level_mean_is_the_same_whatever_its_own_target_is(target: str) -> None:
    rng = np.random.default_rng(1)
    names = [f"n{i}" for i in rng.integers(0, 35, 300)]
    y = rng.choice(["no", "yes"], 300).tolist() if target == "classes" else rng.normal(size=300).tolist()
    other: dict[object, object] = {"no": "yes", "yes": "no"}
    for row in (0, 17, 299):
        changed = [*y]
        changed[row] = other.get(y[row], 99.0)
        before, after = (_mean_of(row, names, values) for values in (y, changed))
        assert before == pytest.approx(after, rel=1e-9)
        assert before != 0


def _mean_of(row: int, names: list[str], y: list[object]) -> float:
    """How far the level mean of a training row lies from the mean of all, in units of the target."""
    encoder, matrix = fit_encoder(typed_dataset({"name": Typed("category", names)}, y), "dense")
    means = next(step for step in encoder.steps if isinstance(step, LevelMeans))
    return float(matrix.values[row, -1] * means.scale[0])


def test_mean_targets_of_the_dense_view_count_rows_by_their_weight() -> None:
    rng = np.random.default_rng(0)
    names, y = rng.integers(0, 40, 2000), rng.choice(["no", "yes"], 2000)
    dataset = typed_dataset({"name": Typed("category", [f"n{i}" for i in names])}, y.tolist())
    zero = (rng.random(2000) < 0.5).astype(float)

    def means(of: Dataset) -> LevelMeans:
        return next(step for step in fit_encoder(of, "dense")[0].steps if isinstance(step, LevelMeans))

    weighted, alone = means(with_weight(dataset, zero)), means(dataset.take(zero > 0))
    assert weighted.overall == pytest.approx(alone.overall)
    heavy = means(with_weight(dataset, np.where(y == "yes", 3.0, 1.0)))
    share = (y == "yes").mean()
    assert heavy.overall == pytest.approx([3 * share / (3 * share + 1 - share)])
    assert all(heavy.means[name][0] > means(dataset).means[name][0] for name in heavy.means)
    weight = rng.uniform(0.5, 2, 2000)
    one, other = (fit_encoder(with_weight(dataset, w), "dense")[1].values for w in (weight, 1024 * weight))
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9)
    assert same(
        fit_encoder(with_weight(dataset, np.ones(2000)), "dense")[1].values, fit_encoder(dataset, "dense")[1].values
    )


def test_features_of_a_column_are_where_their_names_are(rich: Dataset) -> None:
    for view in VIEWS:
        encoder, matrix = fit_encoder(rich, view)
        positions = encoder.features_by_column()
        assert sorted({p for found in positions.values() for p in found}) == list(range(len(matrix.names)))
        for name, found in positions.items():
            assert all(
                name in matrix.names[p].split(" (")[0].split(" × ") or matrix.names[p].startswith(name) for p in found
            )
        assert list(positions) == encoder.columns
        assert sorted(encoder.columns) == sorted(rich.features)


def test_the_same_seed_gives_the_same_matrix_and_another_one_other_level_means(rich: Dataset) -> None:
    first, again, other = (fit_encoder(rich, "dense", seed=seed)[1] for seed in (3, 3, 4))
    assert same(first.values, again.values)
    differing = {first.names[i] for i in np.flatnonzero((first.values != other.values).any(axis=0))}
    assert differing == {"shop (mean target)"}


def test_of_the_time_column_only_what_comes_again_is_a_feature() -> None:
    frame = mixed_frame().with_columns(
        at=pl.datetime_range(
            pl.datetime(2020, 1, 1), pl.datetime(2024, 1, 1), interval="58h26m", closed="left", eager=True
        )[:600]
    )
    dataset = dataset_of(frame, "bought", data={"id": "customer_id", "time": "at"})
    for view in VIEWS:
        encoder, matrix = fit_encoder(dataset, view)
        assert [matrix.names[i] for i in encoder.features_by_column()["at"]] == [
            "at month",
            "at day",
            "at weekday",
            "at hour",
        ]


def test_without_a_feature_the_matrix_has_rows_and_no_columns(rich: Dataset) -> None:
    bare = replace(rich, schema=rich.without(rich.features).schema)
    for view in VIEWS:
        encoder, matrix = fit_encoder(bare, view)
        assert matrix.values.shape == encoder.encode(rich.table).values.shape == (len(rich), 0)


@pytest.mark.parametrize("make", [lambda d: d.table, lambda d: d.table.combine_chunks().to_batches()[0]])
def test_a_table_and_a_batch_are_encoded_alike(rich: Dataset, make: Callable[[Dataset], pa.Table]) -> None:
    encoder, _ = fit_encoder(rich, "dense")
    assert same(encoder.encode(make(rich)).values, encoder.encode(rich.table).values)
