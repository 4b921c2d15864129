"""What is sent over HTTP is answered as `Model.predict` answers it."""

from __future__ import annotations

import json
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.made import made
from tests.serving.servers import Running, running

from mlwright.spec import Task


def records(task: Task, rows: int = 40) -> list[dict[str, Any]]:
    """Rows of the table of a task, as clients send them."""
    one = made(task)
    return one.frame[:rows].drop(one.model.target).to_dicts()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_answers_over_http_are_those_of_the_model(task: Task, packages: dict[Task, Path]) -> None:
    model, asked = made(task).model, records(task)
    expected = model.predict(made(task).frame[: len(asked)])
    with running(packages[task]) as server:
        several = server.post(asked).json()
        singles = [server.post(record).json() for record in asked[:5]]
    assert len(several) == len(asked)
    for answers in (several, singles):
        for i, answer in enumerate(answers):
            if task == "regression":
                assert answer["prediction"] == pytest.approx(expected.prediction[i], rel=1e-9)
                assert expected.low is not None
                assert answer["interval_low"] == pytest.approx(expected.low[i], rel=1e-9)
            else:
                assert answer["prediction"] == expected.decided()[i]
                shares = list(answer["probabilities"].values())
                assert np.allclose(shares, expected.probabilities[i], rtol=1e-9, atol=1e-12)


def test_every_answer_has_an_id_of_its_own_and_the_version(server: Running) -> None:
    version = server.client.get("/").json()["version"]
    answers = [server.post(record).json() for record in records("binary", 5)] + server.post(records("binary", 5)).json()
    assert len({answer["id"] for answer in answers}) == 10
    assert {answer["version"] for answer in answers} == {version}


def test_a_client_may_name_the_answers(server: Running) -> None:
    one, *two = records("binary", 3)
    assert server.post(one, **{"x-request-id": "order 7"}).json()["id"] == "order 7"
    assert [a["id"] for a in server.post(two, **{"x-request-id": "o7"}).json()] == ["o7-0", "o7-1"]
    for unfit in ("x" * 129, "a\tb", "h\u00e9"):
        assert server.post(one, **{"x-request-id": unfit.encode("latin-1")}).status_code == 400  # type: ignore[arg-type]


def test_reasons_are_given_where_they_are_asked_for(server: Running) -> None:
    (record,) = records("binary", 1)
    assert "reasons" not in server.post(record).json()
    reasons = server.post(record, "/predict?reasons=2").json()["reasons"]
    assert 1 <= len(reasons) <= 2
    assert {reason["column"] for reason in reasons} <= set(record)
    assert server.post(record, "/predict?reasons=many").status_code == 400
    assert server.post(record, "/predict?resons=2").status_code == 400


def test_many_rows_are_answered_as_each_of_them_alone(server: Running) -> None:
    asked = records("binary", 500) * 3  # more than the event loop takes
    many = server.post(asked).json()
    few = server.post(asked[:100]).json()
    assert [a["probabilities"] for a in many[:100]] == [a["probabilities"] for a in few]
    assert many[0]["probabilities"] == pytest.approx(server.post(asked[0]).json()["probabilities"], rel=1e-12)
    assert len(many) == 1500


def test_an_empty_list_has_an_empty_answer(server: Running) -> None:
    assert server.post([]).json() == []


def test_fields_that_no_column_has_are_left_alone(server: Running) -> None:
    (record,) = records("binary", 1)
    more = record | {"shoe size": 41, "nested": {"a": [1, {"b": None}]}}
    assert server.post(more).json()["probabilities"] == server.post(record).json()["probabilities"]


def test_the_curl_line_that_the_command_prints_works(server: Running) -> None:
    assert server.curl.startswith(f"curl {server.url}/predict ")
    done = subprocess.run(server.curl + " -s", shell=True, capture_output=True, check=True)
    assert json.loads(done.stdout)["prediction"] in {"yes", "no"}


def test_many_clients_at_once_get_each_their_own_answer(server: Running) -> None:
    asked = records("binary", 16)
    expected = [answer["probabilities"] for answer in server.post(asked).json()]
    found: list[list[Any]] = [[] for _ in asked]

    def ask(number: int) -> None:
        for _ in range(30):
            found[number].append(server.post(asked[number]).json()["probabilities"])

    clients = [threading.Thread(target=ask, args=[number]) for number in range(len(asked))]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    for answers, right in zip(found, expected, strict=True):
        assert len(answers) == 30
        assert all(answer == pytest.approx(right, rel=1e-12) for answer in answers)
