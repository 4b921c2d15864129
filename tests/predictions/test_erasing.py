"""Taking rows out: one person's, and those that are too old."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.predictions.answers import ANSWER, NOON, asked, at, ids, opened, rows

from mlwright.predictions import Masks, add_labels, erase, expire, read_window, seal_segments
from mlwright.predictions.erasing import NothingToErase
from mlwright.predictions.erasures import Erasure, keep
from mlwright.predictions.masking import KEY_VARIABLE
from mlwright.predictions.segments import segments_in
from mlwright.predictions.store import LogNotFound, Store

LATER = NOON + timedelta(days=10)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Ten answers over three days, five of Ann and five of Bob, all with a label."""
    with opened(tmp_path) as writer:
        for number in range(10):
            who = "ann@example.com" if number % 2 else "bob@example.com"
            writer.append(f"a{number}", at(number * 6), "v1", asked(email=who, age=number), ANSWER)
    add_labels(tmp_path, pl.DataFrame({"id": [f"a{n}" for n in range(10)], "label": ["yes"] * 10}))
    return tmp_path


def everywhere(folder: Path) -> bytes:
    """All bytes of all files of a log, Parquet decoded."""
    parts = [pl.read_parquet(path, hive_partitioning=False).write_json().encode() for path in folder.rglob("*.parquet")]
    others = [path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    return b"".join(parts + others)


def test_erasing_by_id_leaves_no_trace_of_the_answer_or_its_label(log: Path) -> None:
    done = erase(log, ids=["a3", "a4", "zz"], now=LATER)
    assert (done.answers, done.labels, done.open) == (2, 2, 0)
    assert ids(log) == [f"a{number}" for number in range(10) if number not in {3, 4}]
    assert b'"a3"' not in everywhere(log)
    assert erase(log, ids=["a3", "a4"], now=LATER).answers == 0


def test_erasing_by_a_field_finds_it_beside_the_columns_too(log: Path) -> None:
    done = erase(log, where=("email", ["ann@example.com"]), now=LATER)
    assert (done.answers, done.labels) == (5, 5)
    assert b"ann@example.com" not in everywhere(log)
    assert [row["label"] for row in rows(log, labels=True)] == ["yes"] * 5


@pytest.mark.parametrize(("value", "gone"), [(3, ["a3"]), ("3", ["a3"]), ("3.0", ["a3"]), ("x", [])])
def test_a_value_is_found_in_a_typed_column_however_it_is_spelled(log: Path, value: object, gone: list[str]) -> None:
    erase(log, where=("age", [value]), now=LATER)
    assert set(map("a{}".format, range(10))) - set(ids(log)) == set(gone)


def test_a_field_of_a_log_without_schemas_is_found_inside_the_json(tmp_path: Path) -> None:
    with opened(tmp_path, typed=False) as writer:
        writer.append("a", at(), "v1", asked(email="ann"), ANSWER)
        writer.append("b", at(), "v1", asked(email="bob"), ANSWER)
        writer.append("c", at(), "v1", b"not JSON", ANSWER)
    assert erase(tmp_path, where=("email", ["ann"]), now=LATER).answers == 1
    assert ids(tmp_path) == ["b", "c"]


def test_a_hashed_field_is_found_with_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "0123456789abcdef0123456789abcdef")
    with opened(tmp_path, mask={"city": "hash"}) as writer:
        writer.append("a", at(), "v1", asked(city="Rome"), ANSWER)
        writer.append("b", at(), "v1", asked(city="Oslo"), ANSWER)
    assert erase(tmp_path, where=("city", ["Rome"]), now=LATER).answers == 0
    assert erase(tmp_path, where=("city", ["Rome"]), masks=Masks({"city": "hash"}), now=LATER).answers == 1
    assert ids(tmp_path) == ["b"]


def test_finished_segments_are_erased_at_once_and_open_ones_when_they_are_sealed(tmp_path: Path) -> None:
    finished, writing = opened(tmp_path, worker="one"), opened(tmp_path, worker="two")
    for log, name in ((finished, "a"), (writing, "b")):
        log.append(name, at(), "v1", asked(email="ann"), ANSWER)
        log.append(f"{name}2", at(), "v1", asked(email="bob"), ANSWER)
    finished.close(seal=False)
    done = erase(tmp_path, where=("email", ["ann"]), segments=tmp_path / "segments", now=LATER)
    assert (done.answers, done.open) == (1, 1)
    assert ids(tmp_path) == ["a2", "b2"]  # readers leave them out already
    assert writing.seal().erased == 1
    assert ids(tmp_path) == ["a2", "b2"]
    assert b'"ann"' not in everywhere(tmp_path)


