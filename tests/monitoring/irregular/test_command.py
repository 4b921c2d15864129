from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from tests.support import mixed_frame
from typer.testing import CliRunner

from mlwright.cli.app import app
from mlwright.monitoring.irregular import Batch, Quarantine, Reference, recognise, treat
from mlwright.runs import Run

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def said(*words: str) -> str:
    result = CliRunner().invoke(app, ["quarantine", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def log(finished: Run, tmp_path: Path) -> Path:
    """A log beside which a batch is kept whose ages are a thousand times too large."""
    rows = mixed_frame(300, seed=5).drop("bought").with_columns(pl.col("age") * 1000)
    batch = Batch.of_rows(rows, finished.model.schema)
    treated = treat(batch, recognise(batch, Reference.of_model(finished.model)))
    Quarantine(tmp_path / "log").keep(treated, source="2026-03-01", version="1", now=NOW)
    (tmp_path / "mlwright.yaml").write_text("data: {source: a.csv, target: bought}\n")
    return tmp_path / "log"


def test_what_is_kept_back_is_listed_with_its_reason_and_its_rule(log: Path) -> None:
    text = said("show", str(log))
    assert "unit_change: 'age' is 1,000 times too large." in text
    assert "rule: multiply 'age' by 0.001" in text
    (entry,) = json.loads(said("show", str(log), "--json"))["held"]
    rows = [json.loads(line) for line in said("show", str(log), "--entry", entry["id"]).splitlines()]
    assert len(rows) == entry["rows"]
    assert min(row["age"] for row in rows) > 1000


def test_rows_go_on_answered_once_their_rule_is_accepted(log: Path, finished: Run) -> None:
    to = ("--run", str(finished.folder.model_path), "--spec", str(log.parent / "mlwright.yaml"))
    held = sum(entry.rows for entry in Quarantine(log).held())
    assert "0 rows of 0 entries went on" in said("replay", str(log), *to)
    done = json.loads(said("replay", str(log), *to, "--accept", "unit_change:age", "--json"))
    assert done["rows"] == held > 0
    assert done["waiting"] == []
    (entry,) = Quarantine(log).replayed()
    rows = Quarantine(log).rows_of(entry)
    assert set(rows.column("output.prediction").unique().to_pylist()) <= {"yes", "no"}
    ages = mixed_frame(300, seed=5)["age"].drop_nulls().to_list()
    assert rows.column("age").to_pylist() == pytest.approx(ages)
    assert json.loads(said("replay", str(log), *to, "--accept", "unit_change", "--json"))["rows"] == 0


def test_the_spec_and_a_rule_of_ones_own_accept_as_well(log: Path, finished: Run) -> None:
    spec = log.parent / "mlwright.yaml"
    to = ("--run", str(finished.folder.model_path), "--spec", str(spec), "--json")
    rule = json.dumps({"rule": "set_missing", "column": "age"})
    assert json.loads(said("replay", str(log), *to, "--rule", rule))["rows"] > 0


def test_what_cannot_be_accepted_is_refused_in_plain_words(log: Path, finished: Run) -> None:
    to = ("--run", str(finished.folder.model_path), "--spec", str(log.parent / "mlwright.yaml"))
    for wrong in (("--accept", "unit"), ("--accept", "stopped_feed"), ("--rule", "[1]"), ("--rule", "{")):
        result = CliRunner().invoke(app, ["quarantine", "replay", str(log), *to, *wrong])
        assert result.exit_code == 2
