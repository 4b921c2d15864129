"""What a fitted model remembers of its training rows: all of them, or those that are like the rows that come now."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from tests.monitoring.watched import START, drawn
from tests.support import split_of

from mlwright.data import Dataset, plan_split
from mlwright.models import Model
from mlwright.models.history import LEAST_LIKE_NOW, rows_like_now
from mlwright.search import assemble, search


def fitted(since: date | None) -> tuple[Dataset, Model]:
    operation = {} if since is None else {"reference_from": since.isoformat()}
    spec, split = split_of(
        drawn(1500, days=30).drop("note"),
        "bought",
        data={"time": "at"},
        split={"kind": "random", "test_share": 0.05},
        budget={"seconds": 20, "trials": 1},
        operation=operation,
    )
    train = split.train
    return train, assemble(search(train, spec, plan_split(train, spec), seed=0), train, spec, seed=0)


def test_a_model_is_watched_against_the_rows_since_a_day_if_the_spec_says_so() -> None:
    since = date(2026, 3, 15)
    train, model = fitted(since)
    times = train.times
    assert times is not None
    later = times >= START.timestamp() + 14 * 86_400
    assert model.reference.rows == int(later.sum())
    assert model.reference["age"].known == int(np.isfinite(train.numbers("age")[later]).sum())
    history = model.history
    assert history is not None
    assert history.scores is not None
    assert history.scores.known == int(later.sum())
    assert history.scores.labelled[1].sum() == int(train.y[later].sum())
    assert model.facts["training_rows"] == len(train)


def test_too_few_rows_since_that_day_are_not_enough_to_say_what_is_usual() -> None:
    train, model = fitted(date(2026, 3, 29))
    times = train.times
    assert times is not None
    assert 0 < (times >= START.timestamp() + 28 * 86_400).sum() < LEAST_LIKE_NOW
    assert model.reference.rows == len(train)


@pytest.mark.parametrize("day", [None, date(2027, 1, 1)])
def test_without_such_a_day_it_is_all_rows(day: date | None) -> None:
    _, split = split_of(drawn(600), "bought", data={"time": "at"}, split={"kind": "random"})
    assert rows_like_now(split.train, day) is None
