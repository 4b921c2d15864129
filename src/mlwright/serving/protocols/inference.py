"""The Open Inference Protocol, version 2, over HTTP: what KServe, Triton's clients and MLServer's clients speak.

Inputs are one tensor a column, of shape [n] or [n, 1], in any datatype that can hold its values; or, where all columns are
numbers, one tensor of shape [n, columns] with the columns in the order of the model's metadata. Outputs are one tensor of
shape [n] for each column that `mlwright predict` writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from mlwright._version import __version__
from mlwright.data import Column, written_class
from mlwright.serving.http import JSON, HttpProblem, Request, Response, Route, encode_json
from mlwright.serving.protocols.rows import Record, decoded, flat, leave_loop_if_large
from mlwright.serving.protocols.tensors import BinaryBody, InputTensor, OutputTensor, Values, as_bytes, values_of
from mlwright.serving.service import Answered, Served, Service, asked_id

_BINARY = b"application/octet-stream"
#: The length of the JSON where bytes follow it.
_JSON_LENGTH = b"inference-header-content-length"
_DATATYPES = {"number": "FP64", "integer": "INT64", "boolean": "BOOL"}
_NUMBERS = frozenset(_DATATYPES)


class _AskedOutput(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Asked(msgspec.Struct):
    inputs: list[InputTensor]
    outputs: list[_AskedOutput] = []
    parameters: dict[str, Any] = {}
    id: str | None = None


_DECODER = msgspec.json.Decoder(_Asked)


def routes(service: Service) -> Sequence[Route]:  # noqa: ARG001
    """Health, metadata and inference; all that are about a model also with its version in the path."""
    made = [_open(path, handler) for path, handler in _ABOUT_SERVER.items()]
    for model in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        made += [
            _open(model, model_metadata),
            _open(f"{model}/ready", model_ready),
            Route(
                method="POST",
                path=f"{model}/infer",
                handler=infer,
                content_types=frozenset({JSON, _BINARY}),
                problem=error_response,
            ),
        ]
    return made


def _open(path: str, handler: Callable[..., Response]) -> Route:
    return Route(method="GET", path=path, handler=handler, kind="open", problem=error_response)


# -------------------------------------------------------------------------------------------------- health and metadata


def server_metadata(request: Request, service: Service) -> Response:  # noqa: ARG001
    """What answers here, and which extensions it knows."""
    return Response.of({"name": "mlwright", "version": __version__, "extensions": ["binary_tensor_data"]})


def live(request: Request, service: Service) -> Response:  # noqa: ARG001
    """Whether the process answers at all."""
    return Response.of({"live": True})


def ready(request: Request, service: Service) -> Response:  # noqa: ARG001
    """Whether requests may be sent here; the specification prints `live` here too, so both are there."""
    return Response.of({"live": True, "ready": service.ready}, status=200 if service.ready else 503)


_ABOUT_SERVER = {"/v2": server_metadata, "/v2/": server_metadata, "/v2/health/live": live, "/v2/health/ready": ready}


def model_ready(request: Request, service: Service, name: str, version: str | None = None) -> Response:  # noqa: ARG001
    """Whether the model answers."""
    _served(service, name, version)
    return Response.of({"name": name, "ready": service.ready}, status=200 if service.ready else 503)


def model_metadata(request: Request, service: Service, name: str, version: str | None = None) -> Response:  # noqa: ARG001
    """The tensors that the model takes and gives."""
    served = _served(service, name, version)
    return Response.of(
        {
            "name": served.name,
            "versions": [served.version],
            "platform": "mlwright",
            "inputs": [_metadata(column.name, datatype_of(column)) for column in served.schema],
            "outputs": [_metadata(output.name, output.datatype) for output in _outputs(served, [])],
        }
    )


def _metadata(name: str, datatype: str) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1]}


def datatype_of(column: Column) -> str:
    """In which a column can be sent, missing values too: of whole numbers none would be left for them."""
    return "FP64" if column.type == "integer" and column.nullable else _DATATYPES.get(column.type, "BYTES")


def _served(service: Service, name: str, version: str | None) -> Served:
    served = service.current
    if name != served.name:
        raise HttpProblem(404, "there is no model of this name", fix=f"the model is {served.name}")
    if version not in {None, served.version}:
        raise HttpProblem(404, "there is no such version of the model", fix=f"the version is {served.version}")
    return served


# ------------------------------------------------------------------------------------------------------------ inference


def infer(request: Request, service: Service, name: str, version: str | None = None) -> Response:
    """Answer the rows of the input tensors."""
    _served(service, name, version)
    leave_loop_if_large(service, request.body)
    asked, binary = _asked(request)
    records = _records(asked.inputs, binary, service.current)
    _check_outputs(asked.outputs, service.current)
    return _response(asked, service.answer(records, id=asked_id(asked.id)))


def _asked(request: Request) -> tuple[_Asked, BinaryBody]:
    """The JSON of a request, and what follows it."""
    said = request.header(_JSON_LENGTH)
    length = len(request.body)
    if said is not None:
        if not said.isdigit() or int(said) > length:
            raise HttpProblem(400, "Inference-Header-Content-Length is not the length of the JSON in the body")
        length = int(said)
    return decoded(request.body[:length], _DECODER), BinaryBody(request.body[length:])


def _records(inputs: Sequence[InputTensor], binary: BinaryBody, served: Served) -> list[Record]:
    schema = served.schema
    if not inputs:
        raise HttpProblem(400, "there are no inputs", fix="send a tensor for each column")
    values = [values_of(tensor, binary, where=f"inputs[{i}]") for i, tensor in enumerate(inputs)]
    binary.raise_if_more()
    if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] == len(schema) > 1:
        return _rows_of_matrix(values[0], list(schema))
    columns: dict[str, Values] = {}
    for i, (tensor, column) in enumerate(zip(inputs, values, strict=True)):
        if tensor.name not in schema or tensor.name in columns:
            raise HttpProblem(400, f"inputs[{i}] has not the name of a column, or has one that was there before")
        if len(tensor.shape) > 2 or tensor.shape[1:] not in ([], [1]):
            raise HttpProblem(400, f"inputs[{i}] is not of shape [n] or [n, 1]", fix="send a tensor for each column")
        columns[tensor.name] = column
    if len({len(column) for column in columns.values()}) > 1:
        raise HttpProblem(400, "the inputs are not of the same number of rows")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _rows_of_matrix(values: Values, columns: Sequence[Column]) -> list[Record]:
    if any(column.type not in _NUMBERS for column in columns):
        raise HttpProblem(
            400,
            "one tensor for all columns is for models whose columns are all numbers",
            fix="send one for each column",
        )
    names, width = [column.name for column in columns], len(columns)
    return [dict(zip(names, values[at : at + width], strict=True)) for at in range(0, len(values), width)]


def _check_outputs(outputs: Sequence[_AskedOutput], served: Served) -> None:
    names = served.answer_schema.names
    for i, one in enumerate(outputs):
        if one.name not in names:
            raise HttpProblem(400, f"outputs[{i}] has not the name of an output", fix=f"use {', '.join(names)}")
        if "classification" in one.parameters:
            raise HttpProblem(400, f"outputs[{i}] asks for the classification extension, which is not known here")


# ----------------------------------------------------------------------------------------------------------- the answer


def _response(asked: _Asked, answered: Answered) -> Response:
    served = answered.served
    outputs = {output.name: output for output in _outputs(served, [flat(answer) for answer in answered.answers])}
    wanted = asked.outputs or [_AskedOutput(name) for name in outputs]
    entries, behind = [], []
    for one in wanted:
        output = outputs[one.name]
        entry: dict[str, Any] = {"name": output.name, "shape": [len(output.values)], "datatype": output.datatype}
        if one.parameters.get("binary_data", asked.parameters.get("binary_data_output", False)):
            behind.append(as_bytes(output))
            entry["parameters"] = {"binary_data_size": len(behind[-1])}
        else:
            entry["data"] = output.values
        entries.append(entry)
    said = {"model_name": served.name, "model_version": served.version, "outputs": entries}
    text = encode_json(said if asked.id is None else {**said, "id": asked.id})
    headers = [(b"x-request-id", answered.id.encode())]
    if not behind:
        return Response(text, headers=headers)
    headers.append((_JSON_LENGTH, b"%d" % len(text)))
    return Response(b"".join([text, *behind]), content_type=_BINARY, headers=headers)


def _outputs(served: Served, answers: Sequence[dict[str, Any]]) -> list[OutputTensor]:
    """The columns of the answers as tensors; classes that are texts are BYTES."""
    made = []
    for column in served.answer_schema:
        datatype = "FP64"
        if column.type == "category":
            classes = {type(value) for value in served.scorer.model.classes}
            datatype = {frozenset({bool}): "BOOL", frozenset({int}): "INT64"}.get(frozenset(classes), "BYTES")
        values = [answer[column.name] for answer in answers]
        made.append(
            OutputTensor(column.name, datatype, [written_class(v) for v in values] if datatype == "BYTES" else values)
        )
    return made


def error_response(problem: HttpProblem) -> Response:
    """`{"error": "..."}`; what is wrong in a record is 400."""
    status = 400 if problem.status == 422 else problem.status
    return Response.of({"error": problem.sentence()}, status=status, headers=problem.headers)
