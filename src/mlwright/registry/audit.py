"""The audit log: who did what, when, on which evidence, and how it ended. Entries are only ever added.

Each entry has the digest of the one before, so one that is changed, taken out or moved breaks the chain from there on.
What is written elsewhere (`Mark` in the pointer files) says how long the chain was, so a cut end is found as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, insert, inspect, select, update

from mlwright.registry.database import AUDIT, NOTHING_BEFORE, STATE

Outcome = Literal["done", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the log.

    Attributes
    ----------
    entry
        1, 2, 3, … without a gap.
    at
        The moment in UTC, ISO 8601.
    who
        A person, or the command that acted by itself.
    action
        `register`, `approve`, `promote`, `rollback`, …
    evidence
        What it was decided on, and which aliases moved from where to where.
    before, digest
        SHA-256 of the entry before, and of this one.
    """

    entry: int
    at: str
    who: str
    action: str
    model: str
    version: int | None
    outcome: Outcome
    evidence: Mapping[str, Any]
    before: str
    digest: str

    @property
    def moved(self) -> dict[str, tuple[int | None, int | None]]:
        """The aliases that it moved: the version before and after."""
        return {alias: (ends[0], ends[1]) for alias, ends in self.evidence.get("aliases", {}).items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An entry that somebody has seen: its number and its digest."""

    entry: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditProblem:
    """An entry that is not as it was written; 0 is the log as a whole."""

    entry: int
    what: str


def append(
    connection: Connection,
    *,
    who: str,
    action: str,
    model: str,
    version: int | None = None,
    outcome: Outcome = "done",
    evidence: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> AuditEntry:
    """Add an entry, in a transaction that is alone (`Database.writing`): it is there if what it tells is there."""
    state = connection.execute(select(STATE.c.entries, STATE.c.head)).one()
    moment = (now or datetime.now(tz=UTC)).astimezone(UTC)
    fields: dict[str, Any] = {
        "entry": state.entries + 1,
        "at": moment.isoformat(timespec="microseconds"),
        "who": who,
        "action": action,
        "model": model,
        "version": version,
        "outcome": outcome,
        "evidence": _text(evidence or {}),
        "before": state.head,
    }
    fields["digest"] = _digest(fields)
    connection.execute(insert(AUDIT).values(fields))
    connection.execute(update(STATE).values(entries=fields["entry"], head=fields["digest"]))
    return _entry(fields)


def read_audit(connection: Connection, *, model: str | None = None) -> list[AuditEntry]:
    """All entries, the oldest first, or those about one model."""
    wanted = select(AUDIT).order_by(AUDIT.c.entry)
    if model is not None:
        wanted = wanted.where(AUDIT.c.model == model)
    return [_entry(dict(row)) for row in connection.execute(wanted).mappings()]


def head(connection: Connection) -> Mark:
    """How long the log is now."""
    state = connection.execute(select(STATE.c.entries, STATE.c.head)).one()
    return Mark(entry=state.entries, digest=state.head)


def audit_problems(connection: Connection, seen: Iterable[Mark] = ()) -> list[AuditProblem]:
    """Every entry that was changed, taken out, put in or moved.

    Parameters
    ----------
    seen
        Entries that were written down elsewhere: they must still be there.
    """
    if not inspect(connection).has_table(AUDIT.name):
        return [AuditProblem(entry=0, what="the audit log is gone")]
    rows = [dict(row) for row in connection.execute(select(AUDIT).order_by(AUDIT.c.entry)).mappings()]
    found = list(_broken(rows))
    found += _cut(rows, head(connection), "the state of the registry")
    for mark in seen:
        found += _cut(rows, mark, "a pointer file", exactly=False)
    return found


def _broken(rows: Sequence[Mapping[str, Any]]) -> Iterator[AuditProblem]:
    expected, before = 1, NOTHING_BEFORE
    for row in rows:
        number = row["entry"]
        if number != expected:
            missing = f"{expected}" if number == expected + 1 else f"{expected} to {number - 1}"
            yield AuditProblem(entry=expected, what=f"taken out: {missing}")
        elif row["before"] != before:
            yield AuditProblem(entry=number, what="it does not follow the entry before it")
        if row["digest"] != _digest(row):
            yield AuditProblem(entry=number, what="changed after it was written")
        expected, before = number + 1, row["digest"]


def _cut(rows: Sequence[Mapping[str, Any]], mark: Mark, who: str, *, exactly: bool = True) -> list[AuditProblem]:
    last = rows[-1]["entry"] if rows else 0
    if mark.entry > last:
        return [AuditProblem(entry=last + 1, what=f"taken out at the end: {who} has seen {mark.entry}")]
    if exactly and mark.entry < last:
        return [AuditProblem(entry=mark.entry + 1, what=f"put in at the end: {who} knows {mark.entry}")]
    there = next((row["digest"] for row in rows if row["entry"] == mark.entry), NOTHING_BEFORE)
    if there != mark.digest:
        return [AuditProblem(entry=mark.entry, what=f"not the one that {who} has seen")]
    return []


def _digest(fields: Mapping[str, Any]) -> str:
    names = ("before", "entry", "at", "who", "action", "model", "version", "outcome", "evidence")
    return hashlib.sha256(_text([fields[name] for name in names]).encode()).hexdigest()


def _text(tree: Any) -> str:
    return json.dumps(tree, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _entry(row: Mapping[str, Any]) -> AuditEntry:
    return AuditEntry(**{**row, "evidence": json.loads(row["evidence"])})
