from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.core import DiskFull, fingerprint_of_file, read_json, whole_file, whole_folder, write_json, write_text
from mlwright.core.files import NotReadable, NotWritable

BIG = b"x" * 200_000


class Interruption(BaseException):
    """What a block ends with that is no error of ours."""


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; only root can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small file system cannot be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)


def write_half(target: Path, error: BaseException) -> None:
    with whole_file(target) as aside:
        aside.write_bytes(b"half")
        raise error


def fill_half(target: Path, error: BaseException) -> None:
    with whole_folder(target) as aside:
        (aside / "a").write_bytes(b"half")
        raise error


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# A whole file.


def test_a_file_appears_with_its_folders_once_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "text.txt"
    with whole_file(target) as aside:
        aside.write_bytes(b"new")
        assert not target.exists()
    assert contents(tmp_path) == {"a/b/text.txt": b"new"}


def test_the_file_before_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "text.txt"
    target.write_bytes(b"old")
    with whole_file(target) as aside:
        aside.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert contents(tmp_path) == {"text.txt": b"new"}


@pytest.mark.parametrize("error", [ValueError("ours"), Interruption()])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    target = tmp_path / "text.txt"
    target.write_bytes(b"old")
    with pytest.raises(type(error)) as raised:
        write_half(target, error)
    assert raised.value is error
    assert contents(tmp_path) == {"text.txt": b"old"}


def test_a_file_that_cannot_be_read_inside_the_block_is_not_told_as_one_that_cannot_be_written(tmp_path: Path) -> None:
    missing = tmp_path / "input.csv"
    with pytest.raises(FileNotFoundError) as raised, whole_file(tmp_path / "output.csv") as aside:
        aside.write_bytes(missing.read_bytes())
    assert raised.value.filename == str(missing)
    assert contents(tmp_path) == {}


