"""The house as a whole: what importing costs, and that its doors say what they are."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from importlib import import_module

import pytest

import mlwright

HEAVY = (
    "numpy",
    "pyarrow",
    "polars",
    "sklearn",
    "lightgbm",
    "catboost",
    "xgboost",
    "scipy",
    "altair",
    "pydantic",
    "typer",
    "rich",
)


def loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads in a fresh process."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_mlwright_loads_nothing_heavy() -> None:
    assert not loaded_by("import mlwright") & set(HEAVY)


def test_a_model_is_loaded_and_asked_without_pages_command_line_or_search() -> None:
    loaded = loaded_by("from mlwright.models import Model")
    assert not loaded & {
        "altair",
        "jinja2",
        "typer",
        "rich",
        "mlwright.search",
        "mlwright.evaluation",
        "lightgbm",
        "catboost",
        "xgboost",
        "pandas",
    }


def test_no_public_name_is_hidden_by_a_package_of_that_name() -> None:
    packages = {module.name for module in pkgutil.iter_modules(mlwright.__path__)}
    assert not set(mlwright.__all__) & packages


@pytest.mark.parametrize("name", mlwright.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(mlwright, name) is not None


@pytest.mark.parametrize(
    "package",
    [
        "core",
        "spec",
        "statistics",
        "data",
        "checks",
        "features",
        "models",
        "search",
        "evaluation",
        "reports",
        "predictions",
        "serving",
        "cli",
    ],
)
def test_every_package_says_what_it_is_and_lists_its_names(package: str) -> None:
    module = import_module(f"mlwright.{package}")
    assert module.__doc__ is not None
    assert len(module.__doc__.strip().splitlines()) >= 3
    assert sorted(module.__all__) == sorted(set(module.__all__))
    for name in module.__all__:
        assert hasattr(module, name), f"mlwright.{package}.{name}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mlwright.nothing  # noqa: B018
