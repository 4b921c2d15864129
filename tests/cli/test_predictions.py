"""The commands about the prediction log, as their users type them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.predictions.answers import ANSWER, asked, at, ids, opened

from mlwright.cli import main

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command beside a log of four answers, one of them not sealed; gives its code and what it printed."""
    log = opened(tmp_path / "predictions")
    for number in range(3):
        log.append(f"a{number}", at(number), f"v{number % 2}", asked(email=f"{number}@example.com"), ANSWER)
    log.seal()
    log.append("a3", at(3), "v1", asked(), ANSWER)
    log.close(seal=False)
    (tmp_path / "labels.csv").write_text("answer,truth\na0,yes\na3,no\nzz,no\n")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        said = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return stop.value.code, said.out, said.err

    return run


def result_of(command: Command, *arguments: str) -> Any:
    code, out, err = command(*arguments, "--json")
    assert code == 0, err
    return json.loads(out)


def test_labels_of_a_file_are_counted_and_joined(command: Command) -> None:
    told = ("label", "predictions", "labels.csv", "--id", "answer", "--label", "truth")
    code, out, _ = command(*told)
    assert code == 0
    assert "3 labels: 2 ids answered, 1 unknown; 3 written" in out
    assert result_of(command, *told)["repeated"] == 3
    assert result_of(command, "predictions", "show", "predictions")["labelled"] == 2


def test_show_counts_answers_by_version_and_window(command: Command) -> None:
    code, out, _ = command("predictions", "show", "predictions")
    assert code == 0
    assert "4 answers from 2026-03-01 12:00 to 2026-03-01 15:00 UTC" in out
    assert "v1: 2" in out
    found = result_of(
        command, "predictions", "show", "predictions", "--start", "2026-03-01T13:00:00", "--version", "v1"
    )
    assert (found["answers"], found["segments"]) == (2, 1)


def test_seal_takes_what_a_stopped_process_left(command: Command) -> None:
    assert result_of(command, "predictions", "seal", "predictions")["rows"] == 1
    assert "0 answers of 0 segments" in command("predictions", "seal", "predictions")[1]


def test_erase_takes_ids_or_a_field(command: Command, tmp_path: Path) -> None:
    assert result_of(command, "predictions", "erase", "predictions", "--id", "a0", "--id", "a3")["answers"] == 2
    code, out, _ = command("predictions", "erase", "predictions", "--where", "email=1@example.com")
    assert (code, "1 answers and 0 labels erased" in out) == (0, True)
    assert ids(tmp_path / "predictions") == ["a2"]


def test_expire_counts_first_if_asked_to(command: Command, tmp_path: Path) -> None:
    dry = result_of(command, "predictions", "expire", "predictions", "--older-than", "1h", "--dry-run")
    assert dry["answers"] == 3
    assert len(ids(tmp_path / "predictions")) == 4
    assert "3 answers and 0 labels removed" in command("predictions", "expire", "predictions", "--older-than", "1h")[1]
    assert ids(tmp_path / "predictions") == ["a3"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("predictions", "show", "nowhere"),
        ("predictions", "erase", "predictions"),
        ("predictions", "erase", "predictions", "--where", "email"),
        ("predictions", "erase", "predictions", "--where", "email=a", "--hashed"),
        ("predictions", "expire", "predictions", "--older-than", "soon"),
        ("predictions", "seal", "s3://bucket/predictions"),
        ("label", "predictions", "labels.csv", "--id", "anser", "--label", "truth"),
        ("label", "nowhere", "labels.csv", "--id", "answer", "--label", "truth"),
        ("label", "predictions", "nothing.csv"),
    ],
)
def test_a_wrong_call_is_a_plain_error(command: Command, arguments: tuple[str, ...]) -> None:
    code, _, err = command(*arguments)
    assert code == 2
    assert "Traceback" not in err
    assert err.strip()
