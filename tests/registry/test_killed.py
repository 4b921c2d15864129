"""A process that is killed between any two statements leaves a registry that is as before or as after, and can go on."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from tests.registry.conftest import copied_run, registry_of

from mlwright.registry import Approval, Registry, followed, promote, register_run, rollback, verify_audit
from mlwright.runs import Run

ANN = Approval(by="ann", reason="looked at 50 rows by hand")
_KILLED, _ENDED = 9, 0
#: What changes files, as the interpreter tells it before it happens.
_FILE_EVENTS = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.copytree"}


def killed_at(step: int, project: Path, act: Callable[[Registry], object]) -> bool:
    """Act in a process that ends, without any farewell, before it writes for the n-th time, to the database or a file.

    Returns
    -------
    Whether it was killed; if not, it was done before.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == _KILLED
    try:
        left = [step]

        def step_taken(*_: Any) -> None:
            left[0] -= 1
            if left[0] < 0:
                os._exit(_KILLED)

        def told(name: str, arguments: tuple[Any, ...]) -> None:
            writes = name == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
            if (name in _FILE_EVENTS or writes) and str(project) in str(arguments[0]):
                step_taken()

        registry = registry_of(project)

        def asked(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().startswith(("CREATE", "INSERT", "UPDATE", "DELETE", "BEGIN IMMEDIATE")):
                step_taken()

        event.listen(registry.database.engine, "before_cursor_execute", asked)
        event.listen(registry.database.engine, "commit", step_taken)
        sys.addaudithook(told)
        act(registry)
        os._exit(_ENDED)
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)


@pytest.fixture
def in_memory(tmp_path: Path) -> Iterator[Path]:
    """A folder that flushes quickly: what a killed process leaves does not depend on the disk."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


def state_of(registry: Registry) -> tuple[int, dict[str, int]]:
    versions = registry.versions()
    return len(versions), {alias: one.number for one in versions for alias in one.aliases}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("what", ["register", "promote", "rollback"])
def test_killed_between_any_two_statements(what: str, two_versions: Path, in_memory: Path, finished: Run) -> None:
    start = in_memory / "start"
    shutil.copytree(two_versions, start)
    if what == "rollback":
        promote(registry_of(start), 2, approval=ANN)
    copied_run(finished, start, 3, "met")  # so that making its package is no part of registering it
    for folder in (start / "runs").iterdir():  # what registering does not read need not be copied each time
        shutil.rmtree(folder / "trials")
    before = state_of(registry_of(start))

    def act(registry: Registry) -> object:
        if what == "register":
            return register_run(copied_run(finished, registry.shelf.parents[1], 3, "met"), registry=registry, who="ann")
        return promote(registry, 2, approval=ANN) if what == "promote" else rollback(registry, who="ann")

    outcomes = set()
    for step in count():
        project = in_memory / "project"  # at the same place each time: MLflow keeps absolute paths
        shutil.copytree(start, project)
        was_killed = killed_at(step, project, act)
        registry = registry_of(project)
        found = state_of(registry)
        outcomes.add(found == before)
        assert followed(registry.shelf / "champion.json") == registry.version("champion").package
        # Whoever does it again comes to the end, and it is done once.
        act(registry)
        done = [(one.action, one.version) for one in registry.audit() if one.outcome == "done"]
        assert (
            done.count({"register": ("register", 3), "promote": ("promote", 2), "rollback": ("rollback", 1)}[what]) == 1
        )
        assert verify_audit(registry).holds, step
        assert not [path for path in registry.shelf.iterdir() if path.is_dir() and not (path / "MLmodel").is_file()]
        shutil.rmtree(project)
        if not was_killed:
            break
    assert outcomes == {True, False}  # some were killed before it counted, some after
    assert step >= 10


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_killed_while_the_tables_are_made(in_memory: Path) -> None:
    for step in (0, 1, 40, 120):
        assert killed_at(step, in_memory, lambda registry: registry.make())
        assert not registry_of(in_memory).database.exists
    registry_of(in_memory).make()
    assert registry_of(in_memory).versions() == []
    assert verify_audit(registry_of(in_memory)).holds
