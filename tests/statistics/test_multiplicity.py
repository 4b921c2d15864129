from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from mlwright.statistics import benjamini_hochberg, bonferroni, holm

P_VALUES = st.lists(st.floats(0, 1) | st.sampled_from([0.0, 0.01, 0.05, 1.0]), min_size=1, max_size=12).map(np.array)


def holm_by_definition(p: list[float]) -> list[float]:
    """The largest, over p-values not above it, of that p-value times how many are not below it in the order."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted = [0.0] * len(p)
    for place, i in enumerate(order):
        adjusted[i] = min(1.0, max((len(p) - k) * p[order[k]] for k in range(place + 1)))
    return adjusted


@given(P_VALUES)
def test_benjamini_and_hochberg_are_those_of_scipy(p: np.ndarray) -> None:
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p), atol=1e-15)


@given(P_VALUES)
def test_holm_is_what_its_definition_says(p: np.ndarray) -> None:
    np.testing.assert_allclose(holm(p), holm_by_definition(p.tolist()), atol=1e-15)


def test_holm_of_a_worked_example() -> None:
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])


def test_bonferroni_multiplies_by_all_tests_that_were_tried() -> None:
    np.testing.assert_allclose(bonferroni(np.array([0.01, 0.4])), [0.02, 0.8])
    np.testing.assert_allclose(bonferroni(np.array([0.01, 0.4]), n_tests=10), [0.1, 1.0])


@given(P_VALUES)
def test_a_stricter_error_gives_larger_p_values_and_none_is_below_the_raw_one(p: np.ndarray) -> None:
    raw, loose, middle, strict = p, benjamini_hochberg(p), holm(p), bonferroni(p)
    tiny = 1e-12
    assert (raw <= loose + tiny).all()
    assert (loose <= middle + tiny).all()
    assert (middle <= strict + tiny).all()
    assert (strict <= 1).all()


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg, bonferroni])
@given(p=P_VALUES, seed=st.integers(0, 1000))
def test_the_order_of_tests_does_not_matter_and_the_input_is_left_alone(
    adjust: object, p: np.ndarray, seed: int
) -> None:
    assert callable(adjust)
    before = p.copy()
    order = np.random.default_rng(seed).permutation(len(p))
    np.testing.assert_allclose(adjust(p)[order], adjust(p[order]), atol=1e-15)
    np.testing.assert_array_equal(p, before)


def test_no_tests_have_no_p_values() -> None:
    for adjust in (holm, benjamini_hochberg, bonferroni):
        assert len(adjust(np.array([]))) == 0


def test_of_many_tests_of_nothing_hardly_any_survive() -> None:
    rng = np.random.default_rng(0)
    false = {holm: 0, benjamini_hochberg: 0, bonferroni: 0}
    for _ in range(400):
        p = rng.random(30)
        for adjust in false:
            false[adjust] += bool((adjust(p) < 0.05).any())
    for adjust, found in false.items():
        assert 5 <= found <= 35, adjust  # 20 of 400 are expected
