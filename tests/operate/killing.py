"""A round of the loop, killed at many points and begun again; prints what each project has come to, as JSON.

    python tests/operate/killing.py PROJECT FOLDER POINTS

A point is before or after a statement of the database, at its commit, or where a file is opened, renamed or removed. Each
point has a copy of the project and a process of its own, forked from this one after everything is imported and before
anything runs.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import lightgbm  # noqa: F401
from sqlalchemy import Engine, event

# Imported before the first fork, so that no child has to do it.
import mlwright.lifecycle.recalibrate
import mlwright.operate.operating
import mlwright.registry.mlflow_stores  # noqa: F401
from mlwright.monitoring.kept import kept_windows
from mlwright.operate import Project, operate
from mlwright.spec import load_spec

_FILES = {"os.rename", "os.remove", "os.mkdir"}


class Killer:
    """Counts the points that a process passes, and kills it at one of them."""

    def __init__(self, at: int | None) -> None:
        self.at, self.passed, self.armed = at, 0, False

    def point(self, *_: Any) -> None:
        if not self.armed:
            return
        self.passed += 1
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)

    def file(self, name: str, arguments: tuple[Any, ...]) -> None:
        writes = name == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+")
        if name in _FILES or writes:
            self.point()

    def listen(self) -> None:
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(Engine, name, self.point)
        sys.addaudithook(self.file)
        self.armed = True


def in_child(project: Path, now: datetime, *, kill_at: int | None = None, rounds: int = 1) -> int | None:
    """Run rounds in a forked process; how many points it passed, or None if it was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        killer = Killer(kill_at)
        killer.listen()
        status = 1
        try:
            troubles: dict[str, str] = {}
            for _ in range(rounds):
                made = operate(load_spec(project / "mlwright.yaml"), once=True, clock=lambda: now)
                troubles |= made.troubles
            os.write(write, json.dumps([killer.passed, troubles]).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    assert os.WEXITSTATUS(status) == 0, "the round broke down"
    passed, troubles = json.loads(said)
    assert not troubles, troubles
    return int(passed)


def state_of(project: Path) -> dict[str, Any]:
    """What the project has come to, without times of day and counts of looks."""
    with sqlite3.connect(project / "mlwright.db") as database:

        def rows(query: str) -> list[list[Any]]:
            return [list(row) for row in database.execute(query)]

        found: dict[str, Any] = {
            "offsets": rows("select source, part, position from mlwright_offsets order by 1, 2"),
            "findings": rows("select version, key, level, closed is null from mlwright_findings order by 1, 2, opened"),
            "alerts": rows("select key, episode, state, told_level, times from mlwright_alert_episodes order by 1, 2"),
            "messages": rows("select id, channel, state from mlwright_outbox order by 1"),
            "decisions": rows("select key, outcome from mlwright_decisions order by 1, 2"),
            "compared": rows("select key, count(*) from mlwright_compared_rows group by 1 order by 1"),
            "aliases": rows("select alias, version from registered_model_aliases order by 1"),
            "actions": sorted(Counter(row[0] for row in database.execute("select action from audit")).items()),
        }
        comparisons = rows(
            "select kind, outcome, closed is null, state from mlwright_comparisons order by 1, opened, key"
        )
        found["comparisons"] = [[*row[:3], *_shown(json.loads(row[3]))] for row in comparisons]
    with Project.open(load_spec(project / "mlwright.yaml")) as opened:
        for watched in opened.looked_after():
            shape = watched.shape
            windows = opened.store.reading(lambda connection, shape=shape: kept_windows(connection, shape))  # type: ignore[misc]
            found[f"windows of {watched.version.number}"] = [
                [one.start.isoformat(), one.grain, one.summary.rows, int(one.summary.cells.sum()),
                 int(one.summary.scores.sum()), float(one.summary.labelled.sum())]
                for one in windows
            ]  # fmt: skip
    return found


def _shown(comparison: dict[str, Any]) -> list[Any]:
    return [comparison["new"], comparison["old"], comparison["rows"], json.dumps(comparison["test"])[:400]]


def main(project: Path, folder: Path, points: int, now: datetime) -> None:
    quiet = folder / "unkilled"
    shutil.copytree(project, quiet)
    total = in_child(quiet, now)
    assert total is not None
    in_child(quiet, now + timedelta(minutes=1))
    results: list[dict[str, Any]] = [{"at": None, "state": state_of_in_child(quiet)}]
    step = max(total // points, 1)
    for at in range(1 + step // 2, total + 1, step):
        copy = folder / f"killed-{at}"
        shutil.copytree(project, copy)
        killed = in_child(copy, now, kill_at=at) is None
        for later in (0, 1):
            in_child(copy, now + later * timedelta(minutes=1))
        results.append({"at": at, "killed": killed, "state": state_of_in_child(copy)})
        shutil.rmtree(copy)
    print(json.dumps({"points": total, "results": results}))


def state_of_in_child(project: Path) -> dict[str, Any]:
    """As `state_of`; what it starts (threads) must not be in this process, which forks."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        status = 1
        try:
            with os.fdopen(write, "wb") as pipe:
                pipe.write(json.dumps(state_of(project)).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0
    tree: dict[str, Any] = json.loads(said)
    return tree


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), datetime.fromisoformat(sys.argv[4]))
