from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlwright.core import DiskFull, MlwrightError
from mlwright.monitoring.store import MonitorStore
from mlwright.operate.heartbeat import Heartbeat, make_tables, operator_status
from mlwright.operate.lock import OperatedAlready, OperatorLock
from mlwright.operate.loop import Round, Step, Stop, run_rounds, stopped_by_signals


@pytest.fixture
def store(tmp_path: Path) -> Iterator[MonitorStore]:
    opened = MonitorStore.open("sqlite:///mlwright.db", folder=tmp_path, patience_s=0.5)
    opened.transaction(make_tables)
    yield opened
    opened.close()


def now() -> datetime:
    return datetime.now(tz=UTC)


def rounds(
    store: MonitorStore, steps: Sequence[Step], *, number: int | None = 1, stop: Stop | None = None
) -> list[Round]:
    made: list[Round] = []
    with OperatorLock(store, "churn").held() as lock, Heartbeat(store, "churn", clock=now) as heartbeat:
        run_rounds(
            steps,
            lock=lock,
            heartbeat=heartbeat,
            clock=now,
            every_s=0.01,
            stop=stop or Stop(),
            rounds=number,
            told=made.append,
        )
    return made


def step(name: str, does: Callable[[], Sequence[str]]) -> Step:
    return Step(name=name, run=lambda _: does())


def fails(error: Exception) -> Callable[[], Sequence[str]]:
    def run() -> Sequence[str]:
        raise error

    return run


def test_a_step_that_fails_is_told_and_the_others_go_on(store: MonitorStore) -> None:
    (made,) = rounds(
        store,
        [
            step("fold", fails(DiskFull("mlwright.db"))),
            step("judge", fails(ZeroDivisionError())),
            step("alert", lambda: ["told one"]),
        ],
    )
    assert made.troubles["fold"].startswith("the disk is full")
    assert made.troubles["judge"].startswith("ZeroDivisionError")
    assert made.done == {"alert": ("told one",)}
    status = operator_status(store, "churn")
    assert status is not None
    assert status.troubles == made.troubles
    assert (status.step, status.rounds, status.running, status.process) == ("ended", 1, False, os.getpid())


def test_a_stop_ends_after_the_step_that_runs(store: MonitorStore) -> None:
    stop, seen = Stop(), []

    def asks() -> Sequence[str]:
        stop.ask()
        seen.append("first")
        return []

    def runs_too() -> Sequence[str]:
        seen.append("second")
        return []

    (made,) = rounds(store, [step("first", asks), step("second", runs_too)], number=None, stop=stop)
    assert seen == ["first"]
    assert not made.complete


def test_while_it_runs_its_step_can_be_seen_and_nobody_else_can_begin(store: MonitorStore) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def waits() -> Sequence[str]:
        inside.set()
        go_on.wait(10)
        return []

    running = threading.Thread(target=rounds, args=(store, [step("judge", waits)]))
    running.start()
    try:
        assert inside.wait(5)
        deadline = time.monotonic() + 5
        while (status := operator_status(store, "churn")) is None or status.step != "judge":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert status.running
        with pytest.raises(OperatedAlready), OperatorLock(store, "churn").held():
            pass
        with OperatorLock(store, "another model").held():
            pass
    finally:
        go_on.set()
        running.join()


def test_the_lock_of_a_killed_process_is_free_at_once(store: MonitorStore, tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from mlwright.monitoring.store import MonitorStore\n"
        "from mlwright.operate.lock import OperatorLock\n"
        f"store = MonitorStore.open('sqlite:///mlwright.db', folder={str(tmp_path)!r})\n"
        "with OperatorLock(store, 'churn').held():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert OperatorLock(store, "churn").is_held_by_somebody()
        process.kill()
        process.wait()
        with OperatorLock(store, "churn").held():
            assert OperatorLock(store, "churn").is_held_by_somebody()
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_database_that_is_locked_for_a_while_is_told_and_waited_for(store: MonitorStore, tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "mlwright.db", isolation_level=None)
    done: list[int] = []

    def writes() -> Sequence[str]:
        store.transaction(lambda connection: connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (x)"))
        done.append(1)
        return ["written"]

    stop = Stop()
    found: list[Round] = []

    def told(made: Round) -> None:
        found.append(made)
        if made.troubles:
            holder.execute("ROLLBACK")
        else:
            stop.ask()

    holder.execute("BEGIN IMMEDIATE")
    with OperatorLock(store, "churn").held() as lock, Heartbeat(store, "churn", clock=now) as heartbeat:
        run_rounds(
            [step("fold", writes)],
            lock=lock,
            heartbeat=heartbeat,
            clock=now,
            every_s=0.01,
            stop=stop,
            rounds=4,
            told=told,
        )
    holder.close()
    assert [sorted(one.troubles) for one in found] == [["fold"], []]
    assert done == [1]


def test_sigterm_ends_after_the_step_that_runs() -> None:
    stop = Stop()
    before = signal.getsignal(signal.SIGTERM)
    with stopped_by_signals(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + 2
        while not stop.asked and time.monotonic() < deadline:
            time.sleep(0.01)
        assert stop.asked
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_error_that_another_has_taken_over_ends_the_loop(store: MonitorStore) -> None:
    with pytest.raises(MlwrightError):
        rounds(store, [step("fold", fails(OperatedAlready("churn", "x")))])
