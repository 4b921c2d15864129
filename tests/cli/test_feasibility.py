"""`mlwright feasibility` as its users type it: one screen, one page, and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.cli.test_cli import Outcome, is_plain_error
from tests.support import mixed_frame

from mlwright.cli import main

Command = Callable[..., Outcome]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in a folder with a table of 400 rows."""
    monkeypatch.chdir(tmp_path)
    mixed_frame(400).write_csv(tmp_path / "sales.csv")

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        said = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return Outcome(stop.value.code, said.out, said.err)

    return run


def asks(folder: Path, bound: float, priority: str = "must") -> None:
    """A spec with one requirement."""
    spec = {
        "mlwright": 1,
        "data": {"source": "sales.csv", "target": "bought", "positive_class": "yes", "id": "customer_id"},
        "decision": {"label_price": 2, "currency": "EUR"},
        "requirements": [{"id": "R1", "metric": "roc_auc", "min": bound, "priority": priority}],
    }
    (folder / "mlwright.yaml").write_text(yaml.safe_dump(spec))


def test_a_yes_is_one_screen_and_one_page(command: Command, tmp_path: Path) -> None:
    asks(tmp_path, 0.64)
    found = command("feasibility")
    assert found.code == 0
    assert found.out.startswith("Yes")
    assert len(found.out.splitlines()) <= 45
    for words in ("R1", "at least 0.64", "A run will take about", "How sure is this?", "feasibility.html"):
        assert words in found.out
    assert "feasibility done in" in found.err
    assert "<svg" in (tmp_path / "feasibility.html").read_text()
    assert not (tmp_path / "runs").exists()


def test_a_no_ends_with_code_1_and_says_what_would_be_a_yes(command: Command, tmp_path: Path) -> None:
    asks(tmp_path, 0.97)
    found = command("feasibility", "--quiet", "--out", "here.html")
    assert found.code == 1
    assert found.out.startswith("No. R1, ROC AUC at least 0.97, is ")
    assert "Ask for at least 0." in found.out
    assert is_plain_error(found.err)
    assert (tmp_path / "here.html").is_file()


def test_json_has_the_answer_and_every_number(command: Command, tmp_path: Path) -> None:
    asks(tmp_path, 0.97, "should")
    found = command("feasibility", "--json")
    assert found.code == 0  # it is only a wish
    tree = json.loads(found.out)
    assert tree["answer"]["short"] == "No"
    assert tree["requirements"][0]["outcome"] == "infeasible"
    assert Path(tree["page"]).is_file()
    assert found.err == ""


def test_a_wrong_spec_ends_with_code_2(command: Command, tmp_path: Path) -> None:
    asks(tmp_path, 1.5)
    found = command("feasibility")
    assert found.code == 2
    assert is_plain_error(found.err)
    assert not (tmp_path / "feasibility.html").exists()


def test_help_has_an_example(command: Command) -> None:
    assert "Example: mlwright feasibility" in command("feasibility", "--help").out
