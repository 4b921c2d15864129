"""The OpenAPI document says what the service does, and the page shows it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from tests.models.made import made
from tests.serving.asgi import ask
from tests.serving.servers import Running
from tests.serving.test_predict import records

from mlwright.serving import Application, Served, Service
from mlwright.spec import Task

TYPE = [(b"content-type", b"application/json")]
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")


def document(app: Application) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(app, method="GET", path="/openapi.json").body)
    return found


def valid(value: Any, api: dict[str, Any], name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (the extra `api`)")
    schema = {**api, "$ref": f"#/components/schemas/{name}"}
    jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("strict", [False, True])
def test_records_and_answers_are_as_the_document_says(task: Task, strict: bool, packages: dict[Task, Path]) -> None:
    app = Application(Service(Served.load(packages[task], name="it", strict=strict)))
    api = document(app)
    example = api["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]["one"]["value"]
    for record in (example, *records(task, 5)):
        valid(record, api, "Record")
        sent = ask(app, json.dumps(record).encode(), headers=TYPE, query=b"reasons=2")
        assert sent.status == 200
        valid(json.loads(sent.body), api, "Answer")
    valid(json.loads(ask(app, b"[1]", headers=TYPE).body), api, "Problem")


@pytest.mark.parametrize("task", TASKS)
def test_the_example_is_nobodys_row(task: Task, packages: dict[Task, Path]) -> None:
    from mlwright.serving.examples import example_record

    example = example_record(made(task).model)
    assert list(example) == made(task).model.features
    rows = made(task).frame.select(list(example)).to_dicts()
    assert example not in rows


@pytest.mark.parametrize("strict", [False, True])
def test_fields_are_documented_as_they_are_taken(learned: Path, strict: bool) -> None:
    app = Application(Service(Served.load(learned, name="sales", strict=strict)))
    schema = document(app)["components"]["schemas"]["Record"]
    fields = schema["properties"]
    assert schema["required"] == ["visits", "member", "joined", "review"]
    assert {name for name in fields if '"null"' in json.dumps(fields[name])} == {"age", "city"}
    levels = {"enum": ["Bern", "Oslo", "Paris", "Rome"]}
    assert fields["city"]["anyOf"][0] == (levels if strict else {"anyOf": [levels, {"type": "string"}]})
    assert ("maximum" in fields["visits"]) == strict
    (record,) = records("binary", 1)
    for name in schema["required"]:
        for without in ({k: v for k, v in record.items() if k != name}, record | {name: None}):
            sent = ask(app, json.dumps(without).encode(), headers=TYPE)
            error = json.loads(sent.body)["error"]
            assert (sent.status, error["field"]) == (422, name)
            assert "missing" in error["message"]
    for unfamiliar in ({"city": "Atlantis"}, {"visits": 10_000}):
        sent = ask(app, json.dumps(record | unfamiliar).encode(), headers=TYPE)
        assert sent.status == (422 if strict else 200)
        assert b"Atlantis" not in sent.body
    if not strict:
        text = ask(app, method="GET", path="/metrics").body.decode()
        assert 'mlwright_unseen_levels_total{column="city"} 1\n' in text
        assert 'mlwright_out_of_range_total{column="visits"} 1\n' in text


def test_the_page_asks_for_nothing_from_elsewhere(server: Running) -> None:
    page = server.client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "innerHTML" not in page.text


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_request_can_be_tried_on_the_page(server: Running, browser: Any, width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    messages: list[str] = []
    tab.on("console", lambda message: messages.append(message.text))
    tab.goto(f"{server.url}/docs")
    tab.wait_for_selector("#fields tr")
    assert tab.locator("h1").inner_text() == "binary"
    tab.click("#send")
    tab.wait_for_selector("#status.good")
    assert '"prediction"' in tab.locator("#answer").inner_text()
    assert tab.locator("#curl").inner_text().startswith(f"curl '{server.url}/predict?reasons=3'")
    assert messages == []
    tab.fill("#body", '{"age": "x"}')
    tab.click("#send")
    tab.wait_for_selector("#status.bad")
    assert "422" in tab.locator("#status").inner_text()
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    if folder := os.environ.get("MLWRIGHT_SCREENSHOTS"):
        tab.screenshot(path=f"{folder}/docs-{scheme}-{width}.png", full_page=True)
    tab.close()
