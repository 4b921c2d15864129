"""Requests that are not as they should be: the right status, a message that helps, no value and no path in it."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
from tests.serving.servers import Running, eventually, whole_answer
from tests.serving.test_predict import records

HEAD = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return records("binary", 1)[0] | {"age": 44.0, "city": "Rome", "visits": 3}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b'{"age": NaN}',
        b'{"age": Infinity}',
        b"\xff\xfe",
        b'{"age": 1}}',
        b"[{}",
        b"'a'",
        b"\x00",
    ],
)
def test_what_is_no_json_is_400(body: bytes, server: Running) -> None:
    answer = server.post(body)
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]["message"]


@pytest.mark.parametrize("nested", [b"[" * 100_000, b'{"a":' * 100_000, b'{"age":' + b"[" * 5000 + b"]" * 5000 + b"}"])
def test_deep_nesting_is_refused_and_the_server_goes_on(nested: bytes, server: Running) -> None:
    assert server.post(nested).status_code in {400, 422}
    assert server.client.get("/healthz").status_code == 200


@pytest.mark.parametrize("whole", [b"1", b'"text"', b"null", b"true", b"[1]", b"[[]]", b"[null]", b'[{"age": 1}, 2]'])
def test_json_that_is_no_record_is_422(whole: bytes, server: Running) -> None:
    answer = server.post(whole)
    assert answer.status_code == 422
    assert "error" in answer.json()


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("age", "very secret", "a whole number"),
        ("age", [44], "a whole number"),
        ("age", {"years": 44}, "a whole number"),
        ("visits", "very secret", "a whole number"),
        ("member", "very secret", "true or false"),
        ("member", 7, "true or false"),
        ("city", ["very secret"], "a text"),
        ("joined", "very secret", "a date"),
    ],
)
def test_a_wrong_type_is_422_and_named_without_its_value(
    field: str, value: Any, expected: str, server: Running, record: dict[str, Any]
) -> None:
    answer = server.post(record | {field: value})
    error = answer.json()["error"]
    assert answer.status_code == 422
    assert error["field"] == field
    assert expected in error["message"]
    assert "secret" not in answer.text
    among = server.post([record, record, record | {field: value}]).json()["error"]
    assert (among["field"], among["record"]) == (field, 2)


@pytest.mark.parametrize("number", ["1e308", "-1e308", "1e400", "123456789012345678901234567890", "-0.0", "5e-324"])
def test_huge_numbers_are_answered_or_refused(number: str, server: Running, record: dict[str, Any]) -> None:
    body = json.dumps(record | {"age": "AGE"}).replace('"AGE"', number).encode()
    answer = server.post(body)
    assert answer.status_code in {200, 400, 422}
    if answer.status_code == 200:
        assert 0 <= answer.json()["probabilities"]["yes"] <= 1


def test_an_unknown_path_is_404_and_another_verb_405_with_those_that_are_allowed(server: Running) -> None:
    for path in ("/nowhere", "/predict/", "/predict/x", "/%2e%2e/etc/passwd", "/docs/../predict"):
        assert server.client.get(path).status_code in {404, 405}
    for method in ("GET", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = server.client.request(method, "/predict")
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    answer = server.client.post("/healthz")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_head_is_get_without_its_body(server: Running) -> None:
    answer = server.client.head("/healthz")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(server.client.get("/healthz").content)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/csv", "application/jsonp"])
def test_another_media_type_is_415(kind: str, server: Running, record: dict[str, Any]) -> None:
    assert server.post(record, **{"content-type": kind}).status_code == 415


def test_parameters_of_the_media_type_do_not_matter(server: Running, record: dict[str, Any]) -> None:
    assert server.post(record, **{"content-type": "Application/JSON; charset=utf-8"}).status_code == 200
    assert server.post(record, **{"content-encoding": "gzip"}).status_code == 415


def test_too_many_records_are_413(server: Running) -> None:
    assert server.post([{}] * 2000).status_code == 200
    answer = server.post([{}] * 2001)
    assert answer.status_code == 413
    assert "2,000" in answer.json()["error"]["message"]


def test_a_body_of_100_mb_is_refused_before_it_is_sent(server: Running) -> None:
    with server.raw() as connection:
        begun = time.monotonic()
        connection.sendall(HEAD + b"content-length: 100000000\r\n\r\n")
        status, _, body = whole_answer(connection)
        assert status == 413
        assert b"1,000,000 bytes" in body
        assert time.monotonic() - begun < 1.5


def test_a_body_without_a_length_is_refused_once_it_is_too_large(server: Running) -> None:
    with server.raw() as connection:
        connection.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        for _ in range(16):
            connection.sendall(chunk)
        assert whole_answer(connection)[0] == 413


def test_a_client_that_sends_its_body_too_slowly_is_408(server: Running) -> None:
    with server.raw() as connection:
        connection.sendall(HEAD + b"content-length: 100\r\n\r\n")
        begun = time.monotonic()
        status, head, _ = whole_answer(connection)
        assert status == 408
        assert 1.5 < time.monotonic() - begun < 10
        assert b"connection: close" in head
        assert connection.recv(1) == b""


def test_a_head_that_never_ends_is_not_waited_for(server: Running) -> None:
    with server.raw() as slow, server.raw() as large:
        slow.sendall(HEAD)
        large.sendall(HEAD)
        with pytest.raises(OSError, match=r".*"):  # noqa: PT012 - the server closes while we send
            for number in range(20_000):
                large.sendall(b"x-%d: %s\r\n" % (number, b"y" * 1000))
        begun = time.monotonic()
        assert slow.recv(1) == b""
        assert time.monotonic() - begun < 10
    assert server.client.get("/healthz").status_code == 200


def test_half_a_request_leaves_no_trace(server: Running, record: dict[str, Any]) -> None:
    def gone() -> float:
        return server.counts().get('http_requests_total{path="/predict",status="499"}', 0)

    before = gone()
    for piece in (
        b"POST /pre",
        HEAD,
        HEAD + b"content-length: 100\r\n\r\n",
        HEAD + b'content-length: 100\r\n\r\n{"age"',
    ):
        with server.raw() as connection:
            connection.sendall(piece)
    eventually(lambda: gone() == before + 2)
    assert server.post(record).status_code == 200


def test_several_requests_may_come_in_one_piece(server: Running, record: dict[str, Any]) -> None:
    body = json.dumps(record).encode()
    one = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    with server.raw() as connection:
        connection.sendall(one + one)
        eventually(lambda: connection.recv(65_536, socket.MSG_PEEK).count(b"HTTP/1.1 200") == 2)


@pytest.mark.parametrize(
    "noise", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\x00" * 100, b"POST /predict HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_http_is_closed(noise: bytes, server: Running) -> None:
    with server.raw() as connection:
        connection.sendall(noise)
        received = connection.recv(65_536)
        assert received == b"" or received.startswith(b"HTTP/1.1 400")
    assert server.client.get("/healthz").status_code == 200
