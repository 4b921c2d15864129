"""The application by itself: overload, the scoring thread, another server's way to begin, routes that cannot be."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest
from tests.serving.asgi import ask, asked
from tests.serving.test_predict import records

from mlwright.serving import Application, HttpProblem, Limits, Request, Response, Route, Served, Service, create_app
from mlwright.serving.routing import Router
from mlwright.spec import Task

TYPE = [(b"content-type", b"application/json")]


def made(packages: dict[Task, Path], limits: Limits) -> Application:
    return Application(Service(Served.load(packages["binary"], name="sales"), limits=limits))


def test_requests_beyond_those_that_may_wait_for_the_thread_are_503(packages: dict[Task, Path]) -> None:
    app = made(packages, Limits(rows_inline=1, waiting=2))
    body = json.dumps(records("binary", 200)).encode()

    async def many() -> list[tuple[int, bytes | None]]:
        sent = await asyncio.gather(*(asked(app, [body], headers=TYPE) for _ in range(10)))
        return [(one.status, one.headers.get(b"retry-after")) for one in sent]

    answers = asyncio.run(many())
    assert answers.count((200, None)) == 2
    assert answers.count((503, b"1")) == 8
    assert app.service.metrics.total()["mlwright_overload_total"] == 8


def test_requests_beyond_those_in_hand_are_503_but_health_is_told(packages: dict[Task, Path]) -> None:
    app = made(packages, Limits(requests=1, rows_inline=1))
    body = json.dumps(records("binary", 200)).encode()

    async def three() -> list[int]:
        sent = await asyncio.gather(
            asked(app, [body], headers=TYPE),
            asked(app, [body], headers=TYPE),
            asked(app, [], method="GET", path="/healthz"),
        )
        return [one.status for one in sent]

    assert asyncio.run(three()) == [200, 503, 200]


def test_the_event_loop_is_free_while_many_rows_are_answered(packages: dict[Task, Path]) -> None:
    app = made(packages, Limits(rows_inline=10))
    served = app.service.current.scorer
    threads: list[int] = []
    answers = served.answers_of_json

    def noted(body: bytes, *, reasons: int = 0) -> object:
        threads.append(threading.get_ident())
        return answers(body, reasons=reasons)

    served.answers_of_json = noted  # type: ignore[method-assign, assignment]
    few, many = (json.dumps(records("binary", rows)).encode() for rows in (10, 11))
    assert {ask(app, few, headers=TYPE).status, ask(app, many, headers=TYPE).status} == {200}
    assert ask(app, few, headers=TYPE, query=b"reasons=1").status == 200
    assert threads[0] == threading.get_ident()
    assert threading.get_ident() not in threads[1:]
    assert len(threads) == 3


def test_another_server_makes_the_application_from_the_environment(
    packages: dict[Task, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLWRIGHT_PACKAGE", str(packages["regression"]))
    app = create_app()
    assert ask(app, json.dumps(records("regression", 1)[0]).encode(), headers=TYPE).status == 200
    assert json.loads(ask(app, method="GET", path="/").body)["task"] == "regression"


def test_a_request_keeps_the_model_that_it_began_with(packages: dict[Task, Path]) -> None:
    service = Service(Served.load(packages["binary"], name="sales"))
    app = Application(service)
    (record,) = records("binary", 1)
    body = json.dumps(record).encode()
    before = json.loads(ask(app, body, headers=TYPE).body)
    service.replace(Served.load(packages["multiclass"], name="wine"))
    after = json.loads(ask(app, json.dumps(records("multiclass", 1)[0]).encode(), headers=TYPE).body)
    assert before["version"] != after["version"]
    assert json.loads(ask(app, method="GET", path="/openapi.json").body)["info"]["title"] == "wine"
    missing = service.metrics.total
    service.synchronise()
    service.synchronise()
    assert missing() == missing()


def test_what_was_irregular_stays_counted_when_another_model_answers(packages: dict[Task, Path]) -> None:
    service = Service(Served.load(packages["binary"], name="sales"))
    (record,) = records("binary", 1)

    def missing() -> float:
        service.synchronise()
        return service.metrics.total().get('mlwright_missing_total{column="age"}', 0)

    for expected in (1, 2, 3):
        service.answer([record | {"age": None}])
        assert missing() == expected
        service.replace(Served.load(packages["binary"], name="sales"))
        assert missing() == expected


def test_an_unexpected_error_is_500_and_says_nothing_of_itself(
    packages: dict[Task, Path], caplog: pytest.LogCaptureFixture
) -> None:
    app = made(packages, Limits())

    def fails(request: Request, service: Service) -> Response:
        raise RuntimeError("secret detail")

    app._router = Router([Route(method="GET", path="/fails", handler=fails)])
    app._counts["/fails"] = app._elsewhere
    sent = ask(app, method="GET", path="/fails")
    assert sent.status == 500
    assert b"secret" not in sent.body
    assert "secret detail" in caplog.text


def nothing(request: Request, service: Service, **places: str) -> Response:
    return Response.of(places)


def route(path: str, method: str = "GET", *, takes_over: bool = False) -> Route:
    return Route(method=method, path=path, handler=nothing, takes_over=takes_over)


def test_places_in_a_path_are_whole_segments() -> None:
    router = Router(
        [route("/v2/models/{name}"), route("/v2/models/{name}/versions/{version}"), route("/v2/models/ready")]
    )
    assert router.find("GET", "/v2/models/sales")[1] == {"name": "sales"}
    assert router.find("GET", "/v2/models/sales/versions/3")[1] == {"name": "sales", "version": "3"}
    assert router.find("GET", "/v2/models/ready")[1] == {}
    for path in ("/v2/models/", "/v2/models", "/v2/models/a/b", "/v2/models/a/versions/"):
        with pytest.raises(HttpProblem) as caught:
            router.find("GET", path)
        assert caught.value.status == 404


def test_two_routes_on_one_path_are_refused_unless_one_takes_over() -> None:
    other = Route(method="GET", path="/ping", handler=nothing, kind="open")
    with pytest.raises(ValueError, match="two routes"):
        Router([route("/ping"), other])
    Router([route("/ping"), route("/ping")])  # the same one, which two protocols share
    ours, theirs = route("/ping"), route("/ping", takes_over=True)
    for order in ([ours, theirs], [theirs, ours]):
        assert Router(order).find("GET", "/ping")[0] is theirs
