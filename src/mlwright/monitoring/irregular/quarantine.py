"""Rows that are kept back until a person decides, beside the prediction log; replayed exactly once.

```
<log>/quarantine/held/<entry>.parquet       rows as they came, and in the file's metadata why
<log>/quarantine/replayed/<entry>.parquet   the same rows, repaired and answered
<log>/quarantine/left_out/<entry>.parquet   which of the rows are repetitions that a rule does not count again
<log>/quarantine/repaired/<entry>.parquet   what rows were before an accepted rule changed them as they came in
```

An entry has one name through its life, made of where its rows came from and which they are. Files appear whole. What is
written again after a kill is the same file again, and an entry that is replayed no longer counts as held, whether or not
its first file is gone yet: nothing is lost or doubled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from mlwright.core import MlwrightError, closest
from mlwright.data import Schema
from mlwright.data.rows import hash_rows
from mlwright.monitoring.irregular.batch import Batch
from mlwright.monitoring.irregular.irregularity import Irregularity
from mlwright.monitoring.irregular.repairs import Repair
from mlwright.monitoring.irregular.treatment import Policy, Treated, is_accepted, repair_held
from mlwright.predictions.erasures import Erasures
from mlwright.predictions.store import Store

FORMAT_VERSION = 1
HELD, REPLAYED, LEFT_OUT = "quarantine/held", "quarantine/replayed", "quarantine/left_out"
_REPAIRED = "quarantine/repaired"
_METADATA = b"mlwright.quarantine"
_STRUCTURES = ("input", "output")

#: What answers repaired rows: a column for each field of the answer, named as the log names them (`output.prediction`).
Answer = Callable[[Batch], pa.Table]


class EntryDamaged(MlwrightError):
    """A file of the quarantine is not one that mlwright wrote."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(f"{name} is not an entry of a quarantine", where=where, fix="move the file away")


class EntryNotFound(MlwrightError):
    """No entry has that id."""

    def __init__(self, name: str, known: Sequence[str], *, where: str) -> None:
        super().__init__(f"the quarantine has no entry {name!r}", where=where, fix=closest(name, known))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Rows of one batch that are kept back, or were, for the same reasons.

    Attributes
    ----------
    source
        Where in the stream of rows the batch was: the same for the same batch.
    version
        Of the model that the rows were meant for.
    """

    id: str
    source: str
    version: str
    when: datetime
    rows: int
    reasons: tuple[Irregularity, ...]
    form: Literal["window", "rows"]

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format_version": FORMAT_VERSION,
            "id": self.id,
            "source": self.source,
            "version": self.version,
            "when": self.when.isoformat(),
            "rows": self.rows,
            "reasons": [reason.state() for reason in self.reasons],
            "form": self.form,
        }

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> Entry:
        return cls(
            id=state["id"],
            source=state["source"],
            version=state["version"],
            when=datetime.fromisoformat(state["when"]),
            rows=state["rows"],
            reasons=tuple(Irregularity.of_state(reason) for reason in state["reasons"]),
            form=state["form"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay did: the entries that went on, with their rows, and those that still wait for a decision."""

    entries: tuple[Entry, ...] = ()
    rows: int = 0
    waiting: tuple[Entry, ...] = ()


