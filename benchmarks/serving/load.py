"""A window of requests: as many connections as wanted ask without a pause, and it is said how soon and how often they were answered.

`wrk` asks if it is installed. If not, a client of ours does, in a process of its own; being Python, it may be slower than
the server and then bounds the requests a second.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from pathlib import Path
from statistics import quantiles

_MICROSECONDS = {"us": 1.0, "ms": 1e3, "s": 1e6, "m": 6e7}
_LATENCY = re.compile(r"^\s+50%\s+([\d.]+)(us|ms|s|m)$", re.MULTILINE)
_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked again and again; the lines of a file are the bodies in turn."""

    method: str
    path: str
    bodies: Path | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What came back in some seconds; `failed` are those without a 200, or without an answer."""

    p50_us: float
    per_second: float
    answered: int
    failed: int


def generator() -> str:
    """Which client asks."""
    return "wrk" if shutil.which("wrk") else "our own client in Python"


def asked(port: int, question: Question, connections: int, seconds: int, before: Callable[[], None]) -> Window:
    """Ask for some seconds; `before` is called in the client's process before it begins."""
    if shutil.which("wrk"):
        return _by_wrk(port, question, connections, seconds, before)
    bodies = "" if question.bodies is None else str(question.bodies)
    command = [
        sys.executable,
        __file__,
        str(port),
        question.method,
        question.path,
        bodies,
        str(connections),
        str(seconds),
    ]
    done = subprocess.run(command, check=True, capture_output=True, preexec_fn=before, start_new_session=True)
    return Window(**json.loads(done.stdout))


def _by_wrk(port: int, question: Question, connections: int, seconds: int, before: Callable[[], None]) -> Window:
    environ = {**os.environ, "METHOD": question.method}
    if question.bodies is not None:
        environ["BODIES"] = str(question.bodies)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "--latency"]
    command += ["-s", str(Path(__file__).with_name("post.lua")), f"http://127.0.0.1:{port}{question.path}"]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environ, preexec_fn=before, start_new_session=True
    )
    said = done.stdout
    latency, errors = _LATENCY.search(said), _ERRORS.search(said)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    answered, rate = re.search(r"(\d+) requests in", said), re.search(r"Requests/sec:\s+([\d.]+)", said)
    assert latency is not None, said
    assert answered is not None, said
    assert rate is not None, said
    return Window(
        p50_us=float(latency[1]) * _MICROSECONDS[latency[2]] if int(answered[1]) else float("nan"),
        per_second=float(rate[1]),
        answered=int(answered[1]),
        failed=(int(refused[1]) if refused else 0) + (sum(map(int, errors.groups())) if errors else 0),
    )


# ---------------------------------------------------------------------------------------------------------- our own client


class _Asking(asyncio.Protocol):
    """One connection: the next request leaves when an answer is whole."""

    def __init__(self, requests: Iterator[bytes], taken: list[float]) -> None:
        self._requests, self._taken = requests, taken
        self._come = b""
        self.failed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        self._begun = time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._come += data
        head, blank, body = self._come.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
        if blank and length is not None and len(body) >= int(length[1]):
            self._taken.append(time.perf_counter() - self._begun)
            self.failed += head[9:12] != b"200"
            self._come = b""
            self._ask()


async def _window(port: int, method: str, path: str, bodies: list[bytes], connections: int, seconds: int) -> Window:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    typed = head + "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    requests = cycle([(typed % len(body)).encode() + body for body in bodies] or [(head + "\r\n").encode()])
    taken: list[float] = []
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: _Asking(requests, taken), "127.0.0.1", port) for _ in range(connections)
    ]
    await asyncio.sleep(seconds)
    spent = time.perf_counter() - begun
    for transport, _ in opened:
        transport.abort()
    p50 = quantiles(taken, n=2)[0] * 1e6 if len(taken) > 1 else float("nan")
    return Window(p50, len(taken) / spent, len(taken), sum(asking.failed for _, asking in opened))


def main() -> None:
    port, method, path, name, connections, seconds = sys.argv[1:7]
    bodies = Path(name).read_bytes().splitlines() if name else []
    window = asyncio.run(_window(int(port), method, path, bodies, int(connections), int(seconds)))
    print(json.dumps(asdict(window)))


if __name__ == "__main__":
    main()
