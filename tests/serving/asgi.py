"""A request to the application without a server between: quick enough for thousands of them."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Any, NamedTuple

from mlwright.serving import Application


class Sent(NamedTuple):
    """What the application answered."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def asked(
    app: Application,
    parts: Sequence[bytes],
    *,
    method: str = "POST",
    path: str = "/predict",
    query: bytes = b"",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> Sent:
    """One request whose body comes in parts."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "query_string": query,
        "headers": headers,
    }
    coming = list(parts) or [b""]
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        part = coming.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(coming)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start, body = sent
    return Sent(start["status"], dict(start["headers"]), body["body"])


def ask(app: Application, *parts: bytes, **more: Any) -> Sent:
    """The same, in a loop of its own."""
    with asyncio.Runner() as runner:
        return runner.run(asked(app, parts, **more))