class Quarantine:
    """The rows beside a prediction log that are kept back."""

    def __init__(self, destination: str | Path) -> None:
        """The quarantine of the log at a folder or URL; it need not exist yet."""
        self._store = Store.open(destination)

    def keep(self, treated: Treated, *, source: str, version: str, now: datetime) -> tuple[Entry, ...]:
        """Write down what a treatment kept back and what it repaired; doing it again for the same batch changes nothing.

        Parameters
        ----------
        source
            Where in the stream the batch was, such as the window's start: the same whenever this batch is treated again,
            another one for each other batch.
        """
        kept, done = [], set(self._names(REPLAYED))
        for held in treated.held:
            entry = _entry(held.batch, held.reasons, source, version, now)
            if entry.id not in done:
                self._write(HELD, entry, held.batch.rows)
            kept.append(entry)
        for one in treated.repaired:
            rows = one.before.num_rows
            name = _name(source, one.reason.kind, ",".join(one.reason.columns), str(rows))
            entry = Entry(
                id=name, source=source, version=version, when=now, rows=rows, reasons=(one.reason,), form="window"
            )
            self._write(_REPAIRED, entry, one.before)
        return tuple(kept)

    def held(self) -> list[Entry]:
        """What waits for a decision, the oldest first."""
        return self._entries(HELD, without=set(self._names(REPLAYED)))

    def replayed(self) -> list[Entry]:
        """What went on, the oldest first; whoever folds rows into windows takes each entry once, by its id."""
        return self._entries(REPLAYED)

    def repaired(self) -> list[Entry]:
        """What accepted rules changed as rows came in."""
        return self._entries(_REPAIRED)

    def rows_of(self, entry: Entry) -> pa.Table:
        """The rows of an entry: as they came while it is held, repaired and answered once it is replayed.

        Rows that a person asked to be forgotten are not among them.
        """
        folder = REPLAYED if entry.id in self._names(REPLAYED) else HELD
        return self._left(self._store.table(f"{folder}/{entry.id}.parquet"))

    def rows_of_replayed(self, name: str) -> pa.Table:
        """The rows of an entry that went on, by its id."""
        return self._left(self._store.table(f"{REPLAYED}/{name}.parquet"))

    def rows_before(self, entry: Entry) -> pa.Table:
        """What the rows of an entry of `repaired` were before."""
        return self._left(self._store.table(f"{_REPAIRED}/{entry.id}.parquet"))

    def replay(
        self,
        schema: Schema,
        policy: Policy,
        *,
        answer: Answer | None = None,
        only: Sequence[str] | None = None,
        rules: Sequence[Repair] = (),
    ) -> Replayed:
        """Let the rows go on for whose every fault a rule is accepted; the others stay.

        It can be killed anywhere and begun again: an entry goes on once.

        Parameters
        ----------
        schema
            Of the model that answers.
        policy
            What the owner accepted: `operation.repair` of the spec.
        answer
            What answers the repaired rows; without it they are only repaired.
        only
            The ids of the entries to look at; all if not given.
        rules
            Rules that a person gives for this replay: each takes the place of the rule for the same columns, accepted.
        """
        went, waiting, rows = [], [], 0
        for name in set(self._names(HELD)) & set(self._names(REPLAYED)):
            self._store.delete(f"{HELD}/{name}.parquet")  # a replay was killed between its two steps
        for entry in self.held():
            if only is not None and entry.id not in only:
                continue
            given = _with_rules(entry, rules)
            ready = [a is not b or is_accepted(policy, b) for a, b in zip(given.reasons, entry.reasons, strict=True)]
            if not all(ready):
                waiting.append(entry)
                continue
            entry = given
            table = self._repaired(entry, schema, answer)
            if table.num_rows < entry.rows:
                self._write(LEFT_OUT, entry, self._without(entry, table))
            self._write(REPLAYED, entry, table)
            self._store.delete(f"{HELD}/{entry.id}.parquet")
            went.append(entry)
            rows += table.num_rows
        return Replayed(entries=tuple(went), rows=rows, waiting=tuple(waiting))

    def _without(self, entry: Entry, table: pa.Table) -> pa.Table:
        """The rows of an entry, as they came, that its rules left out."""
        rows = self._left(self._store.table(f"{HELD}/{entry.id}.parquet"))
        if "id" not in rows.column_names:
            return rows.slice(0, 0)
        going = set(zip(table.column("id").to_pylist(), table.column("time").to_pylist(), strict=True))
        both = zip(rows.column("id").to_pylist(), rows.column("time").to_pylist(), strict=True)
        return rows.filter(pa.array([one not in going for one in both]))

    def _repaired(self, entry: Entry, schema: Schema, answer: Answer | None) -> pa.Table:
        rows = self._left(self._store.table(f"{HELD}/{entry.id}.parquet"))
        made = Batch.of_window(rows, schema) if entry.form == "window" else Batch.of_rows(rows, schema)
        made = repair_held(made, entry.reasons)
        table = made.rows
        if answer is None or not table.num_rows:
            return table
        answers = answer(made)
        for name in answers.column_names:
            at = table.schema.get_field_index(name)
            column = answers.column(name)
            table = table.append_column(name, column) if at < 0 else table.set_column(at, name, column)
        return table

    def forget(self) -> int:
        """Take the rows out for good that a person asked to be forgotten; returns how many there were."""
        gone = 0
        for folder in (HELD, REPLAYED, LEFT_OUT, _REPAIRED):
            for name in self._names(folder):
                path = f"{folder}/{name}.parquet"
                table = self._store.table(path)
                left = self._left(table)
                if left.num_rows < table.num_rows:
                    gone += table.num_rows - left.num_rows
                    self._store.write_table(path, left.replace_schema_metadata(table.schema.metadata))
        return gone

    def expire(self, before: datetime) -> int:
        """Remove entries from before a moment, as the retention of the log demands; returns how many."""
        old = [
            f"{folder}/{entry.id}.parquet"
            for folder in (HELD, REPLAYED, LEFT_OUT, _REPAIRED)
            for entry in self._entries(folder)
            if entry.when < before
        ]
        for name in old:
            self._store.delete(name)
        return len(old)

    def _left(self, table: pa.Table) -> pa.Table:
        if "time" not in table.column_names or "id" not in table.column_names:
            return table  # rows that did not come from a log have no id to be asked for
        erasures = Erasures.read(self._store)
        if not erasures.fields():
            return table
        numbered = _nested(table).append_column("__row__", pa.array(range(table.num_rows)))
        return table.take(erasures.left(numbered).column("__row__").combine_chunks())

    def _write(self, folder: str, entry: Entry, rows: pa.Table) -> None:
        plain = pa.table([_plain(column) for column in rows.columns], names=rows.column_names)
        metadata = {_METADATA: json.dumps(entry.state()).encode()}
        self._store.write_table(f"{folder}/{entry.id}.parquet", plain.replace_schema_metadata(metadata))

    def _names(self, folder: str) -> list[str]:
        return [name.rsplit("/", 1)[1].removesuffix(".parquet") for name in self._store.files(folder)]

    def _entries(self, folder: str, without: Collection[str] = ()) -> list[Entry]:
        found = [self._read(folder, name) for name in self._names(folder) if name not in without]
        return sorted(found, key=lambda entry: (entry.when, entry.id))

    def _read(self, folder: str, name: str) -> Entry:
        path = f"{folder}/{name}.parquet"
        with self._store.parquet(path) as file:
            metadata = file.schema_arrow.metadata or {}
        if _METADATA not in metadata:
            raise EntryDamaged(path, self._store.shown)
        return Entry.of_state(json.loads(metadata[_METADATA]))


