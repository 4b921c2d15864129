"""The ASGI application: from a server's request to a route's response. It has no framework under it and runs on any server."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from asyncio import AbstractEventLoop, CancelledError, Task, TimerHandle
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

from mlwright.serving.http import Form, HttpProblem, Request, Response, Route, problem_response
from mlwright.serving.problems import problem_of
from mlwright.serving.protocols import PROTOCOLS
from mlwright.serving.routing import Router
from mlwright.serving.service import OnThread, Served, Service

Message: TypeAlias = "MutableMapping[str, Any]"
Receive: TypeAlias = "Callable[[], Awaitable[Message]]"
Send: TypeAlias = "Callable[[Message], Awaitable[None]]"

_CLOSE = (b"connection", b"close")
_SOON = ((b"retry-after", b"1"),)
_SWEEP_S = 1.0


class _Gone(Exception):
    """The client hung up before its request was whole."""


class Application:
    """Answers requests with a service; an ASGI 3 application.

    Parameters
    ----------
    protocols
        Names of `PROTOCOLS`; all of them if None.
    """

    def __init__(self, service: Service, protocols: Sequence[str] | None = None) -> None:
        self.service = service
        names = PROTOCOLS if protocols is None else protocols
        routes = [route for name in names for route in PROTOCOLS[name](service)]
        self._router = Router(routes)
        self._counts = {path: service.metrics.requests(path) for path in sorted({route.path for route in routes})}
        self._elsewhere = service.metrics.requests("(other)")
        self._overload = service.metrics.slot("mlwright_overload_total")
        self._scoring = ThreadPoolExecutor(1, "scoring")
        self._admin = ThreadPoolExecutor(1, "admin")
        self._waiting = 0
        self._in_hand = 0
        self._reading: dict[Task[Any], float] = {}
        self._late: set[Task[Any]] = set()
        self._loop: AbstractEventLoop | None = None
        self._timer: TimerHandle | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            if self._loop is None:
                self._begin()
            await self._answer(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close"})

    # -------------------------------------------------------------------------------------------------------- requests

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        begun = time.perf_counter()
        method, path = scope["method"], scope["path"]
        request = Request(method, path, scope["query_string"], scope["headers"], b"", scope.get("client"))
        counts = self._elsewhere
        form: Form = problem_response
        self._in_hand += 1
        try:
            route, places = self._router.find(method, path)
            counts, form = self._counts[route.path], route.problem
            response = await self._of_route(route, places, request, receive)
        except _Gone:
            counts.add(499, time.perf_counter() - begun)  # nginx's number for it
            return
        except CancelledError:
            raise
        except Exception as error:
            response = form(problem_of(error))
        finally:
            self._in_hand -= 1
        counts.add(response.status, time.perf_counter() - begun)
        headers = [
            (b"content-type", response.content_type),
            (b"content-length", b"%d" % len(response.body)),
            *response.headers,
        ]
        if self.service.draining and _CLOSE not in headers and scope.get("http_version", "1.1") < "2":
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})

    async def _of_route(self, route: Route, places: Mapping[str, str], request: Request, receive: Receive) -> Response:
        service = self.service
        if service.access is not None:
            service.access(route, request)
        if self._in_hand > service.limits.requests and route.kind == "scoring":
            raise self._overloaded()
        if request.method not in {"GET", "HEAD"}:
            request.body = await self._body(route, request, receive)
        if route.kind == "admin":
            return await self._on(self._admin, route, places, request)
        try:
            return route.handler(request, service, **places)
        except OnThread:
            pass
        if self._waiting >= service.limits.waiting:
            raise self._overloaded()
        self._waiting += 1
        try:
            return await self._on(self._scoring, route, places, request)
        finally:
            self._waiting -= 1

    async def _on(
        self, thread: ThreadPoolExecutor, route: Route, places: Mapping[str, str], request: Request
    ) -> Response:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(thread, lambda: route.handler(request, self.service, **places))

    def _overloaded(self) -> HttpProblem:
        self.service.metrics.add(self._overload)
        return HttpProblem(503, "too many requests are waiting", fix="ask again a little later", headers=_SOON)

    # ------------------------------------------------------------------------------------------------------------ body

    async def _body(self, route: Route, request: Request, receive: Receive) -> bytes:
        """The whole body, which must come in time and have the right type and size."""
        limits = self.service.limits
        self._check_head(route, request, limits.body_bytes)
        task = asyncio.current_task()
        assert task is not None
        self._reading[task] = time.monotonic() + limits.seconds
        try:
            message = await receive()
            body: bytes = message.get("body", b"")
            if message.get("more_body"):
                body = await self._rest(body, receive, limits.body_bytes)
            elif message["type"] == "http.disconnect":
                raise _Gone
        except CancelledError:
            if task not in self._late:
                raise
            self._late.discard(task)
            task.uncancel()
            raise HttpProblem(
                408, f"the request was not whole after {limits.seconds:g} seconds", headers=(_CLOSE,)
            ) from None
        finally:
            del self._reading[task]
        if len(body) > limits.body_bytes:
            raise _too_large(limits.body_bytes)
        return body

    async def _rest(self, begun: bytes, receive: Receive, limit: int) -> bytes:
        parts, size, more = [begun], len(begun), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            more = message.get("more_body", False)
        return b"".join(parts)

    def _check_head(self, route: Route, request: Request, limit: int) -> None:
        """Refuse what the head of a request says already, before its body is read."""
        length = request.header(b"content-length")
        if length is not None and length.isdigit() and int(length) > limit:
            raise _too_large(limit)
        if route.content_types:
            given = request.content_type()
            if given and given not in route.content_types:
                listed = b" or ".join(sorted(route.content_types)).decode()
                raise HttpProblem(415, "the body has another type than this path takes", fix=f"send {listed}")
            if request.header(b"content-encoding") not in {None, b"identity"}:
                raise HttpProblem(415, "the body is compressed, which this path does not take", fix="send it as it is")

    # ------------------------------------------------------------------------------------------------------ its own life

    def _begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.service.loop_thread = threading.get_ident()
        self._timer = self._loop.call_later(_SWEEP_S, self._sweep)

    def _sweep(self) -> None:
        """Every second: end requests that take too long to come, and bring the counts together."""
        assert self._loop is not None
        now = time.monotonic()
        for task, until in self._reading.items():
            if now > until and task not in self._late:
                self._late.add(task)
                task.cancel()
        self.service.synchronise()
        self._timer = self._loop.call_later(_SWEEP_S, self._sweep)

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._begin()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def close(self) -> None:
        """End the threads and the log; what is not sealed is sealed by whoever opens the log next."""
        if self._timer is not None:
            self._timer.cancel()
        self._scoring.shutdown()
        self._admin.shutdown()
        if self.service.log is not None:
            self.service.log.close(seal=False)
        self.service.synchronise()


def _too_large(limit: int) -> HttpProblem:
    return HttpProblem(413, f"a body may have {limit:,} bytes", fix="send the records in several requests")


def create_app(package: str | Path | None = None, *, name: str | None = None) -> Application:
    """The application for a package, without processes, log or keys: for a server or a test of one's own.

    Parameters
    ----------
    package
        Its folder; if not given, what the environment variable `MLWRIGHT_PACKAGE` says, so that a server can be told
        `uvicorn --factory mlwright.serving:create_app`.
    name
        Under which clients ask for the model.

    Raises
    ------
    PackageDamaged, PackageTooNew
        If it cannot be loaded.
    """
    folder = Path(package or os.environ["MLWRIGHT_PACKAGE"])
    return Application(Service(Served.load(folder, name=name or "model")))
