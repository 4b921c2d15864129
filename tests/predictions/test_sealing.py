"""From segments to Parquet: typed columns, and the same rows however often and wherever it is interrupted."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.predictions.answers import ANSWER, INPUT, asked, at, ids, opened, rows

from mlwright.data import Column, Schema
from mlwright.predictions import PredictionLog, read_window, seal_segments
from mlwright.predictions.records import framed, framed_header
from mlwright.predictions.sealing import SegmentTooNew
from mlwright.predictions.segments import segments_in


def test_fields_become_columns_of_their_type_by_hour(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append("a", at(), "v1", asked(), ANSWER)
    log.append("b", at(1.5), "v1", asked(age=40, city=None), ANSWER)
    sealed = log.seal()
    assert (sealed.segments, sealed.rows, sealed.files, sealed.damaged) == (1, 2, 2, 0)
    first, second = sorted((tmp_path / "answers").rglob("*.parquet"))
    assert [path.parent.relative_to(tmp_path).as_posix() for path in (first, second)] == [
        "answers/date=2026-03-01/hour=12",
        "answers/date=2026-03-01/hour=13",
    ]
    schema = pq.read_schema(first)
    assert schema.field("time").type == pa.timestamp("us", tz="UTC")
    assert schema.field("input").type == pa.struct(
        {"age": pa.float64(), "visits": pa.int64(), "city": pa.string(), "member": pa.bool_()}
    )
    assert schema.field("output").type == pa.struct({"prediction": pa.string(), "probability_yes": pa.float64()})
    assert rows(tmp_path)[1] == {
        "id": "b",
        "time": rows(tmp_path)[1]["time"],
        "version": "v1",
        "input.age": 40.0,
        "input.visits": 2,
        "input.city": None,
        "input.member": True,
        "output.prediction": "yes",
        "output.probability_yes": 0.75,
        "unread": None,
    }


def test_other_tools_read_the_folder_with_its_dates_and_hours(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append("a", at(), "v1", asked(), ANSWER)
    log.seal()
    frame = pl.read_parquet(tmp_path / "answers" / "**" / "*.parquet", hive_partitioning=True)
    assert frame.select("id", "hour", pl.col("input").struct.field("age")).rows() == [("a", 12, 31.5)]
    assert str(frame["date"][0]) == "2026-03-01"


def test_without_schemas_record_and_answer_stay_json(tmp_path: Path) -> None:
    with opened(tmp_path, typed=False) as log:
        log.append("a", at(), "v1", asked(), ANSWER)
    (row,) = rows(tmp_path)
    assert json.loads(row["input"]) == json.loads(asked())
    assert json.loads(row["output"]) == json.loads(ANSWER)


@pytest.mark.parametrize(
    ("record", "typed", "unread"),
    [
        (asked(age="old"), {"input.age": None, "input.city": "Rome"}, {"age": "old"}),
        (asked(age="41.5"), {"input.age": 41.5}, None),
        (asked(age=True), {"input.age": 1.0}, None),
        (asked(age=10**400), {"input.age": None}, {"age": 10**400}),
        (asked(age=[1, 2]), {"input.age": None}, {"age": [1, 2]}),
        (asked(visits=2.6), {"input.visits": 3}, None),
        (asked(city=7), {"input.city": "7"}, None),
        (asked(member="maybe"), {"input.member": None}, {"member": "maybe"}),
        (asked(note="new"), {"input.age": 31.5}, {"note": "new"}),
        (b'{"age": 5}', {"input.age": 5.0, "input.city": None}, None),
        (b"[1]", {"input.age": None}, "[1]"),
        (b"{", {"input.age": None}, "{"),
        (b"", {"input.age": None}, ""),
        (b"[" * 100_000, {"input.age": None}, "[" * 100_000),
        (b'{"city": "\\ud800"}', {"input.city": "?"}, None),
        (b"\xff\xfe", {"input.age": None}, "��"),
    ],
)
def test_what_does_not_fit_its_column_is_kept_beside_it(
    tmp_path: Path, record: bytes, typed: dict[str, object], unread: object
) -> None:
    with opened(tmp_path) as log:
        log.append("a", at(), "v1", record, ANSWER)
        log.append("b", at(), "v1", asked(), ANSWER)
    row, beside = rows(tmp_path)
    assert {name: row[name] for name in typed} == typed
    assert (None if row["unread"] is None else json.loads(row["unread"])["input"]) == unread
    assert (beside["input.age"], beside["unread"]) == (31.5, None)


def test_values_are_read_as_the_model_reads_them(tmp_path: Path) -> None:
    from mlwright.data.schema import ValueReading

    reading = ValueReading(missing=("?",), decimal=",", missing_numbers=(-999.0,))
    schema = Schema((INPUT["age"].but(reading=reading),))
    log = PredictionLog.open(tmp_path, input_schema=schema, sealing=False)
    for name, age in (("a", "1,5"), ("b", "?"), ("c", -999)):
        log.append(name, at(), "v1", json.dumps({"age": age}).encode(), ANSWER)
    log.seal()
    assert [row["input.age"] for row in rows(tmp_path)] == [1.5, None, None]


def test_a_field_may_be_called_as_it_likes(tmp_path: Path) -> None:
    names = ["id", "time", "a.b", "input", "größe", "with space", "Id"]
    schema = Schema(tuple(Column(name=name, type="number") for name in names))
    log = PredictionLog.open(tmp_path, input_schema=schema, sealing=False)
    log.append("a", at(), "v1", json.dumps(dict(zip(names, range(7), strict=True))).encode(), ANSWER)
    log.seal()
    columns = [f"input.{name}" for name in names]
    assert list(rows(tmp_path, columns=columns)[0].values()) == [float(number) for number in range(7)]
    assert rows(tmp_path, columns=["id", "input.a.b"]) == [{"id": "a", "input.a.b": 2.0}]


def kept_copies(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in segments_in(folder / "segments")}


@pytest.mark.parametrize("uploaded", ["all files", "one of two", "half a file aside"])
def test_a_sealing_that_was_killed_before_the_segment_was_removed_is_done_again(tmp_path: Path, uploaded: str) -> None:
    log = opened(tmp_path)
    for number in range(6):
        log.append(f"a{number}", at(number / 4), "v1", asked(), ANSWER)
    log.rotate()
    before = kept_copies(tmp_path)
    log.seal()
    first, second = sorted((tmp_path / "answers").rglob("*.parquet"))
    if uploaded != "all files":
        content = second.read_bytes()
        second.unlink()
    if uploaded == "half a file aside":
        second.with_name(f".{second.name}.part").write_bytes(content[: len(content) // 2])
    for path, segment in before.items():
        path.write_bytes(segment)
    names = [f"a{number}" for number in range(6)]
    assert ids(tmp_path) == names  # read from the segment, and not from its files too
    assert seal_segments(tmp_path / "segments", tmp_path).rows == 6
    assert ids(tmp_path) == names
    assert read_window(tmp_path).read_all().num_rows == 6
    assert first.is_file()
    assert segments_in(tmp_path / "segments") == []


@pytest.mark.slow
def test_sealing_processes_that_are_killed_anywhere_lose_and_double_nothing(tmp_path: Path) -> None:
    log = opened(tmp_path, rotate_mb=0.02)
    for number in range(6000):
        log.append(f"a{number:05}", at(number / 1000), "v1", asked(), ANSWER)
    log.close(seal=False)
    total = len(segments_in(tmp_path / "segments"))
    asked_for = json.dumps({"segments": str(tmp_path / "segments"), "destination": str(tmp_path), "retention_s": None})
    killed = 0
    for turn in range(6):
        process = subprocess.Popen([sys.executable, "-m", "mlwright.predictions"], stdin=subprocess.PIPE, text=True)
        assert process.stdin is not None
        process.stdin.write(asked_for)
        process.stdin.close()
        left = len(segments_in(tmp_path / "segments"))
        while process.poll() is None and len(segments_in(tmp_path / "segments")) > left - 3:
            time.sleep(0.001)
        time.sleep(0.003 * turn)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        assert len(ids(tmp_path)) == 6000
    assert killed >= 3
    assert 0 < len(segments_in(tmp_path / "segments")) < total
    seal_segments(tmp_path / "segments", tmp_path)
    assert ids(tmp_path) == [f"a{number:05}" for number in range(6000)]


def test_one_segment_that_cannot_be_sealed_does_not_hold_up_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "segments"
    log = opened(tmp_path)
    log.append("a", at(), "v1", asked(), ANSWER)
    log.close(seal=False)
    too_new = folder / "00000101T000000-0-1-aa.segment"
    too_new.write_bytes(framed_header({"format_version": 2}) + framed("b", 0, "v1", b"{}", b"{}"))
    with pytest.raises(SegmentTooNew, match="later version"):
        seal_segments(folder, tmp_path)
    assert segments_in(folder) == [too_new]
    assert read_window(tmp_path, columns=["id"]).read_all().column("id").to_pylist() == ["a"]


def test_a_segment_without_records_is_removed(tmp_path: Path) -> None:
    opened(tmp_path).close(seal=False)
    (tmp_path / "segments" / "20260101T000000-0-1-aa.segment").touch()  # killed before its header was written
    assert seal_segments(tmp_path / "segments", tmp_path).segments == 2
    assert segments_in(tmp_path / "segments") == []
    assert ids(tmp_path) == []


class AnyOrderOfEvents(RuleBasedStateMachine):
    """Append, seal, die, come back, in any order: what was acknowledged is there, each once."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.log = opened(self.folder)
        self.acknowledged: list[str] = []

    def teardown(self) -> None:
        self.log.close(seal=False)
        shutil.rmtree(self.folder)

    @rule(answers=st.integers(1, 4), hours=st.sampled_from([0.0, 0.9, 1.1, -5.0]), together=st.booleans())
    def append(self, answers: int, hours: float, together: bool) -> None:
        names = [f"a{len(self.acknowledged) + number}" for number in range(answers)]
        if together:
            self.log.append_many((name, at(hours), "v1", asked(), ANSWER) for name in names)
        else:
            for name in names:
                self.log.append(name, at(hours), "v1", asked(), ANSWER)
        self.acknowledged += names

    @rule()
    def rotate(self) -> None:
        self.log.rotate()

    @rule()
    def seal(self) -> None:
        self.log.seal()

    @rule(data=st.data())
    def die_while_writing(self, data: st.DataObject) -> None:
        self.log.rotate()
        self.log.append("torn", at(), "v1", asked(), ANSWER)
        last = self.log._segment
        assert last is not None
        self.log.close(seal=False)
        content = last.path.read_bytes()
        cut = data.draw(st.integers(1, len(framed("torn", at() // 1000, "v1", asked(), ANSWER))))
        last.path.write_bytes(content[:-cut])
        self.log = opened(self.folder)

    @rule(remove=st.booleans())
    def die_while_sealing(self, remove: bool) -> None:
        self.log.rotate()
        before = kept_copies(self.folder)
        self.log.close()
        for path, content in before.items():
            path.write_bytes(content)
            made = sorted(self.folder.rglob(f"{path.stem}.parquet"))
            if made and remove:
                made[-1].unlink()
        self.log = opened(self.folder)

    @invariant()
    def everything_acknowledged_is_there_once(self) -> None:
        assert ids(self.folder) == sorted(self.acknowledged)


TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
TestAnyOrderOfEvents.settings = settings(max_examples=25, stateful_step_count=12, deadline=None)