def test_a_segment_of_another_machine_leaves_the_rows_out_when_it_is_sealed_later(tmp_path: Path) -> None:
    with opened(tmp_path, segments=str(tmp_path / "far away")) as log:
        log.append("a", at(), "v1", asked(), ANSWER)
        log.rotate()
        erase(tmp_path, ids=["a", "b"], now=NOON + timedelta(hours=1))
        log.append("b", at(2), "v1", asked(), ANSWER)  # later than the erasure: they have come back
        sealed = log.seal()
    assert (sealed.erased, sealed.rows) == (1, 1)
    assert ids(tmp_path) == ["b"]


def test_a_sealing_that_was_interrupted_does_not_bring_erased_rows_back(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append("a", at(), "v1", asked(), ANSWER)
    log.append("b", at(), "v1", asked(), ANSWER)
    log.rotate()
    (segment,) = segments_in(tmp_path / "segments")
    shutil.copy(segment, tmp_path / "copy")
    log.seal()
    shutil.move(tmp_path / "copy", segment)
    erase(tmp_path, ids=["a"], now=LATER)
    seal_segments(tmp_path / "segments", tmp_path)
    assert ids(tmp_path) == ["b"]


def test_an_erasure_that_was_interrupted_is_respected_and_finished_by_the_next(log: Path) -> None:
    asked_for = Erasure.of(["ann@example.com"], field="email", before_us=int(LATER.timestamp() * 1e6))
    keep(Store.open(log), asked_for)  # and then the process was killed
    assert len(read_window(log, columns=["id"]).read_all()) == 5
    done = erase(log, ids=["a0"], now=LATER)
    assert (done.answers, done.labels) == (6, 6)
    assert b"ann@example.com" not in everywhere(log)


def test_what_was_erased_is_not_written_down(log: Path) -> None:
    erase(log, where=("email", ["ann@example.com"]), now=LATER)
    (record,) = (log / "erasures").iterdir()
    assert "ann" not in record.read_text()


def test_files_without_such_rows_are_not_touched(log: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (log / "answers").rglob("*.parquet")}
    erase(log, ids=["a3"], now=LATER)
    after = {path: path.stat().st_mtime_ns for path in (log / "answers").rglob("*.parquet")}
    assert len(before) - len(after) == 1
    assert after.items() <= before.items()


def test_what_to_erase_must_be_said_one_way(log: Path) -> None:
    with pytest.raises(NothingToErase):
        erase(log, now=LATER)
    with pytest.raises(NothingToErase):
        erase(log, ids=["a"], where=("b", ["c"]), now=LATER)
    with pytest.raises(LogNotFound):
        erase(log / "elsewhere", ids=["a"], now=LATER)


def test_old_answers_labels_and_erasures_expire_by_hours_and_days(log: Path) -> None:
    add_labels(log, pl.DataFrame({"id": ["early", "late"], "label": ["x", "x"], "when": [NOON, LATER]}), time="when")
    erase(log, ids=["a9"], now=NOON + timedelta(hours=1))
    cutoff = NOON + timedelta(hours=18, minutes=30)  # in the hour of a3
    counted = expire(log, cutoff, dry_run=True)
    assert len(ids(log)) == 10
    done = expire(log, cutoff)
    assert done == counted
    assert (done.answers, done.erasures) == (3, 1)
    assert done.labels == 2 + 1  # those of a0 and a1, the first day's, and that of an unknown answer
    assert ids(log) == [f"a{number}" for number in range(3, 10)]
    assert [row["label"] for row in rows(log, labels=True)] == ["yes"] * 6 + [None]  # that of a9 was erased
    assert expire(log, cutoff).answers == 0


def test_a_sweep_of_everything_leaves_an_empty_log_that_goes_on(log: Path) -> None:
    expire(log, datetime(2030, 1, 1, tzinfo=UTC))
    assert ids(log) == []
    assert list(log.rglob("*.parquet")) == []
    with opened(log) as writer:
        writer.append("new", at(), "v1", asked(), ANSWER)
    assert ids(log) == ["new"]
