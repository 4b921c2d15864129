from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright import __version__
from mlwright.core import Evidence, EvidenceStore, Interval, bounded, finite
from mlwright.core.evidence import EvidenceUnreadable
from mlwright.core.files import NotReadable

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
RECORDS = st.builds(
    Evidence,
    id=TEXT,
    value=st.none() | st.booleans() | st.integers() | NUMBERS | TEXT,
    method=TEXT,
    rows=TEXT,
    n=st.none() | st.integers(0, 10**9),
    interval=st.none() | st.builds(Interval, low=NUMBERS, high=NUMBERS, confidence=st.floats(0, 1)),
    unit=st.none() | TEXT,
    kind=st.sampled_from(["computed", "measured"]),
)


def one(**changes: Any) -> Evidence:
    facts: dict[str, Any] = {"id": "a.b", "value": 0.5, "method": "share", "rows": "test rows"}
    return Evidence(**(facts | changes))


@given(records=st.lists(RECORDS, max_size=5))
def test_evidence_is_read_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, records: list[Evidence]
) -> None:
    path = tmp_path_factory.mktemp("evidence") / "evidence.json"
    store = EvidenceStore(records)
    store.write(path)
    again = EvidenceStore.read(path)
    assert list(again) == list(store)
    assert len(again) == len({record.id for record in records})


def test_a_later_record_takes_the_place_of_an_earlier_one_of_the_same_id() -> None:
    store = EvidenceStore([one(id="a", value=1), one(id="b", value=2)])
    store.extend([one(id="a", value=3)])
    assert [(record.id, record.value) for record in store] == [("a", 3), ("b", 2)]
    assert store["a"].value == 3
    assert store.get("c") is None
    with pytest.raises(KeyError):
        store["c"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, float(np.float64("nan"))])
def test_a_number_that_could_not_be_computed_is_null(tmp_path: Path, value: float) -> None:
    store = EvidenceStore([one(value=value, interval=Interval(low=0.0, high=math.inf, confidence=0.9))])
    store.write(tmp_path / "evidence.json")
    record = json.loads((tmp_path / "evidence.json").read_text())["records"][0]
    assert record["value"] is None
    assert record["interval"] is None


def test_a_numpy_number_is_written_as_a_plain_one(tmp_path: Path) -> None:
    EvidenceStore([one(value=np.float64(0.25))]).write(tmp_path / "evidence.json")
    assert EvidenceStore.read(tmp_path / "evidence.json")["a.b"].value == 0.25


def test_every_record_says_which_version_computed_it() -> None:
    assert one().code == f"mlwright {__version__}"


@pytest.mark.parametrize(
    "tree",
    [
        [],
        {},
        {"format_version": 2, "records": []},
        {"format_version": 1},
        {"format_version": 1, "records": None},
        {"format_version": 1, "records": [5]},
        {"format_version": 1, "records": ["text"]},
        {"format_version": 1, "records": [{"id": "a"}]},
        {"format_version": 1, "records": [{"interval": None, "unknown": 1}]},
        {"format_version": 1, "records": [{"interval": [0, 1]}]},
    ],
)
def test_a_file_of_another_format_is_told_plainly(tmp_path: Path, tree: Any) -> None:
    path = tmp_path / "evidence.json"
    path.write_text(json.dumps(tree))
    with pytest.raises(EvidenceUnreadable) as raised:
        EvidenceStore.read(path)
    assert raised.value.where == str(path)


def test_a_missing_evidence_file_is_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(NotReadable, match="missing"):
        EvidenceStore.read(tmp_path / "evidence.json")


def test_an_interval_contains_its_ends_and_what_lies_between() -> None:
    interval = Interval(low=0.2, high=0.4, confidence=0.95)
    assert [x in interval for x in (0.1, 0.2, 0.3, 0.4, 0.5)] == [False, True, True, True, False]


def test_only_intervals_with_two_ends_and_finite_numbers_are_kept() -> None:
    whole = Interval(low=0.0, high=1.0, confidence=0.9)
    assert bounded(whole) == whole
    assert bounded(None) is None
    for low, high in ((-math.inf, 1.0), (0.0, math.inf), (math.nan, 1.0)):
        assert bounded(Interval(low=low, high=high, confidence=0.9)) is None
    assert finite(1) == 1.0
    assert finite(math.nan) is None
    assert finite(-math.inf) is None
