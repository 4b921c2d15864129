"""Numbers that are off while the ranking holds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from tests.lifecycle.world import drawn, labelled
from tests.models.made import made

from mlwright.lifecycle import recalibration
from mlwright.lifecycle.labelled import labelled_rows
from mlwright.models import Model


def test_a_base_rate_that_moved_calls_for_a_new_calibration_only(model: Model) -> None:
    found = recalibration(model, labelled(model, drawn(3000, seed=2, base=1.3)), rng=np.random.default_rng(0))
    assert found is not None
    assert found.off
    assert found.ranking_intact
    later = drawn(3000, seed=3, base=1.3)
    truth = (later["bought"] == "yes").to_numpy()
    before = np.square(model.predict(later).prediction - truth).mean()
    after = np.square(found.model.predict(later).prediction - truth).mean()
    assert after < before - 0.01
    assert found.gain.low <= before - after <= 2 * found.gain.high
    assert found.model.members is model.members


def test_a_law_that_turned_round_is_no_matter_of_calibration(model: Model) -> None:
    found = recalibration(model, labelled(model, drawn(3000, seed=4, slope=-1.0)), rng=np.random.default_rng(0))
    assert found is not None
    assert not found.ranking_intact


def test_rows_as_before_need_no_new_calibration(model: Model) -> None:
    found = recalibration(model, labelled(model, drawn(3000, seed=5)), rng=np.random.default_rng(0))
    assert found is not None
    assert found.ranking_intact
    assert found.gain.low <= 0.0005


def test_too_few_rows_say_nothing(model: Model) -> None:
    assert recalibration(model, labelled(model, drawn(100, seed=6)), rng=np.random.default_rng(0)) is None


def test_a_regression_is_moved_by_its_mean_error_and_gets_new_intervals() -> None:
    diabetes = made("regression")
    frame = pl.concat([diabetes.frame, diabetes.frame]).with_columns(progression=pl.col("progression") + 40)
    table = {f"input.{name}": frame[name].to_list() for name in diabetes.model.schema.names}
    import pyarrow as pa

    moments = pa.array(range(len(frame)), pa.int64()).cast(pa.timestamp("us", "UTC"))
    rows = labelled_rows(
        pa.table(
            {
                "id": [str(n) for n in range(len(frame))],
                "time": moments,
                "version": ["v1"] * len(frame),
                **table,
                "label": [str(value) for value in frame["progression"].to_list()],
                "label_time": moments,
            }
        ),
        diabetes.model,
    )
    found = recalibration(diabetes.model, rows, rng=np.random.default_rng(0))
    assert found is not None
    assert found.off
    assert found.model.offset is not None
    assert found.model.offset.amounts[0] == pytest.approx(40, abs=8)
    answers = found.model.predict(frame)
    assert answers.low is not None
    assert answers.high is not None
    truth = frame["progression"].to_numpy()
    assert ((answers.low <= truth) & (truth <= answers.high)).mean() > 0.85
