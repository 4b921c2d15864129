"""What grows old: columns whose source has stopped, a skill that fades, rows that are unlike all others."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from tests.operate.shop import OPENED, answer_days, copied, dated, spec_of, visits

from mlwright.models import Model
from mlwright.monitoring import Finding, WindowShape, WindowSummary
from mlwright.monitoring.kept import KeptWindow
from mlwright.monitoring.shapes import ColumnShape
from mlwright.operate import Project, operate
from mlwright.operate.aging import fading_skill, stale_columns
from mlwright.registry import Registry

DAY = timedelta(days=1)
SHAPE = WindowShape(
    model="shop",
    version="v1",
    task="binary",
    classes=("no", "yes"),
    columns=(ColumnShape(name="last_seen", kind="number", type="datetime", low=0.0, high=4e9),),
    score_low=0.0,
    score_high=1.0,
)


def window(number: int, newest: datetime | None, rows: int = 200) -> KeptWindow:
    """A day whose newest `last_seen` is this one."""
    start, rng = OPENED + number * DAY, np.random.default_rng(number)
    seen = [
        None if newest is None else newest - timedelta(days=float(d)) for d in np.r_[0.0, rng.exponential(3, rows - 1)]
    ]
    batch = pa.record_batch(
        {
            "id": [f"{number}-{row}" for row in range(rows)],
            "time": pa.array([start + timedelta(minutes=row) for row in range(rows)], pa.timestamp("us", "UTC")),
            "input.last_seen": pa.array(seen, pa.timestamp("us", "UTC")).cast(pa.timestamp("us")),
            "output.prediction": ["no"] * rows,
            "output.probability_yes": rng.random(rows),
        }
    )
    summary = WindowSummary(shape=SHAPE)
    summary.update(batch)
    return KeptWindow(slice="overall", start=start, end=start + DAY, grain="day", summary=summary)


def end_of(number: int) -> datetime:
    return OPENED + (number + 1) * DAY


def test_a_column_whose_source_has_stopped_is_named_with_its_age() -> None:
    fresh = [window(number, end_of(number) - timedelta(hours=3)) for number in range(6)]
    assert stale_columns(fresh, SHAPE, DAY) == []
    stopped = [*fresh, window(6, end_of(5) - timedelta(hours=3))]
    (found,) = stale_columns(stopped, SHAPE, DAY)
    assert (found.kind, found.columns) == ("stale_column", ("last_seen",))
    assert found.evidence["age_hours"] == pytest.approx(27)
    assert found.evidence["usual_hours"] == pytest.approx(3)


def test_a_column_without_values_or_with_hardly_a_window_is_not_called_stale() -> None:
    assert stale_columns([window(0, end_of(0)), window(1, end_of(0) - 9 * DAY)], SHAPE, DAY) == []
    empty = [*(window(number, end_of(number)) for number in range(4)), window(4, None)]
    assert stale_columns(empty, SHAPE, DAY) == []


def open_findings(folder: Path, kind: str, now: datetime) -> list[Finding]:
    from mlwright.operate import look

    with Project.open(spec_of(folder)) as project:
        return [one for one in look(project, now=now).findings if one.kind == kind]


def test_rows_unlike_all_that_were_answered_are_told_with_the_oddest_of_them(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    for number in range(4):
        answer_days(folder, visits(400, 70 + number, start=OPENED + number * DAY, days=0.08), labels=False)
    made = operate(spec_of(folder), once=True, clock=lambda: dated(OPENED, days=4))
    assert made.troubles == {}
    assert open_findings(folder, "anomalous_rows", dated(OPENED, days=4)) == []
    odd = visits(400, 80, start=OPENED + 4 * DAY, days=0.08)
    strange = pl.int_range(pl.len()) % 20 == 0
    odd = odd.with_columns(
        pl.when(strange).then(95.0 + pl.col("age") / 10).otherwise(pl.col("age")).alias("age"),
        pl.when(strange).then(pl.col("pages") + 15).otherwise(pl.col("pages")).alias("pages"),
    )
    answer_days(folder, odd, labels=False)
    operate(spec_of(folder), once=True, clock=lambda: dated(OPENED, days=5))
    (found,) = open_findings(folder, "anomalous_rows", dated(OPENED, days=5))
    assert set(found.columns) <= {"age", "pages"}
    assert 15 <= int(found.evidence["odd"] or 0) <= 25
    assert "age" in str(found.evidence["oddest 1"])
    assert "answer V80-" in str(found.evidence["oddest 1"])


def test_a_skill_that_fades_is_told_with_the_day_on_which_it_will_be_too_little(shop: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    model = Model.load(Registry.of(spec_of(folder)).version("champion").package)
    shape = WindowShape.of(model, version="v1", name="shop")
    spec = spec_of(folder, operation={"label_delay": "1d"})

    def labelled(number: int, flipped: float) -> KeptWindow:
        frame = visits(1500, 300 + number, start=OPENED + number * DAY, days=0.5, flipped=flipped)
        said = model.predict(frame.drop("bought"))
        assert said.decision is not None
        summary = WindowSummary(shape=shape)
        counts = summary.counts
        counts.add(said.decision, said.prediction)
        counts.add_truth((frame["bought"] == "yes").to_numpy().astype(np.int64), said.decision, said.prediction)
        start = OPENED + number * DAY
        return KeptWindow(slice="overall", start=start, end=start + DAY, grain="day", summary=summary)

    steady = [labelled(number, 0.0) for number in range(12)]
    assert fading_skill(steady, model, spec) is None
    fading = [labelled(number, number / 12) for number in range(12)]
    found = fading_skill(fading, model, spec)
    assert found is not None
    assert found.kind == "fading_skill"
    assert float(found.evidence["per_day_low"] or 0) > 0
