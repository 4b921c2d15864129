"""The kernels of summaries against the same summaries by numpy and Arrow."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.data.strategies import FloatArray, numbers, pieces, texts

from mlwright._kernels import kernel
from mlwright.data import TableSummary, summarise
from mlwright.data.summaries import ColumnSummary, Moments
from mlwright.data.summaries.distinct import K
from mlwright.data.summaries.grid import CAPACITY

KERNELS = ("mlwright._kernels._numbers", "mlwright._kernels._levels")

_numbers: Any = pytest.importorskip(KERNELS[0], reason="the compiled kernels are not built here")
_levels: Any = pytest.importorskip(KERNELS[1], reason="the compiled kernels are not built here")

EPSILON = float(np.finfo(np.float64).eps)


@contextmanager
def unbuilt() -> Iterator[None]:
    """As if there had been no compiler."""
    built = {name: sys.modules[name] for name in KERNELS}
    sys.modules.update(dict.fromkeys(KERNELS))  # type: ignore[arg-type]
    kernel.cache_clear()
    try:
        yield
    finally:
        sys.modules.update(built)
        kernel.cache_clear()


def column_of(parts: list[pa.Array]) -> ColumnSummary:
    batches = [pa.RecordBatch.from_arrays([part], names=["x"]) for part in parts]
    return summarise(batches)["x"]


def both_ways(parts: list[pa.Array]) -> tuple[ColumnSummary, ColumnSummary]:
    """A column by the kernel, and by numpy."""
    with unbuilt():
        by_numpy = column_of(parts)
    return column_of(parts), by_numpy


def assert_same_moments(found: Moments, expected: Moments) -> None:
    """Equal up to rounding: of each sum, and of the mean that it is taken around."""
    assert (found.count, found.low, found.high) == (expected.count, expected.low, expected.high)
    if found.count == 0 or max(abs(found.low), abs(found.high)) > 1e60:
        return
    n, mean = found.count, expected.mean
    assert found.mean == pytest.approx(mean, rel=1e-12, abs=4 * EPSILON * max(-found.low, found.high))
    spread = max(found.high - mean, mean - found.low)
    moved = 64 * EPSILON * max(-found.low, found.high)
    for power, name in ((2, "m2"), (3, "m3"), (4, "m4")):
        rounding = n * (1e-12 * spread**power + power * moved * (spread + moved) ** (power - 1))
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-12, abs=rounding + 1e-300)


def assert_same(found: ColumnSummary, expected: ColumnSummary) -> None:
    """Everything but moments to the bit."""
    one, other = (json.loads(json.dumps(summary.state())) for summary in (found, expected))
    for part, moments in (("numbers", "moments"), ("levels", "lengths")):
        if one[part] is not None:
            del one[part][moments], other[part][moments]
            assert_same_moments(getattr(getattr(found, part), moments), getattr(getattr(expected, part), moments))
    assert one == other


# ---------------------------------------------------------------------------------------------------------- numbers


@st.composite
def odd_numbers(draw: st.DrawFn) -> pa.Array:
    """Numbers with infinities, NaN and nulls among them, and sometimes one of them very often."""
    values = draw(numbers())
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    often = draw(st.sampled_from([0.0, 0.0, 0.02, 0.5]))
    if len(values):
        values = np.where(rng.random(len(values)) < often, values[0], values)
    if draw(st.booleans()):
        odd = rng.choice([np.inf, -np.inf, np.nan], len(values))
        values = np.where(rng.random(len(values)) < 0.1, odd, values)
    share = draw(st.sampled_from([0.0, 0.01, 0.3, 1.0]))
    return pa.array(values, mask=rng.random(len(values)) < share)


@given(column=odd_numbers(), rng=st.randoms(use_true_random=False))
def test_a_column_of_numbers_has_the_summary_that_numpy_gives(column: pa.Array, rng: Random) -> None:
    assert_same(*both_ways(pieces(column, rng)))


STORAGES = [
    pa.bool_(),
    *(pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.decimal128(30, 3)),
    *(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns")),
    *(pa.duration(unit) for unit in ("s", "ms", "us", "ns")),
    *(pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    pa.timestamp("ns", tz="Asia/Tokyo"),
]


def stored_as(arrow_type: pa.DataType, n: int, seed: int) -> pa.Array:
    """A column of any storage, over its whole range, a tenth of it missing."""
    rng = np.random.default_rng(seed)
    missing = rng.random(n) < 0.1
    if pa.types.is_boolean(arrow_type):
        return pa.array(rng.random(n) < 0.3, mask=missing)
    if pa.types.is_floating(arrow_type):
        kind = {16: np.float16, 32: np.float32, 64: np.float64}[arrow_type.bit_width]
        return pa.array(rng.normal(0, 100, n).astype(kind), mask=missing)
    if pa.types.is_decimal(arrow_type):
        return pc.cast(pa.array(rng.integers(-(10**9), 10**9, n), mask=missing), arrow_type)
    if pa.types.is_time(arrow_type):
        width = np.int32 if arrow_type.bit_width == 32 else np.int64
        top = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}[arrow_type.unit]
        return pa.array(rng.integers(0, top, n).astype(width), mask=missing).view(arrow_type)
    if arrow_type == pa.date64():
        return pa.array(rng.integers(-(10**5), 10**5, n) * 86_400_000, mask=missing).view(arrow_type)
    unsigned = pa.types.is_unsigned_integer(arrow_type)
    bits = np.frombuffer(
        rng.bytes(n * arrow_type.bit_width // 8), f"{'u' if unsigned else 'i'}{arrow_type.bit_width // 8}"
    )
    return pa.array(bits, mask=missing).view(arrow_type)


@pytest.mark.parametrize("arrow_type", STORAGES, ids=str)
@settings(max_examples=12)
@given(n=st.integers(0, 3000), start=st.integers(0, 70), seed=st.integers(0, 2**16))
@example(n=10_000, start=3, seed=0)
def test_every_storage_is_read_as_arrow_reads_it(arrow_type: pa.DataType, n: int, start: int, seed: int) -> None:
    column = stored_as(arrow_type, n, seed)
    assert_same(*both_ways([column[start:], column[: n // 2]]))


@pytest.mark.parametrize("rows", [8_000, 131_072, 300_000])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.normal(size=n),
        lambda rng, n: rng.standard_cauchy(n),
        lambda rng, n: rng.integers(0, 2048, n).astype(float),
        lambda rng, n: rng.integers(0, 3000, n).astype(float),
        lambda rng, n: np.sort(rng.normal(size=n)),
        lambda rng, n: np.arange(n, dtype=float),
        lambda rng, n: np.where(rng.random(n) < 0.9, 0.0, rng.normal(size=n)),
        lambda rng, n: np.where(rng.random(n) < 0.99, 1 + rng.integers(0, 10**6, n) * EPSILON, 10.0 ** rng.normal(0, 60, n)),
    ],
    ids=["normal", "cauchy", "as many as cells", "more than cells", "sorted", "counting", "mostly 0", "one crowded cell"],
)  # fmt: skip
def test_large_columns_have_the_summary_that_numpy_gives(draw: Any, rows: int) -> None:
    assert_same(*both_ways([pa.array(draw(np.random.default_rng(rows), rows))]))


def test_a_summary_that_numpy_began_goes_on_with_the_kernel() -> None:
    rng = np.random.default_rng(0)
    columns = [pa.array(rng.normal(size=20_000)), pa.array(rng.integers(0, 5000, 20_000).astype(str))]
    batch = pa.RecordBatch.from_arrays(columns, names=["x", "s"])
    with unbuilt():
        begun, expected = (
            TableSummary.of_state(summarise([batch[:9_000]]).state()),
            summarise([batch[:9_000], batch[9_000:]]),
        )
    begun.update(batch[9_000:])
    for name in ("x", "s"):
        assert_same(begun[name], expected[name])


def test_buffers_that_are_not_aligned_are_read() -> None:
    values = np.random.default_rng(1).normal(size=2_000)
    buffer = pa.py_buffer(b"x" + values.tobytes())[1:]
    assert_same(column_of([pa.Array.from_buffers(pa.float64(), 2_000, [None, buffer])]), column_of([pa.array(values)]))


def test_the_sizes_of_the_state_are_those_of_numpy() -> None:
    assert (_numbers.CAPACITY, _numbers.KEPT) == (CAPACITY, K)


# ------------------------------------------------------------------------------------------------------------ texts


@st.composite
def some_texts(draw: st.DrawFn) -> pa.Array:
    values: list[str | None] = list(draw(texts()))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    missing = rng.random(len(values)) < draw(st.sampled_from([0.0, 0.01, 0.4, 1.0]))
    values = [None if gone else value for value, gone in zip(values, missing.tolist(), strict=True)]
    return pa.array(values, draw(st.sampled_from([pa.string(), pa.large_string(), pa.string_view()])))


@given(column=some_texts(), rng=st.randoms(use_true_random=False))
def test_texts_have_the_summary_that_numpy_gives(column: pa.Array, rng: Random) -> None:
    assert_same(*both_ways(pieces(column, rng)))


CODES = [pa.int8(), pa.uint8(), pa.int16(), pa.uint16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64()]


@pytest.mark.parametrize("code", CODES, ids=str)
@pytest.mark.parametrize("levels", [pa.string(), pa.large_string()], ids=str)
@settings(max_examples=15)
@given(n=st.integers(0, 700), n_levels=st.integers(1, 100), start=st.integers(0, 80), seed=st.integers(0, 2**16))
def test_codes_have_the_summary_that_numpy_gives(
    code: pa.DataType, levels: pa.DataType, n: int, n_levels: int, start: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_levels, n).astype(f"{'u' if 'u' in str(code) else ''}int{code.bit_width}")
    words = pa.array([f"{'é' * (i % 5)}-{i % 70}" for i in range(n_levels + 2)], levels)[2:]  # some of them twice
    column = pa.DictionaryArray.from_arrays(pa.array(codes, mask=rng.random(n) < 0.2), words)
    assert_same(*both_ways([column[start:], column[: n // 2]]))


def test_more_levels_than_are_kept_have_the_summary_that_numpy_gives() -> None:
    rng = np.random.default_rng(3)
    words = pa.array([f"{i:05d}-{'x' * (i % 700)}" for i in range(20_000)])
    codes = pa.array(np.minimum(rng.zipf(1.3, 60_000), 20_000) - 1)
    column = pa.DictionaryArray.from_arrays(codes, words)
    assert_same(*both_ways([column, column[:100]]))
    assert_same(*both_ways([pc.cast(column, pa.string())]))


def test_what_lies_under_a_missing_code_is_not_looked_at() -> None:
    codes = pa.Array.from_buffers(pa.int8(), 4, [pa.py_buffer(b"\x05"), pa.py_buffer(bytes([0, 200, 1, 99]))])
    column = pa.DictionaryArray.from_arrays(codes, pa.array(["a", "b"]), safe=False)
    found = column_of([column])
    assert found.nulls == 2
    assert found.levels is not None
    assert found.levels.levels() == [("a", 1), ("b", 1)]


# -------------------------------------------------------------------------------------------------- what is refused


EMPTY = (0, b"", b"", b"", b"")


def whole(*numbers: int) -> bytes:
    return np.array(numbers, dtype=np.int64).tobytes()


@pytest.mark.parametrize(
    ("column", "state", "why"),
    [
        ((bytes(79), None, 0, 10, "g", 0, 1), EMPTY, "longer than its buffers"),
        ((bytes(80), None, 1, 10, "g", 0, 1), EMPTY, "longer than its buffers"),
        ((bytes(80), b"\xff", 0, 10, "g", 0, 1), EMPTY, "longer than its buffers"),
        ((bytes(80), None, -1, 10, "g", 0, 1), EMPTY, "longer than its buffers"),
        ((bytes(80), None, 0, -1, "g", 0, 1), EMPTY, "longer than its buffers"),
        ((bytes(80), None, sys.maxsize, 10, "g", 0, 1), EMPTY, "longer than its buffers"),
        ((None, None, 0, 1, "g", 0, 1), EMPTY, "longer than its buffers"),
        ((bytes(80), None, 0, 10, "u", 0, 1), EMPTY, "no such type"),
        ((bytes(80), None, 0, 10, "é", 0, 1), EMPTY, "no such type"),
        ((bytes(80), None, 0, 10, "g", 1000, 1), EMPTY, "moments are"),
        ((bytes(80), None, 0, 10, "l", 1, 0), EMPTY, "moments are"),
        ((bytes(80), None, 0, 10, "g", 0, 1), (64, b"", b"", b"", b""), "from 0 to 63"),
        ((bytes(80), None, 0, 10, "g", 0, 1), (-1, b"", b"", b"", b""), "from 0 to 63"),
        ((bytes(80), None, 0, 10, "g", 0, 1), (0, whole(1, 2), whole(1), b"", b""), "as many counts"),
        ((bytes(80), None, 0, 10, "g", 0, 1), (0, b"123", b"123", b"", b""), "as many counts"),
        ((bytes(80), None, 0, 10, "g", 0, 1), (0, whole(2, 1), whole(1, 1), b"", b""), "must ascend"),
        ((bytes(80), None, 0, 10, "g", 0, 1), (0, whole(1, 1), whole(1, 1), b"", b""), "must ascend"),
        ((bytes(80), None, 0, 10, "g", 0, 1), (60, whole(8), whole(1), b"", b""), "fit its shift"),
        ((bytes(80), None, 0, 10, "g", 0, 1), (0, b"", b"", whole(5, 4), whole(1, 1)), "must ascend"),
    ],
)
def test_numbers_that_do_not_fit_their_buffers_or_state_are_refused(column: Any, state: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        _numbers.summarise(*column, *state)


@pytest.mark.parametrize(
    ("codes", "why"),
    [
        ((bytes([0, 1, 3]), None, 0, 3, "c", 3), "no level"),
        ((bytes([0, 1, 255]), None, 0, 3, "c", 300), "no level"),
        ((whole(0, 2**40), None, 0, 2, "l", 3), "no level"),
        ((b"\0", None, 0, 1, "c", 0), "no level"),
        ((bytes(3), None, 0, 4, "c", 3), "longer than its buffers"),
        ((bytes(3), None, 2, 2, "c", 3), "longer than its buffers"),
        ((bytes(16), b"\0", 0, 9, "c", 3), "longer than its buffers"),
        ((bytes(3), None, 0, 3, "f", 3), "codes are integers"),
        ((bytes(3), None, 0, 3, "c", -1), "codes are integers"),
        ((bytes(3), None, 0, 3, "c", 2**40), "codes are integers"),
    ],
)
def test_codes_without_a_level_are_refused(codes: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        _levels.count_codes(*codes)


def ends(*offsets: int) -> bytes:
    return np.array(offsets, dtype=np.int32).tobytes()


@pytest.mark.parametrize(
    ("offsets", "length", "why"),
    [
        (ends(0, 3, 2), 2, "outside its buffer"),
        (ends(0, 3, 6), 2, "outside its buffer"),
        (ends(-1, 3, 5), 2, "outside its buffer"),
        (ends(0, 3, -5), 2, "outside its buffer"),
        (ends(0, 3), 2, "longer than its buffers"),
        (ends(0, 3, 5), -1, "longer than its buffers"),
        (ends(0, 3, 5), 2**31 - 1, "longer than its buffers"),
        (ends(0, 3, 5), sys.maxsize, "longer than its buffers"),
    ],
)
def test_texts_outside_their_buffer_are_refused(offsets: bytes, length: int, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        _levels.group(offsets, b"abcde", None, 0, length, False)
    with pytest.raises(ValueError, match=why):
        _levels.describe(offsets, b"abcde", 0, length, False, whole(0, 1), whole(1, 1))


@pytest.mark.parametrize(
    ("at", "counts", "why"),
    [
        (whole(2), whole(1), "not there"),
        (whole(-1), whole(1), "not there"),
        (whole(0), whole(0), "not there"),
        (whole(0), whole(2**32), "not there"),
        (whole(0, 1), whole(1), "as many counts"),
        (b"", b"", "as many counts"),
        (b"1", b"1", "as many counts"),
    ],
)
def test_levels_that_are_not_there_are_refused(at: bytes, counts: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        _levels.describe(ends(0, 3, 5), b"abcde", 0, 2, False, at, counts)


@pytest.mark.parametrize("given_instead", [1.5, "text", [1.0]])
def test_what_is_no_buffer_is_refused(given_instead: Any) -> None:
    with pytest.raises(TypeError):
        _numbers.summarise(given_instead, None, 0, 1, "g", 0, 1, *EMPTY)
    with pytest.raises(TypeError):
        _levels.count_codes(bytes(1), given_instead, 0, 1, "c", 1)


def test_threads_do_not_disturb_each_other() -> None:
    rng = np.random.default_rng(0)
    columns: list[FloatArray] = [rng.normal(size=50_000) * 10.0**i for i in range(6)]
    alone = [column_of([pa.array(values)]).state() for values in columns]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda values: column_of([pa.array(values)]).state(), columns * 5))
    assert together == alone * 5
