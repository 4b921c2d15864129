"""What clients of MLflow's scoring server ask: `/ping`, `/health`, `/version` and `/invocations`.

References
----------
MLflow 3.17, `mlflow/pyfunc/scoring_server/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlwright._version import __version__
from mlwright.serving.http import Request, Response, Route
from mlwright.serving.protocols.invocations import error_response, invocations_routes
from mlwright.serving.service import Service


def routes(service: Service) -> Sequence[Route]:  # noqa: ARG001
    """The shared ones, `/health` and `/version`."""
    return (
        *invocations_routes(),
        Route(method="GET", path="/health", handler=health, kind="open", problem=error_response),
        Route(method="GET", path="/version", handler=version, kind="open", problem=error_response),
    )


def health(request: Request, service: Service) -> Response:  # noqa: ARG001
    """The same as `/ping`, with the empty line that MLflow sends."""
    return Response(b"\n", status=200 if service.ready else 503)


def version(request: Request, service: Service) -> Response:  # noqa: ARG001
    """The version of mlwright, as a bare text."""
    return Response(__version__.encode())
