"""A real server on loopback, started as a user starts it and ended by a signal."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

_START_S = 120.0


class Running:
    """A server that runs: its URL, its processes, and what it has said."""

    def __init__(self, process: subprocess.Popen[str], url: str, curl: str, said: list[str]) -> None:
        self.process, self.url, self.curl, self.said = process, url, curl, said
        self.port = int(url.rsplit(":", 1)[1])
        self.client = httpx.Client(base_url=url, timeout=60)

    def post(self, content: bytes | Any, path: str = "/predict", **headers: str) -> httpx.Response:
        """Send a body, JSON unless it is bytes already."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.client.post(path, content=body, headers={"content-type": "application/json", **headers})

    def raw(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def workers(self) -> list[int]:
        """The processes that answer."""
        found = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in found.split()]

    def counts(self) -> dict[str, float]:
        """What /metrics says, by series."""
        text = self.client.get("/metrics").text
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running(package: Path, *options: str, prefix: Sequence[str] = ()) -> Iterator[Running]:
    """`mlwright serve` on a free port, until the block ends; `prefix` is a command that runs it."""
    process = subprocess.Popen(
        [*prefix, sys.executable, "-m", "mlwright", "serve", str(package), "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    listener = threading.Thread(target=lambda stream: said.extend(stream), args=[process.stderr])
    listener.start()
    killer = threading.Timer(_START_S, process.kill)
    killer.start()
    first, second = process.stdout.readline(), process.stdout.readline()
    killer.cancel()
    found = re.match(r"(http\S+) answers", first)
    if found is None:
        process.kill()
        listener.join()
        raise AssertionError(f"the server did not start: {''.join(said)}")
    server = Running(process, found[1], second.strip(), said)
    try:
        yield server
    finally:
        server.client.close()
        if process.poll() is None:
            server.end()
        listener.join()
        process.stdout.close()
        process.stderr.close()


def eventually(condition: Any, *, seconds: float = 30.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not become so"
        time.sleep(0.05)


def whole_answer(connection: socket.socket) -> tuple[int, bytes, bytes]:
    """Status, head and body of what comes until the other end closes or the body is whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return 0, data, b""
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    assert length is not None
    while len(body) < int(length[1]):
        body += connection.recv(65_536)
    return int(head.split(b" ", 2)[1]), head, body
