"""The destination of a log: files on the local disk, S3, GCS or HDFS, which appear whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from mlwright.core import MlwrightError, whole_file
from mlwright.data.sources.base import shown_url


class StoreFailed(MlwrightError):
    """The destination of the prediction log cannot be read or written."""


class LogNotFound(MlwrightError):
    """There is no prediction log at that place."""

    def __init__(self, place: Path) -> None:
        super().__init__(
            "there is no prediction log",
            where=str(place),
            fix="name the folder or URL that the spec has as predictions.destination",
        )


class Store:
    """Files below one folder of a file system; all names are relative to it, with `/` between folders."""

    def __init__(self, filesystem: Any, base: str, shown: str) -> None:
        self._filesystem, self._base, self.shown = filesystem, base.rstrip("/"), shown
        self._local = isinstance(filesystem, fs.LocalFileSystem)
        # An object appears when its upload ends; elsewhere a file is written aside and renamed.
        self._puts_whole = filesystem.type_name in {"s3", "gcs"}

    @classmethod
    def open(cls, destination: str | Path) -> Store:
        """The folder that a path or a URL names; it need not exist.

        Raises
        ------
        StoreFailed
            If the URL names no file system that can be reached.
        """
        location = str(destination)
        if "://" not in location:
            return cls(fs.LocalFileSystem(), str(Path(location).absolute()), location)
        with _reached(shown_url(location)):
            filesystem, base = fs.FileSystem.from_uri(location)
        return cls(filesystem, base, shown_url(location))

    @classmethod
    def existing(cls, destination: str | Path) -> Store:
        """As `open`, but a local folder must exist.

        Raises
        ------
        LogNotFound, StoreFailed
            If it does not, or the URL names no file system that can be reached.
        """
        if "://" not in str(destination) and not Path(destination).is_dir():
            raise LogNotFound(Path(destination))
        return cls.open(destination)

    def files(self, folder: str, suffix: str = ".parquet") -> list[str]:
        """All files below a folder in the order of their names; none if it does not exist."""
        found = (name for name, is_file in self._listed(folder, recursive=True) if is_file)
        return sorted(name for name in found if name.endswith(suffix) and not PurePosixPath(name).name.startswith("."))

    def folders(self, folder: str) -> list[str]:
        """The folders directly in a folder, in the order of their names."""
        return sorted(name for name, is_file in self._listed(folder, recursive=False) if not is_file)

    def _listed(self, folder: str, *, recursive: bool) -> list[tuple[str, bool]]:
        where = self._path(folder)
        with _reached(self.shown):
            infos = self._filesystem.get_file_info(fs.FileSelector(where, recursive=recursive, allow_not_found=True))
        return [(f"{folder}/{info.path[len(where) :].strip('/')}", info.is_file) for info in infos]

    def read(self, name: str) -> bytes:
        """A whole file."""
        with _reached(self.shown), self._filesystem.open_input_file(self._path(name)) as file:
            return bytes(file.read())

    def parquet(self, name: str) -> pq.ParquetFile:
        """A Parquet file, of which only what is asked for will be read."""
        with _reached(self.shown):
            return pq.ParquetFile(self._filesystem.open_input_file(self._path(name)))

    def batches(
        self, name: str, rows: int, columns: list[str], wanted: Callable[[Any], bool]
    ) -> Iterator[pa.RecordBatch]:
        """Some columns of a Parquet file, so many rows at a time, of the row groups whose metadata is wanted."""
        with self.parquet(name) as file:
            groups = [number for number in range(file.num_row_groups) if wanted(file.metadata.row_group(number))]
            batches = iter(file.iter_batches(batch_size=rows, row_groups=groups, columns=columns))
            while True:
                with _reached(self.shown):
                    batch = next(batches, None)
                if batch is None:
                    return
                yield batch

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """A whole Parquet file, or some of its columns."""
        with _reached(self.shown), self.parquet(name) as file:
            known = set(file.schema_arrow.names)
            return file.read(columns=None if columns is None else [c for c in columns if c in known])

    def write(self, name: str, content: bytes | pa.Buffer) -> None:
        """Put a file there, in the place of one of that name.

        Raises
        ------
        DiskFull, NotWritable, StoreFailed
            If it cannot be written whole; one of that name is then as it was.
        """
        path = self._path(name)
        if self._local:
            with whole_file(Path(path)) as aside:
                aside.write_bytes(content)
            return
        with _reached(self.shown):
            if self._puts_whole:
                self._put(path, content)
                return
            folder, _, last = path.rpartition("/")
            self._filesystem.create_dir(folder)
            aside_path = f"{folder}/.{last}.{secrets.token_hex(4)}.part"
            self._put(aside_path, content)
            if self._filesystem.get_file_info(path).is_file:  # HDFS does not rename onto a file
                self._filesystem.delete_file(path)
            self._filesystem.move(aside_path, path)

    def _put(self, path: str, content: bytes | pa.Buffer) -> None:
        with self._filesystem.open_output_stream(path, compression=None) as stream:
            stream.write(content)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Put a Parquet file there."""
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", row_group_size=131_072)
        self.write(name, sink.getvalue())

    def delete(self, name: str) -> None:
        """Remove a file; nothing happens if it is gone already."""
        with _reached(self.shown):
            try:
                self._filesystem.delete_file(self._path(name))
            except FileNotFoundError:
                return
        if self._local:
            with suppress(OSError):  # not empty: the hour, or the day, has other files
                for folder in list(Path(self._path(name)).parents)[:2]:
                    folder.rmdir()

    def _path(self, name: str) -> str:
        return f"{self._base}/{name}"


@contextmanager
def _reached(shown: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException, ValueError) as error:
        raise StoreFailed(
            f"the prediction log cannot be reached: {type(error).__name__}",
            where=shown,
            fix="check the place, the network, its permissions and the credentials in the environment",
        ) from error
