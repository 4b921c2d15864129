"""The loop over other questions than yes or no, with windows of an hour, and with columns that the log hides."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.operate.shop import dated, last_day

from mlwright.data import Column, Schema
from mlwright.lifecycle import LogMasked
from mlwright.models import Model
from mlwright.monitoring import Finding
from mlwright.monitoring.kept import kept_windows, saved_findings
from mlwright.operate import Look, Project, Round, look, monitoring_page, operate
from mlwright.predictions import PredictionLog, add_labels
from mlwright.registry import Registry, register_run
from mlwright.spec import PredictionLogging, Spec, load_spec
from mlwright.workflow import run

OPENED = datetime(2026, 3, 1, tzinfo=UTC)
_KINDS = ["small", "middle", "large"]


def flats(rows: int, seed: int, *, larger: float = 0.0, dearer: float = 0.0) -> pl.DataFrame:
    """Flats with their rent and their kind; `larger` moves the size, `dearer` the rent of the same flat."""
    rng = np.random.default_rng(seed)
    size = np.round(rng.normal(70 + larger, 15, rows).clip(15), 1)
    town = rng.choice(["Rome", "Oslo", "Bern"], rows)
    rent = 8 * size + (town == "Oslo") * 300 + dearer + rng.normal(0, 60, rows)
    kind = np.select([rent < 550, rent < 750], _KINDS[:2], _KINDS[2])
    return pl.DataFrame({"size": size, "town": town, "rent": np.round(rent, 2), "kind": kind})


def opened(folder: Path, target: str) -> Spec:
    """A project whose first version answers."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = flats(1500, 1).drop({"rent", "kind"} - {target})
    days = [OPENED - timedelta(days=60) + number * timedelta(hours=0.9) for number in range(1500)]
    frame = frame.with_columns(pl.Series("at", [moment.replace(tzinfo=None) for moment in days]))
    frame.write_csv(folder / "flats.csv", datetime_format="%Y-%m-%d %H:%M:%S")
    tree = {
        "project": {"name": target},
        "data": {"source": "flats.csv", "target": target, "time": "at"},
        "budget": {"seconds": 15, "trials": 3, "workers": 1},
    }
    (folder / "mlwright.yaml").write_text(json.dumps({"mlwright": 1, **tree}))
    spec = load_spec(folder / "mlwright.yaml")
    register_run(run(spec), registry=Registry.of(spec), who="the test")
    return spec


def answer(spec: Spec, frame: pl.DataFrame, day: float, *, hours: float = 4, labels: bool = True) -> None:
    """Answer flats in some hours from a day on, and say what became of them."""
    model, target = Model.load(Registry.of(spec).version("champion").package), spec.data.target
    version = Registry.of(spec).version("champion").package_version
    moments = [OPENED + timedelta(days=day, hours=hours * number / len(frame)) for number in range(len(frame))]
    at = [f"{moment:%Y-%m-%d %H:%M:%S}" for moment in moments]
    asked = frame.select("size", "town").with_columns(pl.Series("at", at))
    asked = asked.select(column for column in asked.columns if column in model.schema.names)
    said = model.predict(asked).to_table()
    numbers = {name for name in said.column_names if name != "prediction" or target == "rent"}
    output = Schema(
        tuple(Column(name=name, type="number" if name in numbers else "category") for name in said.column_names)
    )
    ids = [f"{day}-{number}" for number in range(len(frame))]
    with PredictionLog.open(
        spec.folder / "predictions",
        PredictionLogging(mask=spec.predictions.mask),
        worker=f"w{day}",
        input_schema=model.schema,
        output_schema=output,
        sealing=False,
    ) as log:
        for number, (row, told) in enumerate(zip(asked.to_dicts(), said.to_pylist(), strict=True)):
            moment = int(moments[number].timestamp() * 1e9)
            log.append(ids[number], moment, version, json.dumps(row).encode(), json.dumps(told).encode())
        log.close(seal=True)
    if labels:
        truth = pl.DataFrame({"id": ids, "label": frame[target].cast(pl.String)})
        add_labels(spec.folder / "predictions", truth, now=OPENED + timedelta(days=day, hours=hours))


def once(spec: Spec, now: datetime) -> Round:
    made = operate(spec, once=True, clock=lambda: now)
    assert not made.troubles, made.troubles
    return made


def seen(spec: Spec, now: datetime) -> tuple[Look, str]:
    with Project.open(spec) as project:
        found = look(project, now=now)
        return found, monitoring_page(found, project)


