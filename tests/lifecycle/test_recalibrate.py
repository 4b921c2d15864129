"""Numbers that are off while the ranking holds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.lifecycle.world import drawn, labelled
from tests.models.made import made

from mlwright.lifecycle import recalibration
from mlwright.lifecycle.labelled import labelled_rows
from mlwright.lifecycle.recalibrate import SquaredError, calibrated_again, mean_gain, moved_again
from mlwright.models import Calibration, Model


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


@pytest.mark.parametrize("method", ["none", "temperature", "platt", "beta"])
def test_few_rows_move_the_known_map_along_its_own_kind_and_towards_the_truth(method: str) -> None:
    known = {
        "none": Calibration(),
        "temperature": Calibration(method="temperature", values=(1.3,)),
        "platt": Calibration(method="platt", values=(0.8, 0.4)),
        "beta": Calibration(method="beta", values=(0.9, 1.2, -0.3)),
    }[method]
    rng = np.random.default_rng(7)
    raw = rng.beta(2, 3, 3_000)
    score = np.log(known.apply(raw) / (1 - known.apply(raw)))
    truth = 1 / (1 + np.exp(-(0.6 * score + 1.1)))  # the law: a line through the logit of the known map
    y = (rng.random(3_000) < truth).astype(float)
    found, gain = calibrated_again(known, raw[:1_000], y[:1_000], rng=rng)
    assert found.method == ("beta" if method == "beta" else "platt")
    assert mean_gain(gain).low > 0
    assert np.abs(found.apply(raw) - truth).max() < 0.12
    assert np.abs(found.apply(raw) - truth).mean() < np.abs(known.apply(raw) - truth).mean() / 4
    order = np.argsort(raw)
    assert (np.diff(found.apply(raw)[order]) >= 0).all()


@given(seed=st.integers(0, 10**6), rows=st.integers(200, 1_500))
def test_a_map_that_is_right_is_hardly_ever_replaced(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 2, rows)
    found, gain = calibrated_again(Calibration(), p, (rng.random(rows) < p).astype(float), rng=rng)
    assert np.abs(found.apply(p) - p).max() < 6 / np.sqrt(rows)
    assert mean_gain(gain).low < 0.01


def test_scores_that_rank_the_wrong_way_round_are_not_turned_round() -> None:
    rng = np.random.default_rng(8)
    p = rng.beta(2, 2, 800)
    found, gain = calibrated_again(Calibration(), p, (rng.random(800) < 1 - p).astype(float), rng=rng)
    assert found.method == "none"
    assert not gain.any()


def test_offsets_follow_a_line_where_small_and_large_answers_are_off_by_different_amounts() -> None:
    rng = np.random.default_rng(9)
    said = rng.uniform(0, 100, 1_000)
    y = 1.4 * said + rng.normal(0, 5, 1_000)
    banded, saved = moved_again(None, said, y, SquaredError(), in_bands=True)
    even, saved_evenly = moved_again(None, said, y, SquaredError(), in_bands=False)
    assert banded is not None
    assert even is not None
    assert len(banded.amounts) == 5
    assert saved.mean() > saved_evenly.mean() + 50
    again, no_more = moved_again(banded, said, y, SquaredError(), in_bands=True)
    assert again == banded
    assert mean_gain(no_more).low <= 0


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
    answers = found.model.predict(frame)
    moved = answers.prediction - diabetes.model.predict(frame).prediction
    assert moved.mean() == pytest.approx(40, abs=8)
    risen = recalibration(diabetes.model, rows, rng=np.random.default_rng(0), monotonic=True)
    assert risen is not None
    assert risen.model.offset is not None
    assert list(risen.model.offset.amounts) == [pytest.approx(40, abs=8)]
    assert answers.low is not None
    assert answers.high is not None
    truth = frame["progression"].to_numpy()
    assert ((answers.low <= truth) & (truth <= answers.high)).mean() > 0.85
