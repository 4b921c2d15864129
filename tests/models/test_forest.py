"""Extra trees: the mean of random trees, against one tree and against scikit-learn's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from tests.models.problems import TASKS, job, loss, matrix, problem

from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.models import FAMILIES, FitJob, Outline, Rows
from mlwright.models.families.forest import LEAST_SPLITS, MOST_ROWS, FittedForest
from mlwright.models.families.random_trees import Bins
from mlwright.models.families.random_trees_growing import grow
from mlwright.spec import Task

FOREST = FAMILIES["extra_trees"]
LOADERS = {"binary": load_breast_cancer, "multiclass": load_wine, "regression": load_diabetes}


def fit(task: Task, X: FloatArray, y: FloatArray, **more: float) -> FittedForest:
    fitted = FOREST.fit(job(FOREST, task, X, y, settled=more))
    assert isinstance(fitted, FittedForest)
    return fitted


@pytest.mark.parametrize("task", TASKS)
def test_many_trees_predict_better_than_one(task: Task) -> None:
    (X, y), (X_new, y_new) = problem(task), problem(task, seed=1)
    one, many = (loss(task, y_new, fit(task, X, y, trees=n).predict(X_new)) for n in (1, 100))
    assert many < 0.7 * one


@pytest.mark.parametrize("task", TASKS)
def test_it_predicts_about_as_well_as_scikit_learns_extra_trees(task: Task) -> None:
    X, y = LOADERS[task](return_X_y=True)
    X, y = X.astype(np.float64), y.astype(np.float64)
    for_test = np.random.default_rng(0).random(len(y)) < 0.4
    kind = ExtraTreesRegressor if task == "regression" else ExtraTreesClassifier
    other = kind(100, min_samples_split=5, random_state=0).fit(X[~for_test], y[~for_test])
    theirs = other.predict(X[for_test]) if task == "regression" else other.predict_proba(X[for_test])
    theirs = theirs[:, 1] if task == "binary" else theirs
    ours = fit(task, X[~for_test], y[~for_test], least_split=5).predict(X[for_test])
    assert loss(task, y[for_test], ours) < 1.2 * loss(task, y[for_test], theirs)


@pytest.mark.parametrize("task", TASKS)
def test_a_forest_is_the_mean_of_its_trees(task: Task) -> None:
    """Each tree is walked through by hand; classes count their shares as one more row."""
    X, y = problem(task, 120)
    X[::7, 2] = np.nan
    fitted = fit(task, X, y, trees=7)
    trees, codes = fitted.trees, fitted.bins.codes(X)
    assert trees.n_trees == 7
    means = np.zeros((len(X), trees.value.shape[1]))
    for row in range(len(X)):
        for tree in range(7):
            at = tree
            while trees.left[at] != at:
                at = trees.left[at] + (codes[trees.feature[at], row] > trees.code[at])
            means[row] += trees.value[at] / 7
    if task == "regression":
        expected = means[:, 0]
    else:
        expected = means if task == "multiclass" else np.column_stack([1 - means, means])
        expected = (len(y) * expected + fitted.shares) / (len(y) + 1)
        expected = expected[:, 1] if task == "binary" else expected
    np.testing.assert_allclose(fitted.predict(X), expected, rtol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_every_row_is_in_one_leaf_of_each_tree_and_no_split_leaves_a_side_empty(task: Task) -> None:
    X, y = problem(task, 200)
    trees = fit(task, X, y, trees=9).trees
    inner = np.flatnonzero(~trees.leaf)
    assert (trees.rows[:9] == 200).all()
    assert (trees.rows[trees.left[inner]] + trees.rows[trees.left[inner] + 1] == trees.rows[inner]).all()
    assert trees.rows.min() >= 1


@pytest.mark.parametrize("least_split", LEAST_SPLITS)
def test_pruned_trees_are_trees_that_were_grown_less_far(least_split: int) -> None:
    X, y = problem("regression", 300)
    trees = fit("regression", X, y, trees=5).trees
    pruned = trees.pruned(least_split)
    assert (pruned.rows[~pruned.leaf] >= least_split).all()
    assert pruned.pruned(least_split).left.tolist() == pruned.left.tolist()
    assert trees.first(2).n_trees == 2
    assert (trees.first(2).rows[:2] == 300).all()


def test_the_size_of_nodes_is_the_one_that_predicts_the_validation_rows_best() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 5))
    y = (rng.random(400) < 0.4 + 0.2 * (X[:, 0] > 0)).astype(np.float64)  # nearly noise: small nodes learn it by heart
    right = np.where(X[:, 0] > 0, 1.0, 0.0)
    noisy = FOREST.fit(job(FOREST, "binary", X[:200], y[:200], validation=(X[200:], y[200:])))
    clear = FOREST.fit(job(FOREST, "binary", X[:200], right[:200], validation=(X[200:], right[200:])))
    assert noisy.settled["least_split"] >= 40
    assert clear.settled["least_split"] <= 12


def test_missing_values_are_told_from_all_others() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    gone = rng.random(200) < 0.5
    X[gone, 1] = np.nan
    predicted = fit("binary", X, gone.astype(np.float64)).predict(X)
    assert predicted[gone].min() > 0.8
    assert predicted[~gone].max() < 0.2


def test_with_little_time_it_has_fewer_trees_and_says_so() -> None:
    X, y = problem("regression", 20_000)
    rows = Rows(matrix=matrix(X), y=y)
    parameters = FOREST.candidates(Outline(task="regression", n_rows=len(y), n_features=4, n_classes=1))[0]
    fitted = FOREST.fit(
        FitJob(task="regression", n_classes=1, rows=rows, parameters=parameters, seed=0, deadline=Deadline.after(0.4))
    )
    assert isinstance(fitted, FittedForest)
    assert fitted.cut or fitted.settled["trees"] <= 100
    assert fitted.settled["trees"] == fitted.trees.n_trees
    assert loss("regression", y, fitted.predict(X)) < y.var()


def test_a_level_at_which_time_runs_out_is_the_last() -> None:
    X, y = problem("regression", 100)
    asked = iter(range(100))
    deadline = Deadline.after(3, clock=lambda: float(next(asked)))
    bins = Bins.of(X)
    trees, cut = grow(
        bins.codes(X),
        y,
        np.ones(100),
        n_outputs=1,
        n_trees=4,
        tried=4,
        rng=np.random.default_rng(0),
        deadline=deadline,
    )
    assert cut
    assert trees.rows[trees.leaf].sum() == 4 * 100
    assert trees.walk(bins).means(X).shape == (100, 1)


@pytest.mark.parametrize("column", [[], [np.nan, np.nan], [1.0, 1.0], [3.0, np.nan, 1.0, 2.0], list(np.arange(2000.0))])
def test_bins_keep_the_order_of_values_and_part_missing_ones_from_all(column: list[float]) -> None:
    values = np.array(column)[:, None]
    bins = Bins.of(values)
    codes = bins.codes(values)[0]
    known = ~np.isnan(values[:, 0])
    assert (codes[known] > 0).all()
    assert (codes[~known] == 0).all()
    ordered = codes[known][np.argsort(values[known, 0])].astype(int)
    assert (np.diff(ordered) >= 0).all()
    if len(column) < 250:
        assert len(set(codes[known])) == len(set(values[known, 0]))


def test_it_does_not_take_part_where_rows_are_many() -> None:
    shape = {"task": "binary", "n_features": 10, "n_classes": 2}
    assert FOREST.candidates(Outline(n_rows=MOST_ROWS, **shape))  # type: ignore[arg-type]
    assert not FOREST.candidates(Outline(n_rows=MOST_ROWS + 1, **shape))  # type: ignore[arg-type]


def test_what_is_written_has_no_more_nodes_than_were_settled(tmp_path: Path) -> None:
    X, y = problem("binary", 400)
    fitted = FOREST.fit(job(FOREST, "binary", X, y, validation=problem("binary", seed=3)))
    fitted.write(tmp_path)
    again = FOREST.read(tmp_path)
    assert isinstance(again, FittedForest)
    assert (again.trees.rows[~again.trees.leaf] >= fitted.settled["least_split"]).all()
    assert again.importances().tobytes() == fitted.importances().tobytes()  # type: ignore[union-attr]


@pytest.mark.parametrize("task", TASKS)
def test_the_unit_of_the_weights_does_not_matter(task: Task) -> None:
    X, y = problem(task, 100)
    weight = np.random.default_rng(0).uniform(0.5, 2, 100)
    one, other = (FOREST.fit(job(FOREST, task, X, y, weight=w)).predict(X) for w in (weight, 1024.0 * weight))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_fold_leaves_time_for_the_other_folds() -> None:
    """The clock goes on by a millisecond each time it is asked, once for each level of a batch of trees."""
    X, y = problem("regression", 1000)
    now = iter(range(10**6))
    deadline = Deadline.after(0.15, clock=lambda: next(now) / 1000)
    fitted = FOREST.fit(job(FOREST, "regression", X, y, validation=problem("regression", seed=1), deadline=deadline))
    assert not fitted.cut
    assert 20 <= fitted.settled["trees"] < 100
    assert deadline.elapsed() < 0.1
