"""MLflow is loaded by what changes or lists something, and by nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlwright.registry import Registry


def loaded_by(statement: str, *, folder: Path | None = None) -> set[str]:
    """The modules that a statement loads in a fresh process."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return {name.partition(".")[0] for name in result.stdout.split()}


@pytest.mark.parametrize(
    "statement",
    [
        "import mlwright, mlwright.registry",
        "import mlwright.cli.app",
        "import mlwright.serving.versions, mlwright.serving.finding",
        "from mlwright.registry import Proof, followed, read_pointer",
    ],
)
def test_neither_mlflow_nor_sqlalchemy_is_loaded_to_import(statement: str) -> None:
    assert not loaded_by(statement) & {"mlflow", "sqlalchemy", "alembic", "pandas"}


def test_a_service_finds_the_champion_without_them(two: Registry) -> None:
    statement = (
        "from mlwright.serving.finding import find_package\n"
        "from mlwright.serving.versions import source_at\n"
        "path, name = find_package('champion')\n"
        "assert name == 'sales', name\n"
        "assert (source_at(path).package() / 'manifest.json').is_file()"
    )
    assert not loaded_by(statement, folder=two.shelf.parents[1]) & {"mlflow", "sqlalchemy", "alembic", "pandas"}
