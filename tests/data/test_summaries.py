"""The one law of summaries: however the rows are cut up and merged, the answer is the same within its stated error."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.data.strategies import FloatArray, merged, numbers, pieces, texts

from mlwright._kernels import kernel
from mlwright.data import ColumnOfKind, TableSummary, summarise
from mlwright.data.summaries import DistinctSketch, HeavyHitters, LevelSummary, Moments, NumberSummary, QuantileGrid
from mlwright.data.summaries.distinct import K
from mlwright.data.summaries.grid import CAPACITY
from mlwright.data.summaries.hashing import hash_numbers, hash_text

KERNELS = ("_numbers", "_levels")


@pytest.fixture(scope="module", autouse=True, params=["compiled", "by numpy"])
def built(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every law holds with the kernels and without them."""
    if request.param == "compiled" and any(kernel(name) is None for name in KERNELS):
        pytest.skip("the compiled kernels are not built here")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "by numpy":
            for name in KERNELS:
                patch.setitem(sys.modules, f"mlwright._kernels.{name}", None)
        kernel.cache_clear()
        yield
    kernel.cache_clear()


rngs = st.randoms(use_true_random=False)
QUANTILES = (0.0, 0.001, 0.05, 0.25, 0.5, 0.75, 0.99, 1.0)


def through_json(summary: Any) -> Any:
    """The summary that comes back from its state as JSON, which must have no NaN in it."""
    return type(summary).of_state(json.loads(json.dumps(summary.state(), allow_nan=False)))


def table_of(**columns: Any) -> TableSummary:
    arrays = [values if isinstance(values, pa.Array) else pa.array(values) for values in columns.values()]
    return summarise([pa.RecordBatch.from_arrays(arrays, names=list(columns))])


# ------------------------------------------------------------------------------------------------------------- grid


def grid_of(values: FloatArray) -> QuantileGrid:
    grid = QuantileGrid()
    grid.update(values)
    return grid


EVERY_EXPONENT = np.concatenate([np.ldexp(sign * 1.0, np.arange(-1074, 1024)) for sign in (1, -1)])


@given(values=numbers(), rng=rngs)
@example(values=EVERY_EXPONENT, rng=Random(0))
def test_a_grid_is_the_same_for_any_cut_of_the_rows_and_any_order_of_merging(values: FloatArray, rng: Random) -> None:
    shuffled = np.array(rng.sample(values.tolist(), len(values)), dtype=np.float64)
    parts = merged([grid_of(part) for part in pieces(shuffled, rng)], rng)
    assert parts.state() == grid_of(values).state()


@given(values=numbers(least=1))
@example(values=EVERY_EXPONENT)
def test_the_true_quantile_lies_in_the_bounds_that_a_grid_gives(values: FloatArray) -> None:
    grid, ordered = grid_of(values), np.sort(values)
    for q in QUANTILES:
        true = ordered[max(int(np.ceil(q * len(values))), 1) - 1]
        low, high = grid.quantile_bounds(q)
        assert low <= true <= high
        assert low <= grid.quantile(q) <= high


@given(values=numbers(least=1))
def test_a_grid_has_few_cells_that_hold_all_rows_and_are_values_where_they_are_few(values: FloatArray) -> None:
    grid, (distinct, counts) = grid_of(values), np.unique(values, return_counts=True)
    low, high, rows = grid.cells()
    assert len(rows) <= CAPACITY
    assert rows.sum() == grid.count == len(values)
    assert grid.exact == (len(distinct) <= CAPACITY)
    if grid.exact:
        assert low.tolist() == high.tolist() == distinct.tolist()
        assert rows.tolist() == counts.tolist()


@given(values=numbers(), counts=st.data())
def test_a_grid_takes_counted_values_as_it_takes_each_of_them(values: FloatArray, counts: st.DataObject) -> None:
    often = np.array(counts.draw(st.lists(st.integers(1, 4), min_size=len(values[:60]), max_size=len(values[:60]))))
    counted = QuantileGrid()
    counted.update(values[:60], often.astype(np.int64))
    assert counted.state() == grid_of(np.repeat(values[:60], often.astype(int))).state()


