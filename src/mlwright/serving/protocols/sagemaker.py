"""What SageMaker asks of a container: `/ping`, `/invocations`, and `/execution-parameters` for batch transform.

References
----------
docs.aws.amazon.com/sagemaker/latest/dg: `your-algorithms-inference-code.html`, `your-algorithms-batch-code.html`.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlwright.serving.http import Request, Response, Route
from mlwright.serving.protocols.invocations import error_response, invocations_routes
from mlwright.serving.service import Service

_CONCURRENT = 8
_MEBIBYTE = 2**20


def routes(service: Service) -> Sequence[Route]:  # noqa: ARG001
    """The shared ones, and `/execution-parameters`."""
    parameters = Route(
        method="GET",
        path="/execution-parameters",
        handler=execution_parameters,
        kind="open",
        problem=error_response,
    )
    return (*invocations_routes(), parameters)


def execution_parameters(request: Request, service: Service) -> Response:  # noqa: ARG001
    """How batch transform should send rows: many in one request, in bodies that are taken here."""
    return Response.of(
        {
            "MaxConcurrentTransforms": min(_CONCURRENT, service.limits.waiting),
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": max(1, min(100, service.limits.body_bytes // _MEBIBYTE)),
        }
    )
