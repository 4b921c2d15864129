"""Rows that were kept back are taken out of their windows, and those that were repaired are put into them: counted anew.

A window whose rows are kept back, or went on, since it was counted is counted again from the log, and takes the place of what
was there in the transaction that notes it. Done twice it is the same window, so a row counts once whoever is killed when.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from sqlalchemy import Connection

from mlwright.monitoring.findings import OVERALL
from mlwright.monitoring.folding import NOTED, SKIPPED, by_version, with_labels
from mlwright.monitoring.irregular.kept_back import KeptBack, day_of_hour, hours_of_rows
from mlwright.monitoring.kept import (
    HOUR_US,
    KeptWindow,
    forget_offsets,
    kept_windows_at,
    micros,
    offsets_of,
    put_window,
    save_offsets,
)
from mlwright.monitoring.shapes import WindowShape
from mlwright.monitoring.slices import Slices
from mlwright.monitoring.store import MonitorStore
from mlwright.monitoring.windows import WindowSummary
from mlwright.predictions import LogFiles
from mlwright.predictions.labelled import UNKNOWN
from mlwright.predictions.places import ANSWERS, LABELS
from mlwright.spec import Expression


def recount_kept_back(
    store: MonitorStore,
    destination: str | Path,
    shapes: Mapping[str, WindowShape],
    *,
    slices: Mapping[str, Expression] | None = None,
    source: str = "log",
    kept_back: KeptBack | None = None,
) -> int:
    """Count the windows anew whose rows are kept back, or have gone on, or have got labels since then; how many those were.

    Parameters
    ----------
    shapes
        By version, as the log has it.
    kept_back
        The quarantine of the log, by one who remembers what he has seen of it.

    Raises
    ------
    LogNotFound, StoreFailed
        If the log cannot be read.
    ProjectBusy, DatabaseGone, DiskFull
        If the database is in use by another process, or cannot be written.
    """
    known = kept_back or KeptBack(destination)
    if not known.names():
        return 0
    with store.writer():
        recount = _Recount(store, LogFiles(destination), known, Slices(slices or {}), source)
        return sum(recount.of_version(version, shape) for version, shape in shapes.items())


@dataclass(slots=True)
class _Counted:
    """A window as it is counted anew: by slice, with how many rows the log has for it."""

    parts: dict[str, WindowSummary] = field(default_factory=dict)
    rows: int = 0


class _Recount:
    def __init__(self, store: MonitorStore, files: LogFiles, kept_back: KeptBack, slices: Slices, source: str) -> None:
        self._store, self._files, self._kept_back, self._slices, self._source = store, files, kept_back, slices, source
        found = store.reading(lambda connection: offsets_of(connection, source))
        self._noted = {one.part: one.position for one in found if one.part.startswith(NOTED)}
        self._skipped = {one.part for one in found if one.part.startswith(SKIPPED)}
        self._labels = [one.part for one in found if one.part.startswith(LABELS)]
        self._answers = [one.part for one in found if one.part.startswith(ANSWERS)]
        #: Of these, what the retention has left; listed only where something is counted.
        self._read: list[str] | None = None
        self._known: list[str] = []

    def of_version(self, version: str, shape: WindowShape) -> int:
        """Count the windows of a version anew that need it."""
        names = [name for name in self._kept_back.names() if self._kept_back.version_of(name) == version]
        marks = {f"{NOTED}{version}:{name}": self._mark(name) for name in names}
        due = {part: mark for part, mark in marks.items() if self._noted.get(part) != mark}
        gone = [part for part in self._noted if part.startswith(f"{NOTED}{version}:") and part not in marks]
        if not due and not gone:
            return 0
        if self._read is None:
            there, labelled = set(self._files.answers(_END)[0]), set(self._files.labels())
            self._read = [name for name in self._answers if name in there]
            self._known = [name for name in self._labels if name in labelled]
        hours = {hour for part in due for hour in self._kept_back.hours_of(part.split(":", 2)[2])}
        held = self._store.reading(lambda connection: kept_windows_at(connection, shape, hours))
        counted = {one: self._count(version, shape, *one) for one in _periods(held, hours)}

        def write(connection: Connection) -> int:
            forget_offsets(connection, self._source, [*due, *gone])
            save_offsets(connection, self._source, due)
            changed = 0
            for (start, end), whole in counted.items():
                before = {one.slice: one for one in held if micros(one.start) == start}
                rows = before[OVERALL].summary.rows if OVERALL in before else 0
                if whole.rows < rows:
                    continue  # the retention has removed a part of the log: what was counted stays
                changed += 1
                for name in {*before, *whole.parts}:
                    part = whole.parts.get(name) or WindowSummary(shape=shape)
                    grain = before[name].grain if name in before else "hour"
                    part.late = before[name].summary.late if name in before else 0
                    put_window(connection, shape, name, start, end, part, grain=grain)
            return changed

        return self._store.transaction(write)

    def _mark(self, name: str) -> int:
        """Another number once rows that went on have new labels."""
        if not self._kept_back.went_on(name):
            return 0
        days = {*self._kept_back.days_of(name), UNKNOWN}
        return zlib.crc32("\n".join(one for one in self._labels if self._files.day(one) in days).encode())

    def _count(self, version: str, shape: WindowShape, start: int, end: int) -> _Counted:
        whole, held, read = _Counted(), self._kept_back.by_day(), self._read or []
        for place, name in enumerate(read):
            day = self._files.day(name)
            inside = start <= self._files.hour(name) * HOUR_US < end
            if not inside or f"{SKIPPED}{version}:{name}" in self._skipped:
                continue
            for table in self._files.read(name, read[:place]):
                for found, rows in by_version(table):
                    if found == version:
                        whole.rows += rows.num_rows
                        self._add(whole, self._kept_back.left(rows, held.get(day, [])), shape, day, name)
        for name in self._kept_back.names():
            if self._kept_back.went_on(name) and self._kept_back.version_of(name) == version:
                rows = self._kept_back.repaired(name)
                hours = hours_of_rows(rows)
                for day in self._kept_back.days_of(name):
                    on = [start <= hour * HOUR_US < end and day_of_hour(hour) == day for hour in hours]
                    self._add(whole, rows.filter(pa.array(on, pa.bool_())), shape, day, name)
        return whole

    def _add(self, whole: _Counted, rows: pa.Table, shape: WindowShape, day: str, name: str) -> None:
        if not rows.num_rows:
            return
        labelled = with_labels(rows, self._files.known_labels(self._known, day))
        for slice_name, batch in self._slices.of(labelled, shape):
            part = whole.parts.setdefault(slice_name, WindowSummary(shape=shape))
            part.update(batch, seed=zlib.crc32(name.encode()))


_END = datetime(9999, 12, 31, tzinfo=UTC)


def _periods(held: Iterable[KeptWindow], hours: Iterable[int]) -> list[tuple[int, int]]:
    """The windows that hold some hours, from when to when; an hour that no window holds is one of its own."""
    known = {(micros(one.start), micros(one.end)) for one in held}
    loose = {
        (hour * HOUR_US, (hour + 1) * HOUR_US)
        for hour in hours
        if not any(start <= hour * HOUR_US < end for start, end in known)
    }
    return sorted(known | loose)
