"""A model on disk: JSON, Arrow and the libraries' own model files. No code, so opening one can run nothing.

```
model/
  manifest.json     format, versions, and the SHA-256 of every other file
  model.json        task, classes, members with weights, calibration, decision rule, offset, spread, facts
  schema.json       the columns that it reads, with levels and ranges
  encoders.json     the fitted steps of each view
  members/00/       the estimator's own files
  reference.json    the summary of the training rows
  history.json      the training rows stretch by stretch, and out-of-fold scores (not in older packages)
  golden.arrow      made-up rows and the answers that the model gave when it was saved
  documents/        the model card and whatever else describes it
```
"""

from __future__ import annotations

import json
import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from mlwright._version import __version__
from mlwright.core import (
    MlwrightError,
    fingerprint_of_file,
    read_json,
    read_table,
    whole_folder,
    write_json,
    write_table,
    write_text,
)
from mlwright.data import Schema, TableSummary
from mlwright.features import Encoder
from mlwright.models.calibration import Calibration
from mlwright.models.decision import DecisionRule
from mlwright.models.families import FAMILIES
from mlwright.models.golden import golden_rows
from mlwright.models.history import TrainingHistory
from mlwright.models.model import Member, Model
from mlwright.models.offset import Offset
from mlwright.models.spread import Spread

#: 1 had a threshold where 2 has a decision rule; 3 has limits in that rule, and an offset.
FORMAT_VERSION = 3
_LIBRARIES = ("numpy", "pyarrow", "polars", "scipy")
#: What the members of a family answer with, by the names under which it may be installed.
_OF_FAMILY = {"catboost": ("catboost",), "xgboost": ("xgboost-cpu", "xgboost")}


class PackageDamaged(MlwrightError):
    """A file of the package is missing or is not the one that was written."""

    def __init__(self, what: str, path: Path) -> None:
        super().__init__(what, where=str(path), fix="copy the package again from where it came, or make a new run")


class PackageTooNew(MlwrightError):
    """The package was written by a later version of mlwright."""

    def __init__(self, found: object, path: Path) -> None:
        super().__init__(
            f"the package has format {found}, and mlwright {__version__} reads formats up to {FORMAT_VERSION}",
            where=str(path),
            fix="install a newer mlwright",
        )


class LibraryMissing(MlwrightError):
    """A library that a member of the model answers with is not installed here."""

    def __init__(self, library: str, path: Path) -> None:
        super().__init__(
            f"the model answers with {library}, which is not installed here",
            where=str(path),
            fix=f"install it: pip install {library}",
        )


def save_model(model: Model, folder: Path) -> None:
    """Write a package, whole or not at all."""
    with whole_folder(folder) as aside:
        write_json(aside / "model.json", _model_state(model))
        write_json(aside / "schema.json", model.schema.state())
        write_json(aside / "encoders.json", [encoder.state() for encoder in model.encoders.values()])
        write_json(aside / "reference.json", model.reference.state())
        if model.history is not None:
            write_json(aside / "history.json", model.history.state())
        for number, member in enumerate(model.members):
            place = aside / "members" / f"{number:02d}"
            place.mkdir(parents=True)
            member.estimator.write(place)
        _write_golden(model, aside / "golden.arrow")
        _write_manifest(aside, {member.family for member in model.members})


def add_document(folder: Path, name: str, text: str) -> None:
    """Put a document into a package that is already written; all other files keep the checksums that they had."""
    path = folder / "documents" / name
    manifest = manifest_of(folder)
    # While it is written it is not listed: a process that is killed in between leaves a package that is whole.
    if manifest["files"].pop(_name(path, folder), None) is not None:
        write_json(folder / "manifest.json", manifest)
    write_text(path, text)
    manifest["files"][_name(path, folder)] = _checksum(path)
    write_json(folder / "manifest.json", manifest)


def load_model(folder: Path) -> Model:
    """Read a package, verify its checksums and replay its golden rows."""
    try:
        _verify(folder)
        model = _read(folder)
        _replay(model, folder / "golden.arrow")
    except (MlwrightError, MemoryError):
        raise
    except ModuleNotFoundError as error:
        raise LibraryMissing(error.name or "a library", folder) from error
    except Exception as error:
        # A file that is not ours can make a library raise anything; whatever it is, this is not our package.
        raise PackageDamaged(f"the package cannot be put together again ({type(error).__name__})", folder) from error
    return model


