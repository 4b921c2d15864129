"""The protocols that a service speaks: each is a function from the service to its routes, in a plain dictionary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlwright.serving.http import Route
from mlwright.serving.protocols import admin, documents, inference, mlflow, own, sagemaker, vertex
from mlwright.serving.service import Service

#: By the name under which it is switched on. Two may share a route, but not have different ones on one path.
PROTOCOLS: dict[str, Callable[[Service], Sequence[Route]]] = {
    "mlwright": own.routes,
    "documents": documents.routes,
    "admin": admin.routes,
    "inference": inference.routes,
    "sagemaker": sagemaker.routes,
    "mlflow": mlflow.routes,
    "vertex": vertex.routes,
}
