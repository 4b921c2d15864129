"""Does a column have to do with the target? A proper test for the kinds of the two, with an effect size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtr, stdtr

from mlwright.statistics.scored import FloatArray, IntArray

_LEAST_EXPECTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """The outcome of one test.

    Attributes
    ----------
    effect
        Strength from 0 (none) to 1 (the column decides the target); `effect_name` says which measure.
    n
        Rows where both are known.
    """

    test: str
    p_value: float
    effect: float
    effect_name: str
    n: int


def associate(
    column: FloatArray | IntArray, target: FloatArray | IntArray, *, column_is_number: bool, target_is_number: bool
) -> Association | None:
    """Test one column against the target.

    Parameters
    ----------
    column, target : shape (n_rows,)
        Numbers with NaN for missing; or level and class numbers from 0 with -1 for missing.

    Returns
    -------
    Association or None
        None if fewer than 8 rows are known or one of the two does not vary.
    """
    known = _known(column, column_is_number) & _known(target, target_is_number)
    column, target = column[known], target[known]
    if len(column) < 8 or _constant(column) or _constant(target):
        return None
    if column_is_number and target_is_number:
        return _spearman(column, target)
    if column_is_number:
        return _kruskal(column, target.astype(np.int64))
    if target_is_number:
        return _kruskal(target, column.astype(np.int64))
    return _chi_squared(column.astype(np.int64), target.astype(np.int64))


def _known(values: FloatArray | IntArray, is_number: bool) -> np.ndarray:
    return np.isfinite(values) if is_number else np.asarray(values >= 0)


def _constant(values: FloatArray | IntArray) -> bool:
    return bool((values == values[0]).all())


def _spearman(a: FloatArray | IntArray, b: FloatArray | IntArray) -> Association:
    from scipy.stats import rankdata

    n = len(a)
    rho = float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
    t = abs(rho) * np.sqrt((n - 2) / max(1 - rho * rho, 1e-15))
    p = 2 * float(stdtr(n - 2, -t))
    return Association(test="Spearman", p_value=p, effect=abs(rho), effect_name="|rho|", n=n)


def _kruskal(number: FloatArray | IntArray, group: IntArray) -> Association | None:
    """Kruskal and Wallis with ties; for two groups it is Mann and Whitney's test and the effect is |2 AUC - 1|."""
    from scipy.stats import rankdata

    _, group = np.unique(group, return_inverse=True)
    n, k = len(number), int(group.max()) + 1
    if k < 2 or k > n // 2:
        return None
    rank = rankdata(number)
    size, total = np.bincount(group), np.bincount(group, weights=rank)
    _, ties = np.unique(number, return_counts=True)
    correction = 1 - float((ties.astype(float) ** 3 - ties).sum()) / (float(n) ** 3 - n)
    h = (12 / (n * (n + 1)) * float((total**2 / size).sum()) - 3 * (n + 1)) / max(correction, 1e-15)
    if k == 2:
        auc = (total[1] - size[1] * (size[1] + 1) / 2) / (size[0] * size[1])
        z = float(np.sqrt(max(h, 0.0)))
        return Association(
            test="Mann-Whitney", p_value=2 * float(ndtr(-z)), effect=abs(2 * auc - 1), effect_name="|2 AUC - 1|", n=n
        )
    epsilon = max((h - k + 1) / (n - k), 0.0)
    return Association(
        test="Kruskal-Wallis", p_value=float(chdtrc(k - 1, h)), effect=min(epsilon, 1.0), effect_name="epsilon²", n=n
    )


def _chi_squared(a: IntArray, b: IntArray) -> Association | None:
    """Pearson's test after rare levels are put together; the effect is Cramér's V, corrected for its bias.

    References
    ----------
    Bergsma (2013), A bias-correction for Cramér's V and Tschuprow's T, Journal of the Korean Statistical Society.
    """
    table = _without_rare(a, b)
    if min(table.shape) < 2:
        return None
    n = table.sum()
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    chi2 = float(((table - expected) ** 2 / expected).sum())
    r, c = table.shape
    freedom = (r - 1) * (c - 1)
    phi = max(chi2 / n - freedom / (n - 1), 0.0)
    smallest = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    v = float(np.sqrt(phi / smallest)) if smallest > 0 else 0.0
    return Association(
        test="chi-squared", p_value=float(chdtrc(freedom, chi2)), effect=min(v, 1.0), effect_name="Cramér's V", n=len(a)
    )


def _without_rare(a: IntArray, b: IntArray) -> FloatArray:
    """The table of counts, with the levels of `a` too rare for the test put into one."""
    _, a = np.unique(a, return_inverse=True)
    _, b = np.unique(b, return_inverse=True)
    rows, columns = int(a.max()) + 1, int(b.max()) + 1
    table = np.bincount(a * columns + b, minlength=rows * columns).reshape(rows, columns).astype(np.float64)
    least = _LEAST_EXPECTED * len(a) / table.sum(axis=0).min()
    rare = table.sum(axis=1) < min(least, len(a) / 4)
    if rare.sum() > 1:
        table = np.vstack([table[~rare], table[rare].sum(axis=0)])
    return table
