from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from tests.checks.tables import CLEAN, checked
from tests.features.tables import datasets
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.checks import CHECKS, CheckContext, CheckReport, run_checks
from mlwright.core import ProgressEvent
from mlwright.data import Dataset, DataUnfit, fingerprint_of_rows, plan_split, split_rows


def sound(report: CheckReport) -> CheckReport:
    """A report that can be kept: JSON without NaN, evidence with unique ids, advice with every complaint."""
    json.dumps(report.state(), allow_nan=False)
    ids = [one.id for one in report.evidence()]
    assert len(ids) == len(set(ids))
    for result in report:
        assert result.what
        assert result.method
        assert result.n > 0
        assert result.status == "pass" or result.advice
    return report


@pytest.mark.parametrize("table", CLEAN)
def test_nothing_fails_on_a_clean_table(table: str) -> None:
    make, target = CLEAN[table]
    report = sound(checked(make(), target))
    assert report.failed() == []
    report.raise_if_failed()


@settings(max_examples=60)
@given(dataset=datasets())
def test_no_table_however_odd_or_small_breaks_a_check(dataset: Dataset) -> None:
    spec = spec_for("y")
    try:
        split = split_rows(dataset, plan_split(dataset, spec), seed=0)
    except DataUnfit:
        assume(False)
    sound(run_checks(dataset, spec, split))


def _odd() -> dict[str, dict[str, Any]]:
    rng = np.random.default_rng(0)
    n = 640
    x, yes_no = rng.normal(size=n), rng.choice(["no", "yes"], n)
    some = rng.random(n) < 0.01
    return {
        "mostly one number": {"x": x, "y": np.where(some, x, 0.0)},
        "twelve classes": {"x": x, "y": [f"k{i}" for i in rng.integers(0, 12, n)]},
        "two classes of five rows": {"x": x, "y": ["a"] * (n - 10) + ["b"] * 5 + ["c"] * 5},
        "one row of the rarer class more than the test needs": {"x": x, "y": ["a"] * (n - 6) + ["b"] * 6},
        "texts only": {"t": [" ".join(rng.choice(list("abcdefghijkl"), 6)) for _ in range(n)], "y": yes_no},
        "one category": {"c": rng.choice(list("abc"), n), "y": yes_no},
        "a column without values": {"x": x, "nothing": [None] * n, "y": yes_no},
        "a column with one value among missing": {"x": x, "one": [None] * (n - 1) + [1.5], "y": yes_no},
        "numbers of any size": {"x": np.where(some, 1e200, x), "z": np.where(some, -1e300, x[::-1]), "y": yes_no},
        "all rows equal but the target": {"x": [1.0, 2.0] * (n // 2), "y": yes_no},
        "dates that are missing": {
            "d": pl.Series([None if i % 3 else f"2020-01-{1 + i % 28:02d}" for i in range(n)]).str.to_date(),
            "x": x,
            "y": yes_no,
        },
        "a skewed number to predict": {"x": x, "y": np.exp(5 * x + rng.normal(size=n))},
        "columns with awkward names": {
            "a.b": x,
            "": x + rng.normal(size=n),
            "ä b\n": rng.choice(list("ab"), n),
            "y": yes_no,
        },
    }


@pytest.mark.parametrize("table", _odd())
def test_odd_tables_are_checked_to_the_end(table: str) -> None:
    sound(checked(pl.DataFrame(_odd()[table]), "y"))


@pytest.mark.parametrize("rows", [20, 25, 40, 60])
@pytest.mark.parametrize("target", ["bought", "age", "city"])
def test_small_tables_are_checked_to_the_end(rows: int, target: str) -> None:
    frame = mixed_frame(400, seed=rows).drop("customer_id").filter(pl.col(target).is_not_null())[:rows]
    try:
        report = checked(frame, target)
    except DataUnfit:
        assert target == "city"  # a class may have too few rows to be on both sides
        return
    sound(report)


def test_every_check_says_something_about_some_table() -> None:
    frame = mixed_frame(700).with_columns(
        household=pl.Series([f"H{i // 3}" for i in range(700)]),
        day=pl.col("joined").str.to_date("%Y-%m-%d", strict=False),
        mail=pl.Series([f"p{i % 300}@example.org" for i in range(700)]),
        amount=pl.Series(["1e9" if i < 2 else f"{i % 90}.5" if i % 20 else "call us" for i in range(700)]),
    )
    roles = {"id": "customer_id", "group": "household", "sensitive": ["household"]}
    report = checked(frame, "bought", data=roles, split={"kind": "stratified"})
    said = {result.check for result in report}
    assert set(CHECKS) - said == {"left_out"}
    assert said - set(CHECKS) == {"conflicting_targets", "constants", "identifiers"}  # which two of them say more
    sound(report)


def test_only_the_checks_that_are_asked_for_are_run() -> None:
    report = checked(mixed_frame(), "bought", "missing", "association")
    assert {result.check for result in report} == {"missing", "association"}


def test_the_same_rows_and_seed_give_the_same_report() -> None:
    first, again = (checked(mixed_frame(), "bought") for _ in range(2))
    assert first == again


def test_checking_leaves_the_dataset_alone_and_tells_its_progress() -> None:
    dataset = dataset_of(mixed_frame(), "bought", data={"id": "customer_id"})
    before = fingerprint_of_rows(dataset.table.to_batches())
    events: list[ProgressEvent] = []
    run_checks(dataset, spec_for("bought"), progress=events.append)
    assert fingerprint_of_rows(dataset.table.to_batches()) == before
    assert [events[0].kind, events[-1].kind] == ["started", "finished"]
    advanced = [event for event in events if event.kind == "advanced"]
    assert [event.done for event in advanced] == list(range(len(CHECKS)))
    assert {event.total for event in advanced} == {len(CHECKS)}


def test_what_learns_from_the_target_looks_at_training_rows_only() -> None:
    """With other targets in the test rows, every check of columns, labels and leaks says the same."""
    dataset = dataset_of(mixed_frame(700), "bought", data={"id": "customer_id"})
    spec = spec_for("bought")
    split = split_rows(dataset, plan_split(dataset, spec), seed=0)
    order = np.arange(len(dataset))
    order[split.test_rows] = split.test_rows[::-1]
    other = split_rows(dataset, plan_split(dataset, spec), seed=0)
    moved = type(split)(
        plan=split.plan,
        dataset=dataset.with_target_order(order),
        train_rows=split.train_rows,
        test_rows=other.test_rows,
        left_out=split.left_out,
    )
    assert (moved.dataset.y != dataset.y).sum() > 20
    learning = [
        "leakage",
        "contamination",
        "label_errors",
        "class_imbalance",
        "association",
        "rare_levels",
        "time_leakage",
    ]
    assert run_checks(dataset, spec, split, only=learning) == run_checks(moved.dataset, spec, moved, only=learning)


def test_of_a_large_table_models_see_a_sample() -> None:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({"x": rng.normal(size=13_000), "y": rng.choice(["no", "yes"], 13_000)})
    dataset, spec = dataset_of(frame, "y"), spec_for("y")
    context = CheckContext(dataset, split_rows(dataset, plan_split(dataset, spec), seed=0), spec)
    assert len(context.sample) == 10_000
    assert (np.diff(context.sampled) > 0).all()
    assert context.n_train == len(context.train) > 10_000
