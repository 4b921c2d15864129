"""The spec's JSON Schema, for editors that complete and check YAML while one types."""

from __future__ import annotations

from typing import Any

from mlwright.spec.spec import Spec


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `mlwright.yaml`."""
    schema = Spec.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://mlwright.dev/schema/mlwright-1.json",
        **schema,
        "title": "mlwright.yaml",
    }
