"""Many tests at once: adjusted p-values that keep the error over all of them."""

from __future__ import annotations

import numpy as np

from mlwright.statistics.scored import FloatArray


def bonferroni(p_values: FloatArray, *, n_tests: int | None = None) -> FloatArray:
    """Adjusted p-values that bound the chance of any false finding; `n_tests` if more were tried than are given."""
    adjusted: FloatArray = np.minimum(np.asarray(p_values) * (n_tests or len(p_values)), 1.0)
    return adjusted


def holm(p_values: FloatArray) -> FloatArray:
    """Adjusted p-values that bound the chance of any false finding, never worse than Bonferroni's.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def benjamini_hochberg(p_values: FloatArray) -> FloatArray:
    """Adjusted p-values that bound the expected share of false findings.

    References
    ----------
    Benjamini and Hochberg (1995), Controlling the false discovery rate, JRSS B.

    Examples
    --------
    >>> benjamini_hochberg(np.array([0.01, 0.04, 0.03]))
    array([0.03, 0.04, 0.04])
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)[::-1]
    stepped = np.minimum.accumulate(p[order] * len(p) / np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
