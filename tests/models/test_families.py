"""What every family of estimators must do: one suite that all of them run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.models.problems import N_CLASSES, TASKS, job, loss, outline, problem

from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.features import Matrix
from mlwright.models import FAMILIES, EstimatorFamily, FitJob, Outline, Rows, Settled
from mlwright.spec import Task

every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
every_task = pytest.mark.parametrize("task", TASKS)

#: Families that settle a number of rounds.
BOOSTERS = ("lightgbm", "lightgbm_crossed", "catboost", "xgboost", "additive")
#: Families for which two rows are not quite one of weight two: they count rows too.
COUNTING = (*BOOSTERS, "extra_trees", "neighbours", "network")
#: Families that may be done in less time than a test gives.
QUICK = ("linear", "neighbours")
#: Rows that a library refuses, and how it says so; that ends a trial and not the run.
REFUSED = {
    "lightgbm": ({"one row", "no features"}, r"Check failed|Forced splits"),
    "lightgbm_crossed": ({"one row", "no features"}, r"Check failed|Forced splits"),
    "additive": ({"one row", "no features"}, r"Check failed|Forced splits"),
    "xgboost": ({"no features"}, r"at least 1 column"),
    "catboost": (
        {"one row", "constant features", "no features"},
        r"All features are either constant|at least one feature",
    ),
}


def few_rounds(family: EstimatorFamily) -> Settled | None:
    """Enough to learn something, in little time."""
    return {"rounds": 40.0} if family.name in BOOSTERS else None


def expected_shape(task: Task, n: int) -> tuple[int, ...]:
    return (n, 3) if task == "multiclass" else (n,)


@every_family
@every_task
def test_it_predicts_probabilities_or_values_and_learns(family: EstimatorFamily, task: Task) -> None:
    (X, y), (X_new, y_new) = problem(task), problem(task, seed=1)
    fitted = family.fit(job(family, task, X, y, settled=few_rounds(family)))
    predicted = fitted.predict(X_new)
    assert predicted.shape == expected_shape(task, len(X_new))
    assert np.isfinite(predicted).all()
    if task != "regression":
        assert predicted.min() >= 0
        assert predicted.max() <= 1
    if task == "multiclass":
        np.testing.assert_allclose(predicted.sum(axis=1), 1)
    constant = FAMILIES["constant"].fit(job(FAMILIES["constant"], task, X, y)).predict(X_new)
    share = loss(task, y_new, predicted) / loss(task, y_new, constant)
    assert share == 1 if family.name == "constant" else share < 0.6
    assert not fitted.cut


@every_family
@every_task
def test_the_same_seed_gives_the_same_predictions(family: EstimatorFamily, task: Task) -> None:
    X, y = problem(task)
    first, again = (family.fit(job(family, task, X, y, settled=few_rounds(family))).predict(X) for _ in range(2))
    assert first.tobytes() == again.tobytes()


@every_family
@every_task
def test_fitting_and_predicting_leave_their_input_alone(family: EstimatorFamily, task: Task) -> None:
    X, y = problem(task)
    before = X.copy(), y.copy()
    family.fit(job(family, task, X, y, settled=few_rounds(family))).predict(X)
    assert (X.tobytes(), y.tobytes()) == (before[0].tobytes(), before[1].tobytes())


@every_family
@every_task
def test_a_row_of_weight_zero_is_as_if_it_were_not_there(family: EstimatorFamily, task: Task) -> None:
    """Up to what a booster makes of rows without weight: they still count in its bins and its samples."""
    X, y = problem(task, 400)
    X_odd, y_odd = problem(task, 400, seed=2)
    y_odd = y_odd[::-1] + 40 if task == "regression" else np.zeros(400)
    both, weight = (np.vstack([X, X_odd]), np.r_[y, y_odd]), np.r_[np.ones(400), np.zeros(400)]
    settled = few_rounds(family)
    without = family.fit(job(family, task, X, y, settled=settled)).predict(X)
    with_zero = family.fit(job(family, task, *both, weight=weight, settled=settled)).predict(X)
    ignoring = family.fit(job(family, task, *both, settled=settled)).predict(X)
    off, of_ignoring = (float(np.abs(other - without).mean()) for other in (with_zero, ignoring))
    assert of_ignoring > 0.05
    assert off < (0.15 * of_ignoring if family.name in BOOSTERS else 1e-4)


@every_family
@every_task
def test_a_row_of_weight_two_is_as_two_rows(family: EstimatorFamily, task: Task) -> None:
    X, y = problem(task, 200)
    twice = np.arange(200) % 3 == 0
    settled = few_rounds(family)
    weighted = family.fit(job(family, task, X, y, weight=1.0 + twice, settled=settled)).predict(X)
    repeated = family.fit(job(family, task, np.vstack([X, X[twice]]), np.r_[y, y[twice]], settled=settled)).predict(X)
    spread = float(repeated.std()) or 1.0
    assert np.abs(weighted - repeated).mean() < (0.12 * spread if family.name in COUNTING else 2e-3)


@every_family
@every_task
def test_what_is_written_and_read_again_predicts_the_same(family: EstimatorFamily, task: Task, tmp_path: Path) -> None:
    (X, y), validation = problem(task), problem(task, seed=3)
    fitted = family.fit(job(family, task, X, y, validation=validation))
    fitted.write(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".txt", ".cbm", ".ubj", ".arrow"}
    again = family.read(tmp_path)
    assert again.predict(X).tobytes() == fitted.predict(X).tobytes()


@every_family
@every_task
def test_validation_rows_settle_what_a_refit_is_given(family: EstimatorFamily, task: Task) -> None:
    (X, y), validation = problem(task), problem(task, seed=3)
    settled = [family.fit(job(family, task, X, y, validation=validation, seed=seed)).settled for seed in (1, 2)]
    json.dumps(settled, allow_nan=False)
    together = family.combine(settled, growth=1.25)
    for name in together:
        low, high = min(one[name] for one in settled), max(one[name] for one in settled)
        assert low * (1 - 1e-9) <= together[name] <= np.ceil(high * 1.25**0.5)
    refit = family.fit(job(family, task, X, y, settled=together))
    assert not refit.cut
    assert loss(task, validation[1], refit.predict(validation[0])) <= 1.1 * loss(
        task, validation[1], _constant(task, y)
    )


def _constant(task: Task, y: FloatArray) -> FloatArray:
    if task == "regression":
        return np.full(300, y.mean())
    shares = np.bincount(y.astype(int), minlength=3) / len(y)
    return np.full(300, shares[1]) if task == "binary" else np.tile(shares, (300, 1))


@every_family
@every_task
@pytest.mark.parametrize("validated", [True, False], ids=["validated", "refit"])
@pytest.mark.parametrize("seconds", [-1.0, 0.0, 3.0])
def test_the_deadline_is_kept_and_what_it_cut_can_be_used(
    family: EstimatorFamily, task: Task, validated: bool, seconds: float
) -> None:
    """The clock goes a second further each time it is asked, so the test waits for nobody."""
    asked = 0

    def clock() -> float:
        nonlocal asked
        asked += 1
        return float(asked)

    (X, y), validation = problem(task, 400), problem(task, seed=3)
    fitted = family.fit(
        job(
            family,
            task,
            X,
            y,
            validation=validation if validated else None,
            settled=None if validated else {"rounds": 500.0, "penalty": 1e-5},
            deadline=Deadline.after(seconds, clock=clock),
        )
    )
    assert asked <= max(seconds, 0) + 3
    assert np.isfinite(fitted.predict(X)).all()
    assert fitted.predict(X).shape == expected_shape(task, 400)
    if family.name != "constant":
        assert fitted.cut or (family.name in QUICK and seconds > 0)  # which may need less time than that
    if family.name in BOOSTERS:
        assert fitted.settled["rounds"] <= max(seconds, 0) + 2


@every_family
@every_task
def test_missing_values_are_taken_where_the_family_says_so(family: EstimatorFamily, task: Task) -> None:
    if not family.abilities.missing:
        assert family.view == "dense"  # the view without missing values
        return
    X, y = problem(task)
    X[np.random.default_rng(0).random(X.shape) < 0.3] = np.nan
    X[:, 3] = np.nan
    fitted = family.fit(job(family, task, X, y, validation=(X, y), settled=few_rounds(family)))
    assert np.isfinite(fitted.predict(X)).all()
    assert np.isfinite(fitted.predict(np.full((2, 4), np.nan))).all()


@every_family
@pytest.mark.parametrize("task", ["binary", "regression"])
@pytest.mark.parametrize("sign", [1, -1])
def test_monotonic_constraints_hold_where_the_family_says_so(family: EstimatorFamily, task: Task, sign: int) -> None:
    if not family.abilities.monotonic:
        return
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    raw = np.sin(2 * X[:, 0]) + sign * X[:, 0] / 2 + X[:, 1]  # up and down, not one way
    y = raw if task == "regression" else (raw + rng.normal(size=600) > 0).astype(np.float64)
    grid = np.repeat(X[:25, None, :], 60, axis=1)
    grid[:, :, 0] = np.linspace(-3, 3, 60)

    def falls(monotonic: tuple[int, ...]) -> float:
        fitted = family.fit(job(family, task, X, y, settled=few_rounds(family), monotonic=monotonic))
        along = fitted.predict(grid.reshape(-1, 3)).reshape(25, 60)
        return float(-(sign * np.diff(along, axis=1)).min())

    assert falls((sign, 0, 0)) <= 1e-12
    assert family.name == "constant" or falls(()) > 0.01


@every_family
@every_task
@pytest.mark.parametrize("validated", [True, False], ids=["validated", "refit"])
@pytest.mark.parametrize(
    "odd",
    ["one row", "two rows", "five rows", "one feature", "constant features", "no features", "one class", "huge"],
)
def test_odd_rows_are_fitted_or_refused_by_an_exception(
    family: EstimatorFamily, task: Task, validated: bool, odd: str
) -> None:
    rows = {"one row": 1, "two rows": 2, "five rows": 5}.get(odd, 40)
    X, y = problem(task, rows, features={"one feature": 1}.get(odd, 3))
    if odd == "constant features":
        X[:] = 0.1
    if odd == "no features":
        X = X[:, :0]
    if odd == "one class":
        y[:] = 1.0
    if odd == "huge":
        X[:, 0] *= 1e8
    for candidate in range(len(family.candidates(outline(task, X)))):
        made = job(family, task, X, y, validation=(X, y) if validated else None, candidate=candidate)
        refused, words = REFUSED.get(family.name, (set(), ""))
        if odd in refused:
            with pytest.raises(Exception, match=words):
                family.fit(made)
            continue
        fitted = family.fit(made)
        predicted = fitted.predict(X)
        assert predicted.shape == expected_shape(task, rows)
        assert np.isfinite(predicted).all()


@every_family
@every_task
def test_importances_are_shares_and_the_column_that_decides_has_the_largest(
    family: EstimatorFamily, task: Task
) -> None:
    X, y = problem(task)
    importances = family.fit(job(family, task, X, y, settled=few_rounds(family))).importances()
    if not family.abilities.importances:
        assert importances is None
        return
    assert importances is not None
    assert importances.shape == (4,)
    assert importances.min() >= 0
    assert importances.sum() == pytest.approx(1)
    assert importances.argmax() == 0


@every_family
@every_task
@pytest.mark.parametrize("size", [(30, 2), (1000, 2), (1000, 50), (100_000, 500)])
def test_candidates_have_names_that_are_unique_and_parameters_that_are_json(
    family: EstimatorFamily, task: Task, size: tuple[int, int]
) -> None:
    n_rows, n_features = size
    candidates = family.candidates(
        Outline(
            task=task, n_rows=n_rows, n_features=n_features, n_classes=N_CLASSES[task], most_levels=12, n_categories=2
        )
    )
    assert (
        len({one["name"] for one in candidates}) == len(candidates) >= (n_rows < 100_000)
    )  # some are for few rows only
    json.dumps([dict(one) for one in candidates], allow_nan=False)


def test_a_booster_can_answer_as_if_fewer_rounds_had_been_settled() -> None:
    family = FAMILIES["lightgbm"]
    X, y = problem("binary")
    fitted = family.fit(job(family, "binary", X, y, settled={"rounds": 30.0}))
    fewer = family.fit(job(family, "binary", X, y, settled={"rounds": 10.0}))
    assert fitted.predict(X, settled={"rounds": 10.0}).tobytes() == fewer.predict(X).tobytes()
    assert fitted.predict(X).tobytes() != fewer.predict(X).tobytes()


def test_a_booster_splits_on_the_numbers_of_levels_as_sets() -> None:
    """The odd levels are bad: no threshold tells them apart, a set does at once."""
    rng = np.random.default_rng(0)
    levels = rng.integers(0, 12, 600).astype(np.float64)
    y = (levels % 2 == 1).astype(np.float64)
    family = FAMILIES["lightgbm"]
    parameters = {"name": "stump", "num_leaves": 2, "learning_rate": 1.0, "min_data_in_leaf": 5}

    def auc(categorical: tuple[int, ...]) -> float:
        rows = Rows(matrix=Matrix(values=levels[:, None], names=("level",), categorical=categorical), y=y)
        made = FitJob(
            task="binary",
            n_classes=2,
            rows=rows,
            parameters=parameters,
            seed=0,
            deadline=Deadline.after(60),
            settled={"rounds": 1.0},
        )
        predicted = family.fit(made).predict(levels[:, None])
        return float(predicted[y == 1].mean() - predicted[y == 0].mean())

    assert auc((0,)) > 0.5
    assert auc(()) < 0.2
