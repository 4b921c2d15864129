"""A version on disk: the package, with the few files beside it that make it a model for MLflow too.

```
mlartifacts/churn/3f2a91c0d4e7/
  MLmodel               for MLflow: loader, signature, where the package is
  input_example.json    golden rows, which are nobody's
  requirements.txt  python_env.yaml    for MLflow's own servers
  package/              as it came from the run
```

The folder is named after the package's digest, so the same package is kept once.
"""

from __future__ import annotations

import fcntl
import json
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from mlwright._version import __version__
from mlwright.core import MlwrightError, fingerprint_of_file, read_json, read_table, whole_folder, write_json
from mlwright.data import ClassValue, Schema
from mlwright.registry.pointers import package_digest

_EXAMPLE_ROWS = 5
#: What MLflow calls the types of classes.
_OF_CLASSES = {"string": "string", "large_string": "string", "int64": "long", "bool": "boolean", "double": "double"}


class ArtifactsDamaged(MlwrightError):
    """The package of a version is missing, or is not the one that was registered."""


def kept_package(package: Path, shelf: Path) -> tuple[Path, bool]:
    """Copy a package to where versions are kept; the same package is copied once.

    Returns
    -------
    The folder for MLflow, and whether a damaged copy had to be replaced.
    """
    digest = package_digest(package)
    place = shelf / digest[:12]
    with shelf_locked(shelf):
        for leftover in (*shelf.glob(".*.part"), *shelf.glob(".*.old")):  # of somebody who was killed
            _remove(leftover)
        was_there = place.exists()
        if was_there and damage(place, digest) is None:
            return place, False
        with whole_folder(place) as aside:
            shutil.copytree(package, aside / "package")
            _describe(aside, digest)
    return place, was_there


def damage(place: Path, digest: str) -> str | None:
    """What is wrong with the package of a version, by the checksums of its files; None if nothing is."""
    package = place / "package"
    try:
        if package_digest(package) != digest:
            return "it is not the package that was registered"
        for name, expected in read_json(package / "manifest.json")["files"].items():
            if not (package / name).is_file():
                return f"the file {name} is missing"
            if fingerprint_of_file(package / name) != expected["sha256"]:
                return f"the file {name} was changed"
    except MlwrightError as error:
        return error.what
    return None if (place / "MLmodel").is_file() else "the file MLmodel is missing"


@contextmanager
def shelf_locked(shelf: Path) -> Iterator[None]:
    """Nobody else writes packages or pointer files meanwhile; given back when the process ends, however it ends."""
    shelf.mkdir(parents=True, exist_ok=True)
    with (shelf / ".lock").open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _describe(place: Path, digest: str) -> None:
    package = place / "package"
    schema, state = Schema.of_state(read_json(package / "schema.json")), read_json(package / "model.json")
    example = read_table(package / "golden.arrow").drop_columns(["__answer__"])
    # The first golden row has levels that were never seen, which is no example.
    rows = example.slice(1, _EXAMPLE_ROWS)
    write_json(place / "input_example.json", {"columns": rows.column_names, "data": _rows(rows)})
    text = yaml.safe_dump(_mlmodel(schema, state, digest), sort_keys=False, allow_unicode=True)
    (place / "MLmodel").write_text(text, encoding="utf-8")
    libraries = read_json(package / "manifest.json")["libraries"]
    needed = [f"mlwright=={__version__}", *(f"{name}=={version}" for name, version in libraries.items())]
    (place / "requirements.txt").write_text("\n".join(needed) + "\n", encoding="utf-8")
    environment = {"python": platform.python_version(), "dependencies": ["-r requirements.txt"]}
    (place / "python_env.yaml").write_text(yaml.safe_dump(environment), encoding="utf-8")


def _mlmodel(schema: Schema, state: dict[str, Any], digest: str) -> dict[str, Any]:
    loader = {
        "loader_module": "mlwright.registry.pyfunc",
        "data": "package",
        "env": {"virtualenv": "python_env.yaml"},
        "python_version": platform.python_version(),
    }
    return {
        "flavors": {"python_function": loader, "mlwright": {"package": "package", "digest": digest}},
        "metadata": {"task": state["task"], "target": state["target"], "columns": {c.name: c.type for c in schema}},
        "model_uuid": digest[:32],
        "saved_input_example_info": {
            "artifact_path": "input_example.json",
            "type": "dataframe",
            "pandas_orient": "split",
        },
        "signature": {"inputs": json.dumps(_inputs(schema)), "outputs": json.dumps(_outputs(state)), "params": None},
        "utc_time_created": f"{datetime.now(tz=UTC):%Y-%m-%d %H:%M:%S.%f}",
    }


def _inputs(schema: Schema) -> list[dict[str, Any]]:
    """The columns; of any type, since the model reads whole numbers, categories and times in all the forms that frames have.

    With `double`, MLflow would refuse a frame whose numbers happen to be whole; with `string`, a pandas category.
    """
    return [{"type": "any", "name": column.name, "required": True} for column in schema]


def _outputs(state: dict[str, Any]) -> list[dict[str, Any]]:
    if state["task"] == "regression":
        names = ["prediction"] if state["spread"] is None else ["prediction", "interval_low", "interval_high"]
        return [{"type": "double", "name": name, "required": True} for name in names]
    classes: list[ClassValue] = state["classes"]
    decided = _OF_CLASSES[str(pa.array(classes).type)]
    return [
        {"type": decided, "name": "prediction", "required": True},
        *({"type": "double", "name": f"probability_{value}", "required": True} for value in classes),
    ]


def _rows(table: pa.Table) -> list[list[Any]]:
    def plain(value: Any) -> Any:
        return value.isoformat() if hasattr(value, "isoformat") else value

    return [[plain(value) for value in row.values()] for row in table.to_pylist()]
