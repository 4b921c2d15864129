"""The counts of a fixed grid are those of numpy, whatever the storage."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.monitoring.counting import count_by_numpy, count_column
from mlwright.monitoring.shapes import ColumnShape

_grid: Any = pytest.importorskip("mlwright._kernels._grid", reason="the compiled kernels are not built here")

LINEAR = ColumnShape(name="x", kind="number", type="number", low=-3.0, high=7.5, centre=1.5)
BITS = ColumnShape(name="x", kind="number", type="number", low=0.01, high=5e4, by_bits=True, centre=100.0)
ODD = [0.0, -0.0, float("nan"), float("inf"), float("-inf"), 1e300, -1e300, 5e-324, 7.5, -3.0]
numbers = st.lists(st.one_of(st.none(), st.sampled_from(ODD), st.floats(), st.floats(-10, 10)), max_size=80)


def same(values: pa.Array, shape: ColumnShape) -> None:
    with np.errstate(invalid="ignore"):
        kernel, plain = count_column(values, shape), count_by_numpy(values, shape)
    np.testing.assert_array_equal(kernel.cells, plain.cells)
    assert (kernel.known, kernel.nulls, kernel.infinite) == (plain.known, plain.nulls, plain.infinite)
    assert (kernel.low, kernel.high) == (plain.low, plain.high)
    np.testing.assert_allclose([kernel.sum, kernel.squares], [plain.sum, plain.squares], rtol=1e-9, equal_nan=True)


@pytest.mark.parametrize("shape", [LINEAR, BITS], ids=["linear", "bits"])
@given(values=numbers, offset=st.integers(0, 5))
def test_the_kernel_counts_what_numpy_counts(shape: ColumnShape, values: list[float | None], offset: int) -> None:
    same(pa.array(values, pa.float64()).slice(offset), shape)


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.uint16(), pa.int32(), pa.int64(), pa.float32(), pa.timestamp("us"), pa.date32()], ids=str
)
def test_each_storage_of_numbers_is_counted(kind: pa.DataType) -> None:
    values = pa.array([None, *range(3000)] if kind.bit_width > 8 else [None, *range(100)], pa.int32()).cast(
        pa.int32() if kind == pa.date32() else pa.int64()
    )
    for shape in (LINEAR, BITS):
        same(values.cast(kind), shape)


def test_every_row_is_in_exactly_one_cell() -> None:
    values = np.random.default_rng(0).normal(2, 4, 100_000)
    assert count_column(pa.array(values), LINEAR).cells.sum() == len(values)


def test_a_grid_without_width_is_refused() -> None:
    data = pa.array([1.0])
    with pytest.raises(ValueError, match="finite width"):
        _grid.count(data.buffers()[1], None, 0, 1, "g", 0, 1, False, 0.0, float("inf"), 1024, 0.0)
    with pytest.raises(ValueError, match="longer than its buffers"):
        _grid.count(data.buffers()[1], None, 0, 99, "g", 0, 1, False, 0.0, 1.0, 1024, 0.0)
