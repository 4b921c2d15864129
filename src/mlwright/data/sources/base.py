"""What a source is, and what every source of files shares."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from mlwright.data.errors import SourceNotFound, SourceUnreadable

if TYPE_CHECKING:
    from mlwright.spec import Reading


#: Rows in a batch, where the source lets us choose.
BATCH_ROWS = 65_536


class Source(Protocol):
    """Rows as Arrow batches, as often as they are asked for.

    Attributes
    ----------
    description
        For reports and messages; never with a password in it.
    notes
        What was found out about the source and how it was read; complete once the batches were read.
    """

    description: str
    notes: list[str]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, in the source's order.

        Raises
        ------
        SourceUnreadable
            If it is not what it claims to be.
        """
        ...

    def fingerprint(self) -> str | None:
        """SHA-256 of the bytes of the files; None where there are no files and the rows themselves must be hashed."""
        ...


class FileSet:
    """One or more files on one file system: the local one, S3, GCS or HDFS."""

    def __init__(self, filesystem: Any, paths: Sequence[str], shown: str) -> None:
        self.filesystem = filesystem
        self.paths = list(paths)
        self.shown = shown

    @property
    def suffix(self) -> str:
        """Of the first file, in lower case, without that of a compression: `.csv` for `a.csv.gz`."""
        suffixes = Path(self.paths[0]).suffixes
        if suffixes and suffixes[-1].lower() in {".gz", ".bz2", ".zst", ".lz4"}:
            suffixes = suffixes[:-1]
        return suffixes[-1].lower() if suffixes else ""

    def open(self, path: str) -> Any:
        """A file for random access."""
        return self.filesystem.open_input_file(path)

    def stream(self, path: str) -> Any:
        """A file from its beginning, decompressed by its name."""
        return self.filesystem.open_input_stream(path)

    def read(self, path: str) -> bytes:
        """A whole file."""
        with self.open(path) as file:
            return bytes(file.read())

    def fingerprint(self) -> str:
        """SHA-256 of the bytes; of several files, of the digests in order."""
        digests = []
        for path in self.paths:
            digest = hashlib.sha256()
            with self.filesystem.open_input_stream(path, compression=None) as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            digests.append(digest.hexdigest())
        return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


class FileSource:
    """What sources of whole files share: their name for people, their notes, their fingerprint."""

    def __init__(self, files: FileSet, reading: Reading) -> None:  # noqa: ARG002 - one constructor for all file sources
        self._files = files
        self.description = files.shown
        self.notes: list[str] = []

    def fingerprint(self) -> str:
        return self._files.fingerprint()


def find_files(location: str, folder: Path) -> FileSet:
    """The files that a path, a glob, a folder or a URL names.

    Raises
    ------
    SourceNotFound
        If there are none.
    SourceUnreadable
        If the file system cannot be reached.
    """
    if "://" in location:
        return _remote(location)
    from pyarrow import fs

    local = fs.LocalFileSystem()
    path = Path(location).expanduser()
    path = path if path.is_absolute() else folder / path
    if path.is_file():
        return FileSet(local, [str(path)], location)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p.relative_to(path).parts))
    else:
        found = sorted(p for p in _matching(path) if p.is_file())
    if not found:
        near = _neighbours(path)
        raise SourceNotFound(
            "there is no such file",
            where=f"{location} (looked for {path})",
            fix=near or "check the path; it starts from the folder of mlwright.yaml",
        )
    return FileSet(local, [str(p) for p in found], f"{location} ({len(found)} files)")


def _hidden(parts: Iterable[str]) -> bool:
    """Whether a file of a folder is not one of its tables: `_SUCCESS`, `_delta_log/…`, `.ipynb_checkpoints/…`."""
    return any(part.startswith((".", "_")) for part in parts)


def _matching(pattern: Path) -> Iterator[Path]:
    anchor = Path(pattern.anchor)
    with suppress(ValueError):  # what is no pattern, such as a**.csv, matches nothing
        yield from anchor.glob(str(pattern.relative_to(anchor)))


def _neighbours(path: Path) -> str:
    from difflib import get_close_matches

    if not path.parent.is_dir():
        return f"the folder {path.parent} does not exist"
    names = [p.name for p in path.parent.iterdir() if p.is_file()]
    near = get_close_matches(path.name, names, n=2)
    return f"did you mean {' or '.join(near)}?" if near else ""


def _remote(location: str) -> FileSet:
    import fnmatch
    from urllib.parse import quote

    from pyarrow import fs

    try:
        # The signs of a glob and spaces, which people write as they are, have no place in a URL.
        filesystem, path = fs.FileSystem.from_uri(re.sub(r"[\[\] ]", lambda sign: quote(sign[0]), location))
        if any(mark in path for mark in "*["):
            base = path.split("*")[0].split("[")[0].rsplit("/", 1)[0]
            infos = filesystem.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True))
            paths = sorted(i.path for i in infos if i.is_file and fnmatch.fnmatch(i.path, path))
        else:
            info = filesystem.get_file_info(path)
            if info.type == fs.FileType.Directory:
                infos = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
                inside = len(path.rstrip("/"))
                paths = sorted(i.path for i in infos if i.is_file and not _hidden(i.path[inside:].split("/")))
            else:
                paths = [path] if info.is_file else []
    except (OSError, pa.ArrowException, ValueError) as error:
        raise SourceUnreadable(
            "the file system cannot be reached",
            where=shown_url(location),
            fix="check the URL, the network and the credentials in the environment",
        ) from error
    if not paths:
        raise SourceNotFound("there is no such file", where=shown_url(location), fix="check the bucket and the path")
    return FileSet(filesystem, paths, shown_url(location))


def shown_url(url: str) -> str:
    """A URL without user, password and query, which may hold secrets.

    Examples
    --------
    >>> shown_url("postgresql://ann:pass/word@db.example/shop?sslmode=require")
    'postgresql://db.example/shop'
    """
    scheme, _, rest = url.partition("://")
    place = rest.partition("?")[0]
    user, _, host = place.rpartition("@")  # an @ in a path, with no password before it, is part of the path
    return f"{scheme}://{host if ':' in user or '/' not in user else place}"
