"""The whole loop on a real PostgreSQL: found, told, decided, made, proven, promoted, taken back; and what interrupts it."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.engine import Engine
from tests.data.test_sources import Postgres, free_port, postgres  # noqa: F401
from tests.operate.conftest import ALONE
from tests.operate.shop import OPENED, answer_days, copied, dated, last_day, spec_of, visits

from mlwright.monitoring.kept import kept_windows
from mlwright.operate import LockLost, OperatedAlready, OperatorLock, Project, Round, look, operate
from mlwright.registry import Registry, register_run, verify_audit
from mlwright.runs import RunFolder
from mlwright.spec import Spec
from mlwright.workflow import open_run

psycopg = pytest.importorskip("psycopg", reason="needs pip install 'mlwright[postgres]'")
pytestmark = pytest.mark.postgres


@pytest.fixture
def spec(postgres: Postgres, shop: Path, tmp_path: Path) -> Iterator[Spec]:  # noqa: F811
    """A shop whose database is PostgreSQL, empty but for its first version."""
    folder = copied(shop, tmp_path / "shop")
    for gone in [*folder.glob("mlwright.db*")]:
        gone.unlink()
    (folder / "mlartifacts").rename(folder / "elsewhere")
    made = spec_of(folder, operation=ALONE, registry={"url": postgres.url()})
    register_run(open_run(RunFolder.find("latest", start=folder)), registry=Registry.of(made), who="the test")
    yield made
    with Registry.of(made).database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))


def days(spec: Spec, numbers: range, keener: float) -> None:
    for day in numbers:
        start = OPENED + timedelta(days=day)
        answer_days(spec.folder, visits(400, 50 + day, start=start, days=0.08, keener=keener))


def looked_at(spec: Spec, *, minutes: float = 0) -> Round:
    now: datetime = dated(last_day(spec.folder)) + timedelta(minutes=minutes)
    return operate(spec, once=True, clock=lambda: now)


def aliases(spec: Spec) -> dict[str, int]:
    return {alias: one.number for one in Registry.of(spec).versions() for alias in one.aliases}


def counted(spec: Spec) -> tuple[int, int]:
    """Answers and labels in the windows of all versions."""
    with Project.open(spec) as project:
        shapes = [one.shape for one in project.looked_after()]
        windows = [
            one
            for shape in shapes
            for one in project.store.reading(lambda connection, shape=shape: kept_windows(connection, shape))  # type: ignore[misc]
        ]
    return sum(one.summary.rows for one in windows), sum(one.summary.counts.known for one in windows)


def test_from_a_loss_to_a_challenger_its_promotion_and_the_way_back(spec: Spec) -> None:
    days(spec, range(2), 0.0)
    days(spec, range(2, 5), -1.5)
    found = looked_at(spec)
    assert not found.troubles
    assert any("The loss per row has risen" in line for line in found.done["tell"])
    assert aliases(spec) == {"champion": 1, "challenger": 2}
    days(spec, range(5, 10), -1.5)
    assert "took the place of version 1" in looked_at(spec).done["live"][0]
    days(spec, range(10, 14), 1.5)
    assert "Went back from version 2 to version 1" in looked_at(spec).done["live"][0]
    assert aliases(spec) == {"champion": 1}
    assert verify_audit(Registry.of(spec)).holds
    with Project.open(spec) as project:
        seen = look(project, now=dated(last_day(spec.folder)))
    assert [one.outcome for one in seen.played] == ["promoted", "rolled back"]
    assert sum(one.rows for one in seen.periods) == 14 * 400


def test_two_operators_exclude_each_other_wherever_they_run(spec: Spec) -> None:
    with Project.open(spec) as project, OperatorLock(project.store, project.model).held():
        with pytest.raises(OperatedAlready):
            operate(spec, once=True)
        with Project.open(spec) as other:
            assert OperatorLock(other.store, other.model).is_held_by_somebody()
    assert not operate(spec, once=True, clock=lambda: OPENED).troubles.keys() - {"read", "judge"}


def test_connections_that_are_lost_at_any_statement_lose_and_double_nothing(
    spec: Spec,
    postgres: Postgres,  # noqa: F811
) -> None:
    days(spec, range(2), 0.0)
    days(spec, range(2, 5), -1.5)
    passed: Counter[str] = Counter()

    def cut(*_: Any) -> None:
        """Every so often all connections end, those that hold a lock too."""
        if threading.current_thread().name == "MainThread":
            passed["statements"] += 1
            if passed["statements"] % 83 == 0:
                end_connections(postgres)
                passed["cuts"] += 1

    event.listen(Engine, "before_cursor_execute", cut)
    try:
        for again in range(4):
            looked_at(spec, minutes=again)
    finally:
        event.remove(Engine, "before_cursor_execute", cut)
    assert passed["cuts"] > 10
    assert not looked_at(spec, minutes=7).troubles
    assert counted(spec) == (2000, 2000)
    assert aliases(spec) == {"champion": 1, "challenger": 2}
    assert [entry.action for entry in Registry.of(spec).audit()] == ["register", "promote", "register", "challenge"]
    with Project.open(spec) as project:
        seen = look(project, now=dated(last_day(spec.folder)))
        assert [one.outcome for one in seen.decided] == ["done: version 2"]
        assert [one.finding.kind for one in seen.open_alerts] == ["loss"]


def test_a_lock_whose_connection_was_lost_is_had_again_or_told(spec: Spec, postgres: Postgres) -> None:  # noqa: F811
    with Project.open(spec) as project, OperatorLock(project.store, project.model).held() as lock:
        end_connections(postgres)
        lock.raise_if_lost()
        assert OperatorLock(project.store, project.model).is_held_by_somebody()
        end_connections(postgres)
        with OperatorLock(project.store, project.model).held(), pytest.raises(OperatedAlready):
            lock.raise_if_lost()


def test_a_connection_that_only_one_end_knows_to_be_lost_is_ended_and_the_lock_had_again(spec: Spec) -> None:
    with Project.open(spec) as project, OperatorLock(project.store, project.model).held() as lock:
        assert lock._connection is not None
        socket = lock._connection.connection.driver_connection.pgconn.socket  # type: ignore[union-attr]
        other_end, nothing = os.dup(socket), os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, socket)  # what is sent goes nowhere, and the server does not hear of it
        with pytest.raises(LockLost):
            lock.raise_if_lost()
        wait_until_free(project)
        lock.raise_if_lost()
        assert OperatorLock(project.store, project.model).is_held_by_somebody()
        for descriptor in (other_end, nothing):
            os.close(descriptor)


def test_who_could_not_have_the_lock_again_does_not_go_on_without_it(
    spec: Spec,
    postgres: Postgres,  # noqa: F811
) -> None:
    with Project.open(spec, patience_s=0.1) as project, OperatorLock(project.store, project.model).held() as lock:
        right = project.store.engine.url
        end_connections(postgres)
        project.store.engine = create_engine(right.set(port=free_port()), poolclass=NullPool)
        for _ in range(2):
            with pytest.raises(LockLost):
                lock.raise_if_lost()
        project.store.engine = create_engine(right, poolclass=NullPool)
        lock.raise_if_lost()
        assert OperatorLock(project.store, project.model).is_held_by_somebody()


def wait_until_free(project: Project) -> None:
    deadline = time.monotonic() + 5
    while OperatorLock(project.store, project.model).is_held_by_somebody():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def end_connections(server: Postgres) -> None:
    """As if the network were gone for a moment."""
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()"
        )
