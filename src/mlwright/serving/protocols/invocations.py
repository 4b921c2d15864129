"""`/invocations` and `/ping`, which SageMaker and MLflow share.

One handler answers both, and what a request looks like decides; what is said here is all there is to know:

- `text/csv`: rows of values in the order of the columns, or below a line that names them.
- `application/jsonlines`: a record on each line.
- `application/json`, or no type: an object with one of the fields `dataframe_split`, `dataframe_records`, `instances` and
  `inputs`, whose value is a list or an object, is MLflow's form. Since the values of a record are never lists or objects,
  any other object is a record and any list is a list of records.

MLflow's forms, and CSV, are answered `{"predictions": [...]}`; a record with an answer, a list with a list, lines with
lines. `Accept` asks for another: `text/csv`, `application/jsonlines`, `application/json`.

Errors are MLflow's: `{"error_code": ..., "message": ...}`, and 415 as a plain text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mlwright.serving.http import JSON, TEXT, HttpProblem, Request, Response, Route, encode_json
from mlwright.serving.protocols.rows import (
    Record,
    decoded,
    flat,
    leave_loop_if_large,
    predictions,
    raise_if_unrelated,
    reasons_asked,
    records_of_columns,
    records_of_csv,
    records_of_json_lines,
    records_of_list,
)
from mlwright.serving.service import Answered, Service, asked_id

CSV, LINES = b"text/csv", b"application/jsonlines"
_FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_ERROR_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}


class Asked(NamedTuple):
    """What a body holds.

    Attributes
    ----------
    shape
        How it is answered: as MLflow has it, with one answer, a list of them, or lines.
    """

    records: list[Record]
    shape: str
    reasons: int = 0


def invocations_routes() -> Sequence[Route]:
    """The routes that both have."""
    return (
        Route(method="GET", path="/ping", handler=ping, kind="open", problem=error_response),
        Route(method="POST", path="/invocations", handler=invocations, problem=error_response),
    )


def ping(request: Request, service: Service) -> Response:  # noqa: ARG001
    """200 and nothing when requests may be sent, else 503."""
    return Response(status=200 if service.ready else 503)


def invocations(request: Request, service: Service) -> Response:
    """Answer rows in any form that SageMaker or MLflow send."""
    kind, parameters = _content_type(request)
    accepted = _accepted(request)
    leave_loop_if_large(service, request.body)
    columns = service.current.schema.names
    if kind == CSV:
        header = {"present": True, "absent": False}.get(parameters.get("header", ""))
        asked = Asked(records_of_csv(request.body, columns, header=header), "predictions")
    elif kind == LINES:
        asked = Asked(records_of_json_lines(request.body, columns), "lines")
    else:
        asked = _of_json(decoded(request.body), columns)
    raise_if_unrelated(asked.records, columns)
    given = request.header(b"x-request-id")
    answered = service.answer(
        asked.records, reasons=asked.reasons, id=None if given is None else asked_id(given.decode("latin-1"))
    )
    body, content_type = _WRITERS[accepted or _USUAL[asked.shape]](answered, asked.shape)
    return Response(body, content_type=content_type, headers=((b"x-request-id", answered.id.encode()),))


# ------------------------------------------------------------------------------------------------------------- asking


def _content_type(request: Request) -> tuple[bytes, dict[str, str]]:
    """The media type and its parameters.

    Raises
    ------
    HttpProblem
        415 if one of them is not known here.
    """
    if request.header(b"content-encoding") not in {None, b"identity"}:
        raise HttpProblem(415, "the body is compressed, which this path does not take")
    kind = request.content_type() or JSON
    if kind not in {JSON, CSV, LINES}:
        listed = ", ".join(name.decode() for name in (JSON, CSV, LINES))
        raise HttpProblem(415, f"this path takes {listed}")
    rest = (request.header(b"content-type") or b"").decode("latin-1").lower().split(";")[1:]
    parameters = {name.strip(): value.strip(' "') for name, _, value in (part.partition("=") for part in rest)}
    if parameters.pop("charset", "utf-8") != "utf-8":
        raise HttpProblem(415, "this path takes UTF-8 only")
    if set(parameters) - ({"header"} if kind == CSV else set()):
        raise HttpProblem(415, "the content type has a parameter that is not known here")
    return kind, parameters


def _of_json(body: Any, columns: Sequence[str]) -> Asked:
    if isinstance(body, list):
        return Asked(records_of_list(body, columns, where="the body"), "list")
    if not isinstance(body, dict):
        raise HttpProblem(400, "the body is neither a record nor a list of them")
    forms = [name for name in _FORMS if isinstance(body.get(name), dict | list)]
    if not forms:
        return Asked([body], "one")
    if len(forms) > 1:
        raise HttpProblem(400, f"the body has more than one of {', '.join(_FORMS)}", fix="send exactly one")
    reasons = reasons_asked(body.get("params"), where="params")
    return Asked(_of_form(forms[0], body[forms[0]], columns), "predictions", reasons)


def _of_form(form: str, rows: Any, columns: Sequence[str]) -> list[Record]:
    if form == "dataframe_split":
        return _of_split(rows)
    if form == "dataframe_records":
        if not (isinstance(rows, list) and all(isinstance(row, dict) for row in rows)):
            raise HttpProblem(400, "`dataframe_records` is not a list of objects")
        return rows
    if isinstance(rows, dict):
        return records_of_columns(rows, where=form)
    return records_of_list(rows, columns, where=form)


def _of_split(split: Any) -> list[Record]:
    """A frame in pieces: `columns`, `data`, and an `index` that nobody needs."""
    names = split.get("columns") if isinstance(split, dict) else None
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise HttpProblem(400, "`dataframe_split` has no list of names `columns`")
    return records_of_list(split.get("data"), names, where="dataframe_split.data")


# ---------------------------------------------------------------------------------------------------------- answering


def _json(answered: Answered, shape: str) -> tuple[bytes, bytes]:
    answers = predictions(answered)
    if shape == "one":
        return encode_json(answers[0]), JSON
    return encode_json({"predictions": answers} if shape == "predictions" else answers), JSON


def _lines(answered: Answered, shape: str) -> tuple[bytes, bytes]:  # noqa: ARG001
    return b"".join(encode_json(answer) + b"\n" for answer in predictions(answered)), LINES


def _csv(answered: Answered, shape: str) -> tuple[bytes, bytes]:  # noqa: ARG001
    """The columns of `mlwright predict` without a line of names, as SageMaker has it."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        (encode_json(value).decode() if isinstance(value, bool) else value for value in flat(answer).values())
        for answer in answered.answers
    )
    return text.getvalue().encode(), CSV + b"; charset=utf-8"


