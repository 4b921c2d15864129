"""An entry of the audit log that is changed, taken out, put in or moved is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from mlwright.registry import Approval, Mark, Registry, promote, rollback, verify_audit
from mlwright.registry.audit import append, audit_problems, head, read_audit
from mlwright.registry.database import AUDIT, STATE, Database

ENTRIES = 6


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """An audit log of some entries and nothing else."""
    database = Database("sqlite:///log.db", folder=tmp_path_factory.mktemp("audit"))
    with database.making() as connection:
        database.make(connection)
        for number in range(ENTRIES):
            append(
                connection, who="ann", action="promote", model="sales", version=number, evidence={"why": "é" * number}
            )
    return database


@contextmanager
def tampered(log: Database) -> Iterator[Connection]:
    """A transaction without the guards, which is taken back."""
    with log.engine.execution_options(mlwright_writing=True).connect() as connection:
        for trigger in ("audit_no_update", "audit_no_delete"):
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        yield connection
        connection.rollback()


def test_an_untouched_log_has_no_problems(log: Database) -> None:
    with log.reading() as connection:
        assert audit_problems(connection) == []
        entries = read_audit(connection)
    assert [one.entry for one in entries] == list(range(1, ENTRIES + 1))
    assert all(later.before == earlier.digest for earlier, later in pairwise(entries))


@pytest.mark.parametrize("change", [update(AUDIT).values(who="eve"), delete(AUDIT).where(AUDIT.c.entry == ENTRIES)])
def test_the_database_itself_refuses_to_change_an_entry(log: Database, change: Any) -> None:
    with log.engine.connect() as connection, pytest.raises(IntegrityError, match="append-only"):
        connection.execute(change)


@given(
    entry=st.integers(1, ENTRIES),
    field=st.sampled_from(["at", "who", "action", "model", "outcome", "evidence", "before", "digest"]),
    text=st.text(min_size=1, max_size=5),
)
@settings(max_examples=60)
def test_a_changed_field_is_found(log: Database, entry: int, field: str, text: str) -> None:
    with tampered(log) as connection:
        connection.execute(update(AUDIT).where(AUDIT.c.entry == entry).values({field: text}))
        assert entry in {one.entry for one in audit_problems(connection)}


@given(gone=st.sets(st.integers(1, ENTRIES), min_size=1))
@settings(max_examples=60)
def test_entries_that_are_taken_out_are_found(log: Database, gone: set[int]) -> None:
    with tampered(log) as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.entry.in_(gone)))
        assert min(gone) in {one.entry for one in audit_problems(connection)}


@given(gone=st.integers(1, ENTRIES - 1))
def test_closing_the_gap_does_not_help(log: Database, gone: int) -> None:
    with tampered(log) as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.entry == gone))
        for number in range(gone + 1, ENTRIES + 1):
            connection.execute(update(AUDIT).where(AUDIT.c.entry == number).values(entry=number - 1))
        assert audit_problems(connection)


@given(order=st.permutations(range(1, ENTRIES + 1)))
def test_another_order_is_found(log: Database, order: list[int]) -> None:
    with tampered(log) as connection:
        rows = [dict(row) for row in connection.execute(select(AUDIT).order_by(AUDIT.c.entry)).mappings()]
        connection.execute(delete(AUDIT))
        connection.execute(insert(AUDIT), [{**row, "entry": number} for row, number in zip(rows, order, strict=True)])
        assert bool(audit_problems(connection)) == (order != sorted(order))


def test_an_end_that_was_cut_with_its_count_is_known_to_whoever_has_seen_it(log: Database) -> None:
    with log.reading() as connection:
        seen, before = head(connection), read_audit(connection)[-2]
    with tampered(log) as connection:
        connection.execute(delete(AUDIT).where(AUDIT.c.entry == ENTRIES))
        connection.execute(update(STATE).values(entries=before.entry, head=before.digest))
        assert audit_problems(connection) == []
        assert [one.entry for one in audit_problems(connection, [seen])] == [ENTRIES]


def test_a_history_that_was_written_anew_is_known_to_whoever_has_seen_its_end(log: Database) -> None:
    with log.reading() as connection:
        seen = head(connection)
    with tampered(log) as connection:
        connection.execute(delete(AUDIT))
        connection.execute(update(STATE).values(entries=0, head="0" * 64))
        for number in range(ENTRIES):
            append(connection, who="eve", action="promote", model="sales", version=number)
        assert audit_problems(connection) == []
        assert audit_problems(connection, [seen])


def test_the_pointer_files_have_seen_the_end(two: Registry, tmp_path: Path) -> None:
    promote(two, 2, approval=Approval(by="ann", reason="better"))
    rollback(two, who="ann")
    found = verify_audit(two)
    said = json.loads((two.shelf / "champion.json").read_text())["audit"]
    assert found.holds
    assert (said["entry"], said["digest"]) == (found.entries, found.head)
    assert verify_audit(two, seen=Mark(entry=found.entries, digest=found.head)).holds
    assert not verify_audit(two, seen=Mark(entry=found.entries + 1, digest="f" * 64)).holds
    with two.database.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_no_delete")
        last = read_audit(connection)[-2]
        connection.execute(delete(AUDIT).where(AUDIT.c.entry > last.entry))
        connection.execute(update(STATE).values(entries=last.entry, head=last.digest))
    assert not verify_audit(two).holds
