"""Segments: append-only files on a local disk, each written by one process, which holds a lock on it while it lives.

The lock is the kernel's (`flock`): it is gone when the process is gone, however it ended. So a segment that can be locked
is finished, whoever wrote it, and any process may seal it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from mlwright.core.files import flush_folder
from mlwright.predictions.records import framed_header

SUFFIX = ".segment"


class Segment:
    """A segment that this process writes.

    Attributes
    ----------
    size
        Bytes of the header and whole records.
    empty
        Whether it has no records yet.
    broken
        Whether it may end with half a record; nothing more is to be written to it.
    """

    __slots__ = ("_descriptor", "_fsync", "_header", "broken", "path", "size")

    def __init__(self, path: Path, descriptor: int, *, fsync: bool) -> None:
        self.path, self._descriptor, self._fsync = path, descriptor, fsync
        self.size, self._header, self.broken = 0, 0, False

    @classmethod
    def create(cls, folder: Path, worker: str, header: dict[str, object], *, fsync: bool) -> Segment:
        """Begin a new one.

        Raises
        ------
        OSError
            If it cannot be written; nothing is left behind.
        """
        name = re.sub(r"[^A-Za-z0-9_]", "_", worker)
        while True:
            now = datetime.now(tz=UTC)
            path = folder / f"{now:%Y%m%dT%H%M%S}-{name}-{os.getpid()}-{secrets.token_hex(4)}{SUFFIX}"
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
            segment = cls(path, descriptor, fsync=fsync)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not _stands_at(descriptor, path):  # somebody took it for a finished one before it was locked
                segment.close()
                continue
            try:
                segment.write(framed_header({"worker": worker, "began": now.isoformat(), **header}))
            except OSError:
                path.unlink(missing_ok=True)
                segment.close()
                raise
            segment._header = segment.size
            if fsync:
                flush_folder(folder)
            return segment

    @property
    def empty(self) -> bool:
        return self.size == self._header

    def write(self, data: bytes) -> None:
        """Append all of it or nothing; when it returns, the operating system has it.

        Raises
        ------
        OSError
            If the disk is full or fails; the segment is then as it was before, or `broken`.
        """
        descriptor = self._descriptor
        try:
            written = os.write(descriptor, data)
            while written < len(data):  # a nearly full disk takes a part; the rest then says why
                written += os.write(descriptor, data[written:])
            if self._fsync:
                os.fdatasync(descriptor)
        except OSError:
            try:
                os.ftruncate(descriptor, self.size)
            except OSError:
                self.broken = True
            raise
        self.size += written

    def close(self) -> None:
        """Let go of it; it can be sealed then."""
        os.close(self._descriptor)


def segments_in(folder: Path) -> list[Path]:
    """All segments, finished or not, the oldest first."""
    return sorted(folder.glob(f"[!.]*{SUFFIX}")) if folder.is_dir() else []


def claim(path: Path) -> int | None:
    """Lock a finished segment; returns its open descriptor, or None if it is being written or sealed, or is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return None
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _stands_at(descriptor, path):
            return descriptor
    os.close(descriptor)
    return None


def contents(descriptor: int) -> bytes:
    """The bytes of an open segment."""
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        stream.seek(0)
        return stream.read()


def _stands_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
