"""Files appear whole or not at all: written aside, flushed to the disk, then renamed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlwright.core.errors import DiskFull, MlwrightError

if TYPE_CHECKING:
    import pyarrow as pa

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class NotWritable(MlwrightError):
    """A folder or file of ours cannot be written for a reason other than a full disk."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"could not write: {reason}", where=str(path), fix="check the path and its permissions, or name another"
        )


@contextmanager
def _plain_errors(target: Path, aside: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise DiskFull(str(target)) from error
        if not _is_ours(error, target, aside):
            raise
        raise NotWritable(target, error.strerror or type(error).__name__) from error


def _is_ours(error: OSError, target: Path, aside: Path) -> bool:
    """Whether it is about what we write; the block may also read files of its own, and those errors stay theirs."""
    if not isinstance(error.filename, str):
        return True
    path = Path(error.filename)
    return aside in (path, *path.parents) or path in (target, *target.parents)


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: a file that was made or renamed is then there after a power failure too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Give a path aside to write to; it takes the place of `target` only if the block ends well.

    Raises
    ------
    DiskFull, NotWritable
        If it cannot be written; `target` is then as it was before.
    """
    aside = _beside(target, "part")
    with _plain_errors(target, aside):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.touch(exist_ok=False)
        try:
            yield aside
            with aside.open("rb") as written:
                os.fsync(written.fileno())
            aside.replace(target)
            flush_folder(target.parent)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """Give a folder aside to fill; it takes the place of `target` only if the block ends well."""
    aside, old = _beside(target, "part"), _beside(target, "old")
    with _plain_errors(target, aside):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.mkdir()
        try:
            yield aside
            for path in aside.rglob("*"):
                if path.is_file():
                    with path.open("rb") as written:
                        os.fsync(written.fileno())
            if target.exists():
                target.rename(old)
            try:
                aside.rename(target)
            except OSError:
                if old.exists():
                    old.rename(target)
                raise
            flush_folder(target.parent)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def _beside(target: Path, suffix: str) -> Path:
    """A new name in the same folder, so that a rename is one step; the dot keeps it out of listings."""
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.{suffix}")


def write_text(target: Path, text: str) -> None:
    """Write a whole UTF-8 text file."""
    with whole_file(target) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(target: Path, tree: Any) -> None:
    """Write a whole JSON file, keys in the order given; NaN and infinities are refused."""
    write_text(target, json.dumps(tree, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


class NotReadable(MlwrightError):
    """A file of ours is missing or is not what it should be."""

    def __init__(self, path: Path, reason: str, fix: str = "restore the file, or make it again with a new run") -> None:
        super().__init__(reason, where=str(path), fix=fix)


def read_json(path: Path) -> Any:
    """Read a JSON file that we wrote.

    Raises
    ------
    NotReadable
        If it is missing or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotReadable(path, "the file is missing") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a number or a nesting without end
        raise NotReadable(path, "the file is damaged: it is not JSON") from error
    except OSError as error:
        raise NotReadable(path, f"the file cannot be read: {error.strerror}") from error


def fingerprint_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, as `sha256sum` prints it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_table(path: Path, table: pa.Table, *, compression: str | None = None) -> None:
    """Write an Arrow file, in a folder or file that appears whole (`whole_folder`, `whole_file`)."""
    import pyarrow as pa  # here, since the command line needs this package and not pyarrow

    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)


def read_table(path: Path) -> pa.Table:
    """An Arrow file that `write_table` wrote."""
    import pyarrow as pa  # here, since the command line needs this package and not pyarrow

    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()
