"""Answers over HTTP: a model made into a service that platforms can call.

A package goes in; out comes an ASGI application (`create_app`) or a running server (`serve`). Start at `http.py` (a request,
a response, a route), `service.py` (the one object behind all routes) and `app.py` (from the server to a route and back);
`protocols/` has the routes, `server.py` the processes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.serving.app import Application, create_app
    from mlwright.serving.http import HttpProblem, Request, Response, Route
    from mlwright.serving.server import serve
    from mlwright.serving.service import Served, Service
    from mlwright.serving.settings import Limits, Settings

_HOMES = {
    "Application": "app",
    "HttpProblem": "http",
    "Limits": "settings",
    "Request": "http",
    "Response": "http",
    "Route": "http",
    "Served": "service",
    "Service": "service",
    "Settings": "settings",
    "create_app": "app",
    "serve": "server",
}

__all__ = [
    "Application",
    "HttpProblem",
    "Limits",
    "Request",
    "Response",
    "Route",
    "Served",
    "Service",
    "Settings",
    "create_app",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.serving.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.serving' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
