"""Servers as processes: started, watched from outside through /proc, and ended."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from benchmarks.serving.load import Question

ROOT = Path(__file__).parents[2]
#: Until a server that has said nothing counts as one that does not run.
_PATIENCE_S = 90.0
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class NotServing(Exception):
    """A server did not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How a server is started, and what it is asked.

    Attributes
    ----------
    command
        With `{port}` where the port belongs.
    questions
        By name; the one called `score` must be answered before the server counts as ready.
    prepare
        Called with the port before the start, for settings that lie in files.
    """

    name: str
    command: Sequence[str]
    questions: Mapping[str, Question]
    prepare: Callable[[int], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    server: Server
    process: subprocess.Popen[bytes]
    port: int
    ready_s: float

    def processes(self) -> list[int]:
        """Its own and all below it."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                    children.setdefault(int(parent), []).append(int(entry.name))
        found, todo = [], [self.process.pid]
        while todo:
            found.append(todo.pop())
            todo += children.get(found[-1], [])
        return found

    def cpu_s(self) -> float:
        """Seconds on a processor of all its threads, from the scheduler's own count in nanoseconds."""
        total = 0
        for pid in self.processes():
            for counted in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with suppress(OSError):
                    total += int(counted.read_text().split()[0])
        return total / 1e9

    def memory_mb(self) -> float:
        """Resident, of the largest of its processes: the one that holds the model."""
        pages = [0]
        for pid in self.processes():
            with suppress(OSError):
                pages.append(int(Path(f"/proc/{pid}/statm").read_text().split()[1]))
        return max(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def settle(self) -> None:
        """Wait until it has finished with requests whose clients have gone."""
        until = time.monotonic() + 5.0
        while time.monotonic() < until:
            before = self.cpu_s()
            time.sleep(0.1)
            if self.cpu_s() - before < 0.03:
                return


def priority(nice: int) -> Callable[[], None]:
    """For a process that is about to begin: nicer, or with privileges less nice, than others.

    Under Linux's autogroups a nice value only counts within a session, so the session gets it too.
    """

    def apply() -> None:
        if nice:
            os.setpriority(os.PRIO_PROCESS, 0, nice)
            with suppress(OSError):
                Path("/proc/self/autogroup").write_text(str(nice))

    return apply


@contextmanager
def running(server: Server, folder: Path, nice: int) -> Iterator[Running]:
    """The server, once it has answered a record.

    Raises
    ------
    NotServing
        With the last lines that it said.
    """
    port = free_port()
    server.prepare(port)
    command = [part.replace("{port}", str(port)) for part in server.command]
    # Some start others by name: those that lie beside the interpreter are meant.
    path = f"{Path(command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, **_ONE_THREAD, "PATH": path, "SERVING_FOLDER": str(folder)}
    said = folder / f"{server.name.replace(' ', '_').replace(',', '')}.txt"
    with said.open("wb") as output:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environ,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=priority(nice),
        )
    try:
        if not _answers(process, port, server.questions["score"]):
            raise NotServing("\n".join(said.read_text(errors="replace").splitlines()[-4:]))
        yield Running(server, process, port, time.perf_counter() - begun)
    finally:
        _end(process)


def _answers(process: subprocess.Popen[bytes], port: int, question: Question) -> bool:
    """Whether it answers with a 200 before the patience is at an end."""
    assert question.bodies is not None
    body = question.bodies.read_bytes().splitlines()[0]
    until = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=20)
        with suppress(OSError, HTTPException):
            connection.request(question.method, question.path, body, {"Content-Type": "application/json"})
            if connection.getresponse().status == 200:
                return True
        connection.close()
        time.sleep(0.01)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End its session's process group, politely first."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, sent)
            process.wait(8)


def free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])
