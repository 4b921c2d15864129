"""The leaderboard: intervals, ties, what members add, and a score that luck has not touched."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from tests.support import dataset_of, mixed_frame, spec_for

from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.reports import explain_choice
from mlwright.search import Leaderboard, Trial, Trials, leaderboard
from mlwright.statistics import METRICS, Scored

SPEC = spec_for("bought")
Made = Callable[..., Leaderboard]


def trial(name: str, dataset: Dataset, predictions: FloatArray, family: str = "lightgbm") -> Trial:
    objective = METRICS["log_loss"]
    score = objective.compute(Scored(target=dataset.y, prediction=predictions))
    halves = np.array_split(np.arange(len(dataset)), 2)
    folds = tuple(objective.compute(Scored(target=dataset.y[h], prediction=predictions[h])) for h in halves)
    return Trial(
        id=name,
        family=family,
        parameters={"name": name},
        status="finished",
        score=score,
        fold_scores=folds,
        predictions=predictions,
    )


def trials_of(dataset: Dataset, *listed: Trial) -> Trials:
    rows = np.ones(len(dataset), dtype=bool)
    return Trials(objective="log_loss", trials=listed, rows=rows, n_folds=2, fit_share=0.5, stopped="so")


def noisy(dataset: Dataset, noise: float, seed: int) -> FloatArray:
    """Probabilities near the truth, with some noise in the logit."""
    raw = 1.5 * (2 * dataset.y - 1) + noise * np.random.default_rng(seed).normal(size=len(dataset))
    return np.asarray(1 / (1 + np.exp(-raw)))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return dataset_of(mixed_frame(600), "bought")


def test_the_best_comes_first_and_what_has_no_score_last(dataset: Dataset) -> None:
    failed = Trial(id="x", family="linear", parameters={"name": "x"}, status="failed", reason="no luck")
    listed = [failed, *(trial(str(noise), dataset, noisy(dataset, noise, 1)) for noise in (2.0, 0.5, 1.0))]
    board = leaderboard(trials_of(dataset, *listed), dataset, SPEC, seed=0)
    assert [one.trial.id for one in board.standings] == ["0.5", "1.0", "2.0", "x"]
    assert [one.behind for one in board.standings[:1]] == [0.0]
    assert board.standings[-1].behind is None
    for one in board.standings[:3]:
        assert one.interval is not None
        assert one.trial.score is not None
        assert one.trial.score in one.interval


def test_equals_are_a_tie_and_a_clearly_worse_one_is_not(dataset: Dataset) -> None:
    listed = [trial(f"equal {seed}", dataset, noisy(dataset, 1.0, seed)) for seed in range(3)]
    worse = trial("worse", dataset, np.full(len(dataset), dataset.y.mean()))
    board = leaderboard(trials_of(dataset, *listed, worse), dataset, SPEC, seed=0)
    tied = {one.trial.id: one.tied for one in board.standings}
    assert tied == {"equal 0": True, "equal 1": True, "equal 2": True, "worse": False}
    assert board.detectable is not None
    assert 0 < board.detectable < 0.2


def test_what_a_member_adds_is_the_loss_of_going_without_it(dataset: Dataset) -> None:
    listed = [trial(f"t{seed}", dataset, noisy(dataset, 2.0, seed)) for seed in range(3)]
    trials = trials_of(dataset, *listed)
    board = leaderboard(trials, dataset, SPEC, seed=0)
    assert len(board.members) >= 2
    assert sum(one.weight for one in board.members) == pytest.approx(1)
    for one in board.members:
        others = replace(trials, trials=tuple(t for t in trials if t.id != one.trial.id))
        without = leaderboard(others, dataset, SPEC, seed=0).score
        assert one.adds == pytest.approx(without - board.score)
        assert one.adds is not None
        assert one.adds > 0


def test_the_best_of_many_that_know_nothing_looks_good_but_its_honest_score_does_not(dataset: Dataset) -> None:
    rng = np.random.default_rng(0)
    share = dataset.y.mean()
    guesses = [np.clip(share + 0.25 * rng.normal(size=len(dataset)), 0.02, 0.98) for _ in range(60)]
    trials = trials_of(dataset, *(trial(f"g{i:02d}", dataset, guess) for i, guess in enumerate(guesses)))
    board = leaderboard(trials, dataset, SPEC, seed=0)
    assert board.honest_score is not None
    assert board.honest_score > board.score + 0.002  # the loss that luck had hidden


def test_the_choice_is_told_in_words_and_as_json(dataset: Dataset) -> None:
    listed = [
        trial("first", dataset, noisy(dataset, 1.0, 1)),
        trial("second", dataset, noisy(dataset, 1.1, 2), family="linear"),
        Trial(id="late", family="lightgbm", parameters={"name": "late"}, status="left out", reason="no time"),
    ]
    trials = trials_of(dataset, *listed)
    board = leaderboard(trials, dataset, SPEC, seed=0)
    text = "\n".join(explain_choice(board, trials))
    assert "3 candidates of 2 families on 2 folds: 1 left out" in text
    assert "first" in text
    assert "on rows that the choice did not see" in text
    tree = json.loads(json.dumps(board.state()))
    assert [one["name"] for one in tree["standings"]] == ["first", "second", "late"]
    assert tree["standings"][0]["weight"] > 0


def test_one_candidate_alone_has_a_board_too(dataset: Dataset) -> None:
    trials = trials_of(dataset, trial("only", dataset, noisy(dataset, 1.0, 1)))
    board = leaderboard(trials, dataset, SPEC, seed=0)
    assert board.members[0].adds is None
    assert board.detectable is None
    assert "answers alone" in "\n".join(explain_choice(board, trials))
