"""What the model costs: the times are those of a clock beside it, the size is that of the files."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.predicted import TASKS
from tests.models.made import made

from mlwright.evaluation import measure_efficiency
from mlwright.spec import Task


@pytest.mark.parametrize("task", TASKS)
def test_times_sizes_and_memory_are_measured(task: Task, tmp_path: Path) -> None:
    model, test = made(task).model, made(task).split.test
    model.save(tmp_path / "model")
    found = measure_efficiency(model, test, tmp_path / "model")
    assert 0 < found.latency_ms_p50 <= found.latency_ms_p95
    assert found.rows_per_second > 0
    files = [path for path in (tmp_path / "model").rglob("*") if path.is_file()]
    assert found.size_mb == pytest.approx(sum(path.stat().st_size for path in files) / 1e6, rel=0.01)
    assert 50 < found.peak_memory_mb < 20_000


def test_the_latency_is_that_of_one_row() -> None:
    model, test = made("binary").model, made("binary").split.test
    found = measure_efficiency(model, test, None)
    one, times = test.take(np.array([0])), []
    for _ in range(50):
        start = time.perf_counter()
        model.predict(one)
        times.append(1000 * (time.perf_counter() - start))
    assert 0.1 < found.latency_ms_p50 / np.median(times) < 10
    assert found.rows_per_second > 2 * 1000 / found.latency_ms_p50  # a batch is worth its while
    assert found.size_mb == 0


def test_a_test_of_one_row_can_be_timed() -> None:
    model, test = made("binary").model, made("binary").split.test
    assert measure_efficiency(model, test.take(np.array([3])), None).rows_per_second > 0


def test_what_was_measured_says_so_and_has_its_unit() -> None:
    model, test = made("regression").model, made("regression").split.test
    records = list(measure_efficiency(model, test, None).evidence())
    assert {record.id: record.unit for record in records} == {
        "efficiency.latency_ms_p50": "ms",
        "efficiency.latency_ms_p95": "ms",
        "efficiency.rows_per_second": "rows/s",
        "efficiency.size_mb": "MB",
        "efficiency.peak_memory_mb": "MB",
    }
    assert all(record.kind == "measured" for record in records)
