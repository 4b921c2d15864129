"""A team's own estimator stands on the leaderboard, and whatever it does, the run goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from tests.support import dataset_of, diabetes_frame, mixed_frame, spec_for, wine_frame

from mlwright import train
from mlwright.core import Deadline
from mlwright.data import Dataset, fold_rows, plan_split
from mlwright.reports import explain_choice, report_page
from mlwright.search import EncodedFolds, Trial
from mlwright.search.prototypes import evaluate_prototype
from mlwright.spec import Spec
from mlwright.statistics import METRICS, objective_of
from mlwright.verification import verify


def evaluated(dataset: Dataset, estimator: Any, *, seconds: float = 30) -> Trial:
    plan = plan_split(dataset, spec_for(dataset.target))
    data = EncodedFolds(dataset, fold_rows(dataset, plan, 3, seed=0), seed=0)
    objective = objective_of(dataset.task)
    return evaluate_prototype("p0-x", "x", estimator, data, objective, deadline=Deadline.after(seconds))


class Odd(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator with a fault."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault

    def fit(self, X: Any, y: Any) -> Odd:
        if self.fault == "raises":
            raise RuntimeError("out of luck")
        if self.fault == "hangs":
            threading.Event().wait(20)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any) -> Any:
        answers = np.full((len(X), len(self.classes_)), 0.5)
        if self.fault == "nan":
            answers[0] = np.nan
        return answers[:-1] if self.fault == "wrong shape" else answers


@pytest.mark.parametrize(
    ("frame", "target", "estimator"),
    [
        (mixed_frame(), "bought", DummyClassifier()),
        (wine_frame(), "cultivar", DummyClassifier()),
        (diabetes_frame(), "progression", DummyRegressor()),
    ],
    ids=["binary", "multiclass", "regression"],
)
def test_one_that_knows_nothing_scores_as_knowing_nothing_does(frame: Any, target: str, estimator: Any) -> None:
    dataset = dataset_of(frame, target)
    trial = evaluated(dataset, estimator)
    assert trial.status == "evaluated"
    assert not trial.usable
    assert len(trial.fold_scores) == 3
    y = dataset.y
    if dataset.task == "regression":
        expected = float(y.std())
    else:
        shares = np.bincount(y.astype(int)) / len(y)
        expected = float(-(shares * np.log(shares)).sum())
        if isinstance(estimator, DummyClassifier) and estimator.strategy == "prior":
            assert trial.score == pytest.approx(expected, rel=0.02)
            return
    assert trial.score == pytest.approx(expected, rel=0.05)


def test_a_pipeline_gets_the_columns_as_they_were_read() -> None:
    numbers = make_column_transformer((SimpleImputer(), make_column_selector(dtype_include="number")))
    trial = evaluated(dataset_of(mixed_frame(), "bought"), make_pipeline(numbers, LogisticRegression(max_iter=1000)))
    assert trial.status == "evaluated"
    assert trial.score is not None
    assert trial.score < 0.66


@pytest.mark.parametrize(
    ("fault", "says"),
    [("raises", "out of luck"), ("nan", "not finite"), ("wrong shape", "shape"), ("hangs", "time was up")],
)
def test_a_faulty_one_is_named_with_its_reason(fault: str, says: str) -> None:
    trial = evaluated(dataset_of(mixed_frame(200), "bought"), Odd(fault), seconds=0.5 if fault == "hangs" else 30)
    assert trial.status == "failed"
    assert says in trial.reason
    assert trial.predictions is None


def test_it_stands_on_the_leaderboard_and_in_the_report_and_is_no_member(tmp_path: Path) -> None:
    mixed_frame(400).write_csv(tmp_path / "t.csv")
    tree = {"data": {"source": "t.csv", "target": "bought"}, "budget": {"seconds": 20, "trials": 3}}
    numbers = make_column_transformer((SimpleImputer(), make_column_selector(dtype_include="number")))
    ours = make_pipeline(numbers, LogisticRegression(max_iter=1000))
    made = train(Spec.of(tree).at(tmp_path), prototypes={"our regression": ours, "broken": Odd("raises")})
    standings = {one.trial.name: one for one in made.leaderboard().standings}
    assert standings["our regression"].trial.score is not None
    assert standings["our regression"].interval is not None
    assert standings["our regression"].weight == 0
    assert standings["broken"].trial.status == "failed"
    assert {"constant", "lightgbm"} <= set(standings)
    assert "prototype" not in {member.family for member in made.model.members}
    assert "our regression" in report_page(made)
    assert explain_choice(made.leaderboard(), made.trials)
    assert verify(made.folder).holds
    assert METRICS["log_loss"].gain(made.leaderboard().score, 0.69) > 0
