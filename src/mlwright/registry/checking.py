"""Is the registry what it says? The audit log, the aliases, the packages and the pointer files, compared with each other."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from mlwright.core.errors import MlwrightError
from mlwright.registry.audit import AuditEntry, Mark, audit_problems, head, read_audit
from mlwright.registry.packages import damage
from mlwright.registry.pointers import ALIASES, PointerUnfit, pointer_path, read_pointer
from mlwright.registry.store import Registry
from mlwright.registry.versions import Version
from mlwright.spec import FILE_NAME, load_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryVerification:
    """What was compared and what is wrong, in words.

    Attributes
    ----------
    entries, head
        How long the audit log is, and the digest of its last entry: written down elsewhere, it shows later whether all of
        it was written anew.
    """

    model: str
    entries: int
    head: str
    versions: int
    problems: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.problems


class RegistryDiffers(MlwrightError):
    """The registry is not what its audit log says."""

    exit_code: ClassVar[int] = 1

    def __init__(self, found: RegistryVerification) -> None:
        more = f" (and {len(found.problems) - 1} more)" if len(found.problems) > 1 else ""
        super().__init__(
            f"{found.problems[0]}{more}",
            where=f"the registry of {found.model!r}, {found.entries} entries in its audit log",
            fix="find out who changed the database without mlwright, or restore it from a copy",
        )


def verify_audit(registry: Registry, *, seen: Mark | None = None) -> RegistryVerification:
    """Find every entry of the audit log that was changed, taken out or moved, and what moved without an entry.

    Whoever may write to the database and to the folder of packages could write a whole new history; `seen`, an end of the
    log that was written down elsewhere, shows that as well.

    Raises
    ------
    RegistryNotFound, RegistryUnreachable
        If there is nothing to look at.
    """
    marks = [*_marks(registry), *([seen] if seen is not None else [])]
    with registry.looking() as change:
        broken = [f"audit log, entry {one.entry}: {one.what}" for one in audit_problems(change.connection, marks)]
        last = head(change.connection)
        entries = [] if broken else read_audit(change.connection, model=change.model)
        aliases, versions = change.stores.aliases(change.model), change.versions()
    problems = broken or [*_moved_by_hand(entries, aliases), *_unknown_versions(entries, versions)]
    return RegistryVerification(
        model=registry.model,
        entries=last.entry,
        head=last.digest,
        versions=len(versions),
        problems=(*problems, *_damaged(versions)),
    )


def verify_project(folder: Path) -> RegistryVerification | None:
    """The same for the project in a folder; None if it has no registry yet."""
    spec = folder / FILE_NAME
    if not spec.is_file():
        return None
    registry = Registry.of(load_spec(spec))
    if not registry.database.exists and not pointer_path(registry.shelf, "champion").exists():
        return None
    return verify_audit(registry)


def _marks(registry: Registry) -> list[Mark]:
    """The ends of the log that the pointer files have seen."""
    found = []
    for alias in ALIASES:
        with suppress(PointerUnfit):
            pointer = read_pointer(pointer_path(registry.shelf, alias))
            found.append(Mark(entry=pointer.audit_entry, digest=pointer.audit_digest))
    return found


def _moved_by_hand(entries: list[AuditEntry], aliases: dict[str, int]) -> list[str]:
    told: dict[str, int | None] = {}
    for entry in entries:
        told |= {alias: after for alias, (_, after) in entry.moved.items()}
    return [
        f"{alias} is version {aliases.get(alias)}, and by the audit log version {told.get(alias)}"
        for alias in ALIASES
        if aliases.get(alias) != told.get(alias)
    ]


def _unknown_versions(entries: list[AuditEntry], versions: list[Version]) -> list[str]:
    """Versions without an entry, entries without a version, and versions whose digest or status was changed by hand."""
    told = {entry.version: entry.evidence["tags"] for entry in entries if entry.action == "register"}
    withdrawn = {entry.moved["champion"][0] for entry in entries if entry.action == "rollback"}
    problems = [f"version {number} is gone" for number in told if number not in {one.number for one in versions}]
    for one in versions:
        said = told.get(one.number)
        if said is None:
            problems.append(f"version {one.number} was not registered by mlwright")
        elif said["mlwright.digest"] != one.digest:
            problems.append(f"version {one.number} was registered with another package")
        elif (said["mlwright.status"] == "refused") != (one.status == "refused"):
            problems.append(f"version {one.number} was {said['mlwright.status']} and is {one.status}")
        elif one.status == "withdrawn" and one.number not in withdrawn:
            problems.append(f"version {one.number} is withdrawn, and nobody rolled it back")
    return problems


def _damaged(versions: list[Version]) -> list[str]:
    found = ((one, damage(one.folder, one.digest)) for one in versions)
    return [f"the package of {one.in_words} is damaged: {wrong}" for one, wrong in found if wrong is not None]
