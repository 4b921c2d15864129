"""Layers for one row against the same sums in numpy."""

from __future__ import annotations

from array import array
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, softmax

from mlwright.data.dataset import FloatArray
from mlwright.models.families.network import bent
from mlwright.models.families.network_layers import activate

kernel = pytest.importorskip("mlwright._kernels._dense", reason="the compiled kernels are not built here")

Answer = Literal["values", "sigmoid", "softmax"]


def drawn(sizes: tuple[int, ...], *, seed: int = 0, single: bool = True) -> tuple[list[FloatArray], list[FloatArray]]:
    """Matrices and biases, in numbers that single precision can hold or not."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    matrices = [rng.normal(size=pair) / np.sqrt(max(pair[0], 1)) for pair in pairs]
    biases = [rng.normal(size=pair[1]) for pair in pairs]
    if single:
        matrices = [matrix.astype(np.float32).astype(np.float64) for matrix in matrices]
    return matrices, biases


def by_numpy(
    matrices: list[FloatArray], biases: list[FloatArray], row: FloatArray, *, activation: Any, answer: Answer
) -> FloatArray:
    h = row
    for matrix, bias in zip(matrices[:-1], biases[:-1], strict=True):
        h = h @ matrix + bias
        h = h if activation == "none" else activate(activation, h)
    raw: FloatArray = h @ matrices[-1] + biases[-1]
    return raw if answer == "values" else expit(raw) if answer == "sigmoid" else softmax(raw)


def dense(matrices: list[FloatArray], biases: list[FloatArray], **options: Any) -> Any:
    return kernel.Dense(tuple(matrices), tuple(biases), **options)


@pytest.mark.parametrize("activation", ["none", "selu", "mish"])
@pytest.mark.parametrize("answer", ["values", "sigmoid", "softmax"])
@given(
    sizes=st.lists(st.integers(1, 37), min_size=2, max_size=5),
    seed=st.integers(0, 2**16),
    single=st.booleans(),
    zeros=st.floats(0, 1),
    spread=st.sampled_from([1e-3, 1.0, 100.0]),
)
def test_it_is_the_same_sums_as_in_numpy(
    activation: str, answer: Answer, sizes: list[int], seed: int, single: bool, zeros: float, spread: float
) -> None:
    matrices, biases = drawn(tuple(sizes), seed=seed, single=single)
    rng = np.random.default_rng(seed)
    row = spread * rng.normal(size=sizes[0]) * (rng.random(sizes[0]) >= zeros)
    expected = by_numpy(matrices, biases, row, activation=activation, answer=answer)
    found = dense(matrices, biases, activation=activation, answer=answer).one(row)
    assert isinstance(found, tuple)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * spread)


@pytest.mark.parametrize("activation", ["selu", "mish"])
@given(z=st.floats(-1e200, 1e200) | st.just(np.nan))
def test_an_activation_is_that_of_the_network_for_any_number(activation: Any, z: float) -> None:
    one = np.eye(1)
    (found,) = dense([one, one], [np.zeros(1), np.zeros(1)], activation=activation).one(np.array([z]))
    assert found == pytest.approx(float(activate(activation, np.float64(z))), rel=1e-13, abs=1e-15, nan_ok=True)


@given(z=st.floats(-1e100, 1e100))
def test_inputs_are_bent_as_the_network_bends_them(z: float) -> None:
    (found,) = dense([np.eye(1)], [np.zeros(1)], bend=3.0).one(np.array([z]))
    assert found == pytest.approx(float(bent(np.array([z]))[0]), rel=1e-15)


def test_an_answer_stays_within_its_bounds_and_one_that_is_no_number_stays_that() -> None:
    bounded = dense([np.eye(1)], [np.zeros(1)], low=-1.0, high=2.5)
    assert [bounded.one(np.array([z]))[0] for z in (-9.0, 0.5, 9.0, np.inf, -np.inf)] == [-1.0, 0.5, 2.5, 2.5, -1.0]
    assert np.isnan(bounded.one(np.array([np.nan]))[0])


def test_what_is_missing_or_infinite_goes_through_as_in_numpy() -> None:
    matrices, biases = drawn((6, 3))
    linear = dense(matrices, biases)
    for odd in (np.nan, np.inf, -np.inf):
        row = np.array([1.0, 0.0, odd, 0.0, 2.0, -1.0])
        np.testing.assert_array_equal(np.isnan(linear.one(row)), np.isnan(row @ matrices[0]))
        if not np.isnan(odd):
            np.testing.assert_array_equal(linear.one(row), row @ matrices[0] + biases[0])


def test_a_model_without_inputs_answers_its_bias() -> None:
    nothing = dense([np.zeros((0, 2))], [np.array([1.5, -2.0])])
    assert nothing.n_features == 0
    assert nothing.one(np.zeros(0)) == (1.5, -2.0)


@pytest.mark.parametrize("row", [array("d", [1.0, 2.0]), memoryview(array("d", [1.0, 2.0])), np.array([1.0, 2.0])])
def test_a_row_is_any_buffer_of_numbers(row: Any) -> None:
    assert dense([np.ones((2, 1))], [np.ones(1)]).one(row) == (4.0,)


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (np.zeros(3), ValueError),
        (np.zeros(5), ValueError),
        (np.zeros(0), ValueError),
        (np.zeros(4, dtype=np.float32), TypeError),
        (np.zeros(4, dtype=np.int64), TypeError),
        (np.zeros(8)[::2], (ValueError, BufferError)),
        ([0.0] * 4, TypeError),
        (None, TypeError),
    ],
    ids=["short", "long", "empty", "single", "whole", "strided", "list", "None"],
)
def test_a_row_of_another_form_is_refused(row: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        dense(*drawn((4, 3, 2))).one(row)


@pytest.mark.parametrize(
    ("matrices", "biases"),
    [
        ([], []),
        ([np.ones((2, 3))], []),
        ([np.ones((2, 3))], [np.ones(2)]),
        ([np.ones((2, 3))], [np.ones(4)]),
        ([np.ones((2, 0))], [np.ones(0)]),
        ([np.ones(6)], [np.ones(3)]),
        ([np.ones((1, 2, 3))], [np.ones(3)]),
        ([np.ones((2, 3)), np.ones((4, 1))], [np.ones(3), np.ones(1)]),
        ([np.ones((2, 3)), np.ones((2, 1))], [np.ones(3), np.ones(1)]),
        ([np.array([[np.nan]])], [np.ones(1)]),
        ([np.ones((1, 1))], [np.array([np.inf])]),
        ([np.ones((2, 8), dtype=np.uint8)], [np.ones(8)]),
    ],
)
def test_matrices_that_do_not_fit_are_refused(matrices: list[FloatArray], biases: list[FloatArray]) -> None:
    with pytest.raises(ValueError, match=r"fit|as many|finite"):
        dense(matrices, biases)


@pytest.mark.parametrize(
    ("matrix", "kind"),
    [
        (np.ones((2, 3), dtype=np.float32), TypeError),
        (np.ones((3, 2)).T, (ValueError, BufferError)),
        ("weights", TypeError),
    ],
)
def test_matrices_of_another_form_are_refused(matrix: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        dense([matrix], [np.ones(3)])


@pytest.mark.parametrize("options", [{"activation": "tanh"}, {"answer": "argmax"}])
def test_unknown_words_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="unknown"):
        dense(*drawn((2, 1)), **options)


def test_the_arrays_can_be_changed_afterwards() -> None:
    matrices, biases = drawn((3, 2))
    made, row = dense(matrices, biases), np.ones(3)
    before = made.one(row)
    matrices[0][:] = np.nan
    assert made.one(row) == before


def test_threads_do_not_disturb_each_other() -> None:
    network = dense(*drawn((20, 64, 64, 3)), activation="selu", answer="softmax")
    rows = np.random.default_rng(0).normal(size=(400, 20))
    alone = [network.one(row) for row in rows]
    with ThreadPoolExecutor(4) as threads:
        for together in threads.map(lambda _: [network.one(row) for row in rows], range(8)):
            assert together == alone
