"""Projects with runs to register: copies of a finished run, each with a package of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from mlwright.models import Model
from mlwright.registry import Registry, register_run
from mlwright.runs import Run, RunFolder

Outcome = Literal["met", "not met", "undecided"]
#: Makes run number n of a project; its requirement ends as said.
MakeRun: TypeAlias = "Callable[..., RunFolder]"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry without versions: MLflow takes seconds for its tables, so they are made once."""
    folder = tmp_path_factory.mktemp("registry")
    registry = Registry("sqlite:///mlwright.db", "mlartifacts", "sales", folder=folder)
    registry.make()
    return folder / "mlwright.db"


@pytest.fixture
def project(tmp_path: Path, finished: Run) -> Path:
    """A project's folder with its spec; no registry yet."""
    shutil.copy(finished.folder.path / "mlwright.yaml", tmp_path / "mlwright.yaml")
    return tmp_path


@pytest.fixture
def registry(project: Path, empty_database: Path) -> Registry:
    """Of the project: its tables are made, and there is no version in them."""
    shutil.copy(empty_database, project / "mlwright.db")
    return registry_of(project)


@pytest.fixture
def make_run(project: Path, finished: Run) -> MakeRun:
    def make(number: int, outcome: Outcome = "met", *, target: str | None = None) -> RunFolder:
        return copied_run(finished, project, number, outcome, target=target)

    return make


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory, finished: Run, empty_database: Path) -> Path:
    """A project whose version 1 is champion and version 2 a candidate; copied for each test."""
    project = tmp_path_factory.mktemp("two-versions")
    shutil.copy(finished.folder.path / "mlwright.yaml", project / "mlwright.yaml")
    shutil.copy(empty_database, project / "mlwright.db")
    for number in (1, 2):
        register_run(copied_run(finished, project, number, "met"), registry=registry_of(project), who="ann")
    return project


@pytest.fixture
def two(two_versions: Path, project: Path) -> Registry:
    """Version 1 is champion, version 2 a candidate."""
    shutil.copytree(two_versions, project, dirs_exist_ok=True)
    return registry_of(project)


def registry_of(project: Path) -> Registry:
    """The registry of the project in a folder, as another process would open it."""
    return Registry("sqlite:///mlwright.db", "mlartifacts", "sales", folder=project)


def copied_run(finished: Run, project: Path, number: int, outcome: Outcome, *, target: str | None = None) -> RunFolder:
    """The finished run again, with another package: a model is what it was trained on, and the facts say another seed."""
    name = f"20261121-1200{number:02d}-{number:04x}"
    folder = RunFolder(project / "runs" / name)
    if folder.path.exists():
        return folder
    shutil.copytree(finished.folder.path, folder.path)
    state = json.loads((folder.path / "run.json").read_text())
    (folder.path / "run.json").write_text(json.dumps({**state, "id": name, "folder": str(project)}))
    model = replace(finished.model, facts={**finished.model.facts, "seed": number})
    if target is not None:
        model = replace(model, target=target)
    shutil.rmtree(folder.model_path)
    model.save(folder.model_path)
    evaluation = folder.evaluation()
    assert evaluation is not None
    judged = tuple(replace(one, outcome=outcome, priority="must") for one in evaluation.requirements)
    folder.write_evaluation(replace(evaluation, requirements=judged))
    return folder


def answers_alike(package: Path, model: Model) -> bool:
    """Whether a package answers its golden rows as a model does."""
    from mlwright.models import golden_rows

    rows = golden_rows(model)
    return bool((Model.load(package).predict(rows).prediction == model.predict(rows).prediction).all())
