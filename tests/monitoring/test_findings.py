from __future__ import annotations

import json
from datetime import UTC, datetime

from mlwright.core import Interval
from mlwright.monitoring import BeforeAfter, Finding

PICTURE = BeforeAfter(column="age", kind="quantiles", names=("0.5",), before=(40.0,), after=(44.0,))


def test_a_finding_comes_back_from_its_json_as_it_was() -> None:
    finding = Finding(
        kind="drift",
        level="warn",
        what="`age` is higher.",
        columns=("age",),
        since=datetime(2026, 3, 1, tzinfo=UTC),
        evidence={"rows": 12, "p": 0.5, "of": "training", "none": None},
        advice="Look at it.",
        cost=Interval(low=1.0, high=2.0, confidence=0.9),
        cost_unit="EUR",
        pictures=(PICTURE,),
    )
    assert Finding.of_state(json.loads(json.dumps(finding.state()))) == finding


def test_the_same_trouble_has_the_same_key_in_whatever_order_its_columns_come() -> None:
    one, other = (Finding(kind="drift", level="info", what="", columns=names) for names in (("a", "b"), ("b", "a")))
    assert one.key == other.key
    assert one.key != Finding(kind="drift", level="info", what="", columns=("a",)).key
    assert one.key != Finding(kind="drift", level="info", what="", columns=("a", "b"), slice="north").key