def test_a_grid_over_a_narrow_range_keeps_fine_cells() -> None:
    grid = grid_of(np.random.default_rng(0).uniform(2010, 2020, 200_000))
    low, high, _ = grid.cells()
    assert float((high - low).max()) < 0.02


def test_a_grid_of_nothing_has_no_quantile() -> None:
    assert np.isnan([QuantileGrid().quantile(0.5), *QuantileGrid().quantile_bounds(0.5)]).all()


# ---------------------------------------------------------------------------------------------------------- moments


def moments_of(values: FloatArray) -> Moments:
    moments = Moments()
    moments.update(values)
    return moments


def central_sums(values: FloatArray) -> tuple[float, list[float]]:
    """Mean and central sums in exact arithmetic."""
    exact = [Fraction(v) for v in values.tolist()]
    mean = sum(exact, Fraction(0)) / len(exact)
    return float(mean), [float(sum(((v - mean) ** p for v in exact), Fraction(0))) for p in (2, 3, 4)]


@given(values=numbers(least=1, largest=1e60), rng=rngs)
def test_moments_are_right_to_a_billionth_however_the_rows_were_cut(values: FloatArray, rng: Random) -> None:
    values = values[:150]
    found = merged([moments_of(part) for part in pieces(values, rng)], rng)
    mean, (m2, m3, m4) = central_sums(values)
    scale, n = max(float(np.abs(values).max()), 1e-70), len(values)
    assert (found.count, found.low, found.high) == (n, values.min(), values.max())
    assert found.mean == pytest.approx(mean, rel=0, abs=1e-9 * scale)
    assert found.m2 == pytest.approx(m2, rel=1e-9, abs=1e-9 * n * scale**2)
    assert found.m3 == pytest.approx(m3, rel=1e-9, abs=1e-9 * n * scale**3)
    assert found.m4 == pytest.approx(m4, rel=1e-9, abs=1e-9 * n * scale**4)


def test_moments_describe_a_column_as_numpy_does() -> None:
    values = np.random.default_rng(1).gamma(2.0, 3.0, 20_000)
    moments = moments_of(values)
    z = (values - values.mean()) / values.std()
    assert moments.std == pytest.approx(values.std(ddof=1))
    assert moments.skewness == pytest.approx((z**3).mean())
    assert moments.kurtosis == pytest.approx((z**4).mean() - 3)


@given(values=numbers(), rng=rngs)
def test_numbers_too_large_to_square_leave_count_and_extremes_right_and_states_that_json_can_hold(
    values: FloatArray, rng: Random
) -> None:
    moments = merged([moments_of(part) for part in pieces(values, rng)], rng)
    assert moments.count == len(values)
    assert (moments.low, moments.high) == (values.min(initial=np.inf), values.max(initial=-np.inf))
    assert through_json(moments).state() == moments.state()
    assert isinstance(moments.std + moments.skewness + moments.kurtosis, float)


@pytest.mark.parametrize("scale", [1e-120, 1e120, 1e300])
def test_a_column_of_tiny_or_huge_numbers_has_a_shape_without_an_error(scale: float) -> None:
    moments = moments_of(np.array([1.0, 3.0, 2.0]) * scale)
    assert moments.mean == pytest.approx(2 * scale)
    assert isinstance(moments.skewness, float)
    assert isinstance(moments.kurtosis, float)


def test_one_huge_number_everywhere_does_not_vary() -> None:
    assert moments_of(np.full(5, 1e200)).std == 0.0


# --------------------------------------------------------------------------------------------------------- distinct


def sketch_of(values: FloatArray) -> DistinctSketch:
    sketch = DistinctSketch()
    hashes = hash_numbers(values)
    keep = sketch.candidates(hashes)
    sketch.update(hashes[keep], np.ones(len(keep), dtype=np.int64))
    return sketch


@given(values=numbers(), rng=rngs)
def test_a_distinct_sketch_is_the_same_for_any_cut_of_the_rows_and_any_order_of_merging(
    values: FloatArray, rng: Random
) -> None:
    parts = merged([sketch_of(part) for part in pieces(values, rng)], rng)
    assert parts.state() == sketch_of(values).state()
    assert through_json(parts).state() == parts.state()


