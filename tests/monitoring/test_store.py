"""The project's database: made once, one writer at a time, patient for a while and then plain; on SQLite and PostgreSQL."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from tests.data.test_sources import Postgres, postgres  # noqa: F401
from tests.monitoring.watched import START, batch_of, drawn, logged, shape

from mlwright.core import DiskFull
from mlwright.monitoring import (
    DatabaseGone,
    DatabaseTooNew,
    DatabaseUnclear,
    Finding,
    MonitorStore,
    ProjectBusy,
    WindowSummary,
    fold_log,
    kept_windows,
    merged,
    saved_findings,
)
from mlwright.monitoring.kept import (
    add_to_window,
    close_findings,
    detector_of,
    micros,
    offsets_of,
    save_detector,
    save_findings,
    save_offsets,
    save_shape,
    saved_shape,
)
from mlwright.monitoring.tables import facts, metadata


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MonitorStore]:
    if request.param == "sqlite":
        opened = MonitorStore.open(f"sqlite:///{tmp_path}/m.db", patience_s=5)
    else:
        pytest.importorskip("psycopg", reason="needs pip install 'mlwright[postgres]'")
        opened = MonitorStore.open(request.getfixturevalue("postgres").url(), patience_s=5)
    yield opened
    if request.param == "postgres":
        metadata.drop_all(opened.engine)
    opened.close()


def window(rows: int = 50, seed: int = 0) -> WindowSummary:
    summary = WindowSummary(shape=shape())
    summary.update(batch_of(drawn(rows, seed=seed)))
    return summary


def put(store: MonitorStore, hour: int, summary: WindowSummary) -> None:
    at = micros(START + timedelta(hours=hour))
    store.transaction(lambda c: add_to_window(c, shape(), "overall", at, summary))


def test_windows_are_kept_and_added_to(store: MonitorStore) -> None:
    put(store, 0, window())
    put(store, 1, window(seed=1))
    put(store, 0, window(seed=2))
    found = store.reading(lambda c: kept_windows(c, shape(), samples=True))
    assert [one.summary.rows for one in found] == [100, 50]
    assert found[0].summary.reservoir is not None
    assert merged(shape(), found).rows == 150
    assert store.reading(lambda c: kept_windows(c, shape("v2"))) == []


def test_shapes_offsets_and_detectors_come_back(store: MonitorStore) -> None:
    def write(connection: object) -> None:
        save_shape(connection, shape())  # type: ignore[arg-type]
        save_shape(connection, shape())  # type: ignore[arg-type]
        save_offsets(connection, "log", {"b": 2, "a": 1})  # type: ignore[arg-type]
        save_detector(connection, shape(), "drift", START, b"one")  # type: ignore[arg-type]
        save_detector(connection, shape(), "drift", START + timedelta(hours=1), b"two")  # type: ignore[arg-type]

    store.transaction(write)
    assert store.reading(lambda c: saved_shape(c, shape().digest)) == shape()
    assert store.reading(lambda c: saved_shape(c, "unknown")) is None
    assert [(o.part, o.position) for o in store.reading(lambda c: offsets_of(c, "log"))] == [("b", 2), ("a", 1)]
    assert store.reading(lambda c: detector_of(c, shape(), "drift")) == (START + timedelta(hours=1), b"two")
    assert store.reading(lambda c: detector_of(c, shape(), "drift", "north")) is None


def test_a_trouble_is_one_row_until_it_is_over(store: MonitorStore) -> None:
    found = Finding(kind="drift", level="info", what="`age` is higher.", columns=("age",))
    for hour in range(3):
        store.transaction(partial(save_findings, shape=shape(), found=[found], now=START + timedelta(hours=hour)))
    assert store.reading(lambda c: saved_findings(c, "shop")) == [found]
    over = START + timedelta(hours=4)
    store.transaction(lambda c: close_findings(c, shape(), kinds=["drift"], still=[], now=over))
    assert store.reading(lambda c: saved_findings(c, "shop")) == []
    store.transaction(lambda c: save_findings(c, shape(), [found], now=over))
    assert len(store.reading(lambda c: saved_findings(c, "shop", open_only=False))) == 2


def test_a_transaction_that_fails_leaves_nothing(store: MonitorStore) -> None:
    def half(connection: object) -> None:
        save_offsets(connection, "log", {"a": 1})  # type: ignore[arg-type]
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        store.transaction(half)
    assert store.reading(lambda c: offsets_of(c, "log")) == []


def test_a_second_writer_is_told_and_the_next_one_is_let_in(store: MonitorStore) -> None:
    other = MonitorStore(store.engine, store.shown)
    with store.writer(), pytest.raises(ProjectBusy, match="another process"), other.writer():
        pass
    with other.writer():
        pass


def test_two_transactions_at_once_both_count(store: MonitorStore) -> None:
    parts = [window(seed=seed) for seed in range(6)]
    threads = [threading.Thread(target=put, args=(store, 0, part)) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.reading(lambda c: kept_windows(c, shape()))[0].summary.rows == 300


def test_tables_of_a_later_version_are_not_touched(store: MonitorStore) -> None:
    store.transaction(lambda c: c.execute(update(facts).where(facts.c.name == "schema").values(value="99")))
    url = store.engine.url.render_as_string(hide_password=False)
    with pytest.raises(DatabaseTooNew, match="version 99"):
        MonitorStore.open(url)


def test_a_log_is_folded_into_either_database(store: MonitorStore, tmp_path: Path) -> None:
    logged(tmp_path / "log", drawn(60, seed=3, days=0.1))
    done = fold_log(store, tmp_path / "log", {"v1": shape()}, until=START + timedelta(days=2))
    assert done.rows == 60
    assert fold_log(store, tmp_path / "log", {"v1": shape()}, until=START + timedelta(days=2)).rows == 0


def test_a_database_that_stays_locked_is_tried_and_then_said(tmp_path: Path) -> None:
    store = MonitorStore.open(f"sqlite:///{tmp_path}/m.db", patience_s=0.1)
    holder = sqlite3.connect(tmp_path / "m.db", isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseGone, match="database is locked"):
        store.transaction(lambda c: save_offsets(c, "log", {"a": 1}))
    holder.execute("ROLLBACK")
    holder.close()
    store.transaction(lambda c: save_offsets(c, "log", {"a": 1}))
    assert len(store.reading(lambda c: offsets_of(c, "log"))) == 1


def test_a_database_that_comes_back_in_time_is_used(tmp_path: Path) -> None:
    store = MonitorStore.open(f"sqlite:///{tmp_path}/m.db", patience_s=30)
    folder, away = tmp_path / "d", tmp_path / "away"
    folder.mkdir()
    moved = MonitorStore.open(f"sqlite:///{folder}/m.db", patience_s=30)
    folder.rename(away)

    def back() -> None:
        time.sleep(0.4)
        away.rename(folder)

    thread = threading.Thread(target=back)
    thread.start()
    moved.transaction(lambda c: save_offsets(c, "log", {"a": 1}))
    thread.join()
    assert len(moved.reading(lambda c: offsets_of(c, "log"))) == 1
    store.close()


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    store = MonitorStore.open(f"sqlite:///{tmp_path}/m.db")

    def too_much(connection: object) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=40")  # type: ignore[attr-defined]
        connection.execute(insert(facts), [{"name": str(n), "value": "x" * 5000} for n in range(200)])  # type: ignore[attr-defined]

    with pytest.raises(DiskFull):
        store.transaction(too_much)
    assert store.reading(lambda c: len(c.execute(select(facts)).all())) == 2


@pytest.mark.parametrize("url", ["nonsense", "mysql://a@b/c", "sqlite3:///x.db", "://"])
def test_a_url_of_no_database_is_said(url: str) -> None:
    with pytest.raises(DatabaseUnclear):
        MonitorStore.open(url)


def test_passwords_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.setenv("SECRET_WORD", "hush")
    with pytest.raises((DatabaseGone, DatabaseUnclear)) as caught:
        MonitorStore.open("postgresql://ann:${SECRET_WORD}@127.0.0.1:9/shop", patience_s=0.1)
    assert "hush" not in str(caught.value)


_HOLD = """
import sys, time
from mlwright.monitoring import MonitorStore
store = MonitorStore.open(sys.argv[1])
with store.writer():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_writer_holds_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    store = MonitorStore.open(url)
    process = subprocess.Popen([sys.executable, "-c", _HOLD, url], stdout=subprocess.PIPE, env={**os.environ})
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(ProjectBusy), store.writer():
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with store.writer():
        pass
