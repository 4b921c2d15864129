"""The training table of a challenger, and which rows are worth learning from."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from tests.lifecycle.world import START, drawn, labelled
from tests.support import spec_for

from mlwright.data import read
from mlwright.lifecycle import LabelledRows, Window, choose_window, training_table
from mlwright.lifecycle.retrain import MOST_JUDGED, RECENT, best_window, judged_rows, spec_over
from mlwright.models import Model
from mlwright.spec import Spec


def changed(model: Model, before: int, after: int) -> LabelledRows:
    """Rows as they were, then rows under a law that turned round, over ten days."""
    frame = pl.concat([drawn(before, seed=1), drawn(after, seed=2, slope=-1.0)])
    return labelled(model, frame, days=10)


def test_rows_from_before_a_change_of_the_law_are_left_out(model: Model) -> None:
    source = read(spec_for("bought"), drawn(1500, seed=3))
    rows = changed(model, 1500, 1500)
    window = choose_window(source, rows, since=START + timedelta(days=5), rng=np.random.default_rng(0))
    assert (window.name, window.with_source) == ("change", False)
    assert window.losses["change"] < window.losses["all"]


def test_all_rows_are_kept_where_nothing_changed(model: Model) -> None:
    source = read(spec_for("bought"), drawn(1500, seed=4))
    rows = labelled(model, drawn(2000, seed=5), days=10)
    window = choose_window(source, rows, since=START + timedelta(days=5), rng=np.random.default_rng(0))
    assert window.name == "all"
    few = labelled(model, drawn(100, seed=6))
    assert choose_window(source, few, since=None, rng=np.random.default_rng(0)).name == "all"


def test_long_ago_is_forgotten_where_nobody_has_dated_the_change(model: Model) -> None:
    source = read(spec_for("bought"), drawn(1500, seed=13))
    rows = changed(model, 8_000, 8_000)
    window = choose_window(source, rows, since=None, rng=np.random.default_rng(0))
    assert (window.name, window.with_source) == ("recent", False)
    assert set(window.losses) == {"all", "log", "recent"}
    assert len(rows.since(window.since)) == RECENT


def test_of_windows_that_are_about_as_good_the_one_with_more_rows_is_taken() -> None:
    rng = np.random.default_rng(0)
    loss = rng.random(500)
    alike, clearly = loss - 1e-4 * rng.random(500) + 0.01 * rng.normal(size=500), loss - 0.1
    assert best_window({"all": loss, "log": alike}) == "all"
    assert best_window({"all": loss, "log": alike, "recent": clearly}) == "recent"
    assert best_window({"all": loss}) == "all"


@given(rows=st.integers(0, 10**7))
def test_the_latest_rows_judge_and_never_all_of_them(rows: int) -> None:
    assert 1 <= judged_rows(rows) <= min(max(rows / 4, 1), MOST_JUDGED)


def test_the_table_has_the_columns_of_the_source_filled_from_the_log(model: Model) -> None:
    frame = drawn(200, seed=7).with_columns(
        customer=pl.Series([f"C{number}" for number in range(200)]),
        at=pl.Series([START.replace(tzinfo=None) - timedelta(days=1 + number % 9) for number in range(200)]),
        unused=pl.Series(["x", "y"] * 100),
    )
    spec = spec_for("bought", data={"id": "customer", "time": "at"})
    rows = labelled(model, drawn(50, seed=8), days=5)
    whole = training_table(spec, read(spec, frame), rows, Window(name="all", since=None, with_source=True, losses={}))
    assert whole.num_rows == 250
    assert whole.column("customer").to_pylist()[200] == "r0"
    assert whole.column("at").to_pylist()[-1] > START.replace(tzinfo=None)
    assert whole.column("unused").null_count == 50
    assert whole.column("bought").to_pylist()[200:] == drawn(50, seed=8)["bought"].to_list()
    recent = Window(name="change", since=START + timedelta(days=2.5), with_source=False, losses={})
    assert training_table(spec, read(spec, frame), rows, recent).num_rows == 25


def test_the_question_stays_the_same_over_the_new_table() -> None:
    spec = Spec.of(
        {
            "project": {"name": "shop"},
            "data": {
                "source": "customers.csv",
                "target": "bought",
                "reading": {"delimiter": ";"},
                "columns": {"age": {"type": "number", "missing": ["?"]}},
            },
            "requirements": [{"id": "R1", "metric": "roc_auc", "min": 0.6}],
            "decision": {"values": {"true_positive": "0.2 * age", "false_positive": -1}},
        }
    )
    over = spec_over(spec, spec.folder / "retraining" / "d.parquet", task="binary")
    assert over.data.source == "retraining/d.parquet"
    assert over.data.columns["age"].type == "number"
    assert over.data.columns["age"].missing is None
    assert over.requirements == spec.requirements
    assert over.model_dump()["decision"] == spec.model_dump()["decision"]
    assert over.budget.starts_warm
