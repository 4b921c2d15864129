from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.feasibility import fit_power_law, load_learnt

_ROWS = np.array([500.0, 1000.0, 2000.0, 4000.0])


@pytest.mark.parametrize(("a", "b", "c"), [(0.2, 0.3, 0.5), (0.05, 0.4, 0.25), (0.4, 0.1, 1.1)])
def test_a_power_law_without_noise_is_found_again(a: float, b: float, c: float) -> None:
    errors = a + b * (_ROWS / 4000) ** -c
    law = fit_power_law(list(_ROWS), list(errors), [1e-4] * 4)
    for rows in (4000, 6000, 12_000):
        assert np.exp(law.mean(rows)) == pytest.approx(a + b * (rows / 4000) ** -c, rel=0.03)
    assert law.asymptote_at(0.02) - 0.02 <= a <= law.asymptote_at(0.98) + 0.02


def test_on_noisy_curves_the_truth_is_inside_most_of_the_time() -> None:
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(60):
        a, b, c = rng.uniform(0.05, 0.4), rng.uniform(0.1, 0.4), np.exp(rng.normal(np.log(0.45), 0.5))
        errors = a + b * (_ROWS / 4000) ** -c
        # Anchors share their validation rows: most of the chance is in all of them alike.
        seen = errors * (1 + 0.003 * rng.normal(size=4)) * (1 + 0.01 * rng.normal())
        law = fit_power_law(list(_ROWS), list(seen), list(0.01 * errors))
        truth = np.log(a + b * 2.0**-c)
        inside += abs(law.mean(8000) - truth) < 2 * np.hypot(np.sqrt(law.variance(8000)), 0.01)
    assert inside >= 53


@given(
    errors=st.lists(st.floats(0.001, 1.2), min_size=1, max_size=4),
    share=st.floats(0.001, 0.5),
)
def test_whatever_was_seen_more_rows_never_harm(errors: list[float], share: float) -> None:
    law = fit_power_law(list(_ROWS[: len(errors)]), errors, [share * e for e in errors])
    assert law.probability.sum() == pytest.approx(1)
    means = [law.mean(m) for m in (4000, 8000, 80_000, 8e6)]
    assert all(a >= b - 1e-9 for a, b in pairwise(means))
    assert law.variance(8000) >= 0
    assert law.slope(8000) <= 0
    assert 0 <= law.asymptote_at(0.05) <= law.asymptote_at(0.95) <= errors[-1]


def test_with_one_anchor_the_prior_speaks() -> None:
    law = fit_power_law([1000.0], [0.5], [0.01])
    known = load_learnt()
    exponent = float(np.exp(law.probability @ np.log(law.exponent)))
    assert exponent == pytest.approx(known.steepness, rel=0.15)
