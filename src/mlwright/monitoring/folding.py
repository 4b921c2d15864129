"""What is new in the prediction log becomes part of its windows, each row and each label once.

A file is read and counted first; then one transaction notes that it was read and adds the counts to the windows. Whoever is
killed in between has changed nothing, and the next call reads the file again. A label that lands, or changes, later goes to
the window of its answer. Rows that are kept back are in no window; `recounting.py` sees to those that were.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection

from mlwright.monitoring.irregular.kept_back import KeptBack
from mlwright.monitoring.kept import (
    DAY_US,
    HOUR_US,
    Grain,
    add_to_window,
    forget_offsets,
    judged_until,
    offsets_of,
    save_offsets,
    save_shape,
    was_read,
)
from mlwright.monitoring.shapes import WindowShape
from mlwright.monitoring.slices import Slices
from mlwright.monitoring.store import MonitorStore
from mlwright.monitoring.windows import WindowSummary, answers_of
from mlwright.predictions import LogFiles
from mlwright.spec import Expression

#: Of a file whose rows of some version could not be counted yet: `skipped:<version>:<file>`.
SKIPPED = "skipped:"
#: What of the quarantine the windows of a version have taken note of: `kept_back:<version>:<file>`.
NOTED = "kept_back:"
#: A label of an unknown answer may be given while the answer is being sealed: answers of this long before are looked at.
_UNKNOWN_US = 2 * DAY_US
#: Parts of windows that are held as arrays.
_LIVE = 64


@dataclass(slots=True, kw_only=True)
class Folded:
    """What a call has folded.

    Attributes
    ----------
    files, rows
        Files of the log that are new, and the answers in them that count.
    late
        Of these rows, those of windows that had been judged already.
    repeated
        Answers that were there twice and count once.
    labels, changed
        Labels that were counted, with their answers or later, and those that took the place of another one.
    skipped
        Rows of versions whose package is not known, by version; they are read once it is.
    ahead
        Files of hours that have not begun yet: some clock is ahead.
    """

    files: int = 0
    rows: int = 0
    late: int = 0
    repeated: int = 0
    labels: int = 0
    changed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    ahead: int = 0


def fold_log(
    store: MonitorStore,
    destination: str | Path,
    shapes: Mapping[str, WindowShape],
    *,
    until: datetime,
    slices: Mapping[str, Expression] | None = None,
    source: str = "log",
    kept_back: KeptBack | None = None,
) -> Folded:
    """Read what is new in a prediction log into the windows of its versions.

    Parameters
    ----------
    shapes
        By version, as the log has it.
    until
        Now: files of later hours are left for later.
    slices
        Conditions over the columns of the input, by name; all rows are counted as `overall` too.
    source
        A name for this log, if a project has several.
    kept_back
        The quarantine of the log, by one who remembers what he has seen of it.

    Raises
    ------
    LogNotFound, StoreFailed
        If the log cannot be read.
    ProjectBusy, DatabaseGone, DiskFull
        If the database is in use by another process, or cannot be written; what was folded so far is kept.
    ReferenceOfOtherVersion
        If the windows of a version were counted for another package.
    """
    files = LogFiles(destination)
    with store.writer():
        known = kept_back or KeptBack(destination)
        fold = _Fold(store, files, known, dict(shapes), Slices(slices or {}), source)
        fold.new_labels()
        fold.new_answers(until)
        return fold.done


class Parts:
    """What is to be added to windows, by shape, slice and start; all but the latest few are held as bytes."""

    def __init__(self, grain: Grain = "hour") -> None:
        self._grain: Grain = grain
        self._live: dict[tuple[str, str, int], WindowSummary] = {}
        self._packed: dict[tuple[str, str, int], tuple[bytes, bytes | None]] = {}
        self._shapes: dict[str, WindowShape] = {}

    def part(self, shape: WindowShape, slice_name: str, start_us: int) -> WindowSummary:
        """The part of a window, to be updated before the next one is asked for."""
        key = (shape.digest, slice_name, start_us)
        if key not in self._live:
            self._shapes[shape.digest] = shape
            if len(self._live) >= _LIVE:
                oldest = next(iter(self._live))
                part = self._live.pop(oldest)
                self._packed[oldest] = (part.state(), part.sample_state())
            self._live[key] = self._unpacked(key) or WindowSummary(shape=shape)
        return self._live[key]

    def _unpacked(self, key: tuple[str, str, int]) -> WindowSummary | None:
        packed = self._packed.pop(key, None)
        return None if packed is None else WindowSummary.of_state(packed[0], self._shapes[key[0]], packed[1])

    def write(self, connection: Connection) -> None:
        """Add all parts to their windows."""
        for shape in self._shapes.values():
            save_shape(connection, shape)
        for key, part in self._live.items():
            add_to_window(connection, self._shapes[key[0]], key[1], key[2], part, grain=self._grain)
        for key, (state, sample) in self._packed.items():
            part = WindowSummary.of_state(state, self._shapes[key[0]], sample)
            add_to_window(connection, self._shapes[key[0]], key[1], key[2], part, grain=self._grain)


class _Fold:
    def __init__(
        self,
        store: MonitorStore,
        files: LogFiles,
        kept_back: KeptBack,
        shapes: dict[str, WindowShape],
        slices: Slices,
        source: str,
    ) -> None:
        self._store, self._files, self._shapes, self._slices, self._source = store, files, shapes, slices, source
        self.done = Folded()
        self._judged = store.reading(lambda c: {version: judged_until(c, shape) for version, shape in shapes.items()})
        parts = [offset.part for offset in store.reading(lambda c: offsets_of(c, source))]
        #: In the order in which they were read, which decides which of two repeated answers counts.
        self._read = [part for part in parts if not part.startswith((SKIPPED, NOTED, "labels/"))]
        self._label_files = files.labels()
        self._labels = [part for part in parts if part in set(self._label_files)]
        self._skipped = {part for part in parts if part.startswith(SKIPPED)}
        self._kept_back, self._held = kept_back, kept_back.by_day()

    # ---- answers ----

    def new_answers(self, until: datetime) -> None:
        listed, self.done.ahead = self._files.answers(until)
        self._forget_gone(set(listed))
        known = set(self._read)
        for _, names in groupby((name for name in listed if name not in known), key=self._files.hour):
            self._fold_hour(list(names))
        for version in sorted(self._shapes):
            for part in sorted(part for part in self._skipped if part.startswith(f"{SKIPPED}{version}:")):
                self._fold_skipped(version, part)

    def _fold_hour(self, names: Sequence[str]) -> None:
        parts = Parts()
        counted: Counter[str] = Counter()
        positions: dict[str, int] = {}
        skipped: Counter[tuple[str, str]] = Counter()
        for place, name in enumerate(names):
            before = [*self._read, *names[:place]]
            rows = self._counted(name, before, None, parts, counted, skipped)
            positions[name] = rows
        marks = {f"{SKIPPED}{version}:{name}": rows for (version, name), rows in skipped.items()}

        def write(connection: Connection) -> bool:
            if was_read(connection, self._source, names):
                return False
            save_offsets(connection, self._source, positions | marks)
            self._write_parts(connection, parts)
            return True

        self._store.transaction(write)
        self._read += names
        self._skipped |= marks.keys()
        self.done.files += len(names)
        self._tell(counted)
        for (version, _), rows in skipped.items():
            self.done.skipped[version] += rows

    def _fold_skipped(self, version: str, part: str) -> None:
        name = part.removeprefix(f"{SKIPPED}{version}:")
        parts = Parts()
        counted: Counter[str] = Counter()
        before = self._read[: self._read.index(name)] if name in self._read else self._read
        self._counted(name, before, version, parts, counted, Counter())

        def write(connection: Connection) -> bool:
            if not was_read(connection, self._source, [part]):
                return False
            forget_offsets(connection, self._source, [part])
            self._write_parts(connection, parts)
            return True

        self._store.transaction(write)
        self._skipped.discard(part)
        self._tell(counted)

    def _counted(
        self,
        name: str,
        before: Sequence[str],
        only: str | None,
        parts: Parts,
        counted: Counter[str],
        skipped: Counter[tuple[str, str]],
    ) -> int:
        """Count the rows of a file into parts of windows; returns how many it has that count."""
        hour_us, day = self._files.hour(name) * HOUR_US, self._files.day(name)
        labels = self._files.known_labels(self._labels, day)
        rows = 0
        for table in self._files.read(name, before):
            rows += table.num_rows
            for version, own in by_version(self._kept_back.left(table, self._held.get(day, []))):
                if only is not None and version != only:
                    continue
                shape = self._shapes.get(version)
                if shape is None:
                    skipped[version, name] += own.num_rows
                    continue
                late = hour_us < self._judged[version]
                counted.update(rows=own.num_rows, late=own.num_rows if late else 0)
                own = with_labels(own, labels)
                counted["labels"] += own.num_rows - own.column("label").null_count
                for slice_name, batch in self._slices.of(own, shape):
                    part = parts.part(shape, slice_name, hour_us)
                    part.update(batch, seed=zlib.crc32(name.encode()), late=late)
        return rows

    def _write_parts(self, connection: Connection, parts: Parts) -> None:
        parts.write(connection)

    def _tell(self, counted: Counter[str]) -> None:
        for name, number in counted.items():
            setattr(self.done, name, getattr(self.done, name) + number)

    def _forget_gone(self, listed: set[str]) -> None:
        """Files that the retention has removed need not be remembered, if no file of the hours around can come any more."""
        gone = [name for name in self._read if name not in listed]
        newest = max(map(self._files.hour, self._read), default=0)
        old = [name for name in gone if self._files.hour(name) < newest - 48]
        if old:
            self._store.transaction(lambda connection: forget_offsets(connection, self._source, old))
        self._read = [name for name in self._read if name in listed]

    # ---- labels ----

    def new_labels(self) -> None:
        known = set(self._labels)
        new = [name for name in self._label_files if name not in known]
        if not new:
            return
        listed = set(self._files.answers(_END)[0])
        read = [name for name in self._read if name in listed]
        parts = Parts()
        counted: Counter[str] = Counter()
        for day in self._days(new, read):
            self._relabelled(day, new, [name for name in read if self._files.day(name) == day], read, parts, counted)

        def write(connection: Connection) -> bool:
            if was_read(connection, self._source, new):
                return False
            save_offsets(connection, self._source, dict.fromkeys(new, 0))
            self._write_parts(connection, parts)
            return True

        self._store.transaction(write)
        self._labels += new
        self._tell(counted)

    def _days(self, new: Sequence[str], read: Sequence[str]) -> list[str]:
        """The days on which there may be answers of new labels."""
        days = {self._files.day(name) for name in new} - {"unknown"}
        for name in new:
            if self._files.day(name) == "unknown":
                added = self._files.label_rows(name).column("added").cast(pa.int64())
                first = int(pc.min(added).as_py() or 0) - _UNKNOWN_US
                days |= {self._files.day(other) for other in read if self._files.hour(other) * HOUR_US >= first}
        return sorted(days)

    def _relabelled(
        self, day: str, new: Sequence[str], own: Sequence[str], read: Sequence[str], parts: Parts, counted: Counter[str]
    ) -> None:
        """What new labels change about the answers of a day that were read already."""
        if not own:
            return
        before, after = (self._files.known_labels(names, day) for names in (self._labels, [*self._labels, *new]))
        old = before.column("label").combine_chunks().take(_places(after.column("id"), before))
        same = pc.fill_null(pc.equal(after.column("label").combine_chunks(), old), fill_value=False)
        changed = after.filter(pc.invert(same))
        if not changed.num_rows:
            return
        needed = ["time", "output", *(f"input.{name}" for name in self._slices.columns)]
        for name in own:
            earlier = read[: read.index(name)]
            for table in self._files.read(name, earlier, needed):
                asked = table.filter(pc.is_in(table.column("id"), value_set=changed.column("id").combine_chunks()))
                asked = self._kept_back.left(asked, self._held.get(day, []))
                for version, rows in by_version(asked):
                    if version in self._shapes and f"{SKIPPED}{version}:{name}" not in self._skipped:
                        self._relabel(version, rows, name, before, changed, parts, counted)

    def _relabel(
        self,
        version: str,
        rows: pa.Table,
        name: str,
        before: pa.Table,
        after: pa.Table,
        parts: Parts,
        counted: Counter[str],
    ) -> None:
        shape, hour_us = self._shapes[version], self._files.hour(name) * HOUR_US
        old, new = (with_labels(rows, labels).column("label") for labels in (before, after))
        counted["labels"] += old.null_count
        counted["changed"] += len(old) - old.null_count
        both = rows.append_column("label", new).append_column("label_before", old)
        for slice_name, batch in self._slices.of(both, shape):
            answered = answers_of(batch, shape)
            if answered is None:
                continue
            part = parts.part(shape, slice_name, hour_us)
            part.add_truth(batch.column("label_before"), *answered, sign=-1)
            part.add_truth(batch.column("label"), *answered)


_END = datetime(9999, 12, 31, tzinfo=UTC)


def by_version(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each version."""
    versions = pc.unique(table.column("version")).to_pylist() if table.num_rows else []
    if len(versions) == 1:
        yield versions[0], table
        return
    for version in versions:
        yield version, table.filter(pc.equal(table.column("version"), version))


def _places(ids: pa.ChunkedArray, labels: pa.Table) -> pa.Array:
    found = pc.index_in(ids, value_set=labels.column("id").combine_chunks())
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def with_labels(answers: pa.Table, labels: pa.Table) -> pa.Table:
    """Answers with their label as text, missing where the truth is not known."""
    label = labels.column("label").combine_chunks().take(_places(answers.column("id"), labels))
    return answers.append_column("label", label)