@given(values=numbers())
def test_a_distinct_sketch_is_exact_where_the_values_are_few(values: FloatArray) -> None:
    sketch, distinct = sketch_of(values), len(np.unique(values))
    if distinct < K:
        assert sketch.exact
        assert sketch.estimate() == distinct
        assert sketch.relative_error == 0
    else:
        assert sketch.relative_error == pytest.approx(0.032, abs=0.001)
        assert abs(sketch.estimate() / distinct - 1) < 6 * sketch.relative_error


def test_what_a_distinct_sketch_keeps_has_its_true_count() -> None:
    values = np.repeat(np.arange(20_000.0), 3)
    assert sketch_of(values).counts.tolist() == [3] * K
    assert sketch_of(values).uniqueness() == pytest.approx(1 / 3)
    assert DistinctSketch().uniqueness() == 0.0


# ---------------------------------------------------------------------------------------------------- heavy hitters


def assert_bounded(found: HeavyHitters, true: Counter[Any], *, at_most: float) -> None:
    """Counts are too low by at most the undercount, whose bound holds; whatever is more frequent than it is there."""
    assert found.undercount <= at_most
    assert len(found.counts) <= found.size
    for value, count in found.counts.items():
        assert true[value] - found.undercount <= count <= true[value]
    assert all(value in found.counts for value, count in true.items() if count > found.undercount)


def hitters_of(values: list[int], size: int) -> HeavyHitters:
    hitters = HeavyHitters(size=size)
    counted = Counter(values)
    hitters.update(counted.keys(), counted.values())
    return hitters


@given(values=st.lists(st.integers(0, 30), max_size=300), size=st.integers(1, 12), rng=rngs)
def test_heavy_hitters_miss_nothing_more_frequent_than_their_undercount(
    values: list[int], size: int, rng: Random
) -> None:
    found = merged([hitters_of(part, size) for part in pieces(values, rng)], rng)
    assert_bounded(found, Counter(values), at_most=len(values) / (size + 1))
    assert found.exact == (found.undercount == 0)
    again = through_json(found)
    assert (again.counts, again.undercount, again.size) == (found.counts, found.undercount, found.size)


def test_the_most_common_come_first_and_ties_in_the_order_of_the_values() -> None:
    assert hitters_of([3, 1, 1, 2, 2], size=5).most_common() == [(1, 2), (2, 2), (3, 1)]


# ----------------------------------------------------------------------------------------------------------- levels


def levels_of(values: list[str]) -> LevelSummary:
    summary = LevelSummary()
    summary.update(pa.array(values, pa.string()))
    return summary


@given(values=texts(), rng=rngs)
def test_levels_are_the_same_within_their_bounds_for_any_cut_of_the_rows(values: list[str], rng: Random) -> None:
    found, whole, true = merged([levels_of(p) for p in pieces(values, rng)], rng), levels_of(values), Counter(values)
    assert found.count == len(values)
    assert found.distinct.state() == whole.distinct.state()
    assert_bounded(found.frequent, true, at_most=len(values) / (found.frequent.size + 1))
    assert sum(found.shapes.counts.values()) + found.shapes.undercount * (found.shapes.size + 1) <= max(len(values), 0)
    lengths = np.array([len(value) for value in values], dtype=np.float64)
    assert found.lengths.count == len(values)
    if values:
        assert found.lengths.mean == pytest.approx(lengths.mean(), rel=1e-9)
        assert found.lengths.m2 == pytest.approx(lengths.var() * len(values), rel=1e-9, abs=1e-9)
    assert through_json(found).state() == found.state()


@given(values=texts(), rng=rngs)
def test_all_levels_are_listed_with_their_counts_where_they_are_complete(values: list[str], rng: Random) -> None:
    found, true = merged([levels_of(p) for p in pieces(values, rng)], rng), Counter(values)
    assert found.complete == (len(true) < K)
    if found.complete:
        assert found.levels() == sorted(true.items(), key=lambda pair: (-pair[1], pair[0]))
        assert found.n_distinct == len(true)
    else:
        assert set(dict(found.levels())) <= set(true)
        assert found.n_distinct == pytest.approx(len(true), rel=0.2)


