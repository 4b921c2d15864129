"""Whether the rows themselves are in order: each window is looked at once, by name of what can be wrong, and kept back if so."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from mlwright.monitoring import Finding
from mlwright.monitoring.irregular import (
    KINDS,
    Batch,
    Feed,
    Irregularity,
    Quarantine,
    RecentBatches,
    Reference,
    recognise,
    treat,
)
from mlwright.monitoring.kept import close_findings, detector_of, micros, moment, save_detector, save_findings
from mlwright.operate.project import Project, Watched
from mlwright.predictions import read_window

DETECTOR: Final = "input"
#: Of a window: enough to see what is wrong with it, and little enough to hold.
_MOST_ROWS: Final = 200_000


@dataclass(slots=True)
class _Kept:
    """When rows usually come, and which came lately."""

    feed: Feed
    recent: RecentBatches

    def state(self) -> bytes:
        tree = {"format_version": 1, "feed": self.feed.state(), "recent": self.recent.state()}
        return zlib.compress(json.dumps(tree).encode(), 6)

    @classmethod
    def of_state(cls, content: bytes) -> _Kept:
        tree = json.loads(zlib.decompress(content))
        return cls(Feed.of_state(tree["feed"]), RecentBatches.of_state(tree["recent"]))


def judge_input(project: Project, watched: Watched, *, until: datetime, now: datetime) -> list[Finding]:
    """Look at the windows that are over and were not looked at, keep back rows that are wrong, and keep what was found.

    Rows are kept back before the transaction that says so: done twice, it is the same files again.

    Returns
    -------
    What is wrong with the latest window, and whether rows have stopped coming.
    """
    held = project.store.reading(lambda connection: detector_of(connection, watched.shape, DETECTOR))
    kept = _Kept(Feed(), RecentBatches()) if held is None else _Kept.of_state(held[1])
    position = _first_window(project, watched, until) if held is None else held[0]
    if position is None:
        return []
    found: list[Finding] = []
    looked, length = 0, project.spec.operation.window
    while position + length <= until:
        end = position + length
        found = [*_look(project, watched, kept, position, end, now=now)]
        position, looked = end, looked + 1
    # What came after `until` may not be sealed yet: its absence is no silence.
    stopped = kept.feed.stopped(until)
    silent = [] if stopped is None else [stopped.as_finding(since=moment(int((kept.feed.last or 0.0) * 1e6)))]

    def write(connection: Connection) -> None:
        save_detector(connection, watched.shape, DETECTOR, position, kept.state())
        _settle(connection, watched, found, [kind for kind in KINDS if kind != "stopped_feed"], now, judged=looked > 0)
        _settle(connection, watched, silent, ["stopped_feed"], now, judged=True)

    project.store.transaction(write)
    return [*found, *silent]


def _settle(
    connection: Connection, watched: Watched, found: list[Finding], kinds: list[str], now: datetime, *, judged: bool
) -> None:
    if judged:
        save_findings(connection, watched.shape, found, now=now)
        close_findings(connection, watched.shape, kinds=kinds, still=[one.key for one in found], now=now)


def _first_window(project: Project, watched: Watched, until: datetime) -> datetime | None:
    """The start of the window of the first answer of a version; None if there is none yet."""
    reader = read_window(project.log, end=until, columns=["time"], version=watched.version.package_version)
    for batch in reader:
        if batch.num_rows:
            size = project.spec.operation.window // timedelta(microseconds=1)
            first = int(np.asarray(batch.column(0).cast(pa.timestamp("us", "UTC")).cast(pa.int64())).min())
            return moment(first // size * size)
    return None


def _look(
    project: Project, watched: Watched, kept: _Kept, start: datetime, end: datetime, *, now: datetime
) -> list[Finding]:
    rows = _rows(project, watched, start, end)
    if rows is None:
        kept.feed.learn(np.zeros(0, "datetime64[us]"), start, end)
        return []
    times = np.asarray(rows.column("time").cast(pa.timestamp("us")).combine_chunks()).astype("datetime64[us]")
    model = watched.model
    masked = list(project.spec.predictions.mask)
    reference = Reference.of_model(model, made=watched.version.created, leave_out=masked)
    batch = Batch.of_window(rows, model.schema)
    faults = recognise(batch, reference, feed=kept.feed, recent=kept.recent)
    if any(fault.held for fault in faults):
        source = f"{watched.version.package_version}/{micros(start)}"
        treated = treat(batch, faults, _policy(project))
        Quarantine(project.log).keep(treated, source=source, version=watched.version.package_version, now=now)
    kept.recent.remember(batch)
    kept.feed.learn(times, start, end)
    return [_as_finding(fault, start) for fault in faults]


def _as_finding(fault: Irregularity, start: datetime) -> Finding:
    return fault.as_finding(since=start)


def _policy(project: Project) -> Mapping[str, Any]:
    """What the owner accepted: `operation.repair` of the spec."""
    said: Mapping[str, Any] = getattr(project.spec.operation, "repair", {}) or {}
    return said


def _rows(project: Project, watched: Watched, start: datetime, end: datetime) -> pa.Table | None:
    reader = read_window(project.log, start, end, version=watched.version.package_version)
    batches, count = [], 0
    for batch in reader:
        batches.append(batch)
        count += batch.num_rows
        if count >= _MOST_ROWS:
            break
    return pa.Table.from_batches(batches) if count else None
