"""What can be read and done within one transaction: versions, aliases, and the entry that tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from mlwright.core.errors import MlwrightError, closest
from mlwright.registry.audit import AuditEntry, Outcome, append
from mlwright.registry.packages import ArtifactsDamaged, damage
from mlwright.registry.pointers import Alias
from mlwright.registry.records import RunRecord
from mlwright.registry.versions import Version, is_ours, tag, version_of

if TYPE_CHECKING:
    from mlwright.registry.mlflow_stores import MlflowStores
    from mlwright.registry.store import Registry


class VersionUnknown(MlwrightError):
    """There is no such version."""


class NameTaken(MlwrightError):
    """The database has a model of this name that is not of this project, or its packages are gone."""


class Change:
    """What can be read and done within one transaction."""

    def __init__(self, registry: Registry, connection: Connection, stores: MlflowStores) -> None:
        self.registry, self.connection, self.stores = registry, connection, stores
        self._known: list[Version] | None = None

    @property
    def model(self) -> str:
        return self.registry.model

    def versions(self) -> list[Version]:
        """All versions that mlwright registered, the first one first."""
        if self._known is None:
            self._known = self._read()
        return self._known

    def _read(self) -> list[Version]:
        holders: dict[int, list[str]] = {}
        for alias, number in self.stores.aliases(self.model).items():
            holders.setdefault(number, []).append(alias)
        return [
            version_of(
                self.model,
                one.number,
                one.created,
                one.tags,
                shelf=self.registry.shelf,
                aliases=holders.get(one.number, []),
            )
            for one in self.stores.versions(self.model)
            if is_ours(one.tags)
        ]

    def version(self, which: int | str) -> Version:
        known, wanted = self.versions(), str(which)
        if wanted == "latest" and known:
            return known[-1]
        for one in known:
            if wanted in {str(one.number), *one.aliases}:
                return one
        for one in known:  # of several with the same package or run, the first one is the run's own
            if wanted in {one.package_version, one.lineage.run}:
                return one
        names = [str(one.number) for one in known] + [one.lineage.run for one in known]
        raise VersionUnknown(
            f"{self.model!r} has no version {wanted!r}" if known else f"{self.model!r} has no version yet",
            where=self.registry.database.shown,
            fix=closest(wanted, names) if known else "make one with `mlwright run`",
        )

    def holder(self, alias: Alias) -> Version | None:
        """The version that an alias names."""
        return self.holders().get(alias)

    def holders(self) -> dict[str, Version]:
        """The version of each alias."""
        return {alias: one for one in self.versions() for alias in one.aliases}

    def move(self, aliases: Mapping[Alias, int | None]) -> dict[str, list[int | None]]:
        """Let aliases name other versions; returns those that moved, from where to where, for the audit log."""
        now = self.stores.aliases(self.model)
        moved: dict[str, list[int | None]] = {}
        for alias, number in aliases.items():
            before = now.get(alias)
            if before != number:
                self.stores.point(self.model, alias, number)
                moved[alias] = [before, number]
        self._known = None
        return moved

    def say(self, number: int, **facts: str) -> None:
        """Keep something beside a version; an empty text is nothing."""
        for name, value in facts.items():
            self.stores.tag(self.model, number, tag(name), value)
        self._known = None

    def add(
        self, run: RunRecord, place: Path, tags: Mapping[str, str], *, who: str, description: str
    ) -> tuple[int, str]:
        """A new version with its run; returns its number, and the id of the run in MLflow."""
        self.stores.add_model(self.model)
        made = self.stores.add_run(self.model, self.registry.shelf, run, user=who)
        number = self.stores.add_version(self.model, source=place, mlflow_run=made, tags=tags, description=description)
        self._known = None
        return number, made

    def note(
        self,
        action: str,
        *,
        who: str,
        version: int | None,
        evidence: Mapping[str, Any],
        outcome: Outcome = "done",
        now: datetime | None = None,
    ) -> AuditEntry:
        """Write it into the audit log."""
        return append(
            self.connection,
            who=who,
            action=action,
            model=self.model,
            version=version,
            outcome=outcome,
            evidence=evidence,
            now=now,
        )

    def raise_if_taken(self) -> None:
        """Stop where the versions that the database knows are not on our shelf: they are of another project, or gone.

        Raises
        ------
        NameTaken
            If none of them is there.
        """
        known = self.versions()
        if known and not any((one.package / "manifest.json").is_file() for one in known):
            raise NameTaken(
                f"the database has versions of {self.model!r}, and none of their packages is here",
                where=f"{self.registry.database.shown}, {self.registry.shelf}",
                fix="if another project has this name, change project.name; if not, bring back the folder of packages",
            )
        if not known and self.stores.versions(self.model):
            raise NameTaken(
                f"the database has a model {self.model!r} that mlwright did not register",
                where=self.registry.database.shown,
                fix="change project.name",
            )


def raise_if_damaged(version: Version) -> None:
    """Stop where the package of a version is not what was registered.

    Raises
    ------
    ArtifactsDamaged
        If a file of it is missing or was changed.
    """
    wrong = damage(version.folder, version.digest)
    if wrong is not None:
        raise ArtifactsDamaged(
            f"the package of {version.in_words} is damaged: {wrong}",
            where=str(version.package),
            fix="bring the folder back from a copy, or from the run that made it: "
            f"mlwright registry add {version.lineage.run}",
        )