def test_the_shape_of_a_text_has_nines_for_digits_and_the_letter_a_for_letters() -> None:
    summary = levels_of(["2021-03-01", "1999-12-31", "AB 12", "cd\t34", "é", ""])
    assert summary.shapes.counts == {"9999-99-99": 2, "aa 99": 2, "aa": 1, "": 1}


@given(values=st.sets(st.text(max_size=8) | st.integers().map(str), min_size=2))
def test_different_texts_have_different_hashes(values: set[str]) -> None:
    assert len(np.unique(hash_text(pa.array(sorted(values))))) == len(values)


@given(
    values=st.lists(st.text(max_size=5) | st.sampled_from(["y" * 511, "y" * 512, "y" * 513, "z" * 1500]), min_size=1)
)
def test_the_hash_of_a_text_does_not_depend_on_its_neighbours_or_on_how_it_is_stored(values: list[str]) -> None:
    alone = np.concatenate([hash_text(pa.array([value])) for value in values])
    assert hash_text(pa.array(values)).tolist() == alone.tolist()
    assert hash_text(pa.array(values, pa.large_string())).tolist() == alone.tolist()
    assert hash_text(pa.array(["before", *values])[1:]).tolist() == alone.tolist()


def test_hashes_are_the_same_on_every_machine_and_in_every_version() -> None:
    assert hash_text(pa.array(["", "a", "ä"])).tolist() == [0, 11410808825184243346, 9236632193330222320]
    zero, one_and_a_half = 16294208416658607535, 15481881892811333770
    assert hash_numbers(np.array([0.0, -0.0, 1.5])).tolist() == [zero, zero, one_and_a_half]


# ---------------------------------------------------------------------------------------------------------- numbers


def number_summary_of(values: FloatArray) -> NumberSummary:
    summary = NumberSummary()
    summary.update(values)
    return summary


@st.composite
def with_infinities(draw: st.DrawFn) -> FloatArray:
    values = draw(numbers())
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    return np.where(rng.random(len(values)) < 0.1, rng.choice([np.inf, -np.inf], len(values)), values)


@given(values=with_infinities(), rng=rngs)
def test_a_number_summary_is_the_same_within_its_bounds_for_any_cut_of_the_rows(
    values: FloatArray, rng: Random
) -> None:
    found = merged([number_summary_of(part) for part in pieces(values, rng)], rng)
    whole, finite = number_summary_of(values), values[np.isfinite(values)]
    assert found.grid.state() == whole.grid.state()
    assert found.distinct.state() == whole.distinct.state()
    counted = (found.infinite, found.whole, found.zeros, found.negative, found.moments.count)
    assert counted == (
        len(values) - len(finite),
        int((np.trunc(finite) == finite).sum()),
        int((finite == 0).sum()),
        int((finite < 0).sum()),
        len(finite),
    )
    assert_bounded(found.frequent, Counter(finite.tolist()), at_most=len(finite) / 56)
    assert through_json(found).state() == found.state()


@given(values=numbers(least=1))
def test_most_common_numbers_are_all_numbers_where_they_are_few(values: FloatArray) -> None:
    summary = number_summary_of(values)
    true = Counter(values.tolist())
    if len(true) <= CAPACITY:
        assert dict(summary.most_common()) == true
        assert summary.n_distinct == len(true)
    else:
        assert summary.n_distinct == pytest.approx(len(true), rel=0.2)


def test_a_number_that_fills_a_tenth_of_a_large_column_is_found_with_nearly_its_count() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0, 1, 50_000)
    values[rng.choice(50_000, 5_000, replace=False)] = -999.0
    summary = number_summary_of(values)
    value, count = summary.most_common()[0]
    assert value == -999.0
    assert 5_000 - summary.frequent.undercount <= count <= 5_000


# ----------------------------------------------------------------------------------------------------------- tables


