"""Which package is meant: a package, a run, the latest run or the champion; found without loading what they are made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlwright.core.errors import MlwrightError, closest
from mlwright.registry.pointers import ALIASES, Alias, pointer_path, shelf_of_project


class PackageNotFound(MlwrightError):
    """There is no package of that name to serve."""


def find_package(name: str | Path, *, start: Path | None = None) -> tuple[Path, str]:
    """The folder of a package, and the name under which its model is served: that of its project, or of its folder.

    A pointer (`versions.py`) is given back as it is, with the name of the folder that it is in.

    Parameters
    ----------
    name
        The folder of a package or of a run, a pointer, the id of a run in `runs/`, `latest`, or `champion` (or another
        alias of the registry), which is followed when it moves.

    Raises
    ------
    PackageNotFound
        If there is none.
    """
    start = start or Path.cwd()
    runs = start / "runs"
    known = sorted(path.parent.parent.name for path in runs.glob("*/model/manifest.json"))
    if str(name) == "latest" and known:
        name = known[-1]  # ids begin with the moment
    for folder in (start / name, runs / name):
        if folder.is_symlink() or folder.is_file():
            return folder.absolute(), folder.absolute().parent.name  # a pointer, whose package may change
        for package in (folder, folder / "model"):
            if (package / "manifest.json").is_file():
                return package.resolve(), _name_of(package.resolve())
    if name in ALIASES:
        return _named_by(name, start)
    raise PackageNotFound(
        "there is no trained model yet" if not known else f"there is no package or run {str(name)!r}",
        where=str(runs),
        fix="make one with `mlwright run`" if not known else closest(str(name), [*known, "latest"]),
    )


def _named_by(alias: Alias, start: Path) -> tuple[Path, str]:
    """The pointer file of an alias of the project in a folder, and the project's name."""
    found = shelf_of_project(start)
    if found is None:
        raise PackageNotFound(
            f"there is no spec here that says whose {alias} is meant",
            where=str(start),
            fix="go to the folder of the project, or name the file: mlartifacts/<model>/champion.json",
        )
    shelf, project = found
    path = pointer_path(shelf, alias)
    if not path.is_file():
        raise PackageNotFound(
            f"there is no {alias} yet",
            where=str(path),
            fix="see which versions there are: mlwright registry list; then: mlwright promote VERSION --approve",
        )
    return path.absolute(), project


def logging_of(package: Path, *, start: Path | None = None) -> Mapping[str, Any]:
    """What a spec says of the prediction log: that of the package's run, or the project's where an alias of it is followed.

    Nothing for a package that lies by itself.
    """
    project = start or Path.cwd()
    shelf = shelf_of_project(project) if package.suffix == ".json" else None
    followed = shelf is not None and shelf[0].absolute() == package.parent
    spec = project / "mlwright.yaml" if followed else package.parent / "mlwright.yaml"
    if not followed and not ((package.parent / "run.json").is_file() and spec.is_file()):
        return {}
    said: Mapping[str, Any] = yaml.safe_load(spec.read_text(encoding="utf-8")).get("predictions") or {}
    return said


def _name_of(package: Path) -> str:
    state = package.parent / "run.json"
    if not state.is_file():
        return package.name
    project: str = json.loads(state.read_text())["project"]
    return project
