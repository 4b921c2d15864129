"""Writing: what was acknowledged is kept, whatever happens to the process, the disk or the clock."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from tests.predictions.answers import ANSWER, INPUT, OUTPUT, asked, at, ids, opened, rows

from mlwright.data import Column, Schema
from mlwright.predictions import LogFull, PredictionLog, SegmentsNowhere, read_window, seal_segments
from mlwright.predictions.masking import KEY_VARIABLE, MaskKeyMissing
from mlwright.predictions.segments import segments_in
from mlwright.spec import PredictionLogging

KEY = "0123456789abcdef0123456789abcdef"

WRITER = """
import os, sys, time
from mlwright.predictions import PredictionLog
from mlwright.spec import PredictionLogging

folder, name, rotate_mb, every = sys.argv[1:5]
options = PredictionLogging(rotate_mb=float(rotate_mb), rotate_every=every)
log = PredictionLog.open(folder, options, worker=name)
number = 0
while True:
    one = f"{name}-{os.getpid()}-{number}"
    log.append(one, time.time_ns(), "v1", b'{"age": 3, "city": "Rome"}', b'{"probability": 0.5}')
    os.write(1, f"{one}\\n".encode())  # only now the client would have its answer
    number += 1
"""


def killed_writers(folder: Path, *, writers: int, seconds: float, rotate_mb: float, every: str) -> list[str]:
    """What writing processes acknowledged until they were killed, all at a moment that they do not know."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder), f"w{number}", str(rotate_mb), every], stdout=subprocess.PIPE
        )
        for number in range(writers)
    ]
    said: list[bytes] = [b""] * writers

    def listen(number: int) -> None:
        pipe = processes[number].stdout
        assert pipe is not None
        while block := pipe.read1(1 << 16):  # type: ignore[attr-defined]
            said[number] += block

    listeners = [threading.Thread(target=listen, args=[number]) for number in range(writers)]
    for listener in listeners:
        listener.start()
    while not all(said):
        time.sleep(0.01)
    time.sleep(seconds)
    for process in processes:
        process.send_signal(signal.SIGKILL)
    for process, listener in zip(processes, listeners, strict=True):
        process.wait()
        listener.join()
        assert process.stdout is not None
        process.stdout.close()
    return [line for text in said for line in text.decode().split("\n")[:-1]]


def test_ten_workers_killed_under_load_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for turn in range(5):
        acknowledged += killed_writers(tmp_path, writers=2, seconds=0.1 + 0.07 * turn, rotate_mb=0.05, every="10min")
    sealed = seal_segments(tmp_path / "segments", tmp_path)
    found = read_window(tmp_path, columns=["id"]).read_all().column("id").to_pylist()
    assert len(acknowledged) > 1000
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found)) == sealed.rows
    assert len(found) <= len(acknowledged) + 10  # written, and killed before the client was told
    assert segments_in(tmp_path / "segments") == []


@pytest.mark.slow
def test_workers_killed_while_they_are_sealed_in_the_background_lose_nothing(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for turn in range(3):
        acknowledged += killed_writers(tmp_path, writers=2, seconds=2.5 + 0.4 * turn, rotate_mb=0.2, every="1s")
    sealed_meanwhile = read_window(tmp_path, columns=["id"]).read_all().num_rows
    deadline = time.monotonic() + 60
    while segments_in(tmp_path / "segments") and time.monotonic() < deadline:  # a sealing process may still be at it
        seal_segments(tmp_path / "segments", tmp_path)
    found = read_window(tmp_path, columns=["id"]).read_all().column("id").to_pylist()
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found)) <= len(acknowledged) + 6
    assert 0 < sealed_meanwhile <= len(found)


def test_appending_loads_nothing_heavy(tmp_path: Path) -> None:
    code = f"""
    import sys
    from mlwright.predictions import PredictionLog
    from mlwright.spec import PredictionLogging
    before = set(sys.modules)
    log = PredictionLog.open({str(tmp_path)!r}, PredictionLogging(), sealing=False)
    log.append("a", 0, "v1", b"{{}}", b"{{}}")
    log.close(seal=False)
    print("pyarrow" in sys.modules, "polars" in sys.modules, "pandas" in sys.modules)
    """
    said = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    ).stdout
    assert said.split() == ["False", "False", "False"]