def _read(folder: Path) -> Model:
    state = read_json(folder / "model.json")
    encoders = [Encoder.of_state(entry) for entry in read_json(folder / "encoders.json")]
    members = tuple(
        Member(
            family=entry["family"],
            trial=entry["trial"],
            weight=entry["weight"],
            estimator=FAMILIES[entry["family"]].read(folder / "members" / f"{number:02d}"),
        )
        for number, entry in enumerate(state["members"])
    )
    return Model(
        task=state["task"],
        classes=tuple(state["classes"]),
        target=state["target"],
        schema=Schema.of_state(read_json(folder / "schema.json")),
        encoders={encoder.view: encoder for encoder in encoders},
        members=members,
        calibration=Calibration.of_state(state["calibration"]),
        rule=_rule(state),
        offset=None if state.get("offset") is None else Offset.of_state(state["offset"]),
        spread=None if state["spread"] is None else Spread.of_state(state["spread"]),
        reference=TableSummary.of_state(read_json(folder / "reference.json")),
        history=_history(folder / "history.json"),
        facts=state["facts"],
    )


def _history(path: Path) -> TrainingHistory | None:
    return TrainingHistory.of_state(read_json(path)) if path.is_file() else None


def _rule(state: dict[str, Any]) -> DecisionRule:
    if "rule" not in state:  # format 1
        return DecisionRule(threshold=state["threshold"])
    return DecisionRule.of_state(state["rule"])


def _model_state(model: Model) -> dict[str, Any]:
    return {
        "task": model.task,
        "classes": list(model.classes),
        "target": model.target,
        "members": [{"family": m.family, "trial": m.trial, "weight": m.weight} for m in model.members],
        "calibration": model.calibration.state(),
        "rule": model.rule.state(),
        "offset": None if model.offset is None else model.offset.state(),
        "spread": None if model.spread is None else model.spread.state(),
        "facts": dict(model.facts),
    }


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _checksum(path: Path) -> dict[str, Any]:
    return {"sha256": fingerprint_of_file(path), "bytes": path.stat().st_size}


def _versions(families: set[str]) -> dict[str, str]:
    """Of the libraries that the package was written with; boosters of LightGBM stand behind several families."""
    names = (*_LIBRARIES, "lightgbm", *(name for family in sorted(families) for name in _OF_FAMILY.get(family, ())))
    found: dict[str, str] = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _write_manifest(folder: Path, families: set[str]) -> None:
    listed = {_name(path, folder): _checksum(path) for path in _files(folder) if not path.name.startswith(".")}
    manifest = {
        "format_version": FORMAT_VERSION,
        "mlwright": __version__,
        "python": platform.python_version(),
        "libraries": _versions(families),
        "files": listed,
    }
    write_json(folder / "manifest.json", manifest)


def _verify(folder: Path) -> None:
    if not folder.is_dir():
        raise PackageDamaged("there is no package here", folder)
    manifest = read_json(folder / "manifest.json")
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if not isinstance(version, int) or version < 1:
        raise PackageDamaged("this is not the manifest of a package", folder / "manifest.json")
    if version > FORMAT_VERSION:
        raise PackageTooNew(version, folder)
    for name, expected in manifest["files"].items():
        path = folder / name
        if not path.is_file():
            raise PackageDamaged(f"the file {name} is missing", folder)
        if path.stat().st_size != expected["bytes"]:
            raise PackageDamaged(f"the file {name} is cut short or longer than it was", folder)
        if fingerprint_of_file(path) != expected["sha256"]:
            raise PackageDamaged(f"the file {name} was changed after the package was written", folder)
    needed = {"model.json", "schema.json", "encoders.json", "reference.json", "golden.arrow"}
    if absent := needed - set(manifest["files"]):
        raise PackageDamaged(f"the manifest does not list {', '.join(sorted(absent))}", folder)


def _write_golden(model: Model, path: Path) -> None:
    rows = golden_rows(model)
    answers = model.predict(rows).prediction
    width = answers.shape[1] if answers.ndim == 2 else 1
    expected = pa.FixedSizeListArray.from_arrays(pa.array(answers.ravel()), width)
    table = rows.append_column("__answer__", expected)
    write_table(path, table)


def _replay(model: Model, path: Path) -> None:
    table = read_table(path)
    expected = np.array(table.column("__answer__").combine_chunks().flatten())
    answers = model.predict(table.drop_columns(["__answer__"])).prediction.ravel()
    if len(answers) != len(expected) or not np.allclose(answers, expected, rtol=1e-6, atol=1e-9):
        raise PackageDamaged("the model answers its golden rows otherwise than when it was saved", path)


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a package, for reports."""
    manifest: dict[str, Any] = read_json(folder / "manifest.json")
    return manifest


def size_in_bytes(folder: Path) -> int:
    """Of all files of a package."""
    return sum(path.stat().st_size for path in _files(folder)) + len(json.dumps(manifest_of(folder)))
