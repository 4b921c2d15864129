"""Which version is to answer: a package, or a pointer that names one and can be turned to another while services read it."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Hashable
from pathlib import Path
from typing import Protocol

from mlwright.core.errors import MlwrightError, closest
from mlwright.core.files import write_text
from mlwright.registry.pointers import PointerUnfit, followed, read_pointer

#: One name or several with `/` between them; none begins with a dot, so none leads out of the folder.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,3}", re.ASCII)
_LONGEST_POINTER = 4096


class VersionNotFound(MlwrightError):
    """No package is meant by what was named."""


class VersionSource(Protocol):
    """Knows which package is to answer."""

    def package(self) -> Path:
        """The folder of the package.

        Raises
        ------
        VersionNotFound
            If nothing can be said.
        """
        ...

    def mark(self) -> Hashable:
        """Differs from an earlier one if there may be something new; costs little, and does not raise."""
        ...

    def named(self, name: str) -> Path:
        """The folder of another version, by a name that came from outside.

        Raises
        ------
        VersionNotFound
            If there is none, or it may not be named from outside.
        """
        ...

    def point_to(self, package: Path) -> None:
        """Let this package answer from now on, here and wherever else the source is read."""
        ...


class PackageFolder:
    """One folder with a package, which may be replaced by another in the same place."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def package(self) -> Path:
        return self._folder.resolve()

    def mark(self) -> Hashable:
        return _mark_of_files(self._folder)

    def named(self, name: str) -> Path:  # noqa: ARG002
        raise VersionNotFound(
            "this service was started with a package, so no other can be named",
            where="package",
            fix="serve a pointer: a symbolic link to a package, or a file with its path, beside the packages",
        )

    def point_to(self, package: Path) -> None:
        """Nothing: it points to itself, and whoever else reads it sees what changes in it."""


class Pointer:
    """A symbolic link to a package, or a file with the path of one (from the folder that the file is in).

    Those that may be named from outside are beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def package(self) -> Path:
        if self._path.is_symlink():
            return self._path.resolve()
        try:
            written = self._path.read_text(encoding="utf-8")[:_LONGEST_POINTER].strip()
        except (OSError, ValueError) as error:
            raise VersionNotFound(
                "the pointer to the package cannot be read",
                where=str(self._path),
                fix="write the path of a package there",
            ) from error
        if not written or "\0" in written:
            raise VersionNotFound(
                "the pointer is empty", where=str(self._path), fix="write the path of a package there"
            )
        return (self._path.parent / written).resolve()

    def mark(self) -> Hashable:
        try:
            return _mark(os.lstat(self._path)), _mark_of_files(self.package())
        except (OSError, VersionNotFound):
            return None

    def named(self, name: str) -> Path:
        folder = self._path.parent.resolve()
        if not _NAME.fullmatch(name):
            raise VersionNotFound(
                "the name of a package has letters, digits and . _ -, and / between folders",
                where="package",
                fix="name one that is beside the pointer",
            )
        found = (folder / name).resolve()
        if folder not in found.parents or not (found / "manifest.json").is_file():
            known = sorted(place.parent.name for place in folder.glob("[!.]*/manifest.json"))
            raise VersionNotFound("there is no package of that name", where="package", fix=closest(name, known))
        return found

    def point_to(self, package: Path) -> None:
        written = os.path.relpath(package, self._path.parent.resolve())
        if not self._path.is_symlink():
            write_text(self._path, written + "\n")
            return
        aside = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.part")
        aside.symlink_to(written)
        aside.replace(self._path)


class RegistryAlias:
    """The file of an alias of the registry: `champion.json`. Promotions and rollbacks turn it, nobody else does."""

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()

    def package(self) -> Path:
        try:
            return followed(self._path)
        except PointerUnfit as error:
            raise VersionNotFound(error.what, where=error.where, fix=error.fix) from error

    def mark(self) -> Hashable:
        try:
            pointer = read_pointer(self._path)
        except PointerUnfit:
            return None
        # The file itself is also written when something else changes in the registry.
        return pointer.version, pointer.digest, _mark_of_files(pointer.package)

    def named(self, name: str) -> Path:  # noqa: ARG002
        raise VersionNotFound(
            "this service follows the registry, so no other version can be named",
            where="package",
            fix="move the alias: mlwright promote VERSION, or mlwright rollback",
        )

    def point_to(self, package: Path) -> None:
        """Nothing: only the registry turns it."""


def source_at(path: Path) -> VersionSource:
    """The source that a path is: an alias or another pointer if it is a file or a symbolic link, else a package."""
    if path.suffix == ".json" and path.is_file():
        return RegistryAlias(path)
    return Pointer(path) if path.is_symlink() or path.is_file() else PackageFolder(path)


def _mark_of_files(folder: Path) -> Hashable:
    """Of every file below; the time of the last change of a file's inode cannot be set back by a copy that keeps times."""
    return tuple(
        sorted(
            (path, *_mark(status)) for path, status in _files(folder, depth=4)
        )  # members/00/… is the deepest of ours
    )


def _files(folder: Path, *, depth: int) -> list[tuple[str, os.stat_result]]:
    found: list[tuple[str, os.stat_result]] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir():
                    if depth:
                        found += _files(Path(entry.path), depth=depth - 1)
                else:
                    found.append((entry.path, entry.stat()))
    except OSError:
        pass  # what is gone between two looks is missing in the mark, which says enough
    return found


def _mark(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_ctime_ns
