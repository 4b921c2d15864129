"""The objective of a search whose spec says what errors cost: the cost itself, once predictions are moved to where it is least."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss
from tests.support import dataset_of, diabetes_frame, spec_for

from mlwright.data import Dataset, fold_rows, plan_split
from mlwright.data.dataset import FloatArray
from mlwright.models import Model, Scorer, error_cost, weights_of
from mlwright.search import EncodedFolds, Trial, Trials, assemble, baseline_models, leaderboard, search
from mlwright.search.ensemble import choose_members
from mlwright.search.folds import compared_rows, fold_scores
from mlwright.spec import Spec
from mlwright.statistics import METRICS

COST = "where(error > 0, 0.2 * error, -0.8 * error)"
TARGET = "progression"


@cache
def rows() -> Dataset:
    return dataset_of(diabetes_frame(), TARGET)


def spec_of(cost: str | None = COST) -> Spec:
    decision = {} if cost is None else {"error_cost": cost, "currency": "EUR"}
    return spec_for(TARGET, decision=decision, budget={"seconds": 60, "trials": 3}, split={"folds": 3})


@cache
def found(cost: str | None = COST) -> Trials:
    spec = spec_of(cost)
    return search(rows(), spec, plan_split(rows(), spec), seed=0)


@cache
def model(cost: str | None = COST) -> Model:
    return assemble(found(cost), rows(), spec_of(cost), seed=0)


def pinball(prediction: FloatArray | None, alpha: float = 0.8) -> float:
    return float(mean_pinball_loss(rows().y, prediction, alpha=alpha))


def test_candidates_are_scored_by_their_cost_after_the_best_offset() -> None:
    trials = found()
    assert trials.objective == "error_cost"
    for trial in trials.usable:
        assert trial.score is not None
        assert trial.predictions is not None
        levels = np.quantile(rows().y - trial.predictions, np.linspace(0, 1, 201))
        least = min(pinball(trial.predictions + shift) for shift in levels)
        assert 0.998 * least <= trial.score <= min(1.05 * least, 1.001 * pinball(trial.predictions) + 0.02 * least)
    linear = next(trial for trial in trials if trial.family == "linear")
    assert linear.score is not None
    assert linear.score < 0.8 * pinball(linear.predictions)


def test_members_are_chosen_by_it_and_a_mean_is_not_thrown_out_for_its_bias() -> None:
    """The same predictions a good deal too low are worth as much: one offset mends them."""
    trials, scored, objective = found(), compared_rows(rows(), found().rows, spec_of()), METRICS["error_cost"]
    best = choose_members(trials, scored, objective)

    def lowered(trial: Trial) -> Trial:
        return replace(trial, predictions=None if trial.predictions is None else trial.predictions - 200)

    moved = choose_members(replace(trials, trials=tuple(map(lowered, trials))), scored, objective)
    assert moved.weights == best.weights
    assert moved.score == pytest.approx(best.score)


def test_the_model_answers_with_what_costs_least() -> None:
    answered = found()
    whole = model()
    assert whole.offset is not None
    assert whole.offset.saves > 0
    assert whole.facts["error_cost"] == COST
    weights = weights_of(whole.members)
    out_of_fold = np.sum([weight * np.asarray(answered[id_].predictions) for id_, weight in weights.items()], axis=0)
    assert pinball(whole.offset.apply(out_of_fold)) < pinball(out_of_fold)
    assert 0.7 < (rows().y < whole.offset.apply(out_of_fold)).mean() < 0.9


def test_its_interval_is_still_one_for_the_truth() -> None:
    answer = model().predict(rows())
    assert answer.low is not None
    assert answer.high is not None
    assert 0.8 < ((answer.low <= rows().y) & (rows().y <= answer.high)).mean() <= 1
    below, above = (rows().y < answer.low).mean(), (rows().y > answer.high).mean()
    assert max(below, above) < 0.12


def test_the_package_and_the_scorer_answer_alike(tmp_path: Path) -> None:
    model().save(tmp_path / "model")
    again, scorer = Model.load(tmp_path / "model"), Scorer.load(tmp_path / "model")
    assert again.offset == model().offset
    expected = model().predict(rows())
    np.testing.assert_array_equal(again.predict(rows()).prediction, expected.prediction)
    some = diabetes_frame().drop(TARGET).head(30)
    np.testing.assert_allclose(scorer.predict(some).prediction, expected.prediction[:30], rtol=1e-12)
    assert expected.low is not None
    for number, record in enumerate(some.to_dicts()):
        one = scorer.answer(record)
        assert one.prediction == pytest.approx(expected.prediction[number], rel=1e-9)
        assert one.interval_low == pytest.approx(expected.low[number], rel=1e-9)


def test_a_package_without_an_offset_is_read_as_before(tmp_path: Path) -> None:
    plain = model(None)
    assert plain.offset is None
    plain.save(tmp_path / "model")
    assert Model.load(tmp_path / "model").offset is None


def test_squares_are_searched_as_before_and_moved_nowhere() -> None:
    squares, plain = found("2 * error ** 2"), found(None)
    assert [trial.predictions is None for trial in squares] == [trial.predictions is None for trial in plain]
    for one, other in zip(squares, plain, strict=True):
        np.testing.assert_array_equal(one.predictions, other.predictions)
        assert one.score == pytest.approx(2 * (other.score or 0.0) ** 2)
    assert model("2 * error ** 2").offset is None
    assert model("2 * error ** 2").facts["out_of_fold_score"] == pytest.approx(
        2 * model(None).facts["out_of_fold_score"] ** 2
    )


def test_the_baselines_know_what_errors_cost_and_one_predicts_the_mean() -> None:
    baselines = baseline_models(found(), rows(), spec_of(), seed=0)
    assert list(baselines) == ["constant", "linear", "mean"]
    said = {name: baseline.predict(rows()).prediction for name, baseline in baselines.items()}
    assert said["constant"][0] == pytest.approx(np.quantile(rows().y, 0.8), rel=0.05)
    assert baselines["mean"].offset is None
    assert said["mean"].mean() == pytest.approx(rows().y.mean(), rel=0.05)
    assert list(baseline_models(found(None), rows(), spec_of(None), seed=0)) == ["constant", "linear"]


def test_the_leaderboard_ranks_by_it() -> None:
    board = leaderboard(found(), rows(), spec_of(), seed=0, weights=weights_of(model().members))
    scores = [one.trial.score for one in board.standings]
    assert scores == sorted(scores)  # type: ignore[type-var]
    assert board.objective == "error_cost"
    assert board.score == pytest.approx(model().facts["out_of_fold_score"])
    assert board.interval is not None
    assert board.score in board.interval
    assert board.honest_score is not None


def test_rows_in_which_errors_cost_more_weigh_more_in_the_fits() -> None:
    spec = spec_of(f"where(sex > 0, 5, 1) * {COST}")
    cost = error_cost(spec, rows())
    assert cost is not None
    folds = fold_rows(rows(), plan_split(rows(), spec), 3, seed=0)
    data = EncodedFolds(rows(), folds, seed=0, cost=cost)
    train, validation = data.rows(0, "codes")
    assert train.weight is not None
    assert validation.weight is not None
    men = rows().numbers("sex") > 0
    assert data.fit_weight is not None
    assert np.unique(np.round(data.fit_weight / data.fit_weight.min(), 6)).tolist() == [1.0, 5.0]
    np.testing.assert_allclose(validation.weight / validation.weight.min(), np.where(men, 5, 1)[folds[0].validation])
    assert data.weight is None
    scores = fold_scores(np.full(len(rows()), rows().y.mean()), data, METRICS["error_cost"])
    assert len(scores) == 3
    assert all(score > 0 for score in scores)


def test_the_search_is_the_same_when_it_is_repeated() -> None:
    again = search(rows(), spec_of(), plan_split(rows(), spec_of()), seed=0)
    assert [trial.score for trial in again] == [trial.score for trial in found()]
