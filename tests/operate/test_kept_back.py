"""Rows that are wrong: kept back, in no window, no comparison and no training table; repaired and let go on, counted once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.operate.shop import OPENED, answer_days, copied, dated, in_another_unit, label, last_day, spec_of, visits

from mlwright.cli.main import _code
from mlwright.lifecycle import LabelledLog
from mlwright.monitoring.irregular import Quarantine
from mlwright.monitoring.kept import kept_windows, merged, saved_findings
from mlwright.monitoring.windows import WindowSummary
from mlwright.operate import Project, Round, operate
from mlwright.operate.living import seen_by
from mlwright.spec import Spec


def broken_day(day: int = 3) -> pl.DataFrame:
    """A day on which ages came in another unit for half of the visits."""
    return in_another_unit(visits(400, 300 + day, start=OPENED + timedelta(days=day), days=0.2))


def filled(shop: Path, folder: Path, **operation: Any) -> Spec:
    """Three days as they should be, and one that is broken; labels have come for the first three."""
    spec = spec_of(copied(shop, folder), operation={"label_delay": "1d", **operation})
    for day in range(3):
        answer_days(spec.folder, visits(400, 300 + day, start=OPENED + timedelta(days=day), days=0.2))
    answer_days(spec.folder, broken_day(), labels=False)
    return spec


def once(spec: Spec, *, minutes: float = 0) -> Round:
    now = dated(last_day(spec.folder)) + timedelta(minutes=minutes)
    made = operate(spec, once=True, clock=lambda: now)
    assert not made.troubles, made.troubles
    return made


def whole(spec: Spec) -> WindowSummary:
    """All windows of the champion put together."""
    with Project.open(spec) as project:
        shape = project.watched(project.champion()).shape
        return merged(shape, project.store.reading(lambda c: kept_windows(c, shape, samples=True)))


def kinds(spec: Spec) -> list[str]:
    with Project.open(spec) as project:
        return [one.kind for one in project.store.reading(lambda c: saved_findings(c, project.model))]


def test_rows_that_are_kept_back_are_in_no_window_and_go_on_once_repaired(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = filled(shop, tmp_path / "shop")
    once(spec)
    log = spec.folder / "predictions"
    held = Quarantine(log).held()
    assert [one.reasons[0].kind for one in held] == ["unit_change"]
    n_held = sum(one.rows for one in held)
    assert 150 < n_held <= 200
    assert "unit_change" in kinds(spec)
    assert "drift" not in kinds(spec), "a fault is told by its name, and is no drift besides"
    seen = whole(spec)
    assert seen.rows == 1600 - n_held
    assert seen.mean("age") < 60

    label(spec.folder, broken_day())
    once(spec, minutes=1)
    assert (whole(spec).rows, whole(spec).counts.known) == (1600 - n_held, 1600 - n_held)
    with Project.open(spec) as project:
        model = project.watched(project.champion()).model
    assert len(LabelledLog(log).latest(model, most=10_000)) == 1600 - n_held

    replay = ["quarantine", "replay", str(log), "--run", str(spec.folder / "runs"), "--spec", str(spec.folder)]
    run = next((spec.folder / "runs").iterdir())
    replay[4] = str(run / "model")
    assert _code([*replay, "--accept", "unit_change"], debug=False) == 0, capsys.readouterr().err
    for again in range(2):
        once(spec, minutes=2 + again)
        assert (whole(spec).rows, whole(spec).counts.known) == (1600, 1600)
    assert whole(spec).mean("age") < 60
    rows = LabelledLog(log).latest(model, most=10_000)
    assert len(rows) == 1600
    assert rows.rows.numbers("age").max() < 150


def test_labels_that_come_after_rows_went_on_are_counted(shop: Path, tmp_path: Path) -> None:
    spec = filled(shop, tmp_path / "shop", repair={"unit_change": "accept"})
    once(spec)
    assert Quarantine(spec.folder / "predictions").held() == []
    assert (whole(spec).rows, whole(spec).counts.known) == (1600, 1200), "repaired by the accepted rule, at once"
    assert whole(spec).mean("age") < 60
    with Project.open(spec) as project:
        seen = seen_by(project, project.watched(project.champion()), dated(last_day(spec.folder)))
    assert seen.accepted == {"unit_change"}
    label(spec.folder, broken_day())
    once(spec, minutes=1)
    assert (whole(spec).rows, whole(spec).counts.known) == (1600, 1600)


def test_what_the_owner_ignores_goes_on_as_it_is_and_is_no_reason_for_anything(shop: Path, tmp_path: Path) -> None:
    spec = filled(shop, tmp_path / "shop", repair={"unit_change": {"age": "ignore"}})
    once(spec)
    assert Quarantine(spec.folder / "predictions").held() == []
    assert whole(spec).rows == 1600
    with Project.open(spec) as project:
        seen = seen_by(project, project.watched(project.champion()), dated(last_day(spec.folder)))
    assert "unit_change" not in {one.kind for one in seen.findings}


def test_a_fault_that_was_over_before_anybody_looked_is_told_all_the_same(shop: Path, tmp_path: Path) -> None:
    spec = filled(shop, tmp_path / "shop")
    answer_days(spec.folder, visits(400, 304, start=OPENED + timedelta(days=4), days=0.2))
    told = once(spec).done["tell"]
    assert any("'age' is" in line for line in told)
    with Project.open(spec) as project:
        (found,) = [
            one
            for one in project.store.reading(lambda c: saved_findings(c, project.model))
            if one.kind == "unit_change"
        ]
    assert (found.since, found.until) == (OPENED + timedelta(days=3), OPENED + timedelta(days=4))
    answer_days(spec.folder, visits(400, 305, start=OPENED + timedelta(days=5), days=0.2))
    once(spec)
    assert "unit_change" not in kinds(spec)
