"""Rounds of the loop, killed wherever that can make a difference, and begun again; prints what each project has come to, as JSON.

    python tests/operate/killing.py PROJECT FOLDER MOST NOW [broken]

A point is before or after a statement of the database, at its commit, or where a file is opened, renamed or removed. Between
two points where nothing on the disk has changed it makes no difference when a process is killed: whoever comes after finds
the same. So a round is run once to see at which points something has changed, and is then killed at each of these, or at
MOST of them. Each time a copy of the project has a process of its own, forked from this one after everything is imported and
before anything runs.

With `broken` each statement is kept by itself: some kill must then make a difference, else this test could not fail.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm  # noqa: F401
from sqlalchemy import Connection, Engine, event

# Imported before the first fork, so that no child has to do it.
import mlwright.lifecycle.recalibrate
import mlwright.operate.operating
import mlwright.registry.mlflow_stores  # noqa: F401
from mlwright.monitoring.kept import kept_windows
from mlwright.operate import Project, operate
from mlwright.spec import load_spec

_FILES = {"os.rename", "os.remove", "os.mkdir"}
#: The heartbeat is only news, and comes when it comes.
_THREADS = ("MainThread", "alerts")


class Killer:
    """Counts the points that a process passes, and kills it at one of them; or says which of them differ on the disk."""

    def __init__(self, project: Path, at: int | None) -> None:
        self.project, self.at, self.passed, self.armed = project, at, 0, False
        self.seen, self.differ = "", list[int]()
        self.reader = None if at is not None else sqlite3.connect(project / "mlwright.db", check_same_thread=False)

    def point(self, *_: Any) -> None:
        if not self.armed or not threading.current_thread().name.startswith(_THREADS):
            return
        self.passed += 1
        if self.passed == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.reader is not None and (now := on_disk(self.project, self.reader)) != self.seen:
            self.seen = now
            self.differ.append(self.passed)

    def file(self, name: str, arguments: tuple[Any, ...]) -> None:
        writes = name == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+")
        if name in _FILES or writes:
            self.point()

    def listen(self) -> None:
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(Engine, name, self.point)
        sys.addaudithook(self.file)
        self.armed = True


_DUMPS: dict[int, str] = {}


def on_disk(project: Path, database: sqlite3.Connection) -> str:
    """Another text once something on the disk has changed, but for the news of the heartbeat."""
    found = hashlib.blake2b()
    for folder, _, names in sorted(os.walk(project)):
        for name in sorted(names):
            if not name.startswith("mlwright.db"):
                about = Path(folder, name).stat()
                found.update(f"{folder}/{name} {about.st_size} {about.st_mtime_ns}\n".encode())
    version = database.execute("PRAGMA data_version").fetchone()[0]
    if version not in _DUMPS:
        _DUMPS[version] = _dumped(database)
    return found.hexdigest() + _DUMPS[version]


def _dumped(database: sqlite3.Connection) -> str:
    found = hashlib.blake2b()
    for (table,) in database.execute("select name from sqlite_master where type = 'table' order by 1").fetchall():
        if table != "mlwright_operators":
            found.update(repr((table, database.execute(f'select * from "{table}"').fetchall())).encode())
    return found.hexdigest()


def in_child(work: Callable[[], Any]) -> Any:
    """What some work gives in a forked process; None if that was killed."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(read)
            with os.fdopen(write, "wb") as pipe:
                pipe.write(json.dumps(work()).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return None
    assert os.WEXITSTATUS(status) == 0, "the round broke down"
    return json.loads(said)


def rounds(project: Path, now: datetime, *, number: int) -> None:
    for moment in [now + later * timedelta(minutes=1) for later in range(number)]:
        made = operate(load_spec(project / "mlwright.yaml"), once=True, clock=partial(_at, moment))
        assert not made.troubles, made.troubles


def _at(moment: datetime) -> datetime:
    return moment


def watched_round(project: Path, now: datetime) -> list[int]:
    """The points of a round after which something on the disk is other than before, and the last one."""
    killer = Killer(project, None)
    killer.listen()
    rounds(project, now, number=1)
    return [*killer.differ, killer.passed]


def killed_round(project: Path, now: datetime, at: int, *, broken: bool) -> None:
    if broken:
        event.listen(Engine, "after_cursor_execute", _kept_by_itself)
    killer = Killer(project, at)
    killer.listen()
    rounds(project, now, number=1)


def _kept_by_itself(connection: Connection, _: Any, statement: str, *__: Any) -> None:
    """A fault to be found: each change is committed at once."""
    if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def come_to(project: Path, now: datetime) -> dict[str, Any]:
    """Two more rounds, and what the project has come to."""
    rounds(project, now, number=2)
    return state_of(project)


def state_of(project: Path) -> dict[str, Any]:
    """What the project has come to, without times of day and counts of looks."""
    with sqlite3.connect(project / "mlwright.db") as database:

        def rows(query: str) -> list[list[Any]]:
            return [[one.hex() if isinstance(one, bytes) else one for one in row] for row in database.execute(query)]

        found: dict[str, Any] = {
            "offsets": rows("select source, part, position from mlwright_offsets order by 1, 2"),
            # What was over before anybody looked stays open until it was told: open or not, it is over.
            "findings": rows(
                "select version, key, level, closed is null and json_extract(state, '$.until') is null"
                " from mlwright_findings order by 1, 2, opened"
            ),
            "alerts": rows("select key, episode, state, told_level, times from mlwright_alert_episodes order by 1, 2"),
            "messages": rows("select id, channel from mlwright_outbox order by 1"),
            "decisions": rows("select key, outcome from mlwright_decisions order by 1, 2"),
            "compared": rows("select key, day, rows, counted from mlwright_compared_days order by 1, 2"),
            "aliases": rows("select alias, version from registered_model_aliases order by 1"),
            "actions": sorted(Counter(row[0] for row in database.execute("select action from audit")).items()),
        }
        comparisons = rows(
            "select kind, outcome, closed is null, state from mlwright_comparisons order by 1, opened, key"
        )
        found["comparisons"] = [[*row[:3], *_shown(json.loads(row[3]))] for row in comparisons]
    log = project / "predictions"
    found["quarantine"] = sorted(str(path.relative_to(log)) for path in (log / "quarantine").rglob("*.parquet"))
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


def main(project: Path, folder: Path, most: int, now: datetime, *, broken: bool) -> None:
    quiet = folder / "unkilled"
    shutil.copytree(project, quiet)
    points = in_child(lambda: watched_round(quiet, now))
    assert points is not None
    unkilled = in_child(lambda: come_to(quiet, now))
    results = []
    step = max(len(points) / most, 1.0)
    for at in [points[int((number + 0.5) * step)] for number in range(min(most, len(points)))]:
        copy = folder / f"killed-{at}"
        shutil.copytree(project, copy)
        killed = in_child(lambda: killed_round(copy, now, at, broken=broken)) is None  # noqa: B023
        state = in_child(lambda: come_to(copy, now))  # noqa: B023
        results.append({"at": at, "killed": killed, "state": state})
        shutil.rmtree(copy)
    print(json.dumps({"points": points, "unkilled": unkilled, "results": results}))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        int(sys.argv[3]),
        datetime.fromisoformat(sys.argv[4]),
        broken=sys.argv[5:] == ["broken"],
    )
