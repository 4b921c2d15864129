"""A compiled estimator says what its library says, to the bit where it can; where it does not, it never answers."""

from __future__ import annotations

import logging
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.models.problems import N_CLASSES, TASKS, outline

from mlwright._kernels.trees import CompiledForest
from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix
from mlwright.models import FAMILIES, Compiled, FitJob, FittedEstimator, Rows
from mlwright.models.families.boosting import FittedBoosting
from mlwright.models.families.forest import FittedForest
from mlwright.models.parity import N_ROWS, proven, proving_rows
from mlwright.spec import Task

pytest.importorskip("mlwright._kernels._forest", reason="the compiled kernels are not built here")

NAMES = ("lightgbm", "xgboost", "extra_trees")
N_FEATURES = 6
#: Levels of the last two features.
LEVELS = (5, 90)
every_family = pytest.mark.parametrize("name", NAMES)
every_task = pytest.mark.parametrize("task", TASKS)


def table(task: Task, n: int = 800, *, missing: float = 0.1, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Four numbers, two categories and a target that needs all of them."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=(n, 4)), *(rng.integers(0, levels, n) for levels in LEVELS)])
    X[:, 1] = np.round(X[:, 1])  # zeros among its values
    effect = rng.normal(size=LEVELS[1])
    raw = X[:, 0] * np.sign(X[:, 1]) + np.abs(X[:, 2]) + (X[:, 4] % 2) + effect[X[:, 5].astype(int)]
    X[rng.random(X.shape) < missing] = np.nan
    if task == "regression":
        return X, 1e5 * raw
    return X, np.digitize(raw, np.quantile(raw, [0.5] if task == "binary" else [0.4, 0.7])).astype(np.float64)


def fit(
    name: str, task: Task, X: FloatArray, y: FloatArray, *, validation: tuple[FloatArray, FloatArray] | None = None
) -> FittedEstimator:
    family = FAMILIES[name]
    categorical = (4, 5) if family.abilities.categories else ()

    def rows(X: FloatArray, y: FloatArray) -> Rows:
        return Rows(matrix=Matrix(values=X, names=tuple("abcdef"), categorical=categorical), y=y)

    return family.fit(
        FitJob(
            task=task,
            n_classes=N_CLASSES[task],
            rows=rows(X, y),
            parameters=family.candidates(outline(task, X))[0],
            seed=3,
            deadline=Deadline.after(60),
            validation=None if validation is None else rows(*validation),
            settled=None if validation else {"rounds": 40, "trees": 40, "least_split": 5},
        )
    )


@cache
def fitted(name: str, task: Task, missing: float = 0.1) -> FittedEstimator:
    return fit(name, task, *table(task, missing=missing))


def assert_same(estimator: FittedEstimator, values: FloatArray) -> None:
    form = estimator.compiled()
    assert form is not None
    assert form.n_features == values.shape[1]
    answers, expected = form.many(values), estimator.predict(values)
    assert answers.shape == expected.shape
    assert answers.dtype == expected.dtype
    tolerance = {FittedBoosting: 2e-15, FittedForest: 1e-12}.get(type(estimator), 1e-6)
    np.testing.assert_allclose(answers, expected, rtol=tolerance, atol=tolerance)
    if isinstance(estimator, FittedBoosting):
        assert isinstance(form, CompiledForest)
        assert np.array_equal(form.raw(values), estimator.raw(values))
    one_by_one = np.array([form.one(row) for row in values]).reshape(expected.shape)
    np.testing.assert_allclose(one_by_one, answers, rtol=1e-14)


ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, -0.5, 4.0, 4.5, 5.0, 89.0, 90.0, 1e10, 1e300, -1e300, 1e-36, 5e-324]
ROWS = st.lists(
    st.lists(
        st.sampled_from(ODD) | st.floats() | st.floats(-3, 3) | st.integers(-2, 95).map(float),
        min_size=N_FEATURES,
        max_size=N_FEATURES,
    ),
    min_size=1,
    max_size=80,
)