def test_a_torn_last_record_is_counted_and_the_others_are_there(tmp_path: Path) -> None:
    log = opened(tmp_path)
    for number in range(3):
        log.append(f"a{number}", at(), "v1", asked(), ANSWER)
    log.close(seal=False)
    (segment,) = segments_in(tmp_path / "segments")
    segment.write_bytes(segment.read_bytes()[:-7])
    sealed = seal_segments(tmp_path / "segments", tmp_path)
    assert (sealed.rows, sealed.damaged) == (2, 1)
    assert ids(tmp_path) == ["a0", "a1"]


def test_two_writers_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    one, other = opened(tmp_path, worker="one"), opened(tmp_path, worker="other")
    for number in range(50):
        one.append(f"one-{number}", at(), "v1", asked(), ANSWER)
        other.append(f"other-{number}", at(), "v1", asked(), ANSWER)
    done = one.seal()
    assert (done.rows, done.open) == (50, 1)  # the segment that the other one is writing is left alone
    other.append("other-50", at(), "v1", asked(), ANSWER)
    assert other.seal().rows == 51
    assert len(ids(tmp_path)) == 101


def test_threads_of_one_process_share_a_log(tmp_path: Path) -> None:
    log = opened(tmp_path, rotate_mb=0.01)

    def work(name: str) -> None:
        for number in range(200):
            log.append(f"{name}-{number:03}", at(), "v1", asked(), ANSWER)

    threads = [threading.Thread(target=work, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.counts.appended == 800
    assert len(segments_in(tmp_path / "segments")) > 5
    assert log.seal().rows == 800
    assert ids(tmp_path) == [f"{name}-{number:03}" for name in "abcd" for number in range(200)]


def test_many_answers_are_kept_by_one_write(tmp_path: Path) -> None:
    log = opened(tmp_path)
    assert log.append_many((f"a{number}", at(), "v1", asked(), ANSWER) for number in range(5)) == 5
    assert log.append_many([]) == 0
    assert log.counts.appended == 5
    assert len(ids(tmp_path)) == 5


def test_a_clock_that_goes_backwards_changes_nothing_but_the_time(tmp_path: Path) -> None:
    log = opened(tmp_path)
    for number, hours in enumerate([0.0, 2.5, -30.0, -30.0, 0.1]):
        log.append(f"a{number}", at(hours), "v1", asked(), ANSWER)
    log.seal()
    found = read_window(tmp_path, columns=["id", "time"]).read_all()
    assert sorted(found.column("id").to_pylist()) == ["a0", "a1", "a2", "a3", "a4"]
    assert found.column("time").to_pylist() == sorted(found.column("time").to_pylist())
    assert len(list(tmp_path.rglob("*.parquet"))) == 3


@pytest.mark.parametrize("hours", [-1e7, 1e9])
def test_a_clock_that_is_absurd_loses_no_answer(tmp_path: Path, hours: float) -> None:
    log = opened(tmp_path)
    log.append("a", at(hours), "v1", asked(), ANSWER)
    assert log.seal().rows == 1
    assert len(list(tmp_path.rglob("*.parquet"))) == 1


def test_the_child_of_a_fork_writes_a_segment_of_its_own(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append("before", at(), "v1", asked(), ANSWER)
    child = os.fork()
    if child == 0:
        log.append("child", at(), "v1", asked(), ANSWER)
        os._exit(0)
    os.waitpid(child, 0)
    log.append("after", at(), "v1", asked(), ANSWER)
    assert len(segments_in(tmp_path / "segments")) == 2
    log.seal()
    assert ids(tmp_path) == ["after", "before", "child"]


# ------------------------------------------------------------------------------------------------------ a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_refused_and_nothing_half_written_stays(tmp_path: Path, small_disk: Path) -> None:
    log = opened(tmp_path, segments=str(small_disk / "segments"))
    names = iter(f"a{number:05}" for number in range(1000))
    with pytest.raises(LogFull, match="disk of the prediction log is full") as full:
        all(log.append(name, at(), "v1", asked(note="x" * 700), ANSWER) for name in names)
    assert "on_full" in full.value.fix
    kept = log.counts.appended
    for _ in range(3):
        with pytest.raises(LogFull):
            log.append("more", at(), "v1", asked(note="x" * 700), ANSWER)
    assert (log.counts.appended, log.counts.refused) == (kept, 4)
    sealed = log.seal()  # to another disk, which makes room on this one
    assert (sealed.rows, sealed.damaged) == (kept, 0)
    assert log.append("again", at(), "v1", asked(), ANSWER)
    log.close()
    assert len(ids(tmp_path)) == kept + 1


def test_a_full_disk_may_be_answered_past_and_is_counted(tmp_path: Path, small_disk: Path) -> None:
    log = opened(tmp_path, segments=str(small_disk / "segments"), on_full="go_on")
    outcomes = [log.append(f"a{number:05}", at(), "v1", asked(note="x" * 700), ANSWER) for number in range(500)]
    kept = sum(outcomes)
    assert 100 < kept < 500
    assert (log.counts.appended, log.counts.unlogged) == (kept, 500 - kept)
    assert log.seal().rows == kept


def test_a_segment_that_may_not_grow_is_refused_too(tmp_path: Path) -> None:
    code = f"""
    import resource, sys
    from mlwright.predictions import LogFull, PredictionLog
    from mlwright.spec import PredictionLogging
    log = PredictionLog.open({str(tmp_path)!r}, PredictionLogging(rotate_mb=1), sealing=False)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    kept = 0
    try:
        while True:
            log.append(f"a{{kept}}", 0, "v1", b"x" * 300, b"{{}}")
            kept += 1
    except LogFull:
        print(kept)
    """
    said = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    sealed = seal_segments(tmp_path / "segments", tmp_path)
    assert (sealed.rows, sealed.damaged) == (int(said.stdout), 0)


def test_a_folder_that_cannot_be_written_is_a_plain_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "segments").write_text("a file where the folder should be")
    with pytest.raises(LogFull, match="cannot be written"):
        opened(tmp_path)


# ------------------------------------------------------------------------------------------------- what is left out


def test_a_share_of_ids_is_kept_and_always_the_same_ones(tmp_path: Path) -> None:
    names = [f"request {number}" for number in range(2000)]
    kept = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        log = opened(folder, share=0.25)
        assert [log.append(name, at(), "v1", asked(), ANSWER) for name in names].count(True) == log.counts.appended
        assert log.append_many((name, at(1), "v1", asked(), ANSWER) for name in names) == log.counts.appended // 2
        kept.append(ids(folder))
        assert log.counts.appended + log.counts.sampled_out == 4000
    assert kept[0] == kept[1]
    assert 400 < len(kept[0]) < 600


def test_masked_fields_never_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    log = opened(tmp_path, mask={"email": "drop", "city": "hash", "age": "drop"})
    log.append("a", at(), "v1", asked(email="ann@example.com", city="Rome"), ANSWER)
    log.append("b", at(), "v1", asked(email="bob@example.com", city="Rome"), ANSWER)
    log.append("c", at(), "v1", asked(city=None), ANSWER)
    log.append("d", at(), "v1", b"not JSON: ann@example.com", ANSWER)
    (segment,) = segments_in(tmp_path / "segments")
    assert not any(secret in segment.read_bytes() for secret in (b"example.com", b"Rome", b"31.5"))
    log.seal()
    found = rows(tmp_path)
    assert "input.age" not in found[0]
    assert found[0]["input.city"] == found[1]["input.city"] != "Rome"
    assert [row["input.city"] for row in found[2:]] == [None, None]
    assert [row["input.visits"] for row in found] == [2, 2, 2, None]
    assert all(row["unread"] is None for row in found)
    assert log.counts.unmaskable == 1


def test_a_hash_depends_on_the_key_and_needs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(MaskKeyMissing, match="secret key"):
        opened(tmp_path, mask={"city": "hash"})
    for name, key in (("one", KEY), ("two", KEY[::-1])):
        monkeypatch.setenv(KEY_VARIABLE, key)
        with opened(tmp_path / name, mask={"city": "hash"}) as log:
            log.append("a", at(), "v1", asked(), ANSWER)
    assert rows(tmp_path / "one")[0]["input.city"] != rows(tmp_path / "two")[0]["input.city"]


# ---------------------------------------------------------------------------------------------- versions and sealing


def test_another_version_may_have_other_fields(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append("a", at(), "v1", asked(), ANSWER)
    fields = Schema((Column(name="age", type="category"),))
    with PredictionLog.open(tmp_path, input_schema=fields, output_schema=OUTPUT, sealing=False) as newer:
        newer.append("b", at(), "v2", b'{"age": "young"}', ANSWER)
        log.append("c", at(), "v1", asked(), ANSWER)  # a request that the old version had begun to answer
    log.close()
    first, second, third = rows(tmp_path)
    assert (first["input.age"], first["input.city"]) == ("31.5", "Rome")  # as text, since v2 has it as text
    assert (second["input.age"], second["input.city"]) == ("young", None)
    assert third["input.city"] == "Rome"
    assert rows(tmp_path, version="v1")[0]["input.visits"] == 2


def test_a_log_goes_on_with_the_fields_of_a_new_version(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.append("a", at(), "v1", asked(), ANSWER)
    log.use(input_schema=INPUT, output_schema=OUTPUT)
    assert len(segments_in(tmp_path / "segments")) == 1  # the same fields: the same segment
    log.use(input_schema=Schema((INPUT["age"],)), output_schema=OUTPUT)
    log.append("b", at(), "v2", b'{"age": 5}', ANSWER)
    log.append("c", at(), "v1", asked(), ANSWER)  # begun before the change
    log.close()
    first, second, third = rows(tmp_path)
    assert (first["input.city"], second["input.city"], third["input.city"]) == ("Rome", None, None)
    assert (first["unread"], second["unread"]) == (None, None)
    assert json.loads(third["unread"]) == {"input": {"visits": 2, "city": "Rome", "member": True}}


def test_a_log_is_sealed_in_the_background_in_a_process_of_its_own(tmp_path: Path) -> None:
    options = PredictionLogging(rotate_every=timedelta(seconds=0.3), retention=timedelta(days=1))
    log = PredictionLog.open(tmp_path, options, input_schema=INPUT, output_schema=OUTPUT)
    log.append("old", at(-24 * 365), "v1", asked(), ANSWER)
    log.append("new", time.time_ns(), "v1", asked(), ANSWER)
    deadline = time.monotonic() + 60
    while segments_in(tmp_path / "segments") and time.monotonic() < deadline:
        time.sleep(0.05)
    log.close()
    assert ids(tmp_path) == ["new"]  # the old one is past its retention
    assert log.counts.seal_failures == 0


def test_sealing_that_fails_in_the_background_is_counted_and_keeps_the_segments(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = PredictionLog.open(tmp_path, PredictionLogging(rotate_every=timedelta(seconds=0.3)))
    (tmp_path / "answers").write_text("a file where the folder should be")
    log.append("a", at(), "v1", asked(), ANSWER)
    deadline = time.monotonic() + 60
    while not log.counts.seal_failures and time.monotonic() < deadline:
        time.sleep(0.05)
    log.close(seal=False)
    assert "its segments stay" in caplog.text
    (tmp_path / "answers").unlink()
    assert seal_segments(tmp_path / "segments", tmp_path).rows == 1


def test_a_log_in_an_object_store_needs_a_folder_for_its_segments(tmp_path: Path) -> None:
    with pytest.raises(SegmentsNowhere, match="local folder"):
        PredictionLog.open("s3://bucket/predictions", sealing=False)
    log = PredictionLog.open("s3://bucket/predictions", PredictionLogging(segments=str(tmp_path)), sealing=False)
    assert log.append("a", at(), "v1", asked(), ANSWER)
    log.close(seal=False)


def test_a_closed_log_takes_no_more(tmp_path: Path) -> None:
    log = opened(tmp_path)
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.append("a", at(), "v1", asked(), ANSWER)


def test_each_answer_can_wait_for_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path, fsync=True) as log:
        assert log.append("a", at(), "v1", asked(), ANSWER)
    assert ids(tmp_path) == ["a"]
