"""`mlwright registry`, `promote` and `rollback`, as one types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mlwright.cli import main
from mlwright.registry import Registry


class Shell:
    """Somebody in the folder of the project."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.said = ""
        self.complained = ""

    def __call__(self, command: str, *, code: int = 0) -> str:
        import shlex

        with pytest.raises(SystemExit) as stop:
            main(shlex.split(command))
        self.said, self.complained = self._capsys.readouterr()
        assert stop.value.code == code, self.complained
        return self.said

    def json(self, command: str, *, code: int = 0) -> Any:
        return json.loads(self(f"{command} --json", code=code))


@pytest.fixture
def shell(two: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.chdir(two.shelf.parents[1])
    monkeypatch.setenv("MLWRIGHT_USER", "ann")
    return Shell(capsys)


def test_versions_are_listed_and_shown(shell: Shell) -> None:
    lines = shell("registry list").splitlines()
    assert lines[0] == "sales: 2 versions"
    assert lines[1].split()[:2] == ["1", "champion"]
    versions = shell.json("registry list")["versions"]
    assert [one["aliases"] for one in versions] == [["champion"], []]
    assert "run            20261121-120001-0001" in shell("registry show champion")
    assert shell.json("registry show 2")["lineage"]["parent"] == 1


def test_a_promotion_needs_evidence_or_a_person_with_a_reason(shell: Shell) -> None:
    shell("promote 2", code=1)
    assert "there is no proof that it is better than version 1" in shell.complained
    assert shell('promote 2 --approve --reason "looked at it" --dry-run').startswith("would: version 2 of sales")
    assert shell.json("registry list")["versions"][0]["aliases"] == ["champion"]
    assert shell('promote 2 --approve --reason "looked at it"').startswith(
        "version 2 of sales answers instead of version 1"
    )
    assert shell("promote 2") == "version 2 of sales answers: it is champion already\n"
    shell('promote 2 --reason "looked at it"', code=2)


def test_a_rollback_is_asked_for_twice_and_done_once(shell: Shell) -> None:
    shell('promote 20261121-120002-0002 --approve --reason "looked at it" --by bob')
    assert shell.json("rollback --dry-run")["champion"] == 1
    assert shell('rollback --reason "complaints"') == (
        "version 1 of sales answers again instead of version 2: complaints\n"
    )
    again = shell.json("rollback")
    assert (again["changed"], again["champion"]) == (False, 1)
    log = shell("registry audit")
    assert "bob: approve version 2, looked at it" in log
    assert "ann: rollback version 1, complaints" in log
    assert "none changed, taken out or moved" in log


def test_a_run_is_added_once(shell: Shell) -> None:
    assert shell.json("registry add latest")["number"] == 2
    assert shell("registry add 20261121-120001-0001").startswith("version 1 (champion) of sales: meets every must")


def test_a_broken_log_ends_with_code_1(shell: Shell, two: Registry) -> None:
    with two.database.writing() as connection:
        connection.exec_driver_sql("DROP TRIGGER audit_no_update")
        connection.exec_driver_sql("UPDATE audit SET who = 'eve' WHERE entry = 2")
    shell("registry audit", code=1)
    assert "audit log, entry 2: changed after it was written" in shell.said
    assert shell.json("registry audit", code=1)["holds"] is False


def test_where_there_is_no_registry_the_error_says_what_to_do(
    tmp_path: Path, two: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mlwright.yaml").write_text((two.shelf.parents[1] / "mlwright.yaml").read_text())
    monkeypatch.chdir(other)
    shell = Shell(capsys)
    for command in ("registry list", "promote 1", "rollback"):
        shell(command, code=2)
        assert "there is no registry yet" in shell.complained
        assert not (other / "mlwright.db").exists()
