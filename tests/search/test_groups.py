"""Aggregates of groups in the search: made where groups come again, left out where each is new, kept in the package."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.support import split_of

from mlwright.core import Deadline, read_table
from mlwright.data import Split, fold_rows
from mlwright.models import FAMILIES, Model, Outline
from mlwright.search import EncodedFolds, Threads, Trials, assemble, cross_validate
from mlwright.search.folds import TrialPlan
from mlwright.spec import Spec
from mlwright.statistics import METRICS


def purchases(rows: int = 1500, customers: int = 60) -> pl.DataFrame:
    """Numbers only: what tells is how far an amount is from what its customer usually spends."""
    rng = np.random.default_rng(0)
    customer = rng.integers(0, customers, rows)
    usual = rng.normal(0, 2, customers)
    amount = usual[customer] + rng.normal(size=rows)
    return pl.DataFrame(
        {
            "customer": [f"c{c:03d}" for c in customer],
            "at": pl.Series(np.sort(rng.integers(0, 365 * 86_400, rows)) * 1000).cast(pl.Datetime("ms")),
            "amount": amount,
            "noise": rng.normal(size=rows),
            "back": np.where(2 * (amount - usual[customer]) + rng.logistic(size=rows) > 0, "yes", "no"),
        }
    )


def split_by(**sections: Any) -> tuple[Spec, Split]:
    return split_of(purchases(), "back", data={"group": "customer", "time": "at"}, **sections)


def trial_of(spec: Spec, split: Split) -> tuple[EncodedFolds, Trials]:
    train, family = split.train, FAMILIES["lightgbm_crossed"]
    recur = split.plan.kind != "grouped"
    data = EncodedFolds(train, fold_rows(train, split.plan, 3, seed=0), seed=0, groups_recur=recur)
    plan = TrialPlan(id="0", family=family, parameters=family.candidates(Outline.of(train))[0])
    trial = cross_validate(plan, data, METRICS["log_loss"], seed=0, deadline=Deadline.after(60), executor=Threads(1))
    fitted = replace(trial, settled={"rounds": 30.0})
    return data, Trials(objective="log_loss", trials=(fitted,), rows=data.covered, n_folds=3, fit_share=data.fit_share)


def test_groups_that_come_again_are_in_the_model_and_in_its_package(tmp_path: Path) -> None:
    spec, split = split_by()
    assert split.plan.kind == "temporal"
    data, trials = trial_of(spec, split)
    assert "amount × customer (from the mean)" in data.rows(0, "crossed")[0].matrix.names
    model = assemble(trials, split.train, spec, seed=0)
    assert model.features == ["customer", "at", "amount", "noise"]
    assert model.importances()["customer"] > 0.2
    model.save(tmp_path / "package")
    again = Model.load(tmp_path / "package")
    expected = model.predict(split.test).prediction
    assert again.predict(split.test).prediction.tobytes() == expected.tobytes()
    golden = read_table(tmp_path / "package" / "golden.arrow").column("customer").to_pylist()
    assert not {*golden} & {*split.train.table.column("customer").to_pylist()} - {None}  # that would be somebody
    unknown = split.test.table.drop_columns(["customer"]).append_column("customer", [["new"] * len(split.test)])
    assert np.isfinite(again.predict(unknown).prediction).all()


def test_where_every_group_is_new_the_group_is_not_looked_at() -> None:
    spec, split = split_by(split={"kind": "grouped"})
    data, trials = trial_of(spec, split)
    crossed, plain = (data.rows(0, view)[0].matrix.names for view in ("crossed", "codes"))
    assert crossed == plain
    assert "customer" not in assemble(trials, split.train, spec, seed=0).features


@pytest.mark.parametrize("group", [None, "customer"])
def test_crossed_trees_are_tried_without_categories_only_where_there_are_groups(group: str | None) -> None:
    _, split = split_of(purchases(), "back", data={"group": group, "id": None if group else "customer", "time": "at"})
    assert bool(FAMILIES["lightgbm_crossed"].candidates(Outline.of(split.train))) is (group is not None)
