"""`/invocations` and its companions, as SageMaker and MLflow send; with MLflow's own client in test_clients.py."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from tests.serving.protocols.conftest import Reply, Running

from mlwright._version import __version__


def invoke(server: Running, body: Any, **headers: str) -> Reply:
    return server.ask("POST", "/invocations", body, **headers)


def without_id(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert all(answer["id"] and answer["version"] for answer in answers)
    return [{name: value for name, value in answer.items() if name not in {"id", "version"}} for answer in answers]


def as_csv(records: list[dict[str, Any]], *, names: bool = False) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([list(records[0])] if names else [])
    for record in records:
        values = ["true" if v is True else "false" if v is False else v for v in record.values()]
        writer.writerow(["" if value is None else value for value in values])
    return text.getvalue().encode()


# ------------------------------------------------------------------------------------------------------------ SageMaker


def test_ping_is_empty_and_fine(binary: Running) -> None:
    reply = binary.ask("GET", "/ping")
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.parametrize("names", [False, True], ids=["in the order of the schema", "below their names"])
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_csv_is_answered_with_csv_if_that_is_accepted(task: str, names: bool, request: pytest.FixtureRequest) -> None:
    server: Running = request.getfixturevalue(task)
    reply = invoke(server, as_csv(server.records, names=names), content_type="text/csv", accept="text/csv")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/csv")
    lines = list(csv.reader(io.StringIO(reply.body.decode())))
    expected = server.expected(server.records)
    assert [line[0] for line in lines] == [str(row["prediction"]) for row in expected]
    assert [list(map(float, line[1:])) for line in lines] == [list(row.values())[1:] for row in expected]
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize(("header", "records"), [("present", 2), ("absent", 3)])
def test_the_content_type_may_say_whether_there_is_a_line_of_names(
    regression: Running, header: str, records: int
) -> None:
    body = as_csv([dict.fromkeys(regression.columns, n) for n in range(3)], names=False)
    if header == "present":
        body = as_csv(regression.records[:2], names=True)
    reply = invoke(regression, body, content_type=f"text/csv; header={header}")
    assert len(reply.json["predictions"]) == records


def test_a_record_is_answered_with_one_answer_and_a_list_with_a_list(binary: Running) -> None:
    record = binary.records[0]
    assert without_id([invoke(binary, record).json]) == binary.expected([record])
    assert without_id(invoke(binary, binary.records).json) == binary.expected(binary.records)
    values = [[record[name] for name in binary.columns] for record in binary.records]
    assert without_id(invoke(binary, values).json) == binary.expected(binary.records)


def test_a_body_without_a_type_is_json(binary: Running) -> None:
    assert invoke(binary, json.dumps(binary.records[0]).encode()).status == 200


def test_lines_are_answered_with_lines(binary: Running) -> None:
    body = b"\n".join(json.dumps(record).encode() for record in binary.records)
    reply = invoke(binary, body, content_type="application/jsonlines")
    assert reply.headers["content-type"] == "application/jsonlines"
    assert without_id([json.loads(line) for line in reply.body.splitlines()]) == binary.expected(binary.records)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/jsonlines", "application/jsonlines"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("*/*", "application/json"),
        ("TEXT/CSV", "text/csv; charset=utf-8"),
    ],
)
def test_accept_is_honoured(binary: Running, accept: str, content_type: str) -> None:
    reply = invoke(binary, {"instances": binary.records[:2]}, accept=accept)
    assert (reply.status, reply.headers["content-type"]) == (200, content_type)


def test_an_answer_that_nobody_can_give_is_not_acceptable(binary: Running) -> None:
    assert invoke(binary, binary.records[0], accept="image/png").status == 406
    assert invoke(binary, binary.records[0], accept="application/json;q=0").status == 406


def test_batch_transform_is_told_to_send_many_rows_within_the_limits(binary: Running) -> None:
    said = binary.ask("GET", "/execution-parameters").json
    assert set(said) == {"MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"}
    assert said["BatchStrategy"] == "MULTI_RECORD"
    assert said["MaxPayloadInMB"] * 2**20 <= 10_000_000


# --------------------------------------------------------------------------------------------------------------- MLflow


def forms(server: Running) -> dict[str, Any]:
    records, columns = server.records, server.columns
    values = [[record[name] for name in columns] for record in records]
    by_column = {name: [record[name] for record in records] for name in columns}
    return {
        "split": {"dataframe_split": {"index": list(range(len(values))), "columns": columns, "data": values}},
        "split in another order": {
            "dataframe_split": {"columns": columns[::-1], "data": [row[::-1] for row in values]}
        },
        "records": {"dataframe_records": records},
        "instances": {"instances": records},
        "instances, lists": {"instances": values},
        "instances, columns": {"instances": by_column},
        "inputs": {"inputs": by_column},
        "inputs, records": {"inputs": records},
        "inputs, lists": {"inputs": values},
        "with parameters": {"dataframe_records": records, "params": {}},
    }


FORMS = [
    "split",
    "split in another order",
    "records",
    "instances",
    "instances, lists",
    "instances, columns",
    "inputs",
    "inputs, records",
    "inputs, lists",
    "with parameters",
]


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_mlflow_is_answered_with_predictions(binary: Running, form: str) -> None:
    reply = invoke(binary, forms(binary)[form])
    assert reply.status == 200
    assert set(reply.json) == {"predictions"}
    assert without_id(reply.json["predictions"]) == binary.expected(binary.records)


def test_every_form_is_tested(binary: Running) -> None:
    assert list(forms(binary)) == FORMS


def test_csv_is_answered_with_predictions_unless_another_type_is_asked_for(binary: Running) -> None:
    reply = invoke(binary, as_csv(binary.records, names=True), content_type="text/csv; charset=UTF-8", accept="*/*")
    assert without_id(reply.json["predictions"]) == binary.expected(binary.records)


def test_not_a_number_in_a_frame_is_a_missing_value(binary: Running) -> None:
    record = binary.records[0]
    body = {"dataframe_split": {"columns": list(record), "data": [list({**record, "age": float("nan")}.values())]}}
    assert b"NaN" in json.dumps(body).encode()
    assert without_id(invoke(binary, body).json["predictions"]) == binary.expected([{**record, "age": None}])


def test_params_may_ask_for_reasons(binary: Running) -> None:
    reply = invoke(binary, {"dataframe_records": binary.records[:2], "params": {"reasons": 2}})
    assert [len(prediction["reasons"]) for prediction in reply.json["predictions"]] == [2, 2]


def test_health_and_version_are_as_mlflow_has_them(binary: Running) -> None:
    assert (binary.ask("GET", "/health").status, binary.ask("GET", "/health").body) == (200, b"\n")
    assert binary.ask("GET", "/version").body.decode() == __version__


BAD_FORMS = {
    "no JSON": b"{",
    "a number": 5,
    "two forms": {"instances": [], "inputs": []},
    "split without columns": {"dataframe_split": {"data": [[1]]}},
    "split with short rows": {"dataframe_split": {"columns": ["age", "city"], "data": [["secret"]]}},
    "split, a list": {"dataframe_split": [1]},
    "records, no objects": {"dataframe_records": [["secret"]]},
    "columns of different lengths": {"inputs": {"age": [1, 2], "city": ["secret"]}},
    "wrong value": {"dataframe_records": [{"age": "secret", "visits": 1}]},
    "unknown parameter": {"dataframe_records": [], "params": {"secret": 1}},
    "no column of the model": {"columns": ["age"], "data": [[1]]},
    "nothing": {},
    "no column in a line of names": {"dataframe_split": {"columns": ["secret"], "data": [[1]]}},
}


@pytest.mark.parametrize("body", BAD_FORMS.values(), ids=BAD_FORMS)
def test_what_cannot_be_answered_is_an_error_as_mlflow_has_them(binary: Running, body: Any) -> None:
    reply = invoke(binary, body)
    assert reply.status == 400
    assert set(reply.json) == {"error_code", "message"}
    assert reply.json["error_code"] == "BAD_REQUEST"
    assert "secret" not in reply.json["message"]


def test_the_record_that_is_wrong_is_named(binary: Running) -> None:
    good = binary.records[0]
    said = invoke(binary, {"instances": [good, {**good, "age": "old"}]}).json["message"]
    assert "record 1" in said
    assert "'age'" in said


@pytest.mark.parametrize(
    "content_type",
    ["application/xml", "text/csv; charset=latin-1", "application/json; flavor=split", "text/csv; label_size=1"],
)
def test_another_type_is_refused_in_plain_text(binary: Running, content_type: str) -> None:
    reply = invoke(binary, b"{}", content_type=content_type)
    assert reply.status == 415
    assert reply.headers["content-type"].startswith("text/plain")


def test_a_compressed_body_is_refused(binary: Running) -> None:
    assert invoke(binary, b"xx", content_type="text/csv", content_encoding="gzip").status == 415


def test_no_rows_are_answered_with_no_predictions(binary: Running) -> None:
    assert invoke(binary, {"dataframe_records": []}).json == {"predictions": []}
    assert invoke(binary, b"", content_type="text/csv").json == {"predictions": []}