_WRITERS: dict[bytes, Callable[[Answered, str], tuple[bytes, bytes]]] = {JSON: _json, LINES: _lines, CSV: _csv}
_USUAL = {"predictions": JSON, "one": JSON, "list": JSON, "lines": LINES}


def _accepted(request: Request) -> bytes | None:
    """The type that the client likes best; None if any will do.

    Raises
    ------
    HttpProblem
        406 if it takes none that is here.
    """
    header = request.header(b"accept")
    if not header:
        return None
    liked = sorted(map(_liking, header.lower().split(b",")), key=lambda pair: -pair[1])
    for kind, weight in liked:
        if weight > 0 and kind in _WRITERS:
            return kind
        if weight > 0 and kind in {b"*/*", b"application/*"}:
            return None
    listed = ", ".join(kind.decode() for kind in _WRITERS)
    raise HttpProblem(406, f"answers come as {listed}")


def _liking(entry: bytes) -> tuple[bytes, float]:
    kind, *parameters = (part.strip() for part in entry.split(b";"))
    weights = [part[2:] for part in parameters if part.startswith(b"q=")]
    try:
        return kind, float(weights[0]) if weights else 1.0
    except ValueError:
        return kind, 0.0


def error_response(problem: HttpProblem) -> Response:
    """MLflow's form of an error, and its statuses: what is wrong in a record is 400 there."""
    if problem.status == 415:
        return Response(problem.sentence().encode(), status=415, content_type=TEXT, headers=problem.headers)
    status = 400 if problem.status == 422 else problem.status
    said = {"error_code": _ERROR_CODES.get(status, "BAD_REQUEST"), "message": problem.sentence()}
    return Response.of(said, status=status, headers=problem.headers)
