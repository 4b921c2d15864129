"""Real servers on loopback, one for each kind of model, and a plain way to ask them."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.models.made import made

from mlwright.models import Scorer
from mlwright.serving import create_app
from mlwright.spec import Task


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A server, the scorer to compare it with, and rows of its table as records."""

    host: str
    port: int
    name: str
    scorer: Scorer
    records: list[dict[str, Any]]

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def columns(self) -> list[str]:
        return self.scorer.model.schema.names

    def expected(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The columns of `mlwright predict` for records."""
        flat = []
        for answer in self.scorer.answers(records):
            row: dict[str, Any] = {"prediction": answer.prediction}
            row |= {f"probability_{name}": share for name, share in (answer.probabilities or {}).items()}
            if answer.interval_low is not None:
                row |= {"interval_low": answer.interval_low, "interval_high": answer.interval_high}
            flat.append(row)
        return flat

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """A request; what is not bytes is sent as JSON. `accept_encoding="x"` is the header `accept-encoding: x`."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30)
        content = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if content is not None and not isinstance(body, bytes):
            named.setdefault("content-type", "application/json")
        try:
            connection.request(method, path, content, named)
            answer = connection.getresponse()
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


def served(task: Task, package: Path) -> Iterator[Running]:
    """A server in a thread, until the generator ends."""
    app = create_app(package, name=task)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    scorer = Scorer.load(package)
    records = made(task).frame.select(scorer.model.schema.names).head(40).to_dicts()
    try:
        yield Running(host=host, port=port, name=task, scorer=scorer, records=records)
    finally:
        server.should_exit = True
        thread.join(30)


@pytest.fixture(scope="package")
def binary(packages: dict[Task, Path]) -> Iterator[Running]:
    """Texts, dates, numbers and missing values; yes or no."""
    yield from served("binary", packages["binary"])


@pytest.fixture(scope="package")
def multiclass(packages: dict[Task, Path]) -> Iterator[Running]:
    """Thirteen numbers; three classes."""
    yield from served("multiclass", packages["multiclass"])


@pytest.fixture(scope="package")
def regression(packages: dict[Task, Path]) -> Iterator[Running]:
    """Ten numbers; a number with an interval."""
    yield from served("regression", packages["regression"])
