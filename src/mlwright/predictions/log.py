"""The writer: an answer is appended to a segment before it is acknowledged.

Nothing here loads Arrow: a process that answers pays one `write` per answer, and sealing is the work of another process.
"""

from __future__ import annotations

import errno
import os
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from mlwright.core.errors import MlwrightError
from mlwright.predictions.masking import Masks, sampling
from mlwright.predictions.places import segments_folder
from mlwright.predictions.records import framed
from mlwright.predictions.segments import Segment

if TYPE_CHECKING:
    from mlwright.data import Schema
    from mlwright.predictions.background import Sealer
    from mlwright.predictions.sealing import Sealed
    from mlwright.spec import PredictionLogging

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LogFull(MlwrightError):
    """An answer could not be written to the prediction log, and the spec says to refuse it then."""

    def __init__(self, folder: Path, error: OSError) -> None:
        full = error.errno in _NO_SPACE
        super().__init__(
            "the disk of the prediction log is full"
            if full
            else f"the prediction log cannot be written: {error.strerror or type(error).__name__}",
            where=str(folder),
            fix=f"{'free some space' if full else 'check the disk'}; `predictions.on_full: go_on` answers without keeping",
        )


@dataclass(slots=True)
class LogCounts:
    """What became of the answers since the log was opened.

    Attributes
    ----------
    appended
        Written.
    sampled_out
        Left out by their id, as the spec asks.
    refused, unlogged
        Not written, since the disk is full or fails: not acknowledged, or answered all the same.
    unmaskable
        Written without their input or output, which was no JSON object and so could not be masked.
    seal_failures
        Times that sealing in the background did not succeed; what is not sealed stays in its segment.
    """

    appended: int = 0
    sampled_out: int = 0
    refused: int = 0
    unlogged: int = 0
    unmaskable: int = 0
    seal_failures: int = 0


