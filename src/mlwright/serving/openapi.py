"""The OpenAPI document of a service, made from the schema of its model; no value of a training row is in it."""

from __future__ import annotations

from typing import Any

from mlwright._version import __version__
from mlwright.data import Column, written_class
from mlwright.models import Model
from mlwright.serving.examples import example_record
from mlwright.serving.service import LONGEST_ID, Served
from mlwright.serving.settings import Limits
from mlwright.spec import LogicalType

#: Up to so many levels are listed.
_MOST_LEVELS = 50
_JSON_TYPES: dict[LogicalType, str] = {"number": "number", "integer": "integer", "boolean": "boolean"}
_PROBLEMS = {
    400: "It is not JSON, or the query has something that is not known.",
    408: "The request did not come in time.",
    413: "The body has too many bytes or records.",
    415: "The body is something else than JSON.",
    422: "A record is not as the model wants it; the field is named.",
    503: "Too many requests are waiting, or the answer cannot be kept; ask again after `Retry-After` seconds.",
}


def openapi(served: Served, limits: Limits) -> dict[str, Any]:
    """The document as JSON, in OpenAPI 3.1."""
    model = served.scorer.model
    return {
        "openapi": "3.1.0",
        "info": {
            "title": served.name,
            "version": served.version,
            "description": f"Answers with a model that predicts `{model.target}` ({model.task}). mlwright {__version__}.",
        },
        "paths": {
            "/predict": {"post": _predict(model, limits)},
            "/healthz": {"get": _get("Whether the process answers at all.")},
            "/readyz": {"get": _get("Whether requests may be sent here.", {503: "The service is about to end."})},
            "/metrics": {"get": _get("Counts for Prometheus.", kind="text/plain")},
        },
        "components": {
            "schemas": {
                "Record": record_schema(served),
                "Answer": answer_schema(model),
                "Problem": _PROBLEM,
            }
        },
    }


def _predict(model: Model, limits: Limits) -> dict[str, Any]:
    record, answer = {"$ref": "#/components/schemas/Record"}, {"$ref": "#/components/schemas/Answer"}
    example = example_record(model)
    return {
        "operationId": "predict",
        "summary": "Answer one record, or a list of them with a list of answers.",
        "parameters": [
            {
                "name": "reasons",
                "in": "query",
                "description": "How many of the columns to name that moved each answer most.",
                "schema": {"type": "integer", "minimum": 0, "maximum": 9999},
            },
            {
                "name": "X-Request-Id",
                "in": "header",
                "description": "The id of the answer in the prediction log; made if it is not given.",
                "schema": {"type": "string", "pattern": "^[!-~]+$", "maxLength": LONGEST_ID},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": [record, {"type": "array", "items": record, "maxItems": limits.rows}]},
                    "examples": {"one": {"value": example}, "several": {"value": [example, example]}},
                }
            },
        },
        "responses": {
            "200": {
                "description": "One answer, or one for each record in their order.",
                "content": {"application/json": {"schema": {"oneOf": [answer, {"type": "array", "items": answer}]}}},
            },
            **{str(status): _problem(text) for status, text in _PROBLEMS.items()},
        },
    }


def _get(summary: str, problems: dict[int, str] | None = None, kind: str = "application/json") -> dict[str, Any]:
    fine = {"description": summary, "content": {kind: {"schema": {"type": "string" if "text" in kind else "object"}}}}
    return {
        "summary": summary,
        "responses": {"200": fine, **{str(status): _problem(text) for status, text in (problems or {}).items()}},
    }


def _problem(text: str) -> dict[str, Any]:
    return {
        "description": text,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


_PROBLEM = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "message": {"type": "string"},
                "field": {"type": "string", "description": "The field that it is about."},
                "record": {"type": "integer", "description": "The record that it is about, counted from 0."},
                "fix": {"type": "string", "description": "What to send instead."},
            },
        }
    },
}


def record_schema(served: Served) -> dict[str, Any]:
    """What a record is: a field for each column; those that always had a value are required."""
    strict = served.scorer.strict
    return {
        "type": "object",
        "properties": {column.name: _field(column, strict=strict) for column in served.schema},
        "required": [column.name for column in served.schema if not column.nullable],
        "additionalProperties": True,
    }


def _field(column: Column, *, strict: bool) -> dict[str, Any]:
    name = _JSON_TYPES.get(column.type, "string")
    field: dict[str, Any] = {"type": name}
    if column.type == "datetime":
        field |= {"format": "date-time", "description": "a date and time, such as 2026-05-17T10:11:12Z"}
    if column.type == "category" and column.levels is not None and len(column.levels) <= _MOST_LEVELS:
        known: dict[str, Any] = {"enum": list(column.levels)}
        # Others are answered too, unless the service is strict.
        field = known if strict else {"anyOf": [known, field]}
    if strict and column.is_number and column.low is not None and column.high is not None:
        field |= {"minimum": column.low, "maximum": column.high}
    return {"anyOf": [field, {"type": "null"}]} if column.nullable else field


def answer_schema(model: Model) -> dict[str, Any]:
    """What an answer is."""
    text, number = {"type": "string"}, {"type": "number"}
    fields: dict[str, Any] = {"id": {**text, "description": "What labels are joined by."}}
    required = ["id", "prediction", "version"]
    if model.classes:
        names = [written_class(value) for value in model.classes]
        share = {"type": "number", "minimum": 0, "maximum": 1}
        fields["prediction"] = {"enum": list(model.classes)}
        fields["probabilities"] = {
            "type": "object",
            "properties": dict.fromkeys(names, share),
            "required": names,
            "additionalProperties": False,
        }
        required.append("probabilities")
    else:
        fields["prediction"] = number
    if model.spread is not None:
        fields |= {"interval_low": number, "interval_high": number}
        required += ["interval_low", "interval_high"]
    reason = {"type": "object", "properties": {"column": text, "effect": number}, "required": ["column", "effect"]}
    fields |= {"version": text, "reasons": {"type": "array", "items": reason}}
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}
