"""The scikit-learn estimators: scikit-learn's own conformance suite, and data that it never tries."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import estimator_checks_generator
from tests.support import breast_cancer_frame, diabetes_frame, mixed_frame

from mlwright import Classifier, Model, Regressor

CHECKS = [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{getattr(check, 'func', check).__name__}")
    for made in (Classifier(trials=3), Regressor(trials=3))
    for estimator, check in estimator_checks_generator(made)
]


@pytest.mark.slow
@pytest.mark.parametrize(("estimator", "check"), CHECKS)
def test_scikit_learns_own_checks_pass(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # its checks warn about themselves
        check(estimator)


def test_mixed_columns_are_taken_as_they_are() -> None:
    frame = mixed_frame(500)
    classifier = Classifier(trials=3).fit(frame.drop("bought"), frame["bought"])
    assert classifier.classes_.tolist() == ["no", "yes"]
    assert classifier.feature_names_in_.tolist() == frame.drop("bought").columns
    probabilities = classifier.predict_proba(frame.drop("bought"))
    assert probabilities.shape == (500, 2)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert classifier.score(frame.drop("bought"), frame["bought"].to_numpy()) > 0.7


def test_classes_keep_their_type() -> None:
    frame = breast_cancer_frame()
    for values in (np.where(frame["diagnosis"] == "benign", 7, 3), np.array(frame["diagnosis"] == "benign")):
        classifier = Classifier(trials=2).fit(frame.drop("diagnosis"), values)
        assert classifier.predict(frame.drop("diagnosis").head(3)).dtype == values.dtype


def test_the_model_inside_can_be_saved_and_answers_the_same(tmp_path: Path) -> None:
    frame = breast_cancer_frame()
    features = frame.drop("diagnosis")
    classifier = Classifier(trials=2).fit(features, frame["diagnosis"])
    classifier.model_.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(features).probabilities, classifier.predict_proba(features))


def test_arrays_and_frames_give_the_same_model() -> None:
    frame = diabetes_frame()
    features = frame.drop("progression")
    from_frame = Regressor(trials=2).fit(features, frame["progression"]).predict(features)
    from_array = (
        Regressor(trials=2).fit(features.to_numpy(), frame["progression"].to_numpy()).predict(features.to_numpy())
    )
    np.testing.assert_allclose(from_frame, from_array)


def test_intervals_hold_the_share_that_they_promise() -> None:
    frame = diabetes_frame()
    train, test = frame.head(300), frame.tail(142)
    regressor = Regressor(trials=2).fit(train.drop("progression"), train["progression"])
    low, high = regressor.predict_interval(test.drop("progression"))
    inside = ((low <= test["progression"].to_numpy()) & (test["progression"].to_numpy() <= high)).mean()
    assert 0.8 <= inside <= 0.99


def test_it_works_in_a_cross_validation_and_can_be_cloned() -> None:
    frame = breast_cancer_frame()
    classifier = Classifier(trials=2, seed=4)
    assert clone(classifier).get_params() == classifier.get_params()
    scores = cross_val_score(classifier, frame.drop("diagnosis").to_numpy(), frame["diagnosis"].to_numpy(), cv=2)
    assert scores.mean() > 0.9


def test_unfitted_estimators_say_so() -> None:
    with pytest.raises(NotFittedError):
        Classifier().predict(np.zeros((2, 2)))


def test_a_column_that_is_missing_later_is_an_error() -> None:
    frame = mixed_frame(200)
    classifier = Classifier(trials=2).fit(frame.drop("bought"), frame["bought"])
    with pytest.raises(ValueError, match="age"):
        classifier.predict(frame.drop("bought", "age"))


@pytest.mark.frames
def test_pandas_frames_with_their_own_types() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(mixed_frame(300).to_dict(as_series=False))
    frame["city"] = frame["city"].astype("category")
    frame["visits"] = frame["visits"].astype("Int64")
    classifier = Classifier(trials=2).fit(frame.drop(columns="bought"), frame["bought"])
    expected = Classifier(trials=2).fit(mixed_frame(300).drop("bought"), mixed_frame(300)["bought"])
    np.testing.assert_allclose(
        classifier.predict_proba(frame.drop(columns="bought")), expected.predict_proba(mixed_frame(300).drop("bought"))
    )


def test_an_all_text_table_is_learned() -> None:
    frame = pl.DataFrame({"a": ["x", "y"] * 60, "b": ["some words", "other text"] * 60})
    classifier = Classifier(trials=2).fit(frame, ["one", "two"] * 60)
    assert classifier.score(frame, ["one", "two"] * 60) == 1.0