@st.composite
def tables(draw: st.DrawFn) -> pa.RecordBatch:
    """A table of numbers with NaN, texts as they are and as dictionary codes, truth values, dates, and missing values."""
    rows = draw(
        st.lists(
            st.tuples(
                st.none() | st.floats() | st.sampled_from([1.0, 2.0]),
                st.none() | st.integers(-5, 5),
                st.none() | st.booleans(),
                st.none() | st.text(max_size=4) | st.sampled_from(["Paris", "Rome"]),
                st.none() | st.integers(-(10**15), 10**15),
            ),
            max_size=40,
        )
    )
    columns = list(zip(*rows, strict=True)) if rows else [()] * 5
    types = [pa.float64(), pa.int64(), pa.bool_(), pa.string(), pa.timestamp("us")]
    arrays = [pa.array(list(column), kind) for column, kind in zip(columns, types, strict=True)]
    return pa.RecordBatch.from_arrays([*arrays, arrays[3].dictionary_encode()], names=["f", "i", "b", "s", "t", "d"])


@given(batch=tables(), rng=rngs)
def test_a_table_summary_is_the_same_for_any_cut_and_comes_back_from_its_state(
    batch: pa.RecordBatch, rng: Random
) -> None:
    whole = summarise([batch])
    for found in (summarise(pieces(batch, rng)), merged([summarise([p]) for p in pieces(batch, rng)], rng)):
        assert found.rows == whole.rows == batch.num_rows
        assert list(found.columns) == batch.schema.names
        for name, column in found.columns.items():
            assert (column.kind, column.rows, column.nulls) == (
                whole[name].kind,
                whole[name].rows,
                whole[name].nulls,
            )
            assert column.n_distinct == whole[name].n_distinct
            if column.numbers is not None and whole[name].numbers is not None:
                assert column.numbers.grid.state() == whole[name].numbers.grid.state()  # type: ignore[union-attr]
        assert through_json(found).state() == found.state()


@given(batch=tables())
def test_missing_values_are_nulls_and_nan_and_nothing_else(batch: pa.RecordBatch) -> None:
    summary = summarise([batch])
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        missing = sum(v is None or (isinstance(v, float) and v != v) for v in values.to_pylist())
        assert summary[name].nulls == missing
        assert summary[name].known == batch.num_rows - missing


@given(batch=tables())
def test_dictionary_codes_are_summarised_as_the_texts_that_they_stand_for(batch: pa.RecordBatch) -> None:
    summary = summarise([batch])
    assert summary["d"].state() == summary["s"].state()


UTC_MORNING = datetime(2020, 1, 2, 6, 30, tzinfo=UTC)

KINDS: list[tuple[str, pa.Array, str, float | None]] = [
    ("int8", pa.array([5, None], pa.int8()), "integer", 5),
    ("uint64", pa.array([2**63, None], pa.uint64()), "integer", 2.0**63),
    ("float16", pa.array([np.float16(1.5), None], pa.float16()), "number", 1.5),
    ("float32", pa.array([0.25, None], pa.float32()), "number", 0.25),
    ("decimal128", pa.array([Decimal("12.50"), None], pa.decimal128(10, 2)), "number", 12.5),
    ("decimal256", pa.array([Decimal("12.50"), None], pa.decimal256(50, 2)), "number", 12.5),
    ("bool", pa.array([True, None]), "boolean", 1),
    ("date32", pa.array([date(1970, 1, 2), None], pa.date32()), "datetime", 86400),
    ("date64", pa.array([date(1970, 1, 2), None], pa.date64()), "datetime", 86400),
    ("timestamp[s]", pa.array([UTC_MORNING, None], pa.timestamp("s")), "datetime", 1577946600),
    ("timestamp[ns]", pa.array([UTC_MORNING, None], pa.timestamp("ns")), "datetime", 1577946600),
    (
        "timestamp with a zone",
        pa.array([UTC_MORNING, None], pa.timestamp("us", tz="Asia/Tokyo")),
        "datetime",
        1577946600,
    ),
    ("time32", pa.array([time(1, 0), None], pa.time32("s")), "number", 3600),
    ("time64", pa.array([time(1, 0), None], pa.time64("ns")), "number", 3600),
    ("duration", pa.array([timedelta(minutes=2), None], pa.duration("ms")), "number", 120),
    ("large_string", pa.array(["a", None], pa.large_string()), "text", None),
    ("string_view", pa.array(["a", None], pa.string_view()), "text", None),
    ("dictionary", pa.array(["a", None]).dictionary_encode(), "text", None),
    ("dictionary of numbers", pa.array([7, None]).dictionary_encode(), "integer", 7),
    (
        "dictionary of views",
        pa.DictionaryArray.from_arrays(pa.array([0, None], pa.uint8()), pa.array(["a"], pa.string_view())),
        "text",
        None,
    ),
    (
        "dictionary with a null in it",
        pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a", None])),
        "text",
        None,
    ),
]