class PredictionLog:
    """The prediction log as a process writes it; open one per process with `PredictionLog.open`.

    When `append` has returned, the record is in the operating system's hands: the process may be killed at any moment
    and nothing is lost. A power failure or a crash of the operating system may lose the last seconds that it had not
    written to the disk yet, unless `fsync` is set.

    Examples
    --------
    >>> import tempfile, time
    >>> folder = tempfile.TemporaryDirectory()
    >>> with PredictionLog.open(folder.name, sealing=False) as log:
    ...     log.append("a1", time.time_ns(), "v3", b'{"age": 31}', b'{"probability": 0.2}')
    True
    >>> from mlwright.predictions import read_window
    >>> read_window(folder.name).read_all().num_rows
    1
    >>> folder.cleanup()
    """

    def __init__(
        self,
        destination: str,
        folder: Path,
        options: PredictionLogging,
        *,
        worker: str,
        input_schema: Schema | None,
        output_schema: Schema | None,
    ) -> None:
        self.destination, self.folder, self.options, self.worker = destination, folder, options, worker
        self._keeps = sampling(options.share)
        self._masks = Masks(options.mask) if options.mask else None
        self._layout = {"input": self._columns(input_schema), "output": self._columns(output_schema)}
        self._limit, self._oldest = int(options.rotate_mb * 1e6), options.rotate_every.total_seconds()
        self._lock = threading.Lock()
        self._counts = LogCounts()
        self._closed = False
        self._segment: Segment | None = None
        self._began_at = float("inf")
        self._sealer: Sealer | None = None
        _LOGS.add(self)

    @classmethod
    def open(
        cls,
        destination: str | Path,
        options: PredictionLogging | None = None,
        *,
        worker: str = "0",
        input_schema: Schema | None = None,
        output_schema: Schema | None = None,
        sealing: bool = True,
    ) -> Self:
        """Begin to write.

        Parameters
        ----------
        destination
            Where sealed files go: a folder, or an `s3://`, `gs://` or `hdfs://` URL.
        worker
            Names this process in the files that it writes.
        input_schema, output_schema
            The fields of a record and of an answer, whose sealed columns then have their types; without them, each is
            one column of JSON.
        sealing
            Whether finished segments are sealed every minute, in a process of its own; else call `seal` or
            `seal_segments` somewhere.

        Raises
        ------
        SegmentsNowhere, LogFull, MaskKeyMissing
            If there is no folder for segments, it cannot be written, or masking lacks its key.
        """
        if options is None:
            from mlwright.spec import PredictionLogging

            options = PredictionLogging()
        folder = segments_folder(destination, options.segments)
        place = str(destination) if "://" in str(destination) else str(Path(destination).absolute())
        log = cls(place, folder, options, worker=worker, input_schema=input_schema, output_schema=output_schema)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            log._segment = log._began()
        except OSError as error:
            raise LogFull(folder, error) from error
        if sealing:
            from mlwright.predictions.background import Sealer

            log._sealer = Sealer(log)
            log._sealer.start()
        return log

    @property
    def counts(self) -> LogCounts:
        """What became of the answers so far."""
        with self._lock:
            return replace(self._counts)

    def append(self, id: str, time_ns: int, version: str, input_json: bytes, output_json: bytes) -> bool:  # noqa: A002
        """Keep one answer; returns whether it is kept.

        Parameters
        ----------
        id
            Names this answer, no other: labels are joined by it, and the same id again from the same version is taken
            for a repetition.
        time_ns
            Since 1970, as `time.time_ns` has it; kept in microseconds.
        version
            Of the model.
        input_json, output_json
            A JSON object each: the record as it was asked, and the answer.

        Raises
        ------
        LogFull
            If it cannot be written and the options say to refuse; nothing of it is kept then.
        """
        if self._keeps is not None and not self._keeps(id):
            with self._lock:
                self._counts.sampled_out += 1
            return False
        if self._masks is not None:
            input_json, output_json = self._masked(input_json), self._masked(output_json)
        return self._write(framed(id, time_ns // 1000, version, input_json, output_json), 1)

    def append_many(self, answers: Iterable[tuple[str, int, str, bytes, bytes]]) -> int:
        """Keep several answers, given as to `append`, by one write: all of them or none; returns how many are kept.

        Raises
        ------
        LogFull
            If they cannot be written and the options say to refuse.
        """
        frames, left_out = [], 0
        for name, time_ns, version, input_json, output_json in answers:
            if self._keeps is not None and not self._keeps(name):
                left_out += 1
                continue
            if self._masks is not None:
                masked = self._masked(input_json), self._masked(output_json)
            else:
                masked = input_json, output_json
            frames.append(framed(name, time_ns // 1000, version, *masked))
        with self._lock:
            self._counts.sampled_out += left_out
        return len(frames) if frames and self._write(b"".join(frames), len(frames)) else 0

    def use(self, *, input_schema: Schema | None, output_schema: Schema | None) -> None:
        """From here on answers have these fields: another version of the model answers.

        What the version before still answers is kept too; where its fields differ, in `unread`. Versions that answer side
        by side have a log each.
        """
        layout = {"input": self._columns(input_schema), "output": self._columns(output_schema)}
        with self._lock:
            if layout != self._layout:
                self._layout = layout
                self._finish()

    def rotate(self, *, older_than_s: float = 0.0) -> None:
        """Finish the current segment, so that it can be sealed; the next answer begins another one."""
        with self._lock:
            old = time.monotonic() - self._began_at >= older_than_s
            if old and self._segment is not None and not self._segment.empty:
                self._finish()

    def seal(self) -> Sealed:
        """Turn all finished segments into Parquet now, this one's and those that dead processes left behind.

        Raises
        ------
        StoreFailed
            If the destination cannot be written; the segments stay.
        """
        from mlwright.predictions.sealing import seal_segments

        self.rotate()
        return seal_segments(self.folder, self.destination)

    def close(self, *, seal: bool = True) -> None:
        """Write no more; `seal` what is there, or leave it to whoever opens the log next."""
        with self._lock:
            self._closed = True
            self._finish()
        if self._sealer is not None:
            self._sealer.stop()
        if seal:
            self.seal()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def failed_to_seal(self) -> None:
        """Count one more time that sealing did not succeed."""
        with self._lock:
            self._counts.seal_failures += 1

    def _write(self, data: bytes, answers: int) -> bool:
        with self._lock:
            try:
                segment = self._segment
                if segment is None or segment.size >= self._limit or time.monotonic() - self._began_at > self._oldest:
                    segment = self._began()
                segment.write(data)
            except OSError as error:
                return self._not_written(answers, error)
            self._counts.appended += answers
            return True

    def _began(self) -> Segment:
        if self._closed:
            raise ValueError("the prediction log is closed")
        self._finish()
        header: dict[str, object] = dict(self._layout)
        self._segment = Segment.create(self.folder, self.worker, header, fsync=self.options.fsync)
        self._began_at = time.monotonic()
        return self._segment

    def _finish(self) -> None:
        if self._segment is not None:
            self._segment.close()
            self._segment = None

    def _not_written(self, answers: int, error: OSError) -> bool:
        if self._segment is not None and self._segment.broken:
            self._finish()
        if self.options.on_full == "refuse":
            self._counts.refused += answers
            raise LogFull(self.folder, error) from error
        self._counts.unlogged += answers
        return False

    def _masked(self, record: bytes) -> bytes:
        assert self._masks is not None
        masked = self._masks.applied(record)
        if masked is None:
            with self._lock:
                self._counts.unmaskable += 1
            return b"null"
        return masked

    def _columns(self, schema: Schema | None) -> list[dict[str, Any]] | None:
        """The columns as JSON: what reading needs, and a hashed one as the text that it has become."""
        if schema is None:
            return None
        masks: Mapping[str, str] = {} if self._masks is None else self._masks.fields
        kept = [column.but(levels=None, why="") for column in schema if masks.get(column.name) != "drop"]
        hashed = [type(c)(name=c.name, type="identifier") if c.name in masks else c for c in kept]
        return list(type(schema)(tuple(hashed)).state()["columns"])

    def _forked(self) -> None:
        """In the child of a fork: the segment stays the parent's, which alone knows where its last record ends."""
        self._lock = threading.Lock()
        self._finish()
        self._sealer = None


_LOGS: weakref.WeakSet[PredictionLog] = weakref.WeakSet()


def _after_fork() -> None:
    for log in list(_LOGS):
        log._forked()


os.register_at_fork(after_in_child=_after_fork)
