"""From errors to problems of HTTP: the status, and a message without values of rows, paths or code."""

from __future__ import annotations

import logging

from mlwright.features import NotJson, RecordInvalid
from mlwright.predictions import LogFull
from mlwright.serving.http import HttpProblem

logger = logging.getLogger(__name__)


def problem_of(error: Exception) -> HttpProblem:
    """What a client is told; what it is not told goes to the log of the process."""
    if isinstance(error, HttpProblem):
        return error
    if isinstance(error, RecordInvalid):
        status = 400 if isinstance(error, NotJson) else 422
        return HttpProblem(status, error.what, field=error.field, record=error.record, fix=error.fix)
    if isinstance(error, LogFull):
        logger.error("%s", error)
        return HttpProblem(
            503, "the answer could not be kept in the prediction log", headers=((b"retry-after", b"10"),)
        )
    logger.error("a request failed", exc_info=error)
    return HttpProblem(500, "the service failed on this request; its log has the details")
