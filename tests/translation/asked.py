"""Specs over made rows whose translation is known."""

from __future__ import annotations

from typing import Any

from tests.support import mixed_frame, split_of

from mlwright.data import Split
from mlwright.spec import Spec
from mlwright.translation import Contradiction, Translation, find_contradictions, translate


def asked(rows: int = 600, **sections: Any) -> tuple[Spec, Split]:
    """A spec over people who buy or do not."""
    data = {"id": "customer_id", **sections.pop("data", {})}
    return split_of(mixed_frame(rows), "bought", data=data, **sections)


def translated(rows: int = 600, **sections: Any) -> Translation:
    return translate(*asked(rows, **sections))


def contradictions(rows: int = 600, *, measure: bool = False, **sections: Any) -> tuple[Contradiction, ...]:
    return find_contradictions(*asked(rows, **sections), measure=measure)


def requirement(metric: str, **bounds: Any) -> dict[str, Any]:
    return {"requirements": [{"id": "R1", "metric": metric, **bounds}]}
