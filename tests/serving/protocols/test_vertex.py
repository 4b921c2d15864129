"""Vertex AI's contract, with the paths that its environment variables choose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.serving.protocols.conftest import Running, served

from mlwright.serving import Service
from mlwright.serving.protocols.vertex import routes
from mlwright.serving.service import Served
from mlwright.spec import Task


@pytest.fixture(scope="module", params=["a path of its own", "paths that others have"])
def vertex(request: pytest.FixtureRequest, packages: dict[Task, Path]) -> Iterator[tuple[Running, str, str]]:
    predict, health = {
        "a path of its own": ("/v1/endpoints/1/deployedModels/2:predict", "/v1/endpoints/1/deployedModels/2"),
        "paths that others have": ("/predict", "/health"),
    }[request.param]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIP_PREDICT_ROUTE", predict)
        patch.setenv("AIP_HEALTH_ROUTE", health)
        for server in served("binary", packages["binary"]):
            yield server, predict, health


def without_id(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in answer.items() if name not in {"id", "version"}} for answer in answers]


def test_each_instance_has_a_prediction(vertex: tuple[Running, str, str]) -> None:
    server, predict, _ = vertex
    reply = server.ask("POST", predict, {"instances": server.records})
    assert reply.status == 200
    assert set(reply.json) == {"predictions"}
    assert without_id(reply.json["predictions"]) == server.expected(server.records)


def test_instances_may_be_values_in_order(vertex: tuple[Running, str, str]) -> None:
    server, predict, _ = vertex
    values = [[record[name] for name in server.columns] for record in server.records]
    reply = server.ask("POST", predict, {"instances": values, "parameters": {}})
    assert without_id(reply.json["predictions"]) == server.expected(server.records)


def test_parameters_may_ask_for_reasons(vertex: tuple[Running, str, str]) -> None:
    server, predict, _ = vertex
    body = {"instances": server.records[:1], "parameters": {"reasons": 1}}
    (prediction,) = server.ask("POST", predict, body).json["predictions"]
    assert len(prediction["reasons"]) == 1


def test_the_health_route_is_fine_when_the_model_is_ready(vertex: tuple[Running, str, str]) -> None:
    server, _, health = vertex
    assert server.ask("GET", health).status == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda records: {},
        lambda records: {"instances": records[0]},
        lambda records: {"instances": [["secret"]]},
        lambda records: {"instances": [{**records[0], "age": "secret"}]},
        lambda records: {"instances": records, "parameters": {"secret": 1}},
        lambda records: [records[0]],
        lambda records: b"{",
    ],
    ids=["no instances", "no list", "short row", "wrong value", "unknown parameter", "a list", "no JSON"],
)
def test_what_cannot_be_answered_is_an_error_in_one_text(
    vertex: tuple[Running, str, str], change: Callable[[list[dict[str, Any]]], Any]
) -> None:
    server, predict, _ = vertex
    reply = server.ask("POST", predict, change(server.records), content_type="application/json")
    assert reply.status == 400
    assert set(reply.json) == {"error"}
    assert isinstance(reply.json["error"], str)
    assert "secret" not in reply.json["error"]


def test_outside_vertex_there_are_no_such_routes(binary: Running) -> None:
    service = Service(Served(scorer=binary.scorer, name="model"))
    assert list(routes(service, {})) == []
    assert [route.path for route in routes(service, {"AIP_PREDICT_ROUTE": "/a"})] == ["/a", "/health"]
