"""Whatever bytes come, the application answers with a status that says whose fault it is: never 500."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.serving.asgi import ask
from tests.serving.test_predict import records

from mlwright.serving import Application, Limits, Served, Service
from mlwright.spec import Task

TYPE = [(b"content-type", b"application/json")]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner))


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def app(request: pytest.FixtureRequest, packages: dict[Task, Path]) -> Application:
    return Application(Service(Served.load(packages[request.param], name="fuzzed"), limits=Limits(rows=50)))


@given(parts=st.lists(st.binary(max_size=200), min_size=1, max_size=4))
@example(parts=[b"[" * 200_000])
@example(parts=[b'{"age":' * 50_000])
@example(parts=[b'{"age":"\\ud800"}'])
@example(parts=[b'{"age":' + b"9" * 5000 + b"}"])
@example(parts=[b'{"a":1}' + b" " * 300_000])
def test_arbitrary_bytes_never_end_in_500(parts: list[bytes], app: Application) -> None:
    sent = ask(app, *parts, headers=TYPE)
    assert sent.status in {200, 400, 413, 422}
    json.loads(sent.body)
    assert sent.headers[b"content-length"] == b"%d" % len(sent.body)


@given(data=st.data())
def test_arbitrary_json_in_the_fields_never_ends_in_500(data: st.DataObject, app: Application) -> None:
    names = app.service.current.schema.names
    record = st.dictionaries(st.sampled_from(names) | st.text(max_size=5), VALUES)
    whole: Any = data.draw(record | st.lists(record, max_size=60) | VALUES)
    body = json.dumps(whole, ensure_ascii=data.draw(st.booleans())).encode("utf-8", "surrogatepass")
    sent = ask(app, body, headers=TYPE, query=data.draw(st.sampled_from([b"", b"reasons=2"])))
    answer = json.loads(sent.body)
    assert sent.status in {200, 400, 413, 422}
    if sent.status == 200:
        assert isinstance(answer, list) == isinstance(whole, list)
        assert not isinstance(answer, list) or len(answer) == len(whole)
    else:
        assert answer["error"]["message"]


@given(secret=st.integers(10**11, 10**12).map(lambda n: f"zq{n}"), data=st.data())
def test_no_message_repeats_a_value(secret: str, data: st.DataObject, app: Application) -> None:
    names = app.service.current.schema.names
    wrong = st.sampled_from([secret, [secret], {secret: secret}, {"a": [secret]}])
    record = data.draw(st.fixed_dictionaries(dict.fromkeys(names, wrong)))
    sent = ask(app, json.dumps([record]).encode(), headers=TYPE)
    assert secret.encode() not in sent.body


@given(
    method=st.sampled_from(["GET", "POST", "HEAD", "PUT", "BREW"]),
    path=st.sampled_from(["/", "/predict", "/metrics", "/docs", "/readyz"]) | st.text(max_size=30).map("/".__add__),
    query=st.binary(max_size=60),
    headers=st.lists(
        st.tuples(st.sampled_from([b"content-type", b"content-length", b"x-request-id", b"x"]), st.binary(max_size=30))
    ),
)
def test_arbitrary_heads_never_end_in_500(
    method: str, path: str, query: bytes, headers: list[tuple[bytes, bytes]], app: Application
) -> None:
    sent = ask(app, b"{}", method=method, path=path, query=query, headers=headers)
    assert sent.status in {200, 400, 401, 403, 404, 405, 413, 415, 422}


def test_in_how_many_parts_a_body_comes_does_not_matter(packages: dict[Task, Path]) -> None:
    app = Application(Service(Served.load(packages["binary"], name="sales")))
    body = json.dumps(records("binary", 3)).encode()
    whole: Any = [answer["probabilities"] for answer in json.loads(ask(app, body, headers=TYPE).body)]
    for size in (1, 7, 100):
        parts = [body[i : i + size] for i in range(0, len(body), size)]
        answers = json.loads(ask(app, *parts, headers=TYPE).body)
        assert [answer["probabilities"] for answer in answers] == whole
