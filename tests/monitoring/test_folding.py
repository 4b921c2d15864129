"""Folding a log: every answer and every label once, whatever happens in between."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sqlalchemy import event
from tests.monitoring.watched import START, batch_of, drawn, logged, shape

from mlwright.monitoring import (
    Folded,
    KeptWindow,
    MonitorStore,
    ReferenceOfOtherVersion,
    TimesUnreadable,
    WindowShape,
    WindowSummary,
    fold_log,
    fold_table,
    kept_windows,
    merged,
    roll_up,
)
from mlwright.monitoring.kept import save_detector
from mlwright.predictions import LogNotFound, add_labels, read_window
from mlwright.spec import Expression

NOW = START + timedelta(days=10)
FRAME = drawn(120, seed=3, days=0.2)  # five hours
TRUTH = FRAME["bought"].to_list()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MonitorStore]:
    opened = MonitorStore.open(f"sqlite:///{tmp_path}/m.db")
    yield opened
    opened.close()


def folded(store: MonitorStore, log: Path, *versions: str, **options: object) -> Folded:
    shapes = {version: shape(version) for version in versions or ("v1",)}
    return fold_log(store, log, shapes, until=NOW, **options)  # type: ignore[arg-type]


def windows(store: MonitorStore, version: str = "v1", slice_name: str = "overall") -> list[KeptWindow]:
    return store.reading(lambda connection: kept_windows(connection, shape(version), slice_name=slice_name))


def total(store: MonitorStore, version: str = "v1", slice_name: str = "overall") -> WindowSummary:
    return merged(shape(version), windows(store, version, slice_name))


def labels(log: Path, ids: list[str], truth: list[str]) -> None:
    add_labels(log, pl.DataFrame({"id": ids, "label": truth}))


def truth_at_once(log: Path, version: str = "v1") -> WindowSummary:
    """What folding must come to: all of the log as `read_window` has it."""
    window = WindowSummary(shape=shape(version))
    for batch in read_window(log, version=version, labels=True):
        window.update(batch)
    return window


def same_counts(found: WindowSummary, wanted: WindowSummary) -> None:
    assert found.rows == wanted.rows
    for name in ("cells", "tallies", "scores", "labelled"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)
    np.testing.assert_array_equal(found.counts.confusion, wanted.counts.confusion)
    np.testing.assert_allclose(found.sums, wanted.sums, rtol=1e-9)


def test_a_log_is_folded_by_the_hour_and_only_once(store: MonitorStore, tmp_path: Path) -> None:
    logged(tmp_path / "log", FRAME)
    assert folded(store, tmp_path / "log").rows == 120
    assert folded(store, tmp_path / "log").rows == 0
    found = windows(store)
    assert [(one.start, one.end) for one in found] == [
        (START + timedelta(hours=hour), START + timedelta(hours=hour + 1)) for hour in range(5)
    ]
    same_counts(total(store), truth_at_once(tmp_path / "log"))


def test_what_comes_later_is_added_and_late_rows_are_said(store: MonitorStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    logged(log, FRAME.head(60), worker="0")
    folded(store, log)
    store.transaction(lambda c: save_detector(c, shape(), "drift", START + timedelta(hours=4), b""))
    logged(log, FRAME.tail(60), worker="1")
    done = folded(store, log)
    hours = FRAME.tail(60)["at"].dt.hour()
    assert done.rows == 60
    assert done.late == int((hours < 4).sum())
    assert total(store).late == done.late
    same_counts(total(store), truth_at_once(log))


def test_answers_given_twice_count_once_also_between_two_calls(store: MonitorStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ids = [f"r{number}" for number in range(120)]
    logged(log, FRAME.head(60), ids=ids[:60], worker="0")
    assert folded(store, log).rows == 60
    logged(log, FRAME.slice(40, 60), ids=ids[40:100], worker="1")
    assert folded(store, log).rows == 40
    same_counts(total(store), truth_at_once(log))
    labels(log, ids, TRUTH)
    assert folded(store, log).labels == 100
    same_counts(total(store), truth_at_once(log))


def test_labels_join_before_with_and_after_their_answers(store: MonitorStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ids = logged(log, FRAME.head(40), worker="0")
    labels(log, [*ids[:20], "1-0", "1-1"], [*TRUTH[:20], "yes", "no"])  # two of answers that come later
    assert folded(store, log).labels == 20
    labels(log, ids[20:30], TRUTH[20:30])
    later = logged(log, FRAME.slice(40, 40), worker="1")
    done = folded(store, log)
    assert (done.labels, done.changed) == (10 + 2, 0)
    labels(log, later, TRUTH[40:80])
    done = folded(store, log)
    assert done.labels == 38
    same_counts(total(store), truth_at_once(log))


def test_the_same_label_again_changes_nothing_and_another_one_takes_its_place(
    store: MonitorStore, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    ids = logged(log, FRAME.head(40))
    labels(log, ids, TRUTH[:40])
    folded(store, log)
    labels(log, ids, TRUTH[:40])
    assert folded(store, log).labels == 0
    other = ["no" if truth == "yes" else "yes" for truth in TRUTH[:40]]
    labels(log, ids[:10], other[:10])
    done = folded(store, log)
    assert (done.labels, done.changed) == (0, 10)
    assert total(store).counts.known == 40
    same_counts(total(store), truth_at_once(log))


def test_versions_have_windows_of_their_own_and_an_unknown_one_waits_for_its_package(
    store: MonitorStore, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    logged(log, FRAME.head(50), version="v1", worker="0")
    ids = logged(log, FRAME.tail(70), version="v2", worker="1")
    done = folded(store, log)
    assert (done.rows, dict(done.skipped)) == (50, {"v2": 70})
    labels(log, ids[:30], TRUTH[50:80])
    assert folded(store, log).labels == 0
    done = folded(store, log, "v1", "v2")
    assert (done.rows, done.labels) == (70, 30)
    assert folded(store, log, "v1", "v2").rows == 0
    same_counts(total(store, "v1"), truth_at_once(log, "v1"))
    same_counts(total(store, "v2"), truth_at_once(log, "v2"))


def test_slices_are_counted_beside_all_rows(store: MonitorStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ids = logged(log, FRAME)
    slices = {"romans": Expression.parse("city == 'Rome' and age > 40"), "nobody": Expression.parse("visits < 0")}
    folded(store, log, slices=slices)
    labels(log, ids, TRUTH)
    folded(store, log, slices=slices)
    wanted = FRAME.filter((pl.col("city") == "Rome") & (pl.col("age") > 40))
    assert total(store, slice_name="romans").rows == len(wanted)
    assert total(store, slice_name="romans").labelled.sum(axis=1).tolist() == [
        (wanted["bought"] == "no").sum(),
        (wanted["bought"] == "yes").sum(),
    ]
    assert windows(store, slice_name="nobody") == []


def test_hours_of_a_clock_that_is_ahead_wait(store: MonitorStore, tmp_path: Path) -> None:
    ahead = FRAME.head(10).with_columns(pl.col("at") + timedelta(days=400))
    logged(tmp_path / "log", ahead)
    done = folded(store, tmp_path / "log")
    assert (done.rows, done.files) == (0, 0)
    assert done.ahead >= 1


def test_windows_of_a_changed_package_are_refused(store: MonitorStore, tmp_path: Path) -> None:
    logged(tmp_path / "log", FRAME.head(20), worker="0")
    folded(store, tmp_path / "log")
    logged(tmp_path / "log", FRAME.head(20), worker="1")
    changed = WindowShape.of_state({**shape().state(), "score_high": 2.0})
    with pytest.raises(ReferenceOfOtherVersion):
        fold_log(store, tmp_path / "log", {"v1": changed}, until=NOW)
    assert total(store).rows == 20


def test_a_log_that_is_not_there_is_said(store: MonitorStore, tmp_path: Path) -> None:
    with pytest.raises(LogNotFound):
        folded(store, tmp_path / "nowhere")


def test_hours_become_days_and_months_and_late_rows_still_find_them(store: MonitorStore, tmp_path: Path) -> None:
    log = tmp_path / "log"
    ids = logged(log, FRAME, worker="0")
    folded(store, log)
    before = total(store)
    assert store.transaction(lambda c: roll_up(c, shape(), before=NOW, grain="day")) == 4
    assert [one.grain for one in windows(store)] == ["day"]
    same_counts(total(store), before)
    late = drawn(30, seed=9, days=1.5)
    logged(log, late, worker="1")
    labels(log, ids, TRUTH)
    folded(store, log)
    same_counts(total(store), truth_at_once(log))
    store.transaction(lambda c: roll_up(c, shape(), before=START + timedelta(days=40), grain="month"))
    assert [one.grain for one in windows(store)] == ["month"]
    same_counts(total(store), truth_at_once(log))
    assert store.transaction(lambda c: roll_up(c, shape(), before=START + timedelta(days=40), grain="month")) == 0


class Killed(BaseException):
    """The process ends here: nothing catches this."""


def kill_at(store: MonitorStore, number: int) -> None:
    """End before the so-many-th statement or commit, which is after the one before."""
    seen = 0

    def stop(*_: object) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            raise Killed

    for name in ("before_cursor_execute", "commit"):
        event.listen(store.engine, name, stop)


def test_killed_at_any_statement_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    log = tmp_path / "log"
    frame = FRAME.filter(pl.col("at") < START + timedelta(hours=1))
    ids = logged(log, frame.head(12), worker="0")
    shapes = {"v1": shape()}
    first = MonitorStore.open(f"sqlite:///{tmp_path}/first.db")
    fold_log(first, log, shapes, until=NOW)
    first.close()
    labels(log, ids[:10], frame["bought"].to_list()[:10])
    logged(log, frame.tail(len(frame) - 12), worker="1")
    wanted, number, killed = truth_at_once(log), 0, 0
    while True:
        number += 1
        path = tmp_path / "again.db"
        shutil.copy(tmp_path / "first.db", path)
        store = MonitorStore.open(f"sqlite:///{path}")
        kill_at(store, number)
        try:
            fold_log(store, log, shapes, until=NOW)
            ended = True
        except Killed:
            ended = False
        store.close()
        again = MonitorStore.open(f"sqlite:///{path}")
        fold_log(again, log, shapes, until=NOW)
        same_counts(total(again), wanted)
        again.close()
        if ended:
            break
        killed += 1
    assert killed > 10


def test_a_table_is_folded_once_by_its_days(store: MonitorStore, tmp_path: Path) -> None:
    frame = drawn(500, seed=4, days=3).with_columns(probability_yes=pl.lit(0.7), prediction=pl.lit("yes"))
    done = fold_table(store, frame, shape(), time="at", label="bought")
    assert (done.rows, done.files) == (500, 1)
    assert fold_table(store, frame, shape(), time="at", label="bought").rows == 0
    found = windows(store)
    assert [one.start for one in found] == [START + timedelta(days=day) for day in range(3)]
    plain = WindowSummary(shape=shape())
    plain.update(batch_of(frame))
    np.testing.assert_array_equal(total(store).cells, plain.cells)
    assert total(store).counts.known == 500


def test_a_folder_of_parquet_files_is_folded_file_by_file(store: MonitorStore, tmp_path: Path) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    drawn(100, seed=1, days=2).write_parquet(folder / "a.parquet")
    drawn(50, seed=2, days=2).write_parquet(folder / "b.parquet")
    assert fold_table(store, folder, shape(), time="at", grain="hour").rows == 150
    drawn(25, seed=3, days=2).write_parquet(folder / "c.parquet")
    assert fold_table(store, folder, shape(), time="at", grain="hour").rows == 25
    assert total(store).rows == 175
    assert len(windows(store)) > 40


def test_batches_are_folded_under_the_name_that_they_have(store: MonitorStore) -> None:
    frame = drawn(100, seed=1, days=2)
    pieces = [frame.slice(start, 20).to_arrow().to_batches()[0] for start in range(0, 100, 20)]
    assert fold_table(store, iter(pieces), shape(), time="at", name="november").rows == 100
    assert fold_table(store, iter(pieces), shape(), time="at", name="november").rows == 0


def test_times_that_are_none_are_said(store: MonitorStore) -> None:
    with pytest.raises(TimesUnreadable, match="'visits'"):
        fold_table(store, drawn(10), shape(), time="visits")
