from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlwright.statistics import benjamini_hochberg, e_benjamini_hochberg
from mlwright.statistics.array_state import array_of_state, array_state
from mlwright.statistics.e_values import log_start_weight

LOG_E = st.lists(st.floats(-20, 20), min_size=1, max_size=15).map(np.array)


def test_all_starts_together_get_a_capital_of_one_and_not_more() -> None:
    weights = np.array([math.exp(log_start_weight(window, "ever")) for window in range(1, 20_001)])
    rest = 20_000.5**-0.2 / 0.2 / 5.591582441177751  # the tail of the sum, as an integral
    assert weights.sum() + rest == pytest.approx(1.0, abs=1e-6)
    assert log_start_weight(7, "run_length") == 0.0


@given(LOG_E, st.sampled_from([0.01, 0.05, 0.3]))
def test_findings_are_those_of_benjamini_and_hochberg_for_one_over_e(log_e: np.ndarray, error: float) -> None:
    # An e-value may be read as the p-value 1 / e; where none is above 1, the two procedures are the same.
    log_e = np.abs(log_e) + 1e-6
    adjusted = benjamini_hochberg(np.exp(-log_e))
    sure = np.abs(adjusted - error) > 1e-9
    np.testing.assert_array_equal(e_benjamini_hochberg(log_e, error)[sure], (adjusted < error)[sure])


@given(LOG_E)
def test_any_finding_means_that_the_mean_has_reached_one_over_the_error(log_e: np.ndarray) -> None:
    if e_benjamini_hochberg(log_e, 0.05).any():
        assert np.exp(log_e).mean() >= 20 * (1 - 1e-9)


@given(LOG_E, st.integers(0, 14), st.floats(0, 5))
def test_more_evidence_never_takes_a_finding_away(log_e: np.ndarray, place: int, more: float) -> None:
    before = e_benjamini_hochberg(log_e, 0.05)
    grown = log_e.copy()
    grown[place % len(grown)] += more
    assert (e_benjamini_hochberg(grown, 0.05) >= before).all()


def test_no_columns_have_no_findings() -> None:
    assert len(e_benjamini_hochberg(np.zeros(0), 0.05)) == 0


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64])
def test_an_array_comes_back_as_it_was(kind: type) -> None:
    array: np.ndarray = np.arange(6).reshape(2, 3).astype(kind)
    back = array_of_state(array_state(array))
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)
    back[0, 0] = 7  # and may be written to
    assert array_of_state(array_state(np.zeros((0, 4)))).shape == (0, 4)


def test_what_watches_a_model_loads_no_heavy_library() -> None:
    names = "Bets, PairedTest, MeanSequence, DriftDetector, learn_reference, RiskDetector, AucPlan"
    code = f"from mlwright.statistics import {names}; import sys; print([m for m in ('scipy', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
