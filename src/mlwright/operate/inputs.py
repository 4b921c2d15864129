"""Whether the rows themselves are in order: each window is looked at once, by name of what can be wrong, and kept back if so.

Rows that are kept back are in quarantine first, then in no window any more; where the owner has accepted a rule they are
repaired, answered again and put into their windows at once.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import pyarrow as pa
from sqlalchemy import Connection

from mlwright.monitoring import OVERALL, Finding, WindowShape
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
from mlwright.monitoring.irregular.quarantine import Answer
from mlwright.monitoring.irregular.treatment import Choice, Policy, is_accepted
from mlwright.monitoring.kept import (
    close_findings,
    detector_of,
    first_window,
    micros,
    moment,
    save_detector,
    save_findings,
    start_of_period,
)
from mlwright.monitoring.recounting import recount_kept_back
from mlwright.operate.project import Project, Watched
from mlwright.predictions import read_window
from mlwright.spec import Expression, Spec

DETECTOR: Final = "input"
_HOUR_US: Final = 3_600_000_000
#: Of a window at a time, in whole hours: enough to see what is wrong with it, and little enough to hold.
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


def begun_anew(state: bytes) -> bytes:
    """What is kept of a watch that begins anew: when rows usually come, and not that they went to another version since."""
    kept = _Kept.of_state(state)
    kept.feed.last = None
    return kept.state()


def judge_input(project: Project, watched: Watched, *, until: datetime, now: datetime) -> list[Finding]:
    """Look at the windows that are over and were not looked at, keep back rows that are wrong, and keep what was found.

    Each window has a transaction of its own. Rows are kept back before it: done twice, it is the same files again. What is over
    already when several windows are looked at stays found until the next look, so that people are told of it.

    Returns
    -------
    What is wrong with the windows that were looked at, and whether rows have stopped coming.
    """
    held = project.store.reading(lambda connection: detector_of(connection, watched.shape, DETECTOR))
    kept = _Kept(Feed(), RecentBatches()) if held is None else _Kept.of_state(held[1])
    position = _first_window(project, watched, until) if held is None else held[0]
    if position is None:
        return []
    length = project.spec.operation.window
    found: dict[str, Finding] = {}
    over: dict[str, Finding] = {}
    while position + length <= until:
        last, found = found, {one.key: one for one in _look(project, watched, kept, position, now=now)}
        over |= {key: replace(one, until=position) for key, one in last.items()}
        over = {key: one for key, one in over.items() if key not in found}
        position += length
        told = [*found.values(), *over.values()]

        def write(connection: Connection, position: datetime = position, told: Sequence[Finding] = tuple(told)) -> None:
            save_detector(connection, watched.shape, DETECTOR, position, kept.state())
            _settle(connection, watched, told, [kind for kind in KINDS if kind != "stopped_feed"], now)

        project.store.transaction(write)
    # What came after `until` may not be sealed yet: its absence is no silence.
    stopped = kept.feed.stopped(until)
    silent = [] if stopped is None else [stopped.as_finding(since=moment(int((kept.feed.last or 0.0) * 1e6)))]
    project.store.transaction(lambda connection: _settle(connection, watched, silent, ["stopped_feed"], now))
    return [*found.values(), *over.values(), *silent]


def _settle(
    connection: Connection, watched: Watched, found: Sequence[Finding], kinds: list[str], now: datetime
) -> None:
    save_findings(connection, watched.shape, found, now=now)
    close_findings(connection, watched.shape, kinds=kinds, still=[one.key for one in found], now=now)


def _first_window(project: Project, watched: Watched, until: datetime) -> datetime | None:
    """The start of the first window of a version, by what was counted of it; None if there is none yet."""
    first = project.store.reading(lambda connection: first_window(connection, watched.shape))
    if first is None or first > until:
        return None
    return start_of_period(first, project.spec.operation.window)


def _look(project: Project, watched: Watched, kept: _Kept, start: datetime, *, now: datetime) -> list[Finding]:
    """Look at the rows of a window, some hours at a time where they are many."""
    end = start + project.spec.operation.window
    masked = list(project.spec.predictions.mask)
    reference = Reference.of_model(watched.model, made=watched.version.created, leave_out=masked)
    faults: dict[str, Finding] = {}
    begun = start
    for rows, until in _pieces(project, watched, start, end):
        batch = Batch.of_window(rows, watched.model.schema)
        found = recognise(batch, reference, feed=kept.feed, recent=kept.recent)
        if any(fault.held for fault in found):
            _keep_back(project, watched, batch, found, begun, now=now)
        kept.recent.remember(batch)
        times = np.asarray(rows.column("time").cast(pa.timestamp("us")).combine_chunks()).astype("datetime64[us]")
        kept.feed.learn(times, begun, until)
        for fault in found:
            finding = fault.as_finding(since=begun)
            faults.setdefault(finding.key, finding)
        begun = until
    if begun < end:
        kept.feed.learn(np.zeros(0, "datetime64[us]"), begun, end)
    return list(faults.values())


def _keep_back(
    project: Project, watched: Watched, batch: Batch, found: Sequence[Irregularity], start: datetime, *, now: datetime
) -> None:
    """Put the rows that are wrong into quarantine, and let those go on again whose every fault has an accepted rule."""
    version, policy = watched.version.package_version, policy_of(project.spec)
    treated = treat(batch, found, _only_ignoring(policy))
    quarantine = Quarantine(project.log)
    held = quarantine.keep(treated, source=f"{version}/{micros(start)}", version=version, now=now)
    ready = [entry.id for entry in held if all(is_accepted(policy, reason) for reason in entry.reasons)]
    if ready:
        quarantine.replay(watched.model.schema, policy, answer=_answering(watched), only=ready)


def recount(project: Project, shapes: Mapping[str, WindowShape]) -> int:
    """Take rows that are kept back out of their windows, and put those that went on into them; how many windows changed."""
    slices = slices_of_spec(project.spec)
    return recount_kept_back(project.store, project.log, shapes, slices=slices, kept_back=project.kept_back)


def slices_of_spec(spec: Spec) -> dict[str, Expression]:
    """The slices that requirements name."""
    said = {one.on: one.condition for one in spec.requirements}
    return {name: condition for name, condition in said.items() if condition is not None and name != OVERALL}


def policy_of(spec: Spec) -> Policy:
    """What the owner decided about irregular input: `operation.repair` of the spec."""
    return {str(kind): choice for kind, choice in spec.operation.repair.items()}


def _only_ignoring(policy: Policy) -> Policy:
    """The same, but rows whose rule is accepted are kept back first too: repaired rows are answered again."""

    def kept(choice: Choice) -> Choice:
        return "ignore" if choice == "ignore" else "recommend"

    return {
        kind: kept(said) if isinstance(said, str) else {column: kept(choice) for column, choice in said.items()}
        for kind, said in policy.items()
    }


def _answering(watched: Watched) -> Answer:
    """What answers repaired rows: the columns that the log has of an answer."""

    def answer(batch: Batch) -> pa.Table:
        answers = watched.model.predict(batch.typed).to_table()
        return answers.rename_columns([f"output.{name}" for name in answers.column_names])

    return answer


def _pieces(project: Project, watched: Watched, start: datetime, end: datetime) -> Iterator[tuple[pa.Table, datetime]]:
    """The rows of a window in pieces of whole hours, each with when the next piece begins."""
    batches: list[pa.RecordBatch] = []
    rows, hour = 0, 0
    # They come hour by hour, and each batch is of one hour.
    for batch in read_window(project.log, start, end, version=watched.version.package_version):
        own = batch.column("time")[0].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).as_py() // _HOUR_US
        if rows and own != hour and rows + batch.num_rows > _MOST_ROWS:
            yield pa.Table.from_batches(batches), moment(own * _HOUR_US)
            batches, rows = [], 0
        batches, rows, hour = [*batches, batch], rows + batch.num_rows, own
    if rows:
        yield pa.Table.from_batches(batches), end
