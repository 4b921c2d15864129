"""Which package is meant: a package, a run, or the latest run; found without loading what runs are made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mlwright.core.errors import MlwrightError, closest


class PackageNotFound(MlwrightError):
    """There is no package of that name to serve."""


def find_package(name: str | Path, *, start: Path | None = None) -> tuple[Path, str]:
    """The folder of a package, and the name under which its model is served: that of its project, or of its folder.

    A pointer (`versions.py`) is given back as it is, with the name of the folder that it is in.

    Parameters
    ----------
    name
        The folder of a package or of a run, a pointer, the id of a run in `runs/`, or `latest`.

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
    raise PackageNotFound(
        "there is no trained model yet" if not known else f"there is no package or run {str(name)!r}",
        where=str(runs),
        fix="make one with `mlwright run`" if not known else closest(str(name), [*known, "latest"]),
    )


def logging_of(package: Path) -> Mapping[str, Any]:
    """What the spec of a package's run says of the prediction log; nothing for a package that lies by itself."""
    spec = package.parent / "mlwright.yaml"
    if not (package.parent / "run.json").is_file() or not spec.is_file():
        return {}
    said: Mapping[str, Any] = yaml.safe_load(spec.read_text(encoding="utf-8")).get("predictions") or {}
    return said


def _name_of(package: Path) -> str:
    state = package.parent / "run.json"
    if not state.is_file():
        return package.name
    project: str = json.loads(state.read_text())["project"]
    return project
