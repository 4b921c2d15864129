"""Packages of all tasks, and servers that several tests ask."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.models.made import made
from tests.serving.servers import Running, running

from mlwright.search.assembly import learned_schema
from mlwright.spec import Task


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, Path]:
    """A package of each task; treat them as read-only."""
    folder = tmp_path_factory.mktemp("packages")
    tasks: tuple[Task, ...] = ("binary", "multiclass", "regression")
    for task in tasks:
        made(task).model.save(folder / task)
    return {task: folder / task for task in tasks}


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The binary model with what its schema learned of rows: which fields may be missing, levels, ranges."""
    model = made("binary").model
    folder = tmp_path_factory.mktemp("learned") / "sales"
    replace(model, schema=learned_schema(model.schema, model.reference)).save(folder)
    return folder


@pytest.fixture(scope="session")
def server(packages: dict[Task, Path]) -> Iterator[Running]:
    """The binary model with small limits and no log."""
    with running(packages["binary"], "--max-rows", "2000", "--max-body-mb", "1", "--max-seconds", "2") as one:
        yield one
