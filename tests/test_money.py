"""A run whose spec says what outcomes are worth: refused early where it cannot, told in the report, and computed again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.support import mixed_frame

from mlwright.cli.render import show_choice, show_run
from mlwright.models import WorthUnknown
from mlwright.reports import words
from mlwright.runs import Run
from mlwright.spec import Spec
from mlwright.verification import verify
from mlwright.workflow import open_run, run


def spec_in(folder: Path, values: dict[str, Any]) -> Spec:
    mixed_frame(700).write_parquet(folder / "sales.parquet")
    tree = {
        "project": {"name": "sales"},
        "data": {"source": "sales.parquet", "target": "bought", "id": "customer_id"},
        "budget": {"seconds": 20, "trials": 3},
        "decision": {"currency": "EUR", "values": values, "volume": {"count": 1000, "per": "month"}},
    }
    return Spec.of(tree).at(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = tmp_path_factory.mktemp("money")
    return run(spec_in(folder, {"true_positive": "2 * visits", "false_positive": -9}))


def test_verify_computes_the_value_again(made: Run) -> None:
    found = verify(made.folder)
    assert found.holds
    stored = {record.id for record in made.folder.evidence()}
    assert {"value.per_row", "value.act_on_none.gain", "value.per_period", "ensemble.value"} <= stored


def test_a_forged_value_is_found(made: Run) -> None:
    path = made.folder.path / "evaluation.json"
    honest = path.read_text()
    forged = re.sub(r'("acted": )[\d.]+', r"\g<1>0.0123", honest)
    assert forged != honest
    try:
        path.write_text(forged)
        assert "value.acted_share" in {one.id for one in verify(made.folder).differences}
    finally:
        path.write_text(honest)


def test_the_report_tells_the_value_with_evidence_for_each_number(made: Run) -> None:
    page = (made.folder.path / "report.html").read_text()
    shown = set(re.findall(r'data-evidence="([^"]+)"', page))
    assert shown <= {record.id for record in made.folder.evidence()}
    assert {
        "value.per_row",
        "value.half.gain",
        "ensemble.value",
        f"trials.{made.model.members[0].trial}.value",
    } <= shown
    assert "What the decisions were worth" in page
    assert "What the decisions were worth" in (made.folder.path / "model_card.md").read_text()


def test_a_manager_reads_the_value_first(made: Run) -> None:
    assert made.evaluation is not None
    first, second = words.meaning(made.evaluation, made.model, made.spec)[:2]
    assert re.fullmatch(
        r"Its decisions on the 140 test rows were worth [−\d,.]+ EUR, [−\d.]+ a row: [\d.]+ a row (more|less) than"
        r"( \(which could be chance\))? the best way without a model, act on (all rows|none)\.",
        first,
    )
    assert re.fullmatch(r"At the volume of the spec that is [−\d,.]+ EUR a month\.", second)


def test_the_terminal_shows_the_value_of_the_run_and_of_each_candidate(
    made: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    show_choice(made.leaderboard(), made.trials)
    show_run(open_run(made.folder))
    out = capsys.readouterr().out
    assert out.count("EUR a row") == 2
    assert "act on none" in out


def test_worths_that_cannot_be_computed_end_the_run_before_the_search(tmp_path: Path) -> None:
    spec = spec_in(tmp_path, {"true_positive": "visits / 0", "false_positive": -9})
    with pytest.raises(WorthUnknown):
        run(spec)
    assert not list(tmp_path.glob("runs/*/trials/*"))