@pytest.mark.parametrize(("values", "kind", "number"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS])
def test_every_storage_has_its_kind_and_its_number(values: pa.Array, kind: str, number: float | None) -> None:
    column = table_of(x=values)["x"]
    assert (column.kind, column.rows, column.nulls, column.n_distinct) == (kind, 2, 1, 1)
    if number is None:
        assert column.levels is not None
        assert column.levels.levels() == [("a", 1)]
    else:
        assert column.numbers is not None
        assert column.numbers.most_common() == [(number, 1)]


def test_a_column_without_any_value_is_of_the_null_kind() -> None:
    column = table_of(x=pa.nulls(3))["x"]
    assert (column.kind, column.rows, column.nulls, column.known, column.n_distinct) == ("null", 3, 3, 0, 0)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([[1], [2]]),
        pa.array([{"a": 1}]),
        pa.array([b"bytes"]),
        pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
        pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2)),
    ],
    ids=["list", "struct", "bytes", "interval", "fixed list"],
)
def test_values_that_no_feature_can_be_made_of_are_an_error_that_names_column_and_type(values: pa.Array) -> None:
    with pytest.raises(ColumnOfKind, match=r"'tags' holds values of type [a-z_]+") as caught:
        table_of(tags=values)
    assert "must_not_use" in caught.value.fix


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [
        ([1, 2], [1.5, None], "number"),
        ([True, None], [3, 4], "number"),
        ([1, 2], ["x", "y"], "text"),
        ([date(2020, 1, 1)], ["2020-01-02"], "text"),
        ([None, None], [1, 2], "integer"),
        (["a"], [None], "text"),
    ],
)
def test_files_that_disagree_about_a_type_are_of_the_kind_that_holds_both(
    first: list[Any], second: list[Any], kind: str
) -> None:
    one, other = table_of(x=first), table_of(x=second)
    for a, b in ((one, other), (other, one)):
        both = through_json(a)
        both.merge(b)
        assert both["x"].kind == kind
        assert both["x"].rows == len(first) + len(second)
        assert both["x"].known == sum(value is not None for value in [*first, *second])
        assert both["x"].n_distinct == one["x"].n_distinct + other["x"].n_distinct


def test_a_column_that_some_files_do_not_have_is_summarised_over_the_others() -> None:
    both = table_of(a=[1, 2, 3])
    both.merge(table_of(a=[4], b=["x"]))
    assert both.rows == 4
    assert (both["a"].rows, both["b"].rows) == (4, 1)


@pytest.mark.parametrize("make", [lambda: pa.array([1.0, 2.0] * 100_000), lambda: pa.array(["a", "b"] * 100_000)])
def test_a_batch_larger_than_a_piece_is_summarised_whole(make: Callable[[], pa.Array]) -> None:
    column = table_of(x=make())["x"]
    part = column.numbers or column.levels
    assert part is not None
    assert (column.rows, column.n_distinct) == (200_000, 2)


def test_memory_is_bounded_by_the_state_and_not_by_the_rows() -> None:
    rng = np.random.default_rng(2)
    many: NDArray[np.float64] = rng.normal(0, 1, 300_000)
    summary = table_of(x=many, s=pc.cast(pa.array(many), pa.string()))
    assert len(json.dumps(summary.state())) < 300_000
