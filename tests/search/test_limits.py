"""Latency and size as the spec limits them are kept by the model, or said to be too much to ask."""

from __future__ import annotations

import pytest
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.data import Dataset, plan_split
from mlwright.models import Model, weights_of
from mlwright.search import Trials, assemble, leaderboard, search
from mlwright.spec import Spec

BUDGET = {"seconds": 60, "trials": 6}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return dataset_of(mixed_frame(800), "bought")


@pytest.fixture(scope="module")
def trials(dataset: Dataset) -> Trials:
    spec = spec_for("bought", budget=BUDGET)
    return search(dataset, spec, plan_split(dataset, spec), seed=0)


def model_of(dataset: Dataset, trials: Trials, **constraints: float) -> tuple[Model, Spec]:
    spec = spec_for("bought", budget=BUDGET, constraints=constraints)
    return assemble(trials, dataset, spec, seed=0), spec


@pytest.mark.parametrize("limit", [{"latency_ms": 0.000_1}, {"size_mb": 0.000_1}])
def test_a_limit_that_nothing_meets_leaves_the_weightiest_member_alone(
    limit: dict[str, float], dataset: Dataset, trials: Trials
) -> None:
    free, _ = model_of(dataset, trials)
    assert len(free.members) > 1
    bound, _ = model_of(dataset, trials, **limit)
    assert len(bound.members) == 1
    weights = weights_of(free.members)
    assert bound.members[0].trial == max(weights, key=lambda trial: weights[trial])
    assert bound.members[0].weight == 1


def test_a_generous_limit_changes_nothing(dataset: Dataset, trials: Trials) -> None:
    free, _ = model_of(dataset, trials)
    bound, _ = model_of(dataset, trials, latency_ms=10_000, size_mb=1_000)
    assert [(m.trial, m.weight) for m in bound.members] == [(m.trial, m.weight) for m in free.members]


def test_score_and_leaderboard_are_those_of_the_members_that_are_left(dataset: Dataset, trials: Trials) -> None:
    model, spec = model_of(dataset, trials, latency_ms=0.000_1)
    (alone,) = {member.trial for member in model.members}
    assert model.facts["out_of_fold_score"] == pytest.approx(trials[alone].score)
    board = leaderboard(trials, dataset, spec, seed=0, weights=weights_of(model.members))
    assert board.score == pytest.approx(trials[alone].score)
    assert [one.trial.id for one in board.members] == [alone]
