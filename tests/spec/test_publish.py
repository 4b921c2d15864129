from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from mlwright.spec import Spec, json_schema, parse_spec

SPECS = [
    "data: {source: a.csv, target: y}",
    "mlwright: 1\ndata: {source: a.csv, target: y, positive_class: false, id: i, time: t, group: g, weight: w}",
    "data: {source: {url: 'sqlite:///a.db', query: SELECT 1}, target: y, must_not_use: a, sensitive: [b, c]}",
    "data: {source: a, target: y, reading: {delimiter: ';', header: false, skip_lines: 2, sheet: 0}}",
    "data: {source: a, target: y, columns: {a: {type: number, missing: [-1, '?'], formats: '%d', replace: {a: b}}}}",
    "data: {source: a, target: y}\ndecision: {capacity: 500 per week, volume: {count: 9, per: day}, currency: EUR}",
    "data: {source: a, target: y}\ndecision: {capacity: 5%, label_price: 3, current_process: a > 3}",
    "data: {source: a, target: y}\ndecision: {capacity: 0.05, values: {true_positive: 5, false_positive: -0.5 * a}}",
    "data: {source: a, target: y}\ndecision: {capacity: {count: 5, per: month}, error_cost: abs(error)}",
    "data: {source: a, target: y}\nrequirements: [{id: R1, metric: rmse, max: 3, 'on': a > 2, confidence: 0.8}]",
    "data: {source: a, target: y}\nconstraints: {monotonic: {a: increasing}, latency_ms: 5, interpretability: reasons}",
    "data: {source: a, target: y}\nconstraints: {fairness: [{attribute: a, metric: equalized_odds_ratio, min: 0.8}]}",
    "data: {source: a, target: y}\nsplit: {kind: temporal, gap: 30d, folds: 5}\nbudget: {seconds: 5, trials: 3}",
    "data: {source: a, target: y}\noperation: {label_delay: 2 w, retrain: {'on': [drift, schedule], every: 1d}}\nseed: 3",
]
NOT_SPECS = [
    "{}",
    "data: {source: a}",
    "data: {source: a, target: 5}",
    "data: {source: a, target: y, unknown: 1}",
    "data: {source: a, target: y, must_not_use: [5]}",
    "data: {source: a, target: y}\nbudget: {seconds: '5'}",
    "data: {source: a, target: y}\nsplit: {gap: 30 days}",
    "data: {source: a, target: y}\ndecision: {capacity: 500 per fortnight}",
    "data: {source: a, target: y}\ndecision: {capacity: 7}",
    "data: {source: a, target: y}\nrequirements: [{metric: rmse, max: 3}]",
]


@pytest.fixture(scope="module")
def validator() -> Any:
    return pytest.importorskip("jsonschema").Draft202012Validator(json_schema())


def tree_of(text: str) -> Any:
    """The YAML as an editor reads it; none of the specs here has a value that YAML 1.1 reads in another way."""
    return yaml.safe_load(text)


def test_the_schema_is_valid_json_schema(validator: Any) -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    validator.check_schema(schema)
    assert json.loads(json.dumps(schema, allow_nan=False)) == schema


@pytest.mark.parametrize("text", SPECS)
def test_a_spec_that_loads_also_validates(validator: Any, text: str) -> None:
    spec = parse_spec(text)
    assert [error.message for error in validator.iter_errors(tree_of(text))] == []
    written = json.loads(spec.model_dump_json(exclude_none=True))
    assert [error.message for error in validator.iter_errors(written)] == []


@pytest.mark.parametrize("text", SPECS)
def test_a_spec_that_is_written_out_loads_as_the_same(text: str) -> None:
    spec = parse_spec(text)
    again = Spec.of(json.loads(spec.model_dump_json(exclude_unset=True)))
    assert again.model_dump() == spec.model_dump()


@pytest.mark.parametrize("text", NOT_SPECS)
def test_an_editor_marks_what_would_not_load(validator: Any, text: str) -> None:
    assert not validator.is_valid(tree_of(text))


def described(schema: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Every field, and whether it has a description of its own or that of the section it is."""
    sections = {"Spec": schema, **schema["$defs"]}
    for name, section in sections.items():
        yield name, bool(section.get("description"))
        inner = [section, *section.get("anyOf", [])]
        for field, facts in (pair for one in inner for pair in one.get("properties", {}).items()):
            referred = schema["$defs"].get(facts.get("$ref", "").rpartition("/")[2], {})
            yield f"{name}.{field}", bool(facts.get("description") or referred.get("description"))


def test_every_section_and_field_has_a_description() -> None:
    found = dict(described(json_schema()))
    assert len(found) > 80
    assert [name for name, has_one in found.items() if not has_one] == []


def test_the_schema_has_every_field_that_a_spec_has() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(Spec.model_fields)
    assert schema["required"] == ["data"]
    assert schema["additionalProperties"] is False