@every_task
@every_family
@pytest.mark.parametrize("missing", [0.0, 0.1])
@given(rows=ROWS)
def test_any_row_has_the_answer_of_the_library(name: str, task: Task, missing: float, rows: list[list[float]]) -> None:
    assert_same(fitted(name, task, missing), np.array(rows))


@every_task
@every_family
def test_thresholds_and_their_neighbours_have_the_answer_of_the_library(name: str, task: Task) -> None:
    estimator = fitted(name, task)
    form = estimator.compiled()
    assert form is not None
    assert_same(estimator, proving_rows(form, table(task)[0]))


@every_task
@every_family
def test_fits_that_stopped_by_themselves_are_compiled_as_they_settled(name: str, task: Task) -> None:
    # The categories of the other table have other effects, so that the validation rows soon gain no more.
    X, y = table(task, 300)
    assert_same(fit(name, task, X, y, validation=table(task, 100, seed=9)), X)


@every_task
@every_family
def test_fits_to_a_dozen_rows_and_trees_of_a_single_leaf_are_compiled(name: str, task: Task) -> None:
    X, y = table(task, 12)
    y[: N_CLASSES[task]] = range(N_CLASSES[task])
    assert_same(fit(name, task, X, y), table(task, 50, seed=1)[0])


@every_task
@every_family
def test_what_is_read_back_is_compiled_to_the_same(name: str, task: Task, tmp_path: Path) -> None:
    estimator, values = fitted(name, task), table(task)[0]
    estimator.write(tmp_path)
    first, second = estimator.compiled(), FAMILIES[name].read(tmp_path).compiled()
    assert first is not None
    assert second is not None
    assert np.array_equal(first.many(values), second.many(values))


@every_task
@every_family
def test_a_form_that_is_the_same_is_proven_on_many_rows_and_on_few(name: str, task: Task) -> None:
    estimator, (X, _) = fitted(name, task), table(task)
    for values in (X, X[:3], X[:0]):
        assert proven(estimator, values) is not None


@pytest.mark.parametrize(
    "parameters",
    [
        {"zero_as_missing": True},
        {"linear_tree": True},
        {"boosting": "rf", "bagging_fraction": 0.7, "bagging_freq": 1},
        {"objective": "cross_entropy"},
        {"sigmoid": 2.0},
    ],
    ids=str,
)
def test_models_that_the_table_cannot_say_are_left_to_the_library(parameters: dict[str, Any]) -> None:
    X, y = table("binary")
    options = {"objective": "binary", "verbosity": -1, "num_threads": 1, **parameters}
    estimator = FittedBoosting(lgb.train(options, lgb.Dataset(X, y, params=options), 5))
    assert estimator.compiled() is None
    assert proven(estimator, X) is None


class Other:
    """An estimator whose compiled form is that of another one."""

    cut = False

    def __init__(self, estimator: FittedEstimator, form: Compiled) -> None:
        self.settled = estimator.settled
        self.predict = estimator.predict
        self._form = form

    def importances(self) -> None: ...

    def write(self, folder: Path) -> None: ...

    def compiled(self) -> Compiled:
        return self._form


class Altered:
    """A compiled form that is wrong by a little in one kind of rows, or where it is asked for a single one."""

    tolerance = 1e-12

    def __init__(self, form: Any, *, from_value: float = np.nan, one_adds: float = 0.0) -> None:
        self.n_features = form.n_features
        self.probes = form.probes
        self._form, self._from_value, self._one_adds = form, from_value, one_adds

    def one(self, row: Any) -> tuple[float, ...]:
        return tuple(answer + self._one_adds for answer in self._form.one(row))

    def many(self, values: FloatArray) -> FloatArray:
        answers: FloatArray = self._form.many(values)
        wrong: FloatArray = answers + 1e-6 * (values[:, 0] == self._from_value)
        return wrong


def test_a_form_of_other_trees_is_refused_and_said(caplog: pytest.LogCaptureFixture) -> None:
    estimator = fitted("lightgbm", "binary")
    other = fit("lightgbm", "binary", *table("binary", seed=5)).compiled()
    assert other is not None
    with caplog.at_level(logging.WARNING):
        assert proven(Other(estimator, other), table("binary")[0]) is None
    assert "differs on" in caplog.text


