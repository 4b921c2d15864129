"""What the tests of the prediction log share: answers to append, and the rows that come back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlwright.data import Column, Schema
from mlwright.predictions import PredictionLog, read_window
from mlwright.spec import PredictionLogging

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
INPUT = Schema(
    (
        Column(name="age", type="number"),
        Column(name="visits", type="integer"),
        Column(name="city", type="category"),
        Column(name="member", type="boolean"),
    )
)
OUTPUT = Schema((Column(name="prediction", type="category"), Column(name="probability_yes", type="number")))
ANSWER = b'{"prediction": "yes", "probability_yes": 0.75}'


def at(hours: float = 0.0) -> int:
    """Nanoseconds since 1970, some hours after noon."""
    return int(NOON.timestamp() * 1e9) + int(hours * 3600 * 1e9)


def asked(**fields: Any) -> bytes:
    return json.dumps({"age": 31.5, "visits": 2, "city": "Rome", "member": True, **fields}).encode()


def opened(folder: Path, *, typed: bool = True, worker: str = "0", **options: Any) -> PredictionLog:
    """A log without sealing in the background."""
    return PredictionLog.open(
        folder,
        PredictionLogging(**options),
        worker=worker,
        input_schema=INPUT if typed else None,
        output_schema=OUTPUT if typed else None,
        sealing=False,
    )


def rows(folder: Path, **arguments: Any) -> list[dict[str, Any]]:
    """The rows of a window, sealed or not, in the order of their ids."""
    found = read_window(folder, segments=folder / "segments", **arguments).read_all().to_pylist()
    return sorted(found, key=lambda row: str(row.get("id")))


def ids(folder: Path, **arguments: Any) -> list[str]:
    return [row["id"] for row in rows(folder, columns=["id"], **arguments)]
