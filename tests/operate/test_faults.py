"""What production does to a loop: labels that never come or come twice, clocks, few rows, packages and databases that are gone."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.operate.conftest import ALONE
from tests.operate.shop import OPENED, answer_days, copied, dated, label, last_day, spec_of, visits

from mlwright.lifecycle import Decision, LifecycleStore
from mlwright.lifecycle.derived import register_derived
from mlwright.models import Model
from mlwright.monitoring import DatabaseGone
from mlwright.monitoring.kept import kept_windows, saved_findings
from mlwright.operate import Project, Round, Stop, operate
from mlwright.predictions import add_labels
from mlwright.registry import Registry, VersionsForgotten
from mlwright.registry.pointers import package_digest
from mlwright.spec import Spec


def once(spec: Spec, now: datetime) -> Round:
    return operate(spec, once=True, clock=lambda: now)


def day(number: int, **more: float) -> datetime:
    return OPENED + timedelta(days=number, **more)


def frames(days: Sequence[int], *, rows: int = 300, **more: float) -> list[pl.DataFrame]:
    return [visits(rows, 200 + number, start=day(number), days=0.2, **more) for number in days]


def answered(folder: Path, days: Sequence[int], *, labels: bool = True, rows: int = 300, **more: float) -> None:
    for frame in frames(days, rows=rows, **more):
        answer_days(folder, frame, labels=labels)


def counted(spec: Spec) -> tuple[int, int]:
    """Answers and labels in the windows of all versions that are looked after."""
    with Project.open(spec) as project:
        found = [
            window.summary
            for watched in project.looked_after()
            for window in project.store.reading(lambda c, shape=watched.shape: kept_windows(c, shape))  # type: ignore[misc]
        ]
    return sum(one.rows for one in found), sum(one.counts.known for one in found)


def kinds(spec: Spec) -> set[str]:
    """What is found at present."""
    with Project.open(spec) as project:
        return {one.kind for one in project.store.reading(lambda c: saved_findings(c, project.model))}


@pytest.fixture
def alone(shop: Path, tmp_path: Path) -> Spec:
    """A shop that does everything by itself."""
    return spec_of(copied(shop, tmp_path / "shop"), operation=ALONE)


def test_without_any_label_ever_a_drift_is_found_and_nothing_is_changed(alone: Spec) -> None:
    answered(alone.folder, range(2), labels=False)
    answered(alone.folder, range(2, 5), labels=False, older=20)
    made = once(alone, dated(last_day(alone.folder)))
    assert not made.troubles
    assert {"drift", "expected_loss"} <= kinds(alone)
    assert counted(alone) == (1500, 0)
    with Project.open(alone) as project:
        assert [one.aliases for one in project.versions()] == [("champion",)]


def test_labels_of_unknown_answers_wait_and_change_nothing(alone: Spec) -> None:
    answered(alone.folder, range(2), labels=False)
    once(alone, day(2, minutes=21))
    nobody = pl.DataFrame({"id": [f"nobody{n}" for n in range(50)], "label": ["yes"] * 50})
    given = add_labels(alone.folder / "predictions", nobody, now=day(2))
    assert given.unknown == 50
    assert not once(alone, day(2, minutes=25)).troubles
    assert counted(alone) == (600, 0)
    late = frames([2])[0].with_columns(pl.format("nobody{}", pl.int_range(300)).alias("visit"))
    answer_days(alone.folder, late, labels=False)
    once(alone, day(3, minutes=21))
    assert counted(alone) == (900, 50), "their answers have come now"


def test_the_same_labels_with_other_values_take_the_place_of_the_first_and_count_once(
    better_shop: Path, tmp_path: Path
) -> None:
    asking = {**ALONE, "retrain": {"approve": "person"}}
    spec = spec_of(copied(better_shop, tmp_path / "shop"), operation=asking)
    later = dated(last_day(spec.folder))
    once(spec, later)
    before, known = compared(spec), counted(spec)
    frame = visits(400, 55, start=day(5), days=0.08, keener=-1.5)
    turned = frame.with_columns(
        pl.when(pl.col("bought") == "yes").then(pl.lit("no")).otherwise(pl.lit("yes")).alias("bought")
    )
    label(spec.folder, turned.with_columns(pl.col("at") + timedelta(hours=1)))
    changed = once(spec, later + timedelta(minutes=5))
    assert not changed.troubles
    assert "400 new labels" not in changed.done["read"][0]
    assert "400 changed" in changed.done["read"][0]
    assert counted(spec) == known
    assert compared(spec) == before, "a row of a comparison counts once, as it was first told"


def compared(spec: Spec) -> tuple[int, float]:
    with Project.open(spec) as project:
        found = LifecycleStore(project.store, project.model).open_comparison("proof")
    assert found is not None
    return found.rows, found.gain


def test_a_clock_that_goes_back_and_forth_counts_nothing_twice(alone: Spec) -> None:
    answered(alone.folder, range(3), rows=100)
    for moment in (day(3, minutes=21), day(1), day(40), day(3, minutes=23)):
        assert not once(alone, moment).troubles
    assert counted(alone) == (300, 300)
    answered(alone.folder, [3], rows=100)
    assert once(alone, day(2, hours=12)).done["read"][-1].endswith("a clock is ahead")
    once(alone, day(4, minutes=21))
    assert counted(alone) == (400, 400)


def test_windows_of_three_rows_wait_for_more(alone: Spec) -> None:
    answered(alone.folder, range(5), rows=3)
    made = once(alone, day(5, minutes=21))
    assert not made.troubles
    assert "judge" not in made.done
    assert counted(alone) == (15, 15)


def test_answers_of_a_version_that_is_not_known_wait_and_are_counted_once_it_is(alone: Spec, tmp_path: Path) -> None:
    registry = Registry.of(alone)
    champion = registry.version("champion")
    other = Model.load(champion.package)
    other = replace(other, facts={**other.facts, "changed": "by somebody"})
    other.save(tmp_path / "package")
    version = package_digest(tmp_path / "package")[:12]
    answered(alone.folder, [0])
    answer_days(alone.folder, frames([0], rows=200, older=1)[0].with_columns(pl.col("visit") + "b"), version=version)
    told = once(alone, day(1, minutes=21)).done["read"]
    assert f"200 answers of version {version} wait: its package is not known here" in told
    assert counted(alone) == (300, 300)
    decision = Decision(made=day(1), champion=1, action="recalibrate", reason="somebody asked")
    register_derived(other, champion, decision, registry=registry, who="the test", facts={}, now=day(1))
    for again in range(2):
        assert not once(alone, day(1, minutes=25 + again)).troubles
        with Project.open(alone) as project:
            shape = project.watched(project.versions()[1]).shape
            windows = project.store.reading(lambda c, shape=shape: kept_windows(c, shape))  # type: ignore[misc]
        assert sum(one.summary.rows for one in windows) == 200
    assert shape.version == version
    assert counted(alone) == (300, 300), "two versions in one window, each counted for itself"


@pytest.mark.parametrize("gone_first", [True, False])
def test_a_database_that_is_gone_for_a_while_is_waited_for_and_never_begun_anew(alone: Spec, gone_first: bool) -> None:
    answered(alone.folder, range(2))
    once(alone, day(2, minutes=21))
    elsewhere = alone.folder / "elsewhere"
    if gone_first:
        moved(alone, elsewhere)
        with pytest.raises(VersionsForgotten):
            once(alone, day(2, minutes=22))
        assert not (alone.folder / "mlwright.db").exists()
        moved_back(alone, elsewhere)
    else:
        with Project.open(alone, patience_s=0.2) as project:
            moved(alone, elsewhere)
            with pytest.raises(DatabaseGone, match="its file is gone"):
                project.store.reading(lambda c: saved_findings(c, project.model))
            assert not (alone.folder / "mlwright.db").exists()
            moved_back(alone, elsewhere)
            assert project.champion().number == 1
    answered(alone.folder, [2])
    assert not once(alone, day(3, minutes=21)).troubles
    assert counted(alone) == (900, 900)


def moved(spec: Spec, elsewhere: Path) -> None:
    elsewhere.mkdir()
    for path in spec.folder.glob("mlwright.db*"):
        if not path.name.endswith(".lock"):
            shutil.move(path, elsewhere / path.name)


def moved_back(spec: Spec, elsewhere: Path) -> None:
    for path in elsewhere.iterdir():
        shutil.move(path, spec.folder / path.name)


def test_a_database_that_somebody_holds_is_told_and_the_next_round_does_what_was_left(
    alone: Spec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlwright.operate.operating._PATIENCE_S", 0.1)
    monkeypatch.setattr("mlwright.registry.database._PATIENCE_S", 0.1)
    answered(alone.folder, range(2))
    holder = sqlite3.connect(alone.folder / "mlwright.db", isolation_level=None)
    made: list[Round] = []
    stop = Stop()

    def told(one: Round) -> None:
        made.append(one)
        if len(made) == 1:
            answered(alone.folder, [2])
            holder.execute("BEGIN IMMEDIATE")
        elif holder.in_transaction:
            holder.execute("ROLLBACK")
        else:
            stop.ask()

    operate(alone, every_s=0.01, told=told, stop=stop, clock=lambda: day(3, minutes=21))
    holder.close()
    assert [sorted(one.troubles) for one in made[::2]] == [[], []]
    assert "read" in made[1].troubles
    assert counted(alone) == (900, 900)
