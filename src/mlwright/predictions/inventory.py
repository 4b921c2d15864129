"""What a log has, counted: for people who look at it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mlwright.predictions.places import LABELS
from mlwright.predictions.segments import segments_in
from mlwright.predictions.store import Store
from mlwright.predictions.windows import read_window, sealed_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The answers of a window.

    Attributes
    ----------
    versions
        Answers by the version that gave them.
    first, last
        The times of the earliest and the latest answer.
    labelled
        Answers whose truth is known.
    unread
        Answers with something that did not fit its column.
    files, segments
        Sealed files of the whole log, and segments that are not sealed yet (their answers are counted).
    """

    answers: int = 0
    versions: dict[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    labelled: int = 0
    unread: int = 0
    files: int = 0
    segments: int = 0


def overview(
    destination: str | Path,
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    version: str | None = None,
    segments: str | Path | None = None,
) -> Overview:
    """Count what a window has; the arguments are those of `read_window`.

    Raises
    ------
    LogNotFound, StoreFailed
        If there is no log, or it cannot be read.
    """
    store = Store.existing(destination)
    has_labels = bool(store.files(LABELS))
    counted: Counter[str] = Counter()
    versions: Counter[str] = Counter()
    first: datetime | None = None
    last: datetime | None = None
    for batch in read_window(destination, start, end, version=version, labels=has_labels, segments=segments):
        counted["answers"] += batch.num_rows
        counted["unread"] += _known(batch, "unread")
        counted["labelled"] += _known(batch, "label")
        versions.update({one["values"]: one["counts"] for one in pc.value_counts(batch.column("version")).to_pylist()})
        bounds = pc.min_max(batch.column("time")).as_py()
        first = bounds["min"] if first is None else min(first, bounds["min"])
        last = bounds["max"] if last is None else max(last, bounds["max"])
    return Overview(
        versions=dict(sorted(versions.items())),
        first=first,
        last=last,
        files=len(sealed_files(store)),
        segments=0 if segments is None else len(segments_in(Path(segments))),
        **counted,
    )


def _known(batch: pa.RecordBatch, name: str) -> int:
    if name not in batch.schema.names:
        return 0
    return int(batch.num_rows - batch.column(name).null_count)
