"""Who is champion, in a small file beside the packages: what a service reads, without MLflow and without the database.

```
mlartifacts/churn/
  champion.json      {"version": 3, "package": "3f2a…/package", "digest": "…", "audit": {…}, …}
  3f2a…/             a version: MLmodel, package/
```

The files are views of the database: written whole after each change, and again by the next command if somebody was killed
in between.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from mlwright.core.errors import MlwrightError
from mlwright.core.files import NotReadable, read_json, write_json

Alias = Literal["champion", "challenger", "previous"]
ALIASES: Final[tuple[Alias, ...]] = get_args(Alias)
#: What the section `registry` of a spec says where it says nothing.
DEFAULT_ARTIFACTS: Final = "mlartifacts"
FORMAT_VERSION: Final = 1
SPEC: Final = "mlwright.yaml"


class PointerUnfit(MlwrightError):
    """The file of an alias cannot be followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """What the file of an alias says.

    Attributes
    ----------
    model, version
        The name in the registry, and the number of the version.
    package
        The folder of the package.
    digest
        Of the package (`package_digest`).
    audit_entry, audit_digest
        The last entry of the audit log when the file was written.
    """

    alias: Alias
    model: str
    version: int
    package: Path
    digest: str
    audit_entry: int
    audit_digest: str


def package_digest(package: Path) -> str:
    """SHA-256 of all files of a package but its documents, by its manifest; its first twelve digits are the version in answers.

    Raises
    ------
    NotReadable
        If there is no manifest, or it is damaged.
    """
    path = package / "manifest.json"
    tree = read_json(path)
    try:
        files = tree["files"]
        listed = [f"{name} {files[name]['sha256']}" for name in sorted(files) if not name.startswith("documents/")]
    except (KeyError, TypeError) as error:
        raise NotReadable(path, "the file is damaged: it is not the manifest of a package") from error
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()


def model_name(project: str) -> str:
    """The name of a project's model: the project's, without what MLflow does not take in names.

    Examples
    --------
    >>> model_name("Churn 2026/Q3")
    'Churn 2026-Q3'
    """
    return re.sub(r"[/:\\'\"%]|^\.+$", "-", project.strip()) or "unnamed"


def shelf_name(model: str) -> str:
    """The folder of a model's versions; names that differ have folders that differ.

    Examples
    --------
    >>> shelf_name("churn")
    'churn'
    >>> shelf_name("Churn 2026").startswith("Churn-2026-")
    True
    """
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", model).strip("-")[:60]
    return plain if plain == model else f"{plain}-{hashlib.sha256(model.encode()).hexdigest()[:6]}"


def pointer_path(shelf: Path, alias: Alias) -> Path:
    """The file of an alias."""
    return shelf / f"{alias}.json"


def write_pointer(shelf: Path, pointer: Pointer) -> None:
    """Write the file of an alias, whole, if it does not say so already."""
    tree = {
        "format_version": FORMAT_VERSION,
        "alias": pointer.alias,
        "model": pointer.model,
        "version": pointer.version,
        "package": pointer.package.relative_to(shelf).as_posix(),
        "digest": pointer.digest,
        "audit": {"entry": pointer.audit_entry, "digest": pointer.audit_digest},
    }
    path = pointer_path(shelf, pointer.alias)
    try:
        if read_json(path) == tree:
            return
    except NotReadable:
        pass  # not there yet, or damaged: it is written again
    write_json(path, tree)


def read_pointer(path: Path) -> Pointer:
    """What the file of an alias says.

    Raises
    ------
    PointerUnfit
        If it is missing, damaged or of a later format.
    """
    try:
        tree: Any = json.loads(path.read_text(encoding="utf-8"))
        if tree["format_version"] != FORMAT_VERSION:
            raise PointerUnfit(
                f"the file has format {tree['format_version']}, and this mlwright reads {FORMAT_VERSION}",
                where=str(path),
                fix="use the mlwright that wrote it",
            )
        return Pointer(
            alias=tree["alias"],
            model=tree["model"],
            version=int(tree["version"]),
            package=path.parent / tree["package"],
            digest=tree["digest"],
            audit_entry=int(tree["audit"]["entry"]),
            audit_digest=tree["audit"]["digest"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        missing = isinstance(error, FileNotFoundError)
        raise PointerUnfit(
            "there is no such file" if missing else "the file is damaged: it does not name a version",
            where=str(path),
            fix="look at what there is, which also writes it again: mlwright registry list",
        ) from error


def followed(path: Path) -> Path:
    """The package that the file of an alias names, if it is still the one that was meant.

    Raises
    ------
    PointerUnfit
        If it is gone, or another one lies in its place.
    """
    pointer = read_pointer(path)
    try:
        found = package_digest(pointer.package)
    except NotReadable as error:
        raise PointerUnfit(
            f"the package of version {pointer.version} is missing or damaged",
            where=str(pointer.package),
            fix="register its run again, which brings the package back: mlwright registry add RUN",
        ) from error
    if found != pointer.digest:
        raise PointerUnfit(
            f"the package is not the one that became version {pointer.version}",
            where=str(pointer.package),
            fix="register its run again, which brings the package back: mlwright registry add RUN",
        )
    return pointer.package


def shelf_of_project(folder: Path) -> tuple[Path, str] | None:
    """Where the versions of the project in a folder are, and the project's name; None if there is no spec."""
    import yaml  # here: a process that answers does not need it

    spec = folder / SPEC
    if not spec.is_file():
        return None
    try:
        tree = yaml.safe_load(spec.read_text(encoding="utf-8-sig"))
    except (ValueError, yaml.YAMLError):
        return None
    said: Mapping[str, Any] = tree if isinstance(tree, dict) else {}
    name = str((said.get("project") or {}).get("name", "unnamed"))
    artifacts = str((said.get("registry") or {}).get("artifacts", DEFAULT_ARTIFACTS))
    return folder / artifacts / shelf_name(model_name(name)), name
