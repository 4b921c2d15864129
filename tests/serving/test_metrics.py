"""Counts: in one process, over several, and as Prometheus reads them."""

from __future__ import annotations

import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from mlwright.serving.metrics import BUCKETS, FAMILIES, Metrics, series


def test_processes_that_share_a_folder_are_added_up(tmp_path: Path) -> None:
    first, second = Metrics(tmp_path), Metrics(tmp_path)
    first.count("mlwright_rows_total", 3)
    second.count("mlwright_rows_total", 4)
    second.count("mlwright_missing_total", column="age")
    for either in (first, second, Metrics(tmp_path)):
        assert either.total()["mlwright_rows_total"] == 7
        assert either.total()['mlwright_missing_total{column="age"}'] == 1


def test_threads_lose_no_count() -> None:
    metrics = Metrics()
    slot = metrics.slot("mlwright_rows_total")

    def add() -> None:
        for _ in range(5000):
            metrics.add(slot)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.total()["mlwright_rows_total"] == 20_000


@given(seconds=st.lists(st.floats(0, 30), min_size=1))
def test_buckets_are_cumulative_and_end_with_the_count(seconds: list[float]) -> None:
    metrics = Metrics()
    requests = metrics.requests("/predict")
    for one in seconds:
        requests.add(200, one)
    lines = dict(line.rsplit(" ", 1) for line in metrics.text({}).decode().splitlines() if line[0] != "#")
    for bound in BUCKETS:
        found = float(lines[f'http_request_duration_seconds_bucket{{path="/predict",le="{bound:g}"}}'])
        assert found == sum(one <= bound for one in seconds)
    assert float(lines['http_request_duration_seconds_count{path="/predict"}']) == len(seconds)
    assert float(lines['http_request_duration_seconds_bucket{path="/predict",le="+Inf"}']) == len(seconds)
    assert abs(float(lines['http_request_duration_seconds_sum{path="/predict"}']) - sum(seconds)) < 1e-6


def test_labels_are_escaped_and_families_are_said_once() -> None:
    metrics = Metrics()
    metrics.count("mlwright_missing_total", column='a "b"\\\nc')
    metrics.count("mlwright_missing_total", column="d")
    text = metrics.text({series("mlwright_model_info", name="sales", version="1"): 1}).decode()
    assert 'mlwright_missing_total{column="a \\"b\\"\\\\\\nc"} 1\n' in text
    assert text.count("# TYPE mlwright_missing_total counter\n") == 1
    assert 'mlwright_model_info{name="sales",version="1"} 1\n' in text
    assert text.endswith("\n")


def test_too_many_names_are_counted_together(tmp_path: Path) -> None:
    metrics = Metrics(tmp_path)
    for number in range(9000):
        metrics.count("mlwright_missing_total", column=str(number))
    totals = Metrics(tmp_path).total()
    assert totals["mlwright_series_dropped_total"] + sum(v for k, v in totals.items() if "missing" in k) == 9000
    assert totals["mlwright_series_dropped_total"] > 0


def test_every_family_says_what_it_is() -> None:
    assert all(family.help.endswith(".") for family in FAMILIES.values())
