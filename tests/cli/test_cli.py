"""The command line as its users type it: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
import yaml
from tests.support import mixed_frame, shared_file

from mlwright.cli import main
from mlwright.spec import load_spec


class Outcome(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        said = capsys.readouterr()
        assert isinstance(stop.value.code, int)
        return Outcome(stop.value.code, said.out, said.err)

    return run


@pytest.fixture
def sales(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    mixed_frame(400).write_csv(path)
    return path


def quick(spec: Path) -> None:
    """Give a spec a budget for tests."""
    spec.write_text(spec.read_text().replace("seconds: 60", "seconds: 20\n  trials: 2"))


def is_plain_error(text: str) -> bool:
    """Three lines: what, where, what to do; and no traceback."""
    lines = text.strip().splitlines()
    return len(lines) == 3 and lines[1].startswith("  where  ") and lines[2].startswith("  fix    ")


def test_the_whole_job_from_table_to_answers(command: Command, sales: Path, tmp_path: Path) -> None:
    assert command("init", "sales.csv", "--target", "bought").code == 0
    quick(tmp_path / "mlwright.yaml")
    checked = command("check")
    assert checked.code == 0
    assert "customer_id" in checked.out
    assert "no feature gives the target away" in checked.out
    made = command("run")
    assert made.code == 0
    assert "ROC AUC" in made.out
    assert "report.html" in made.out
    assert command("predict", "latest", "sales.csv", "-o", "scored.parquet").code == 0
    assert pl.read_parquet(tmp_path / "scored.parquet").height == 400
    verified = command("verify")
    assert verified.code == 0
    assert "come out again" in verified.out


def test_the_stages_are_commands_too(command: Command, sales: Path, tmp_path: Path) -> None:
    command("init", "sales.csv", "--target", "bought")
    quick(tmp_path / "mlwright.yaml")
    trained = command("train", "--json")
    run = json.loads(trained.out)
    assert run["evaluation"] is None
    evaluated = json.loads(command("evaluate", run["run"], "--json").out)
    assert {s["metric"] for s in evaluated["evaluation"]["scores"]} >= {"roc_auc", "log_loss", "f1"}
    assert Path(json.loads(command("report", "--json").out)["report"]).is_file()
    assert command("train", "--resume", "latest").code == 0


def test_init_writes_a_spec_that_loads_and_says_what_was_found(command: Command, sales: Path, tmp_path: Path) -> None:
    command("init", "sales.csv", "--target", "bought", "--quiet")
    spec = load_spec(tmp_path)
    assert spec.data.target == "bought"
    assert spec.data.positive_class == "yes"
    assert spec.data.id == "customer_id"
    text = (tmp_path / "mlwright.yaml").read_text()
    assert "joined" in text
    assert json.loads((tmp_path / "mlwright.schema.json").read_text())["title"] == "mlwright.yaml"


def test_init_sets_leaking_columns_aside_so_that_the_run_works_unchanged(command: Command, tmp_path: Path) -> None:
    frame = mixed_frame(400)
    frame.with_columns(refund=pl.when(pl.col("bought") == "no").then(12.5)).write_csv(tmp_path / "leaky.csv")
    said = command("init", "leaky.csv", "--target", "bought")
    assert "refund" in said.out
    assert load_spec(tmp_path).data.known_after_decision == ("refund",)
    assert command("check").code == 0


def test_init_does_not_overwrite_a_spec_unless_told(command: Command, sales: Path) -> None:
    assert command("init", "sales.csv", "--target", "bought").code == 0
    again = command("init", "sales.csv", "--target", "bought")
    assert again.code == 2
    assert "there is a spec already" in again.err
    assert command("init", "sales.csv", "--target", "bought", "--force").code == 0


def test_init_takes_a_database(command: Command, tmp_path: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(tmp_path / "shop.db")
    connection.execute("CREATE TABLE sales (age REAL, visits INTEGER, bought TEXT)")
    rows = mixed_frame(200).select("age", "visits", "bought").rows()
    connection.executemany("INSERT INTO sales VALUES (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    assert command("init", "sqlite:///shop.db", "--query", "SELECT * FROM sales", "--target", "bought").code == 0
    assert yaml.safe_load((tmp_path / "mlwright.yaml").read_text())["data"]["source"]["query"] == "SELECT * FROM sales"
    assert command("check").code == 0


def test_results_go_to_stdout_and_progress_to_stderr(command: Command, sales: Path) -> None:
    command("init", "sales.csv", "--target", "bought")
    said = command("check", "--json")
    assert json.loads(said.out)["split"] == "stratified"
    assert said.err == ""
    assert "check done" in command("check").err
    assert command("check", "--quiet").err == ""


def test_failed_checks_end_with_one_and_say_what_to_do(command: Command, tmp_path: Path) -> None:
    frame = mixed_frame(400)
    frame.with_columns(copy=pl.col("bought")).write_csv(tmp_path / "leaky.csv")
    (tmp_path / "mlwright.yaml").write_text("data: {source: leaky.csv, target: bought}\n")
    said = command("check", "--quiet")
    assert said.code == 1
    assert is_plain_error(said.err)
    assert "known_after_decision: [copy]" in said.err
    assert command("run", "--quiet").code == 1


def test_requirements_that_are_not_met_end_with_one(command: Command, sales: Path, tmp_path: Path) -> None:
    (tmp_path / "mlwright.yaml").write_text(
        "data: {source: sales.csv, target: bought}\nbudget: {seconds: 20, trials: 2}\n"
        "requirements: [{id: R1, metric: accuracy, min: 0.95}]\n"
    )
    said = command("run", "--quiet")
    assert said.code == 1
    assert is_plain_error(said.err)
    assert "not met" in said.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check"], "there is no spec here"),
        (["run", "--spec", "nowhere.yaml"], "there is no spec here"),
        (["evaluate"], "there is no run yet"),
        (["verify", "20200101-000000-abcd"], "there is no run"),
        (["init", "nothing.csv", "--target", "x"], "there is no such file"),
        (["predict", "latest", "x.csv", "-o", "y.csv"], "there is no run"),
    ],
)
def test_a_wrong_call_is_three_plain_lines_and_two(command: Command, arguments: list[str], says: str) -> None:
    said = command(*arguments)
    assert said.code == 2
    assert is_plain_error(said.err)
    assert says in said.err


def test_a_wrong_target_names_the_nearest_column_and_the_place(command: Command, sales: Path, tmp_path: Path) -> None:
    (tmp_path / "mlwright.yaml").write_text("data:\n  source: sales.csv\n  target: bougth\n")
    said = command("check", "--quiet")
    assert said.code == 2
    assert "did you mean 'bought'?" in said.err
    assert "mlwright.yaml, line 3, column 3, data.target" in said.err


def test_every_problem_of_a_spec_is_told_at_once(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mlwright.yaml").write_text("data:\n  source: sales.csv\n  targett: x\nbudget: {seconds: soon}\n")
    said = command("check")
    assert said.code == 2
    assert said.err.count("  fix    ") == 3


@pytest.mark.parametrize("arguments", [["--nonsense"], ["frobnicate"], ["init"], ["check", "--spec"]])
def test_a_call_that_cannot_be_parsed_ends_with_two(command: Command, arguments: list[str]) -> None:
    said = command(*arguments)
    assert said.code == 2
    assert "Traceback" not in said.err


def test_debug_shows_the_traceback(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = subprocess.run([sys.executable, "-m", "mlwright", "check", "--debug"], capture_output=True, text=True)
    assert result.returncode == 1
    assert "Traceback" in result.stderr


@pytest.mark.parametrize("name", ["init", "check", "train", "evaluate", "report", "run", "predict", "verify"])
def test_every_commands_help_opens_with_what_it_does_and_an_example(command: Command, name: str) -> None:
    said = command(name, "--help")
    assert said.code == 0
    assert f"mlwright {name}" in said.out
    assert "Example" in said.out


def test_the_version_is_told(command: Command) -> None:
    assert command("--version").out.startswith("mlwright 0.")


def test_the_schema_and_the_metrics_are_published(command: Command) -> None:
    schema = json.loads(command("spec", "schema").out)
    assert schema["properties"]["data"]
    assert "roc_auc" in command("spec", "metrics").out
    assert {m["name"] for m in json.loads(command("spec", "metrics", "--json").out)} >= {"rmse", "recall"}


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    piped = f"{sys.executable} -m mlwright spec schema | head -1"
    result = subprocess.run(piped, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert result.stdout == "{\n"
    assert result.stderr == ""


@pytest.mark.slow
def test_the_raw_churn_export_works_as_it_is(command: Command, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_bytes(shared_file("telco_churn_raw.csv").read_bytes())
    assert command("init", "customers.csv", "--target", "Churn", "--quiet").code == 0
    quick(tmp_path / "mlwright.yaml")
    made = command("run", "--json")
    assert made.code == 0
    evaluation = json.loads(made.out)["evaluation"]
    auc = next(s for s in evaluation["scores"] if s["metric"] == "roc_auc")
    assert auc["interval"]["low"] > 0.78
