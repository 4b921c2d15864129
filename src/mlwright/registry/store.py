"""The registry of one project: its versions, who is champion, and the one way to change something.

A change is one transaction: what moves in MLflow's tables and what the audit log says of it are kept together. After it
the pointer files are written; if somebody is killed before that, the next look writes them.
"""

from __future__ import annotations

import getpass
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlwright.core.errors import MlwrightError
from mlwright.registry.audit import AuditEntry, Mark, head, read_audit
from mlwright.registry.change import Change
from mlwright.registry.database import Database, RegistryNotFound
from mlwright.registry.packages import shelf_locked
from mlwright.registry.pointers import (
    ALIASES,
    Alias,
    Pointer,
    PointerUnfit,
    model_name,
    pointer_path,
    read_pointer,
    shelf_name,
    write_pointer,
)
from mlwright.registry.versions import Version
from mlwright.spec import Spec

if TYPE_CHECKING:
    from mlwright.registry.mlflow_stores import MlflowStores


class VersionsForgotten(MlwrightError):
    """The packages are here, and the database knows nothing of them."""


class Registry:
    """The versions of one project's model.

    Parameters
    ----------
    url
        Of the database.
    artifacts
        The folder that holds the packages of all models of the database.
    project
        Its name.
    folder
        What relative paths start from.

    Attributes
    ----------
    model
        The name in MLflow.
    shelf
        Where the packages of this model and its pointer files are.
    """

    def __init__(self, url: str, artifacts: str | Path, project: str, *, folder: Path) -> None:
        self.database = Database(url, folder=folder)
        self.artifacts = (folder / artifacts).absolute()
        self.model = model_name(project)
        self.shelf = self.artifacts / shelf_name(self.model)
        self._stores: MlflowStores | None = None
        self._alone = threading.RLock()

    @classmethod
    def of(cls, spec: Spec) -> Registry:
        """The registry that a spec names; nothing is opened or made yet."""
        said = spec.registry
        return cls(said.url, said.artifacts, spec.project.name, folder=spec.folder)

    # --------------------------------------------------------------------------------------------------------- looking

    def versions(self) -> list[Version]:
        """All versions, the first one first.

        Raises
        ------
        RegistryNotFound, RegistryUnreachable, RegistryTooNew
            If they cannot be read.
        """
        with self.looking() as change:
            return change.versions()

    def version(self, which: int | str) -> Version:
        """A version by its number, an alias, the id of its run, its twelve digits, or `latest`.

        Raises
        ------
        VersionUnknown
            If there is none.
        """
        with self.looking() as change:
            return change.version(which)

    def holder(self, alias: Alias) -> Version | None:
        """The version that an alias names."""
        with self.looking() as change:
            return change.holder(alias)

    def audit(self) -> list[AuditEntry]:
        """What was done with this model, the oldest first."""
        self._raise_if_absent()
        with self.database.reading() as connection:
            return read_audit(connection, model=self.model)

    @contextmanager
    def looking(self) -> Iterator[Change]:
        """A transaction that only looks; the pointer files are written again where they lag behind."""
        self._raise_if_absent()
        with self._alone:
            stores = self._open()  # before the transaction: it looks at the database by itself
            with self.database.reading() as connection, stores.within(connection):
                change = Change(self, connection, stores)
                yield change
                lagging = self._lagging(change)
            if lagging:
                self.settle()

    # -------------------------------------------------------------------------------------------------------- changing

    @contextmanager
    def changing(self) -> Iterator[Change]:
        """A transaction that is alone; afterwards the pointer files say what it changed.

        Raises
        ------
        RegistryBusy
            If somebody else does not end theirs.
        """
        self._raise_if_absent()
        with self._alone:
            stores = self._open()
            with self.database.writing() as connection, stores.within(connection):
                yield Change(self, connection, stores)
            self.settle()

    def make(self) -> None:
        """Have the tables, where they are not there yet."""
        if not self.database.exists:
            from mlwright.registry.mlflow_stores import make_tables

            self._raise_if_forgotten()
            with self.database.making() as connection:
                make_tables(self.database, self.artifacts, connection)
                self.database.make(connection)

    def settle(self) -> None:
        """Write the pointer files as the database has it; whoever comes later reads it later, so the last word stays."""
        with self._alone:
            stores = self._open()
            with shelf_locked(self.shelf), self.database.reading() as connection, stores.within(connection):
                holders, seen = Change(self, connection, stores).holders(), head(connection)
                for alias in ALIASES:
                    version = holders.get(alias)
                    if version is None:
                        pointer_path(self.shelf, alias).unlink(missing_ok=True)
                    else:
                        write_pointer(self.shelf, _pointer(alias, version, seen))

    def _lagging(self, change: Change) -> bool:
        """Whether somebody was stopped before the pointer files were written."""
        holders = change.holders()
        for alias in ALIASES:
            path, version = pointer_path(self.shelf, alias), holders.get(alias)
            try:
                said = read_pointer(path)
            except PointerUnfit:
                if version is not None or path.exists():
                    return True
                continue
            if version is None or (said.version, said.digest) != (version.number, version.digest):
                return True
        return False

    def _open(self) -> MlflowStores:
        if self._stores is None:
            from mlwright.registry.mlflow_stores import MlflowStores

            self._stores = MlflowStores(self.database, self.artifacts)
        return self._stores

    def _raise_if_absent(self) -> None:
        if self.database.exists:
            return
        self._raise_if_forgotten()
        raise RegistryNotFound(
            "there is no registry yet",
            where=self.database.shown,
            fix="make a run with `mlwright run`, or register one: mlwright registry add latest",
        )

    def _raise_if_forgotten(self) -> None:
        """A database that was lost is not silently begun again: its numbers and its audit log would be."""
        if pointer_path(self.shelf, "champion").exists():
            raise VersionsForgotten(
                f"{self.model!r} has a champion, and the database that says so is gone",
                where=self.database.shown,
                fix=f"restore the database from a copy; to begin anew, move {self.shelf} away",
            )


def _pointer(alias: Alias, version: Version, seen: Mark) -> Pointer:
    return Pointer(
        alias=alias,
        model=version.model,
        version=version.number,
        package=version.package,
        digest=version.digest,
        audit_entry=seen.entry,
        audit_digest=seen.digest,
    )


def whoever() -> str:
    """Who acts: `MLWRIGHT_USER`, or the name that one is logged in by."""
    named = os.environ.get("MLWRIGHT_USER", "").strip()
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without users
        return f"user {os.getuid()}"
