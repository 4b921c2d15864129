"""mlwright's own endpoints: answers, health, counts, and what is here."""

from __future__ import annotations

from collections.abc import Sequence

from mlwright.serving.http import JSON, HttpProblem, Request, Response, Route, encode_json
from mlwright.serving.metrics import series
from mlwright.serving.service import Service, asked_id

_PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"
_FINE = Response(b'{"status":"ok"}')


def routes(_: Service) -> Sequence[Route]:
    """`/predict`, health, `/metrics`, and `/`."""
    return (
        Route(method="POST", path="/predict", handler=predict, content_types=frozenset({JSON})),
        Route(method="GET", path="/healthz", handler=alive, kind="open"),
        Route(method="GET", path="/readyz", handler=ready, kind="open"),
        Route(method="GET", path="/metrics", handler=metrics, kind="open"),
        Route(method="GET", path="/", handler=here, kind="open"),
    )


def predict(request: Request, service: Service) -> Response:
    """Answer one record with one answer, or a list of them with a list; each has the id that labels are joined by."""
    reasons = _reasons(request) if request.raw_query else 0
    given = request.header(b"x-request-id")
    answered, several = service.answer_json(
        request.body, reasons=reasons, id=None if given is None else asked_id(given.decode("latin-1"))
    )
    parts = [
        b'{"id":' + encode_json(name) + b"," + encode_json(answer)[1:]
        for name, answer in zip(answered.ids(), answered.answers, strict=True)
    ]
    return Response(b"[" + b",".join(parts) + b"]" if several else parts[0])


def _reasons(request: Request) -> int:
    for name, value in request.query().items():
        if name != "reasons":
            raise HttpProblem(400, "the query has a field that is not known here", fix="`reasons` is the one that is")
        if not (value.isascii() and value.isdigit() and len(value) <= 4):
            raise HttpProblem(
                400, "`reasons` in the query is not a whole number", field="reasons", fix="e.g. ?reasons=3"
            )
        return int(value)
    return 0


def alive(*_: object) -> Response:
    """Whether the process answers at all."""
    return _FINE


def ready(_: Request, service: Service) -> Response:
    """Whether requests may be sent here: not before the model is loaded, and no more once the process is to end."""
    if not service.ready:
        raise HttpProblem(503, "the service is about to end", headers=((b"retry-after", b"1"),))
    said: dict[str, object] = {"status": "ready", "model": service.current.name, "version": service.current.version}
    if service.reloader is not None and service.reloader.failure is not None:
        failure = service.reloader.failure
        said["reload"] = {"outcome": failure.outcome, "at": failure.at, "why": failure.why}
    return Response.of(said)


def metrics(_: Request, service: Service) -> Response:
    """The counts of all workers, for Prometheus."""
    service.synchronise()
    current = service.current
    gauges = {
        series("mlwright_model_info", name=current.name, version=current.version): 1.0,
        "mlwright_model_loaded_timestamp_seconds": current.loaded.timestamp(),
    }
    return Response(service.metrics.text(gauges), content_type=_PROMETHEUS)


def here(_: Request, service: Service) -> Response:
    """What is here."""
    current = service.current
    return Response.of(
        {
            "model": current.name,
            "version": current.version,
            "task": current.scorer.model.task,
            "predicts": current.scorer.model.target,
            "loaded": current.loaded,
            "answer": "/predict",
            "documentation": "/docs",
            "openapi": "/openapi.json",
            "health": ["/healthz", "/readyz", "/metrics"],
        }
    )
