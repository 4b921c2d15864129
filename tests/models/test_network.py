"""The network: its gradient, its schedule, its clock, and what it learns that a weighted sum cannot."""

from __future__ import annotations

import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.models.problems import N_CLASSES, TASKS, job, loss, outline, problem

from mlwright.core import Deadline
from mlwright.data.dataset import FloatArray
from mlwright.models import FAMILIES
from mlwright.models.families import network
from mlwright.models.families.network import FittedNetwork, NetworkFamily, bent
from mlwright.models.families.network_layers import Activation, Net, activate, activate_with_slope
from mlwright.models.families.network_training import CYCLES, NotFinite, coslog4, cycle_end, one_blas_thread
from mlwright.spec import Task

NETWORK = NetworkFamily()
ACTIVATIONS: tuple[Activation, ...] = ("selu", "mish")


def loss_of(net: Net, x: FloatArray, target: FloatArray, share: FloatArray) -> float:
    """The loss that is trained on, in double precision: cross entropy for SELU, half the squared error for Mish."""
    (*hidden, last), biases = net.folded()
    h = x
    for matrix, bias in zip(hidden, biases[:-1], strict=True):
        h = activate(net.activation, h @ matrix + bias)
    raw = h @ last + biases[-1]
    if net.activation == "mish":
        return float((share * 0.5 * (raw - target) ** 2).sum())
    return float((share[:, 0] * (np.log(np.exp(raw).sum(axis=1)) - (raw * target).sum(axis=1))).sum())


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gradient_is_that_of_finite_differences(activation: Activation) -> None:
    """In double precision, which the same lines compute where they are given it."""
    rng = np.random.default_rng(0)
    sizes = (3, 7, 5, 2)
    numbers: Any = rng.normal(size=Net.length(sizes))
    x: Any = rng.normal(size=(20, 3))
    target: Any = np.eye(2)[rng.integers(0, 2, 20)]
    share: Any = rng.uniform(0, 0.1, (20, 1))
    net, gradient = Net(sizes, activation, numbers), Net(sizes, activation, np.zeros_like(numbers))
    net.loss_gradient(x, target, share, gradient)
    expected = np.empty(len(numbers))
    for i, step in enumerate(1e-6 * np.eye(len(numbers))):
        up, down = (Net(sizes, activation, numbers + sign * step) for sign in (1, -1))
        expected[i] = (loss_of(up, x, target, share) - loss_of(down, x, target, share)) / 2e-6
    np.testing.assert_allclose(gradient.flat, expected, atol=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_is_the_same_in_training_and_in_answering_at_any_size_of_its_input(
    activation: Activation,
) -> None:
    z = np.r_[-1e30, -200, np.linspace(-6, 6, 200), 200, 1e30]
    value, slope = activate_with_slope(activation, z)
    np.testing.assert_allclose(value, activate(activation, z), atol=1e-12, rtol=1e-12)
    inner = z[2:-2]
    differences = (activate(activation, inner + 1e-6) - activate(activation, inner - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope[2:-2], differences, atol=1e-6)
    assert np.isfinite(activate_with_slope(activation, z.astype(np.float32))).all()


def test_the_learning_rate_comes_down_to_zero_where_a_cycle_ends_and_is_full_within_it() -> None:
    ends = [0.0, *(cycle_end(cycle) for cycle in range(1, CYCLES + 1))]
    assert ends[-1] == 1.0
    np.testing.assert_allclose([coslog4(t) for t in ends], 0, atol=1e-12)
    for low, high in pairwise(ends):
        inside = np.linspace(low, high, 1001)
        assert max(coslog4(t) for t in inside) == pytest.approx(1, abs=1e-4)


def test_inputs_are_bent_smoothly_and_never_far_out() -> None:
    values = np.array([-1e100, -3.0, -0.01, 0.0, 0.01, 1e8])
    result = bent(values)
    np.testing.assert_allclose(result[2:5], values[2:5], rtol=1e-4)
    np.testing.assert_allclose(result[[0, 1, 5]], [-3, -3 / np.sqrt(2), 3])
    assert values[0] == -1e100  # left alone


@pytest.mark.parametrize("task", TASKS)
def test_two_columns_that_say_something_only_together_are_understood(task: Task) -> None:
    def made(seed: int) -> tuple[FloatArray, FloatArray]:
        X = np.random.default_rng(seed).normal(size=(1000, 3))
        product = X[:, 0] * X[:, 1]
        return X, product if task == "regression" else np.digitize(product, [0.0, 0.6][: N_CLASSES[task] - 1]).astype(
            np.float64
        )

    (X, y), validation, (X_new, y_new) = made(0), made(1), made(2)
    losses = {
        name: loss(
            task, y_new, FAMILIES[name].fit(job(FAMILIES[name], task, X, y, validation=validation)).predict(X_new)
        )
        for name in ("constant", "linear", "network")
    }
    assert losses["linear"] > 0.9 * losses["constant"]
    assert losses["network"] < 0.5 * losses["linear"]


def test_it_is_better_than_a_weighted_sum_where_the_target_bends() -> None:
    def made(seed: int) -> tuple[FloatArray, FloatArray]:
        rng = np.random.default_rng(seed)
        X = rng.uniform(-2, 2, size=(800, 5))
        return X, np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + X[:, 2] * X[:, 3] + 0.1 * rng.normal(size=800)

    (X, y), (X_new, y_new) = made(0), made(1)
    linear, net = (
        loss(
            "regression",
            y_new,
            FAMILIES[name].fit(job(FAMILIES[name], "regression", X, y, validation=made(2))).predict(X_new),
        )
        for name in ("linear", "network")
    )
    assert net < 0.1 * linear


@pytest.mark.parametrize("task", TASKS)
def test_what_is_read_back_has_the_same_bits_and_importances(task: Task, tmp_path: Path) -> None:
    X, y = problem(task)
    fitted = NETWORK.fit(job(NETWORK, task, X, y, validation=problem(task, seed=1)))
    fitted.write(tmp_path)
    again = NETWORK.read(tmp_path)
    for one, other in zip([*fitted.matrices, *fitted.biases], [*again.matrices, *again.biases], strict=True):
        assert one.tobytes() == other.tobytes()
    np.testing.assert_array_equal(fitted.importances(), again.importances())
    assert again.settled == fitted.settled
    (tmp_path / "again").mkdir()
    again.write(tmp_path / "again")
    for name in ("network.json", "network.arrow"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_row_alone_is_answered_as_among_others() -> None:
    X, y = problem("regression")
    fitted = NETWORK.fit(job(NETWORK, "regression", X, y))
    together = fitted.predict(X)
    np.testing.assert_allclose([fitted.predict(X[i : i + 1])[0] for i in range(50)], together[:50], rtol=1e-10)
    assert fitted.predict(X[:0]).shape == (0,)


def test_values_stay_within_what_was_seen() -> None:
    X, y = problem("regression")
    predicted = NETWORK.fit(job(NETWORK, "regression", X, y)).predict(50 * X)
    assert y.min() <= predicted.min() < predicted.max() <= y.max()


@pytest.mark.parametrize("task", TASKS)
def test_folds_that_settled_more_or_fewer_cycles_answer_as_if_they_had_settled_the_same(task: Task) -> None:
    (X, y), validation = problem(task), problem(task, seed=3)
    fitted = NETWORK.fit(job(NETWORK, task, X, y, validation=validation))
    assert set(fitted.earlier) == set(range(1, max(fitted.earlier) + 1))
    first = NETWORK.fit(job(NETWORK, task, X, y, settled={**fitted.settled, "cycles": 1.0}))
    assert fitted.predict(X, settled={"cycles": 1.0}).tobytes() == first.predict(X).tobytes()
    last = fitted.predict(X, settled={"cycles": 4.0})
    assert last.tobytes() == fitted.predict(X, settled={"cycles": float(max(fitted.earlier))}).tobytes()
    assert fitted.predict(X).tobytes() == fitted.predict(X, settled=fitted.settled).tobytes()


@pytest.mark.parametrize("validated", [True, False], ids=["validated", "refit"])
@pytest.mark.parametrize("seconds", [0.05, 0.6])
def test_a_fit_ends_before_its_deadline_and_says_when_it_was_cut(validated: bool, seconds: float) -> None:
    X, y = problem("multiclass", 20_000, features=20)
    validation = problem("multiclass", 2000, seed=1, features=20) if validated else None
    started = time.monotonic()
    settled = None if validated else {"epochs": 200.0, "cycles": 4.0}
    fitted = NETWORK.fit(
        job(NETWORK, "multiclass", X, y, validation=validation, settled=settled, deadline=Deadline.after(seconds))
    )
    assert time.monotonic() - started < seconds + 5  # the machine may be busy; untold it would take minutes
    # Cut before it knows how long a step takes, it has nothing to say of epochs.
    assert fitted.cut or fitted.settled["epochs"] < 200
    assert fitted.cut or seconds > 0.1
    assert loss("multiclass", y, fitted.predict(X)) <= np.log(3) * 1.05


def test_training_that_runs_away_begins_again_with_a_lower_rate_and_ends_at_the_base_rates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X, y = problem("binary")
    rates: list[float] = []
    fitted_at = network._Problem.fitted

    def wild(self: network._Problem, rate: float) -> FittedNetwork:
        rates.append(rate)
        if rate > allowed:
            raise NotFinite
        return fitted_at(self, rate)

    monkeypatch.setattr(network._Problem, "fitted", wild)
    allowed = 0.5
    calmer = NETWORK.fit(job(NETWORK, "binary", X, y)).predict(X)
    assert rates == [1.0, pytest.approx(0.1)]
    assert calmer.std() > 0.1
    allowed = 0.0
    hopeless = NETWORK.fit(job(NETWORK, "binary", X, y))
    assert hopeless.cut
    np.testing.assert_allclose(hopeless.predict(X), y.mean(), atol=0.01)


@pytest.mark.parametrize("task", TASKS)
def test_a_rate_beyond_all_reason_still_gives_finite_answers(task: Task) -> None:
    X, y = problem(task)
    made = job(NETWORK, task, X, y, validation=(X, y))
    made = type(made)(**{name: getattr(made, name) for name in made.__slots__} | {"parameters": {"rate": 1e30}})
    assert np.isfinite(NETWORK.fit(made).predict(X)).all()


def test_many_classes_of_two_rows_each_and_weights_of_zero_are_no_trouble() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(23.0), 2)
    X = rng.normal(size=(46, 4)) + y[:, None]
    made = job(NETWORK, "multiclass", X, y)
    changed = {"n_classes": 23, "validation": made.rows}
    fields = {name: getattr(made, name) for name in made.__slots__} | changed
    predicted = NETWORK.fit(type(made)(**fields)).predict(X)
    assert predicted.shape == (46, 23)
    np.testing.assert_allclose(predicted.sum(axis=1), 1)
    nothing = NETWORK.fit(job(NETWORK, "binary", X, y % 2, weight=np.zeros(46)))
    assert np.isfinite(nothing.predict(X)).all()


def test_dropout_and_decay_leave_the_same_seed_the_same_bits() -> None:
    X, y = problem("binary", 600)
    names = [one["name"] for one in NETWORK.candidates(outline("binary", X))]
    assert len(names) == 2
    for candidate in range(2):
        first, again = (
            NETWORK.fit(job(NETWORK, "binary", X, y, validation=(X, y), candidate=candidate)).predict(X).tobytes()
            for _ in range(2)
        )
        assert first == again


def test_fits_side_by_side_give_the_same_bits_and_leave_the_threads_of_the_process_as_they_were() -> None:
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    def threads() -> list[int]:
        return [entry["num_threads"] for entry in threadpool_info() if entry["user_api"] == "blas"]

    before = threads()
    X, y = problem("regression", 600)
    alone = NETWORK.fit(job(NETWORK, "regression", X, y, settled={"cycles": 1.0})).predict(X)
    answers: list[FloatArray] = []

    def fit() -> None:
        answers.append(NETWORK.fit(job(NETWORK, "regression", X, y, settled={"cycles": 1.0})).predict(X))

    workers = [threading.Thread(target=fit) for _ in range(3)]
    with one_blas_thread():
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    np.testing.assert_allclose(answers, [alone] * 3, rtol=1e-9)
    assert threads() == before