@every_family
def test_a_form_that_is_wrong_on_one_threshold_only_is_refused(name: str) -> None:
    estimator, values = fitted(name, "binary"), table("binary")[0]
    form = estimator.compiled()
    assert isinstance(form, CompiledForest)
    assert proven(Other(estimator, Altered(form)), values) is not None
    threshold = float(form.probes()[0][7])
    assert proven(Other(estimator, Altered(form, from_value=threshold)), values) is None


def test_a_form_that_is_wrong_for_single_rows_only_is_refused() -> None:
    estimator = fitted("lightgbm", "binary")
    form = Altered(estimator.compiled(), one_adds=1e-9)
    assert proven(Other(estimator, form), table("binary")[0]) is None


def test_raw_scores_that_differ_in_the_last_bit_are_refused() -> None:
    estimator = fitted("lightgbm", "regression")
    assert isinstance(estimator, FittedBoosting)

    class Shifted(FittedBoosting):
        def raw(self, values: FloatArray) -> FloatArray:
            shifted: FloatArray = np.nextafter(super().raw(values), np.inf)
            return shifted

    values = table("regression")[0]
    assert proven(estimator, values) is not None
    assert proven(Shifted(estimator.booster, estimator.settled), values) is None


def test_a_model_whose_text_leads_outside_is_not_compiled_and_said(caplog: pytest.LogCaptureFixture) -> None:
    class Written:
        """A booster of a library that writes other numbers than it uses."""

        def __init__(self, booster: Any) -> None:
            self.booster = booster

        def model_to_string(self, num_iteration: int | None) -> str:
            text: str = self.booster.model_to_string(num_iteration=num_iteration)
            return text.replace("max_feature_idx=5", "max_feature_idx=1")

    estimator = fitted("lightgbm", "binary")
    assert isinstance(estimator, FittedBoosting)
    with caplog.at_level(logging.WARNING):
        assert proven(FittedBoosting(Written(estimator.booster), estimator.settled), table("binary")[0]) is None
    assert "cannot be compiled" in caplog.text


def test_proving_rows_hold_each_threshold_its_neighbours_and_what_was_never_seen() -> None:
    form = fitted("lightgbm", "binary").compiled()
    assert isinstance(form, CompiledForest)
    rows = proving_rows(form, table("binary")[0])
    assert len(rows) > N_ROWS
    for feature, probes in enumerate(form.probes()):
        for wanted in (probes, np.nextafter(probes, np.inf), np.nextafter(probes, -np.inf)):
            assert np.isin(wanted, rows[:, feature]).all()
        assert np.isnan(rows[:, feature]).any()
        assert np.isin([np.inf, -np.inf, -1.0], rows[:, feature]).all()
    assert (rows[:, 5] > LEVELS[1] - 1).any()


def test_without_the_extension_the_library_answers_the_same_and_it_is_said_once(tmp_path: Path) -> None:
    estimator, values = fitted("lightgbm", "binary"), table("binary")[0]
    estimator.write(tmp_path)
    np.save(tmp_path / "rows.npy", values)
    np.save(tmp_path / "answers.npy", proven(estimator, values).many(values))  # type: ignore[union-attr]
    program = """
import logging, sys
import numpy as np
sys.modules["mlwright._kernels._forest"] = None
logging.basicConfig(format="%(name)s %(message)s")
from pathlib import Path
from mlwright.models import FAMILIES
from mlwright.models.parity import proven
folder = Path(sys.argv[1])
values, answers = np.load(folder / "rows.npy"), np.load(folder / "answers.npy")
for _ in range(3):
    estimator = FAMILIES["lightgbm"].read(folder)
    assert proven(estimator, values) is None
    np.testing.assert_allclose(estimator.predict(values), answers, rtol=0, atol=2e-15)
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("mlwright._kernels the compiled kernels are not built here") == 1
