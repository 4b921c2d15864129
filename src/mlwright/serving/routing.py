"""From a method and a path to a route: a dictionary for paths without places, segments for those with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from mlwright.serving.http import HttpProblem, Route

_NOWHERE: Mapping[str, str] = MappingProxyType({})
#: From methods to routes.
_Methods = dict[str, Route]


class Router:
    """Finds the route of a request.

    Raises
    ------
    ValueError
        If two different routes have the same method and path, and not one of them takes over.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._static: dict[str, _Methods] = {}
        self._patterns: dict[tuple[str, ...], _Methods] = {}
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        if "{" in route.path:
            methods = self._patterns.setdefault(tuple(route.path.split("/")), {})
        else:
            methods = self._static.setdefault(route.path, {})
        there = methods.get(route.method)
        if there is not None and there != route and there.takes_over == route.takes_over:
            raise ValueError(f"two routes have {route.method} {route.path}")
        if there is None or route.takes_over:
            methods[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]]:
        """The route, and what stands in the places of its path.

        Raises
        ------
        HttpProblem
            404 if no route has the path, 405 if none has the method.
        """
        places = _NOWHERE
        methods = self._static.get(path)
        if methods is None:
            methods, places = self._by_segments(path)
        route = methods.get(method)
        if route is None and method == "HEAD":
            route = methods.get("GET")
        if route is None:
            allowed = ", ".join(sorted(methods | dict.fromkeys(["HEAD"] if "GET" in methods else [])))
            raise HttpProblem(
                405, "this path has another method", fix=f"use {allowed}", headers=((b"allow", allowed.encode()),)
            )
        return route, places

    def _by_segments(self, path: str) -> tuple[_Methods, Mapping[str, str]]:
        segments = path.split("/")
        for pattern, methods in self._patterns.items():
            if len(pattern) == len(segments):
                places = {}
                for wanted, given in zip(pattern, segments, strict=True):
                    if wanted[:1] == "{" and given:
                        places[wanted[1:-1]] = given
                    elif wanted != given:
                        break
                else:
                    return methods, places
        raise HttpProblem(404, "there is nothing at this path", fix="GET / says what is here")