def test_a_killed_process_leaves_the_old_file_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "text.txt"
    target.write_bytes(b"old")
    code = (
        "import os, sys; from pathlib import Path; from mlwright.core import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as aside:\n"
        "    aside.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, target], check=False).returncode == -9
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["text.txt"]


def test_a_reader_never_sees_a_part_of_a_file(tmp_path: Path) -> None:
    target = tmp_path / "numbers.json"
    write_json(target, [0] * 5000)
    written = threading.Event()

    def write() -> None:
        for i in range(60):
            write_json(target, [i] * 5000)
        written.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    while not written.is_set():
        numbers = read_json(target)
        assert len(numbers) == 5000
        assert len(set(numbers)) == 1
        seen.append(numbers[0])
    writer.join()
    assert seen == sorted(seen)
    assert read_json(target)[0] == 59


def test_writers_at_the_same_time_do_not_mix(tmp_path: Path) -> None:
    target = tmp_path / "text.txt"
    writers = [threading.Thread(target=write_text, args=(target, str(i) * 100_000)) for i in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    text = target.read_text()
    assert len(text) == 100_000
    assert len(set(text)) == 1
    assert list(contents(tmp_path)) == ["text.txt"]


# A disk that is full.


@pytest.mark.parametrize("old", [None, b"old"])
def test_a_full_disk_is_told_and_leaves_what_was_there(small_disk: Path, old: bytes | None) -> None:
    target = small_disk / "text.txt"
    if old is not None:
        target.write_bytes(old)
    with pytest.raises(DiskFull) as raised, whole_file(target) as aside:
        aside.write_bytes(BIG)
    assert raised.value.where == str(target)
    assert contents(small_disk) == ({} if old is None else {"text.txt": old})


def test_a_full_disk_leaves_the_old_folder(small_disk: Path) -> None:
    target = small_disk / "model"
    target.mkdir()
    (target / "a").write_bytes(b"old")
    with pytest.raises(DiskFull), whole_folder(target) as aside:
        (aside / "b").write_bytes(BIG)
    assert contents(small_disk) == {"model/a": b"old"}


def test_space_that_runs_out_while_writing_is_told_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "text.txt"
    target.write_bytes(b"old")
    with pytest.raises(DiskFull), files_of_at_most(10_000), whole_file(target) as aside:
        aside.write_bytes(BIG)
    assert contents(tmp_path) == {"text.txt": b"old"}


def test_a_table_that_does_not_fit_is_told_in_the_same_words(tmp_path: Path) -> None:
    target = tmp_path / "table.arrow"
    table = pa.table({"number": list(range(100_000))})
    with (
        pytest.raises(DiskFull),
        files_of_at_most(10_000),
        whole_file(target) as aside,
        pa.OSFile(str(aside), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    assert contents(tmp_path) == {}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_device_without_space_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskFull), whole_file(tmp_path / "text.txt"):
        Path("/dev/full").write_bytes(b"x")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for whole in (whole_file, whole_folder):
        with pytest.raises(NotWritable) as raised, whole(tmp_path / "file" / "inner"):
            pytest.fail("the block must not begin")
        assert raised.value.where == str(tmp_path / "file" / "inner")
        assert "check the path" in raised.value.fix


# A whole folder.


def test_a_folder_appears_once_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "runs" / "1"
    with whole_folder(target) as aside:
        (aside / "deep").mkdir()
        (aside / "deep" / "a").write_bytes(b"a")
        assert not target.exists()
    assert contents(tmp_path) == {"runs/1/deep/a": b"a"}


def test_a_new_folder_takes_the_place_of_the_whole_old_one(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "only in the old one").write_bytes(b"old")
    with whole_folder(target) as aside:
        (aside / "a").write_bytes(b"new")
        assert contents(target) == {"only in the old one": b"old"}
    assert contents(tmp_path) == {"model/a": b"new"}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_block_that_fails_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "a").write_bytes(b"old")
    with pytest.raises(Interruption):
        fill_half(target, Interruption())
    assert contents(tmp_path) == {"model/a": b"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_cannot_be_put_in_place_gives_the_old_one_back(tmp_path: Path) -> None:
    target = tmp_path / "model"
    target.mkdir()
    (target / "a").write_bytes(b"old")
    with pytest.raises(NotWritable), whole_folder(target) as aside:
        aside.rmdir()
    assert contents(tmp_path) == {"model/a": b"old"}
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


# JSON and text.

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(tree=TREES.filter(lambda tree: "\\ud" not in ascii(tree)))
def test_json_is_read_back_as_it_was_written(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    path = tmp_path_factory.mktemp("json") / "tree.json"
    write_json(path, tree)
    assert read_json(path) == tree
    if isinstance(tree, dict):
        assert list(read_json(path)) == list(tree)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_refused_and_the_old_file_stays(tmp_path: Path, number: float) -> None:
    path = tmp_path / "tree.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"a": number})
    assert read_json(path) == {"a": 1}


def test_text_is_written_as_utf8_for_every_locale(tmp_path: Path) -> None:
    write_text(tmp_path / "text.txt", "Größe ≥ 3\n")
    assert (tmp_path / "text.txt").read_bytes() == "Größe ≥ 3\n".encode()


@pytest.mark.parametrize(
    "damage",
    [b"", b'{"a": ', b"\xff\xfe\x00", b"[" * 100_000, b"9" * 5000],
    ids=["empty", "cut off", "not text", "nested without end", "a number without end"],
)
def test_a_damaged_file_is_told_plainly(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "tree.json"
    path.write_bytes(damage)
    with pytest.raises(NotReadable, match="damaged") as raised:
        read_json(path)
    assert raised.value.where == str(path)


def test_a_missing_file_and_a_folder_in_its_place_are_told_plainly(tmp_path: Path) -> None:
    with pytest.raises(NotReadable, match="missing"):
        read_json(tmp_path / "tree.json")
    with pytest.raises(NotReadable, match="cannot be read"):
        read_json(tmp_path)


@given(content=st.binary(max_size=300))
def test_the_fingerprint_is_the_sha256_of_the_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("bytes") / "file"
    path.write_bytes(content)
    assert fingerprint_of_file(path) == hashlib.sha256(content).hexdigest()


def test_the_fingerprint_of_an_empty_file_is_the_known_one(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert fingerprint_of_file(path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_new_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_text(tmp_path / "whole", "x")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode
