"""The Open Inference Protocol as its specification has it; with its own clients in test_clients.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.serving.protocols.conftest import Reply, Running

from mlwright.data import Column
from mlwright.serving.protocols.inference import datatype_of
from mlwright.spec import LogicalType

DATATYPES: dict[type, str] = {bool: "BOOL", int: "INT64", float: "FP64", str: "BYTES"}


def tensors(records: list[dict[str, Any]], *, nested: bool = False) -> list[dict[str, Any]]:
    """A tensor for each column."""
    made = []
    for name in records[0]:
        values = [record[name] for record in records]
        kind = next((type(value) for value in values if value is not None), str)
        shape, data = ([len(values), 1], [[value] for value in values]) if nested else ([len(values)], values)
        made.append({"name": name, "shape": shape, "datatype": DATATYPES[kind], "data": data})
    return made


def infer(server: Running, body: Any, **headers: str) -> Reply:
    return server.ask("POST", f"/v2/models/{server.name}/infer", body, **headers)


def rows(reply: Reply) -> list[dict[str, Any]]:
    """The outputs as rows."""
    outputs = reply.json["outputs"]
    assert {tuple(output["shape"]) for output in outputs} == {(len(outputs[0]["data"]),)}
    names = [output["name"] for output in outputs]
    return [dict(zip(names, row, strict=True)) for row in zip(*(o["data"] for o in outputs), strict=True)]


@pytest.mark.parametrize("nested", [False, True], ids=["n", "n by 1"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_tensor_for_each_column_is_answered_as_the_scorer_answers(
    task: str, nested: bool, request: pytest.FixtureRequest
) -> None:
    server: Running = request.getfixturevalue(task)
    reply = infer(server, {"inputs": tensors(server.records, nested=nested)})
    assert reply.status == 200
    assert reply.json["model_name"] == task
    assert reply.json["model_version"] == server.scorer.version
    assert rows(reply) == server.expected(server.records)


def test_one_matrix_is_answered_where_all_columns_are_numbers(regression: Running, binary: Running) -> None:
    matrix = [[record[name] for name in regression.columns] for record in regression.records]
    tensor = {"name": "input-0", "shape": [len(matrix), len(matrix[0])], "datatype": "FP64"}
    expected = regression.expected(regression.records)
    assert rows(infer(regression, {"inputs": [{**tensor, "data": matrix}]})) == expected
    assert rows(infer(regression, {"inputs": [{**tensor, "data": [v for row in matrix for v in row]}]})) == expected

    width = len(binary.columns)
    refused = infer(binary, {"inputs": [{"name": "x", "shape": [1, width], "datatype": "FP64", "data": [1.0] * width}]})
    assert refused.status == 400
    assert "numbers" in refused.json["error"]


def test_the_metadata_names_every_tensor_that_is_taken_and_given(binary: Running, regression: Running) -> None:
    metadata = binary.ask("GET", "/v2/models/binary").json
    assert metadata["name"] == "binary"
    assert metadata["versions"] == [binary.scorer.version]
    assert [tensor["name"] for tensor in metadata["inputs"]] == binary.columns
    assert {"name": "city", "datatype": "BYTES", "shape": [-1]} in metadata["inputs"]
    assert {"name": "member", "datatype": "BOOL", "shape": [-1]} in metadata["inputs"]
    assert [(tensor["name"], tensor["datatype"]) for tensor in metadata["outputs"]] == [
        ("prediction", "BYTES"),
        ("probability_no", "FP64"),
        ("probability_yes", "FP64"),
    ]
    numbers = regression.ask("GET", "/v2/models/regression").json["outputs"]
    assert [tensor["name"] for tensor in numbers] == ["prediction", "interval_low", "interval_high"]
    assert binary.ask("GET", f"/v2/models/binary/versions/{binary.scorer.version}").json == metadata


@pytest.mark.parametrize(
    ("kind", "nullable", "datatype"),
    [
        ("number", True, "FP64"),
        ("integer", False, "INT64"),
        ("integer", True, "FP64"),
        ("boolean", True, "BOOL"),
        ("category", False, "BYTES"),
        ("datetime", False, "BYTES"),
    ],
)
def test_a_column_is_announced_in_a_datatype_that_can_hold_it(kind: LogicalType, nullable: bool, datatype: str) -> None:
    assert datatype_of(Column(name="x", type=kind, nullable=nullable)) == datatype


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_says_what_it_is(binary: Running, path: str) -> None:
    said = binary.ask("GET", path).json
    assert set(said) == {"name", "version", "extensions"}
    assert said["extensions"] == ["binary_tensor_data"]


def test_health_is_told_for_the_server_and_for_the_model(binary: Running) -> None:
    assert binary.ask("GET", "/v2/health/live").json == {"live": True}
    assert binary.ask("GET", "/v2/health/ready").json == {"live": True, "ready": True}
    assert binary.ask("GET", "/v2/models/binary/ready").json == {"name": "binary", "ready": True}
    version = binary.scorer.version
    assert binary.ask("GET", f"/v2/models/binary/versions/{version}/ready").status == 200


def test_the_id_is_echoed_and_is_that_of_the_answer(binary: Running) -> None:
    body = {"id": "order 42", "inputs": tensors(binary.records[:1])}
    reply = infer(binary, body)
    assert reply.json["id"] == reply.headers["x-request-id"] == "order 42"
    without = infer(binary, {"inputs": body["inputs"]})
    assert "id" not in without.json
    assert without.headers["x-request-id"]


def test_only_the_outputs_that_are_asked_for_are_given_in_their_order(binary: Running) -> None:
    asked = [{"name": "probability_yes"}, {"name": "prediction"}]
    reply = infer(binary, {"inputs": tensors(binary.records[:3]), "outputs": asked})
    assert [output["name"] for output in reply.json["outputs"]] == ["probability_yes", "prediction"]


def test_missing_values_are_nulls_or_columns_left_out(binary: Running) -> None:
    record = {**binary.records[0], "age": None, "city": None}
    expected = binary.expected([record])
    nulls = [
        {**tensor, "datatype": "FP64" if tensor["name"] == "age" else tensor["datatype"]}
        for tensor in tensors([record])
    ]
    assert rows(infer(binary, {"inputs": nulls})) == expected
    assert rows(infer(binary, {"inputs": [t for t in nulls if t["name"] not in {"age", "city"}]})) == expected


def test_a_number_may_come_in_any_datatype_of_numbers(regression: Running) -> None:
    record = dict.fromkeys(regression.columns, 0)
    for datatype in ("INT8", "UINT64", "INT32", "FP16", "FP32", "FP64"):
        inputs = [{"name": name, "shape": [1], "datatype": datatype, "data": [0]} for name in record]
        assert rows(infer(regression, {"inputs": inputs})) == regression.expected([record])


def test_no_rows_are_answered_with_no_rows(regression: Running) -> None:
    inputs = [{"name": name, "shape": [0], "datatype": "FP64", "data": []} for name in regression.columns]
    reply = infer(regression, {"inputs": inputs})
    assert reply.status == 200
    assert [output["shape"] for output in reply.json["outputs"]] == [[0]] * 3


def test_many_rows_are_answered_as_few_are(regression: Running) -> None:
    records = regression.records * 60  # beyond what is answered in the event loop, and in a body that is read elsewhere
    reply = infer(regression, {"inputs": tensors(records)})
    got = rows(reply)
    assert len(got) == len(records)
    assert got == regression.expected(records)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/models/other", 404),
        ("/v2/models/other/ready", 404),
        ("/v2/models/binary/versions/1", 404),
        ("/v2/models/binary/versions/1/ready", 404),
    ],
)
def test_an_unknown_model_or_version_is_not_found(binary: Running, path: str, status: int) -> None:
    reply = binary.ask("GET", path)
    assert (reply.status, set(reply.json)) == (status, {"error"})
    assert isinstance(reply.json["error"], str)


def test_inference_with_an_unknown_model_or_version_is_not_found(binary: Running) -> None:
    body = {"inputs": tensors(binary.records[:1])}
    assert binary.ask("POST", "/v2/models/other/infer", body).status == 404
    assert binary.ask("POST", "/v2/models/binary/versions/1/infer", body).status == 404
    assert binary.ask("POST", f"/v2/models/binary/versions/{binary.scorer.version}/infer", body).status == 200


def bad_bodies(good: list[dict[str, Any]]) -> dict[str, Any]:
    first, *rest = good
    return {
        "no JSON": b"{",
        "no object": [],
        "no inputs": {},
        "inputs empty": {"inputs": []},
        "inputs no list": {"inputs": "secret"},
        "no name": {"inputs": [{key: value for key, value in first.items() if key != "name"}, *rest]},
        "unknown column": {"inputs": [*good, {**first, "name": "secret"}]},
        "column twice": {"inputs": [*good, first]},
        "wrong type in a record": {"inputs": [{**first, "datatype": "BYTES", "data": ["secret"]}, *rest]},
        "different lengths": {"inputs": [{**first, "shape": [2], "data": first["data"] * 2}, *rest]},
        "matrix for one column": {"inputs": [{**first, "shape": [1, 2], "data": first["data"] * 2}, *rest]},
        "unknown output": {"inputs": good, "outputs": [{"name": "secret"}]},
        "classification": {"inputs": good, "outputs": [{"name": "prediction", "parameters": {"classification": 2}}]},
        "long id": {"inputs": good, "id": "x" * 200},
    }


@pytest.mark.parametrize("case", bad_bodies([{"data": []}]))
def test_a_bad_request_says_why_in_one_text_and_repeats_no_value(regression: Running, case: str) -> None:
    reply = infer(regression, bad_bodies(tensors(regression.records[:1]))[case])
    assert reply.status == 400
    assert set(reply.json) == {"error"}
    assert len(reply.json["error"]) > 10
    assert "secret" not in reply.json["error"]


def test_an_outcome_of_another_media_type_or_verb_is_refused(binary: Running) -> None:
    assert infer(binary, b"a,b", content_type="text/csv").status == 415
    assert infer(binary, b"xx", content_type="application/json", content_encoding="gzip").status == 415
    assert binary.ask("GET", "/v2/models/binary/infer").status == 405


def binary_request(record: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """A record of numbers as bytes behind the JSON."""
    content = {name: np.float32(value).tobytes() for name, value in record.items()}
    inputs = [
        {"name": name, "shape": [1], "datatype": "FP32", "parameters": {"binary_data_size": len(part)}}
        for name, part in content.items()
    ]
    return {"inputs": inputs}, b"".join(content.values())


def test_tensors_may_come_and_go_as_bytes(regression: Running) -> None:
    import json

    record = {name: float(np.float32(value)) for name, value in regression.records[0].items()}
    asked, behind = binary_request(record)
    outputs = [{"name": "prediction", "parameters": {"binary_data": True}}, {"name": "interval_low"}]
    head = json.dumps({**asked, "outputs": outputs}).encode()
    reply = infer(
        regression,
        head + behind,
        content_type="application/octet-stream",
        inference_header_content_length=str(len(head)),
    )
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/octet-stream"
    length = int(reply.headers["inference-header-content-length"])
    prediction, low = json.loads(reply.body[:length])["outputs"]
    (expected,) = regression.expected([record])
    assert prediction["parameters"] == {"binary_data_size": 8}
    assert "data" not in prediction
    assert np.frombuffer(reply.body[length:], "<f8").tolist() == [expected["prediction"]]
    assert low["data"] == [expected["interval_low"]]


@pytest.mark.parametrize("length", ["0", "99999999", "-1", "many", "5"])
def test_a_wrong_length_of_the_json_is_a_bad_request(regression: Running, length: str) -> None:
    reply = infer(
        regression,
        b'{"inputs": []}',
        content_type="application/octet-stream",
        inference_header_content_length=length,
    )
    assert reply.status == 400
    assert set(reply.json) == {"error"}
