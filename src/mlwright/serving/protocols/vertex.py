"""What Vertex AI asks of a container: a health and a predict route at the paths that its environment variables say.

References
----------
cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mlwright.serving.http import JSON, HttpProblem, Request, Response, Route
from mlwright.serving.protocols.rows import (
    decoded,
    leave_loop_if_large,
    predictions,
    raise_if_unrelated,
    reasons_asked,
    records_of_list,
)
from mlwright.serving.service import Service

HEALTH, PREDICT = "AIP_HEALTH_ROUTE", "AIP_PREDICT_ROUTE"


class _Body(msgspec.Struct):
    instances: list[Any]
    parameters: dict[str, Any] | None = None


_DECODER = msgspec.json.Decoder(_Body)


def routes(service: Service, environ: Mapping[str, str] = os.environ) -> Sequence[Route]:  # noqa: ARG001
    """The two routes; none outside Vertex AI. Where another protocol has the same path, these take its place."""
    if PREDICT not in environ:
        return ()
    predict_route = Route(
        method="POST",
        path=environ[PREDICT],
        handler=predict,
        content_types=frozenset({JSON}),
        problem=error_response,
        takes_over=True,
    )
    health_route = Route(
        method="GET",
        path=environ.get(HEALTH, "/health"),
        handler=health,
        kind="open",
        problem=error_response,
        takes_over=True,
    )
    return (predict_route, health_route)


def health(request: Request, service: Service) -> Response:  # noqa: ARG001
    """200 when requests may be sent, else 503; the body does not count."""
    return Response.of({"ready": service.ready}, status=200 if service.ready else 503)


def predict(request: Request, service: Service) -> Response:
    """`{"instances": [...], "parameters": {...}}` to `{"predictions": [...]}`: one prediction an instance."""
    leave_loop_if_large(service, request.body)
    body = decoded(request.body, _DECODER)
    reasons = reasons_asked(body.parameters, where="parameters")
    columns = service.current.schema.names
    records = records_of_list(body.instances, columns, where="instances")
    raise_if_unrelated(records, columns)
    return Response.of({"predictions": predictions(service.answer(records, reasons=reasons))})


def error_response(problem: HttpProblem) -> Response:
    """`{"error": "..."}`; what is wrong in an instance is 400."""
    status = 400 if problem.status == 422 else problem.status
    return Response.of({"error": problem.sentence()}, status=status, headers=problem.headers)
