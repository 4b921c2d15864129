"""Calls that change the service; they want an admin key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mlwright.serving.http import JSON, HttpProblem, Request, Response, Route
from mlwright.serving.service import Service
from mlwright.serving.versions import VersionNotFound


class _Reload(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a call for another version.

    Attributes
    ----------
    package
        Its name beside the pointer that is served; what the pointer says already if it is not given.
    """

    package: str | None = None


_decode = msgspec.json.Decoder(_Reload).decode


def routes(service: Service) -> Sequence[Route]:  # noqa: ARG001 - a protocol may look at the service, this one need not
    """`POST /admin/reload` and what became of the last reload, `GET /admin/reload`."""
    return (
        Route(method="POST", path="/admin/reload", handler=reload, kind="admin", content_types=frozenset({JSON})),
        Route(method="GET", path="/admin/reload", handler=last, kind="admin"),
    )


def reload(request: Request, service: Service) -> Response:
    """Load another version beside the one that answers, and let it answer if it is good.

    With several workers, the one that is asked answers with the new version when this returns; the others follow within
    a second or so, since they watch the same place.
    """
    reloader = service.reloader
    if reloader is None:
        raise HttpProblem(503, "this service does not load other versions", fix="start it with `mlwright serve`")
    try:
        asked = _decode(request.body) if request.body.strip() else _Reload()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise HttpProblem(400, "the body is not as wanted", fix='send nothing, or {"package": "NAME"}') from error
    try:
        done = reloader.load(asked.package)
    except VersionNotFound as error:
        raise HttpProblem(404, error.what, field="package", fix=error.fix) from error
    if done.outcome == "failed":
        raise HttpProblem(422, f"{done.why}; version {done.version} goes on answering", field="package", fix=done.fix)
    return Response.of(_said(done))


def last(request: Request, service: Service) -> Response:  # noqa: ARG001
    """Which version answers in this worker, and why the last reload failed, if it did."""
    failure = None if service.reloader is None else service.reloader.failure
    return Response.of(
        {
            "version": service.current.version,
            "loaded": service.current.loaded,
            "failure": None if failure is None else _said(failure),
        }
    )


def _said(done: Any) -> dict[str, Any]:
    said = msgspec.to_builtins(done)
    return {name: value for name, value in said.items() if value != ""}
