"""Drift: columns are named and dated, quiet days stay quiet, thin windows wait, other versions are refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.monitoring.watched import START, batch_of, drawn, model, shape

from mlwright.models import Model
from mlwright.monitoring import (
    DriftWatch,
    Guarantee,
    MonitorStore,
    ReferenceOfOtherVersion,
    WindowSummary,
    before_after,
    fold_table,
    judge_drift,
    reference_of,
    saved_findings,
)
from mlwright.monitoring.drift import QUIET_WINDOWS
from mlwright.monitoring.reference import ANSWERS, Reference
from mlwright.spec import Operation

DAY = timedelta(days=1)
LATER = START + timedelta(days=60)


def window(frame: pl.DataFrame) -> WindowSummary:
    summary = WindowSummary(shape=shape())
    summary.update(batch_of(frame), sample=False)
    return summary


def reference(of: Model | None = None) -> Reference:
    return reference_of(of or model(), shape())


def watched(
    days: int,
    *,
    moved_from: int = 10**6,
    older: float = 0.0,
    of: Model | None = None,
    rows: int = 1000,
    **options: float,
) -> DriftWatch:
    watch = DriftWatch.start(reference(of), Guarantee.ever(), **options)
    for day in range(days):
        frame = drawn(rows, seed=100 + day, days=1, older=older if day >= moved_from else 0.0)
        watch = watch.update(window(frame), START + day * DAY)
    return watch


def test_the_scores_of_the_training_rows_are_those_that_the_package_says() -> None:
    own = reference()
    assert own.columns == ("age", "city", "visits", "spent", "member", "note", ANSWERS)
    means, _ = own.measured(window(drawn(3000, seed=1)))  # the rows of the package, before some were left out
    # Less than a hundredth of the rows were left out.
    assert np.nanmax(np.abs(means - own.means)) < 0.01
    known = np.isfinite(own.stretches).all(axis=0)
    assert known.sum() > 0.9 * len(own.scores)
    average = np.average(own.stretches[:, known], axis=0, weights=own.stretch_rows[:, known] + 1e-9)
    families = np.array([score.family for score in own.scores])[known]
    assert np.abs(average - own.means[known])[families != "spread"].max() < 0.02


def test_quiet_days_have_no_alarm() -> None:
    watch = watched(40)
    assert not watch.learning
    assert watch.learnt_from == "training"
    assert watch.drifted() == []


def test_a_column_that_never_comes_raises_no_suspicion() -> None:
    watch = DriftWatch.start(reference(), Guarantee(error=0.05, horizon="run_length"))
    without = batch_of(drawn(60, seed=1)).select(["input.age", "input.city", "time"])
    thin = WindowSummary(shape=shape())
    thin.update(without, sample=False)
    for day in range(60):
        watch = watch.update(thin, START + day * DAY)
    assert watch.detector is not None
    assert watch.detector.log_e[-1] == -np.inf
    assert ANSWERS not in {one.column for one in watch.drifted()}


def test_a_column_that_moves_is_named_and_dated() -> None:
    watch = watched(26, moved_from=20, older=4.0)
    found = {one.column: one for one in watch.drifted()}
    assert set(found) <= {"age", ANSWERS}
    age = found["age"]
    assert age.score.family == "location"
    assert age.change > 0.1
    assert abs((age.began - (START + 20 * DAY)).days) <= 1
    assert age.earliest <= age.began <= age.latest
    assert watch.detector is not None


@pytest.mark.parametrize(
    ("change", "column", "family"),
    [
        (
            pl.when(pl.col("city") == "Oslo").then(pl.lit("Rome")).otherwise(pl.col("city")).alias("city"),
            "city",
            "level",
        ),
        (
            pl.when(pl.col("visits") > 4).then(pl.lit(None)).otherwise(pl.col("visits")).alias("visits"),
            "visits",
            "missing",
        ),
        (pl.when(pl.col("city") == "Bern").then(pl.lit("Lyon")).otherwise(pl.col("city")).alias("city"), "city", "new"),
        ((pl.col("note") + " and more").alias("note"), "note", "length"),
        ((~pl.col("member")).alias("member"), "member", "level"),
        (((pl.col("spent").log() - 3) * 2 + 3).exp().alias("spent"), "spent", "spread"),
    ],
    ids=["levels", "missing", "new levels", "text", "truth value", "spread"],
)
def test_each_kind_of_drift_is_seen(change: pl.Expr, column: str, family: str) -> None:
    watch = watched(3)
    for day in range(3, 8):
        frame = drawn(1000, seed=100 + day, days=1).with_columns(change)
        watch = watch.update(window(frame), START + day * DAY)
    found = {one.column: one.score.family for one in watch.drifted()}
    assert column in found
    if family not in {"new", "missing"}:  # several scores of a column move at once there
        assert found[column] == family


def test_what_the_owner_tolerates_is_no_alarm() -> None:
    assert watched(12, moved_from=0, older=3.0).drifted()
    assert watched(12, moved_from=0, older=3.0, tolerance={"age": 5.0, ANSWERS: 1.0}).drifted() == []  # type: ignore[arg-type]


def test_without_times_in_the_training_rows_the_first_windows_teach() -> None:
    plain = model(in_time=False)
    watch = watched(QUIET_WINDOWS - 1, of=plain)
    assert watch.learning
    assert watch.learnt_from == "windows"
    watch = watched(30, moved_from=20, older=6.0, of=plain)
    assert not watch.learning
    assert "age" in {one.column for one in watch.drifted()}
    assert watched(30, of=plain).drifted() == []


def test_a_package_without_history_is_watched_too() -> None:
    old = replace(model(), history=None)
    watch = watched(25, moved_from=15, older=8.0, of=old)
    assert "age" in {one.column for one in watch.drifted()}


def test_the_state_goes_on_where_it_was() -> None:
    whole = watched(24, moved_from=20, older=4.0)
    half = DriftWatch.of_state(watched(12).state(), reference())
    for day in range(12, 24):
        frame = drawn(1000, seed=100 + day, days=1, older=4.0 if day >= 20 else 0.0)
        half = half.update(window(frame), START + day * DAY)
    assert [one.column for one in half.drifted()] == [one.column for one in whole.drifted()]
    assert half.drifted()[0].log_e == pytest.approx(whole.drifted()[0].log_e)
    assert len(whole.state()) < 100_000


def test_another_version_is_refused() -> None:
    other = reference_of(model(), shape("v2"))
    with pytest.raises(ReferenceOfOtherVersion):
        DriftWatch.of_state(watched(2).state(), other)
    with pytest.raises(ReferenceOfOtherVersion):
        other.measured(window(drawn(100)))


def test_the_spec_says_how_often_an_alarm_may_be_false() -> None:
    daily = Guarantee.of(Operation(false_alarms_per_year=2.0))
    assert (daily.horizon, round(1 / daily.error)) == ("run_length", 183)
    weekly = Guarantee.of(Operation(false_alarms_per_year=2.0, window=timedelta(days=7)))
    assert round(1 / weekly.error) == 26


def test_before_and_after_are_in_the_unit_of_the_column() -> None:
    frame = drawn(5000, seed=7, older=5.0)
    picture = before_after("age", model(), window(frame))
    assert picture is not None
    assert picture.names[2] == "0.5"
    assert picture.after[2] == pytest.approx(frame["age"].median(), abs=0.2)
    assert picture.after[2] - picture.before[2] == pytest.approx(5.0, abs=1.0)
    cities = before_after("city", model(), window(frame))
    assert cities is not None
    assert dict(zip(cities.names, cities.after, strict=True))["Paris"] == pytest.approx(
        (frame["city"] == "Paris").mean()
    )
    money = before_after("spent", model(), window(frame))
    assert money is not None
    assert money.after[3] == pytest.approx(float(np.quantile(frame["spent"], 0.75)), rel=0.02)
    scores = before_after(ANSWERS, model(), window(frame))
    assert scores is not None
    assert scores.after[2] > scores.before[2]
    assert before_after("note", model(), window(frame)) is None


# ---- with the database ----


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MonitorStore]:
    opened = MonitorStore.open(f"sqlite:///{tmp_path}/m.db")
    yield opened
    opened.close()


def fold(store: MonitorStore, day: int, rows: int, *, older: float = 0.0) -> None:
    frame = drawn(rows, seed=200 + day, days=1, older=older).with_columns(pl.col("at") + day * DAY)
    fold_table(store, frame, shape(), time="at")


def judged(store: MonitorStore, until: datetime, **options: object):  # type: ignore[no-untyped-def]
    return judge_drift(store, model(), shape(), until=until, now=until, **options)  # type: ignore[arg-type]


def test_days_that_are_over_are_judged_once_and_what_was_found_is_kept(store: MonitorStore) -> None:
    for day in range(8):
        fold(store, day, 800, older=0.0 if day < 5 else 6.0)
    first = judged(store, START + 5 * DAY)
    assert (first.windows, first.findings) == (5, ())
    found = judged(store, START + 8 * DAY)
    assert found.windows == 3
    assert judged(store, START + 8 * DAY).windows == 0
    (finding,) = found.findings
    assert "age" in finding.columns
    assert finding.key == "drift/overall"
    assert finding.since is not None
    assert abs((finding.since - (START + 5 * DAY)).days) <= 1
    assert "`age` is higher (median" in finding.what
    assert {picture.column for picture in finding.pictures} >= {"age"}
    assert store.reading(lambda c: saved_findings(c, "shop")) == [finding]


def test_a_trouble_that_is_over_is_closed(store: MonitorStore) -> None:
    for day in range(6):
        fold(store, day, 800, older=6.0 if day in (2, 3) else 0.0)
    assert judged(store, START + 4 * DAY).findings
    for day in range(6, 40):
        fold(store, day, 800)
    judged(store, START + 40 * DAY)
    assert store.reading(lambda c: saved_findings(c, "shop")) == []
    assert len(store.reading(lambda c: saved_findings(c, "shop", open_only=False))) == 1


def test_three_rows_wait_for_the_next_window(store: MonitorStore) -> None:
    fold(store, 0, 3)
    fold(store, 1, 400)
    first = judged(store, START + DAY)
    assert (first.windows, first.waiting) == (0, 3)
    second = judged(store, START + 2 * DAY)
    assert (second.windows, second.waiting) == (1, 0)
    fold(store, 2, 400)
    fold(store, 4, 5)
    fold(store, 5, 400)
    third = judged(store, START + 6 * DAY)
    assert (third.windows, third.waiting) == (2, 0)


def test_a_window_of_several_days_is_judged_as_one(store: MonitorStore) -> None:
    for day in range(14):
        fold(store, day, 200)
    week = judged(store, START + 14 * DAY, window=timedelta(days=7))
    assert week.windows in (1, 2)  # weeks begin where those since 1970 do
