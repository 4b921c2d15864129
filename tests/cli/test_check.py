"""`mlwright check`: what is asked, what the run will do about it, and what cannot be; before anything is searched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import mixed_frame

from mlwright.cli import main

Said = tuple[int, str, str]
_DATA = {"source": "sales.csv", "target": "bought", "id": "customer_id"}


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Check a table of sales with these sections in the spec."""
    monkeypatch.chdir(tmp_path)
    mixed_frame(400).write_csv("sales.csv")

    def run(*options: str, **sections: Any) -> Said:
        Path("mlwright.yaml").write_text(yaml.safe_dump({"data": _DATA, **sections}))
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(("check", "--quiet", *options))
        said = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return stop.value.code, said.out, said.err

    return run


MONEY = {"values": {"true_positive": 40, "false_positive": -10}, "capacity": "10%", "currency": "EUR"}


def test_the_rule_and_the_ranking_stand_in_plain_words(check: Callable[..., Said]) -> None:
    code, out, _ = check(decision=MONEY)
    assert code == 0
    text = " ".join(out.split())
    assert "p > (tn - fp) / ((tn - fp) + (tp - fn))" in text
    assert "rows are ranked by what acting" in text


def test_machines_get_the_same(check: Callable[..., Said]) -> None:
    code, out, _ = check("--json", decision=MONEY, project={"deadline": "2999-12-31"})
    tree = json.loads(out)
    assert code == 0
    (line,) = [line for line in tree["translation"] if line["topic"] == "decision"]
    assert line["numbers"]["threshold"] == pytest.approx(0.2)
    assert tree["contradictions"] == []
    assert {"schema", "split", "results"} <= set(tree)


def test_what_cannot_be_ends_with_two_after_everything_is_shown(check: Callable[..., Said]) -> None:
    requirements = [
        {"id": "R1", "metric": "recall", "min": 0.9},
        {"id": "R2", "metric": "accuracy", "min": 0.999, "priority": "could"},
    ]
    code, out, err = check(decision=MONEY, requirements=requirements)
    assert code == 2
    text = " ".join(out.split())
    assert "R1 asks to find 90% of the positive rows" in text
    assert "certain" in text
    assert "R2 asks for accuracy" in text
    assert err.count("  fix    ") == 1
    assert "R2" not in err
    code, out, err = check("--json", decision=MONEY, requirements=requirements)
    assert code == 2
    assert [one["certain"] for one in json.loads(out)["contradictions"]] == [True, False]


def test_a_failed_check_is_told_before_anything_else(check: Callable[..., Said], tmp_path: Path) -> None:
    frame = mixed_frame(400)
    frame.with_columns(copy=frame["bought"]).write_csv(tmp_path / "leaky.csv")
    sections = {"data": {**_DATA, "source": "leaky.csv"}, "requirements": [{"id": "R", "metric": "recall", "min": 1.0}]}
    code, out, err = check("--json", **sections)
    assert code == 1
    assert "translation" not in json.loads(out)
    assert "copy" in err
