"""Truths that arrive late."""

from __future__ import annotations

import random
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.predictions.answers import ANSWER, NOON, asked, at, opened, rows

from mlwright.data import ColumnNotFound
from mlwright.predictions import Labelled, add_labels
from mlwright.predictions.labels import LabelTimeUnreadable

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Four answers over two days, the last one not sealed yet."""
    writer = opened(tmp_path)
    for number in range(3):
        writer.append(f"a{number}", at(number * 12), "v1", asked(), ANSWER)
    writer.seal()
    writer.append("a3", at(3), "v1", asked(), ANSWER)
    return tmp_path


def told(log: Path, table: dict[str, Any], **arguments: Any) -> Labelled:
    return add_labels(log, pl.DataFrame(table), segments=log / "segments", **arguments)


def labels(log: Path) -> list[str | None]:
    return [row["label"] for row in rows(log, columns=["id", "label"], labels=True)]


def test_labels_are_joined_by_id_over_days_and_segments(log: Path) -> None:
    done = told(log, {"id": ["a0", "a2", "a3", "zz"], "label": ["yes", "no", "yes", "no"]})
    assert done == Labelled(given=4, matched=3, unknown=1, added=4)
    assert labels(log) == ["yes", None, "no", "yes"]


def test_the_same_labels_again_change_nothing(log: Path) -> None:
    table = {"id": ["a0", "a1", "zz"], "label": ["yes", "no", "yes"]}
    told(log, table)
    files = set(log.rglob("labels/**/*.parquet"))
    assert told(log, table) == Labelled(given=3, matched=2, unknown=1, repeated=3)
    assert set(log.rglob("labels/**/*.parquet")) == files
    assert labels(log) == ["yes", "no", None, None]


def test_a_changed_label_takes_the_place_of_the_earlier_one(log: Path) -> None:
    told(log, {"id": ["a0", "a1"], "label": ["yes", "no"]}, now=MONDAY)
    done = told(log, {"id": ["a0", "a1"], "label": ["no", "no"]}, now=MONDAY + timedelta(days=1))
    assert (done.changed, done.repeated, done.added) == (1, 1, 1)
    assert labels(log)[:2] == ["no", "no"]


def test_of_two_labels_the_later_one_counts_whichever_came_first(log: Path) -> None:
    told(log, {"id": ["a0"], "label": ["late"], "when": ["2026-03-05"]}, time="when")
    done = told(log, {"id": ["a0"], "label": ["early"], "when": ["2026-03-04T10:00:00+02:00"]}, time="when")
    assert (done.outdated, done.added) == (1, 0)
    assert labels(log)[0] == "late"
    assert rows(log, labels=True, columns=["label_time"])[0]["label_time"] == datetime(2026, 3, 5, tzinfo=UTC)


def test_of_two_rows_with_one_id_the_later_row_counts(log: Path) -> None:
    done = told(log, {"id": ["a0", "a0"], "label": ["yes", "no"]})
    assert (done.given, done.repeated, done.added) == (2, 1, 1)
    assert labels(log)[0] == "no"


def test_a_label_may_come_before_its_answer_is_there(log: Path) -> None:
    told(log, {"id": ["a9"], "label": ["yes"]})
    with opened(log) as writer:
        writer.append("a9", at(30), "v1", asked(), ANSWER)
    assert labels(log)[-1] == "yes"
    assert told(log, {"id": ["a9"], "label": ["yes"]}) == Labelled(given=1, matched=1, repeated=1)
    assert told(log, {"id": ["a9"], "label": ["no"]}).changed == 1
    assert labels(log)[-1] == "no"


@pytest.mark.parametrize(
    ("values", "texts"),
    [([1, 0], ["1", "0"]), ([1.0, 0.25], ["1", "0.25"]), ([True, False], ["true", "false"]), (["a", "b"], ["a", "b"])],
)
def test_labels_are_kept_as_text_in_the_spelling_of_classes(log: Path, values: list[Any], texts: list[str]) -> None:
    told(log, {"id": ["a0", "a1"], "label": values})
    assert labels(log)[:2] == texts


def test_rows_without_id_or_label_are_counted_and_left_out(log: Path) -> None:
    done = told(log, {"id": ["a0", None, "a1", "", "a2"], "label": ["yes", "yes", None, "yes", "no"]})
    assert (done.given, done.empty, done.added) == (5, 3, 2)
    assert told(log, {"id": ["a0"], "label": [float("nan")]}).empty == 1
    assert told(log, {"id": [], "label": []}) == Labelled()


def test_answers_are_looked_for_from_a_moment_on(log: Path) -> None:
    done = told(log, {"id": ["a0", "a2"], "label": ["yes", "yes"]}, since=NOON + timedelta(hours=1))
    assert (done.matched, done.unknown) == (1, 1)
    assert labels(log) == ["yes", None, "yes", None]  # still joined: by id alone


def test_a_column_that_is_missing_or_no_time_is_a_plain_error(log: Path) -> None:
    with pytest.raises(ColumnNotFound, match="'label' is not in the table"):
        told(log, {"id": ["a"], "lable": ["yes"]})
    with pytest.raises(LabelTimeUnreadable, match="2026-01-31"):
        told(log, {"id": ["a"], "label": ["yes"], "when": ["soon"]}, time="when")


@pytest.mark.parametrize(
    "times",
    [
        pa.array([1_772_582_400], pa.timestamp("s")),
        pa.array([1_772_582_400_000], pa.timestamp("ms", tz="Europe/Paris")),
        pa.array([20516], pa.date32()),
        pa.array(["2026-03-04"], pa.large_string()),
    ],
)
def test_times_of_labels_come_in_any_type(log: Path, times: pa.Array) -> None:
    add_labels(log, pa.table({"id": ["a0"], "label": ["yes"], "when": times}), time="when")
    assert rows(log, labels=True, columns=["label_time"])[0]["label_time"] == datetime(2026, 3, 4, tzinfo=UTC)


@settings(max_examples=10)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from("xyz"), st.integers(0, 4)), max_size=8, unique_by=lambda t: t[::2]
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_in_which_labels_arrive_does_not_matter(
    given_labels: list[tuple[int, str, int]], rng: random.Random
) -> None:
    shuffled = list(given_labels)
    rng.shuffle(shuffled)
    outcomes = []
    for order in (given_labels, shuffled):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with opened(folder) as writer:
                for number in range(3):
                    writer.append(f"a{number}", at(number * 12), "v1", asked(), ANSWER)
            for number, label, day in order:
                table = {"id": [f"a{number}"], "label": [label], "when": [MONDAY + timedelta(days=day)]}
                told(folder, table, time="when")
            outcomes.append(labels(folder))
    assert outcomes[0] == outcomes[1]
    last: dict[int, tuple[int, str]] = {}
    for number, label, day in given_labels:
        last[number] = max(last.get(number, (-1, "")), (day, label))
    assert outcomes[0] == [last[number][1] if number in last else None for number in range(3)]