def found_by_kind(spec: Spec) -> dict[str, Finding]:
    with Project.open(spec) as project:
        return {one.kind: one for one in project.store.reading(lambda c: saved_findings(c, project.model))}


@pytest.fixture(scope="module")
def rents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rents are predicted; nothing was asked yet. Treat it as read-only."""
    return opened(tmp_path_factory.mktemp("rents") / "rents", "rent").folder


def copied(rents: Path, folder: Path, **sections: Any) -> Spec:
    """A project just like it, with more sections in its spec."""
    shutil.copytree(rents, folder)
    tree = json.loads((folder / "mlwright.yaml").read_text())
    (folder / "mlwright.yaml").write_text(json.dumps({**tree, **sections}))
    return load_spec(folder / "mlwright.yaml")


def test_a_regression_whose_error_has_risen_is_calibrated_again_and_proven_better(rents: Path, tmp_path: Path) -> None:
    act, retrain = {"recalibrate": "automatic"}, {"approve": "automatic", "tolerance": 20.0}
    spec = copied(rents, tmp_path / "rents", operation={"act": act, "retrain": retrain})
    for day in range(2):
        answer(spec, flats(300, 20 + day), day)
    assert "tell" not in once(spec, dated(last_day(spec.folder))).done
    for day in range(2, 5):
        answer(spec, flats(300, 20 + day, dearer=400), day)
    made = once(spec, dated(last_day(spec.folder)))
    known = found_by_kind(spec)
    cost = known["loss"].cost
    assert cost is not None
    assert 200 < cost.low < cost.high < 500
    assert any("calibrate again (done)" in line for line in made.done["live"])
    for day in range(5, 8):
        answer(spec, flats(300, 20 + day, dearer=400), day)
    assert "took the place of version 1" in once(spec, dated(last_day(spec.folder))).done["live"][0]
    look_, page = seen(spec, dated(last_day(spec.folder)))
    assert look_.measure is not None
    assert look_.measure.metric == "mae"
    assert "mean error" in page


def test_of_several_classes_a_drift_and_the_rise_of_wrong_answers_are_found(tmp_path: Path) -> None:
    spec = opened(tmp_path / "kinds", "kind")
    for day in range(2):
        answer(spec, flats(300, 40 + day), day)
    for day in range(2, 5):
        answer(spec, flats(300, 40 + day, larger=10, dearer=-200), day)
    made = once(spec, dated(last_day(spec.folder)))
    known = found_by_kind(spec)
    assert {"drift", "loss"} <= known.keys()
    assert made.done["tell"]
    cost = known["loss"].cost
    assert cost is not None
    assert 0.1 < cost.low < cost.high < 0.9
    look_, page = seen(spec, dated(last_day(spec.folder)))
    assert [one.labelled for one in look_.periods] == [300] * 5
    assert "share of wrong answers" in page


def test_a_regression_whose_rows_drift_is_judged_by_the_hour_where_windows_are_hours(
    rents: Path, tmp_path: Path
) -> None:
    spec = copied(rents, tmp_path / "rents", operation={"window": "1h"})
    answer(spec, flats(1200, 60), 0, hours=8)
    answer(spec, flats(600, 61, larger=15), 8 / 24, hours=4)
    made = once(spec, OPENED + timedelta(hours=12, minutes=21))
    assert "12 windows judged" in made.done["judge"]
    drift = found_by_kind(spec)["drift"]
    assert drift.since is not None
    assert OPENED + timedelta(hours=6) <= drift.since <= OPENED + timedelta(hours=9)
    look_, _ = seen(spec, OPENED + timedelta(hours=12, minutes=21))
    assert [one.rows for one in look_.periods] == [150] * 12


def test_what_the_log_hides_is_no_drift_and_no_version_is_judged_by_it(rents: Path, tmp_path: Path) -> None:
    spec = copied(rents, tmp_path / "rents", predictions={"mask": {"town": "drop"}})
    for day in range(4):
        answer(spec, flats(300, 80 + day), day)
    made = once(spec, dated(last_day(spec.folder)))
    assert "drift" not in found_by_kind(spec)
    assert "tell" not in made.done
    with Project.open(spec) as project:
        watched = project.watched(project.champion())
        windows = project.store.reading(lambda c: kept_windows(c, watched.shape))
        assert sum(one.summary.counts.known for one in windows) == 1200, (
            "its losses are counted: answers are not hidden"
        )
        with pytest.raises(LogMasked, match="'town'"):
            project.labelled.latest(watched.model, most=10)
