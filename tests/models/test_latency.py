"""The time of one answer: as a clock beside it says, with an interval that holds the true quantile."""

from __future__ import annotations

import time

import numpy as np
import pytest
from tests.models.made import made

from mlwright.models import Scorer, latency_of_answers
from mlwright.models.latency import quantile_interval
from mlwright.spec import Task


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_latency_is_that_of_a_record(task: Task) -> None:
    model, test = made(task).model, made(task).split.test
    found = latency_of_answers(model, test, 100)
    scorer, record = Scorer(model), test.table.select(model.schema.names).slice(0, 1).to_pylist()[0]
    scorer.answer(record)
    times = []
    for _ in range(50):
        begun = time.perf_counter()
        scorer.answer(record)
        times.append(1000 * (time.perf_counter() - begun))
    assert 0.1 < found.p50 / float(np.median(times)) < 10
    assert found.p50 <= found.p95
    assert found.range95.low <= found.p95 <= found.range95.high


def test_records_that_lack_a_field_are_passed_over() -> None:
    model, test = made("regression").model, made("regression").split.test
    name = model.schema.names[0]
    position = test.table.column_names.index(name)
    values = test.table.column(name).to_pylist()
    values[: len(values) // 2] = [None] * (len(values) // 2)
    table = test.table.set_column(position, name, [values])
    assert latency_of_answers(model, type(test)(table=table, schema=test.schema, task=test.task), 20).n == 20


@pytest.mark.parametrize(("share", "n"), [(0.5, 30), (0.9, 60), (0.95, 200)])
def test_the_interval_of_a_quantile_holds_it_as_often_as_it_says(share: float, n: int) -> None:
    rng = np.random.default_rng(0)
    truth = -np.log(1 - share)
    held = [truth in quantile_interval(rng.exponential(size=n), share, confidence=0.9) for _ in range(600)]
    assert 0.88 <= np.mean(held) <= 0.99


def test_few_times_have_no_upper_end() -> None:
    assert quantile_interval(np.arange(5.0), 0.95, confidence=0.9).high == np.inf