def _entry(batch: Batch, reasons: Sequence[Irregularity], source: str, version: str, now: datetime) -> Entry:
    rows = batch.rows
    if "id" in rows.column_names and batch.prefix:
        which = "\n".join(map(str, rows.column("id").to_pylist()))
    else:
        which = hash_rows(batch.typed, batch.typed.column_names).tobytes().hex()
    return Entry(
        id=_name(source, which, *sorted(reason.kind for reason in reasons)),
        source=source,
        version=version,
        when=now if now.tzinfo is not None else now.replace(tzinfo=UTC),
        rows=rows.num_rows,
        reasons=tuple(reasons),
        form="window" if batch.prefix else "rows",
    )


def _with_rules(entry: Entry, rules: Sequence[Repair]) -> Entry:
    """An entry whose faults have the rules that were given for their columns."""
    by_columns = {frozenset(rule.columns): rule for rule in rules}
    reasons = tuple(
        replace(reason, repair=by_columns[frozenset(reason.columns)])
        if frozenset(reason.columns) in by_columns
        else reason
        for reason in entry.reasons
    )
    return replace(entry, reasons=reasons)


def _name(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts as texts: Parquet keeps levels in a dictionary of its own."""
    if not pa.types.is_dictionary(column.type):
        return column
    return pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], type=column.type.value_type)


def _nested(table: pa.Table) -> pa.Table:
    """A window with `input` as one structure, as the sealed files have it and erasures read it."""
    kept = {name: table.column(name) for name in ("id", "time", "unread") if name in table.column_names}
    kept.setdefault("unread", pa.chunked_array([pa.nulls(table.num_rows, pa.string())]))
    if "input" in table.column_names:
        return pa.table({**kept, "input": table.column("input")})
    fields = {name.removeprefix("input."): table.column(name).combine_chunks() for name in table.column_names
              if name.startswith("input.")}  # fmt: skip
    arrays = [pa.concat_arrays(a.chunks) if isinstance(a, pa.ChunkedArray) else a for a in fields.values()]
    return pa.table({**kept, "input": pa.StructArray.from_arrays(arrays, names=list(fields))})
