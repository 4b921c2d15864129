"""Reading windows of time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.predictions.answers import ANSWER, NOON, asked, at, ids, opened, rows

from mlwright.data import ColumnNotFound
from mlwright.predictions import overview, read_window
from mlwright.predictions.store import LogNotFound, StoreFailed

HOURS = st.floats(-30, 30, allow_nan=False).map(lambda hours: round(hours, 3))


def moment(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


@settings(max_examples=15)
@given(
    st.lists(st.tuples(HOURS, st.sampled_from(["v1", "v2"]), st.sampled_from(["sealed", "open"])), max_size=12),
    HOURS,
    HOURS,
    st.sampled_from([None, "v1", "v3"]),
)
def test_a_window_has_exactly_the_answers_of_its_time_and_version(
    answers: list[tuple[float, str, str]], start: float, end: float, version: str | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for state in ("sealed", "open"):
            log = opened(folder)
            for number, (hours, by, kept) in enumerate(answers):
                if kept == state:
                    log.append(f"a{number:02}", at(hours), by, asked(), ANSWER)
            log.close(seal=state == "sealed")
        found = ids(folder, start=moment(start), end=moment(end), version=version)
        expected = [
            f"a{number:02}"
            for number, (hours, by, _) in enumerate(answers)
            if at(start) // 1000 <= at(hours) // 1000 < at(end) // 1000 and version in {None, by}
        ]
        assert found == expected


def test_the_ends_of_a_window_are_half_open_and_in_utc(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        for number in range(3):
            log.append(f"a{number}", at(number), "v1", asked(), ANSWER)
    assert ids(tmp_path, start=moment(1), end=moment(2)) == ["a1"]
    assert ids(tmp_path, start=moment(1).replace(tzinfo=None)) == ["a1", "a2"]
    east = timezone(timedelta(hours=5))
    assert ids(tmp_path, end=moment(1).astimezone(east)) == ["a0"]
    assert ids(tmp_path, start=moment(2), end=moment(1)) == []


def test_an_answer_that_was_sent_again_counts_once(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append("a", at(0.99), "v1", asked(age=1), ANSWER)
        log.append("a", at(0.99), "v1", asked(age=1), ANSWER)
        log.append("a", at(1.01), "v1", asked(age=2), ANSWER)
        log.append("b", at(), "v1", asked(), ANSWER)
    again = opened(tmp_path)
    again.append("a", at(1.5), "v1", asked(age=3), ANSWER)
    assert [(row["id"], row["input.age"]) for row in rows(tmp_path)] == [("a", 1.0), ("b", 31.5)]
    again.append("b", at(0.1), "v2", asked(), ANSWER)  # another version was asked beside it
    again.append("b", at(40), "v1", asked(), ANSWER)  # the same name a day later is taken for another answer
    again.seal()
    assert ids(tmp_path) == ["a", "b", "b", "b"]
    assert ids(tmp_path, version="v1") == ["a", "b", "b"]


def test_only_the_columns_that_were_asked_for_come_in_that_order(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append("a", at(), "v1", asked(), ANSWER)
    reader = read_window(tmp_path, columns=["output.probability_yes", "id"])
    assert isinstance(reader, pa.RecordBatchReader)
    assert reader.schema.names == ["output.probability_yes", "id"]
    assert reader.read_all().to_pylist() == [{"output.probability_yes": 0.75, "id": "a"}]


def test_a_column_that_no_answer_has_is_an_error_that_names_a_near_one(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append("a", at(), "v1", asked(), ANSWER)
    with pytest.raises(ColumnNotFound, match=r"did you mean 'input\.age'"):
        read_window(tmp_path, columns=["input.agge"])


def test_a_log_that_nothing_was_written_to_is_empty(tmp_path: Path) -> None:
    empty = read_window(tmp_path / "nothing", labels=True).read_all()
    assert empty.num_rows == 0
    assert empty.column_names == ["id", "time", "version", "label", "label_time"]


def test_a_damaged_file_is_an_error_that_says_where(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append("a", at(), "v1", asked(), ANSWER)
    (made,) = (tmp_path / "answers").rglob("*.parquet")
    made.write_bytes(made.read_bytes()[:-20])
    with pytest.raises(StoreFailed, match="cannot be reached"):
        read_window(tmp_path).read_all()


def test_an_overview_counts_versions_labels_and_what_is_open(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append("a", at(), "v1", asked(extra=1), ANSWER)
    log.append("b", at(1), "v2", asked(), ANSWER)
    log.seal()
    log.append("c", at(2), "v2", asked(), ANSWER)
    found = overview(tmp_path, segments=tmp_path / "segments")
    assert (found.answers, found.versions, found.unread) == (3, {"v1": 1, "v2": 2}, 1)
    assert (found.first, found.last) == (moment(0), moment(2))
    assert (found.files, found.segments, found.labelled) == (2, 1, 0)
    assert overview(tmp_path, moment(1)).answers == 1
    with pytest.raises(LogNotFound, match="no prediction log"):
        overview(tmp_path / "elsewhere")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_window(tmp_path: Path) -> None:
    log = opened(tmp_path, rotate_mb=20)
    record, hours = asked(note="x" * 300), 12
    for hour in range(hours):
        log.append_many((f"a{hour:02}-{n:06}", at(hour), "v1", record, ANSWER) for n in range(8000))
    log.close()
    code = f"""
    import resource, sys
    from datetime import datetime, timedelta, UTC
    from mlwright.predictions import read_window
    start = datetime.fromtimestamp({at() // 10**9}, tz=UTC)
    end = start + timedelta(hours=int(sys.argv[1]))
    rows = sum(batch.num_rows for batch in read_window({str(tmp_path)!r}, start, end))
    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
    """

    def read(length: int) -> tuple[int, int]:
        command = [sys.executable, "-c", textwrap.dedent(code), str(length)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return int(said[0]), int(said[1])

    (short, little), (long, much) = read(2), read(hours)
    assert (short, long) == (16_000, 96_000)
    assert much - little < 20


def test_moments_before_the_window_are_not_even_opened(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append("a", at(-48), "v1", asked(), ANSWER)
        log.append("b", at(), "v1", asked(), ANSWER)
    old = min((tmp_path / "answers").rglob("*.parquet"))
    old.write_bytes(b"not Parquet any more")
    assert ids(tmp_path, start=datetime(2026, 3, 1, tzinfo=UTC)) == ["b"]
