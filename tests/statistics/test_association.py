from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from mlwright.statistics import Association, associate

Numbers = NDArray[np.float64]
Levels = NDArray[np.int64]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def found(column: Numbers | Levels, target: Numbers | Levels) -> Association:
    """The association of two columns; floats are numbers, integers are levels."""
    result = associate(
        column, target, column_is_number=column.dtype.kind == "f", target_is_number=target.dtype.kind == "f"
    )
    assert result is not None
    return result


@given(seed=st.integers(0, 10**6), n=st.integers(10, 80), ties=st.booleans(), slope=st.floats(-2, 2))
def test_two_numbers_are_tested_as_spearman_says(seed: int, n: int, ties: bool, slope: float) -> None:
    a = rng(seed).normal(size=n)
    b = slope * a + rng(seed + 1).normal(size=n)
    if ties:
        a, b = np.round(a), np.round(b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return
    expected = stats.spearmanr(a, b)
    one = found(a, b)
    assert (one.test, one.effect_name, one.n) == ("Spearman", "|rho|", n)
    assert one.effect == pytest.approx(abs(expected.statistic))
    assert one.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


@given(seed=st.integers(0, 10**6), n=st.integers(10, 80), ties=st.booleans(), shift=st.floats(-2, 2))
def test_a_number_and_two_classes_are_tested_as_mann_and_whitney_say(
    seed: int, n: int, ties: bool, shift: float
) -> None:
    target = np.arange(n) % 3 % 2
    number = rng(seed).normal(size=n) + shift * target
    if ties:
        number = np.round(number)
    if np.ptp(number) == 0:
        return
    a, b = number[target == 1], number[target == 0]
    expected = stats.mannwhitneyu(a, b, use_continuity=False, method="asymptotic")
    one = found(number, target)
    assert (one.test, one.effect_name) == ("Mann-Whitney", "|2 AUC - 1|")
    assert one.p_value == pytest.approx(expected.pvalue, rel=1e-6)
    assert one.effect == pytest.approx(abs(2 * expected.statistic / (len(a) * len(b)) - 1), abs=1e-12)


@given(seed=st.integers(0, 10**6), k=st.integers(3, 6), ties=st.booleans(), shift=st.floats(0, 2))
def test_a_number_and_several_levels_are_tested_as_kruskal_and_wallis_say(
    seed: int, k: int, ties: bool, shift: float
) -> None:
    level = np.arange(60) % k
    number = rng(seed).normal(size=60) + shift * level
    if ties:
        number = np.round(number)
    groups = [number[level == i] for i in range(k)]
    expected = stats.kruskal(*groups)
    for one in (found(number, level), found(level, number)):
        assert (one.test, one.effect_name, one.n) == ("Kruskal-Wallis", "epsilon²", 60)
        assert one.p_value == pytest.approx(expected.pvalue, rel=1e-6)
        # Kelley's epsilon²: the share of the variance of ranks between the groups, less what chance gives.
        ranks = stats.rankdata(number)
        within = sum(((ranks[level == i] - ranks[level == i].mean()) ** 2).sum() for i in range(k)) / (60 - k)
        assert one.effect == pytest.approx(max(1 - within / ranks.var(ddof=1), 0.0), abs=1e-9)


@given(seed=st.integers(0, 10**6), rows=st.integers(2, 5), columns=st.integers(2, 4), strength=st.floats(0, 1))
def test_two_levels_are_tested_as_pearson_says(seed: int, rows: int, columns: int, strength: float) -> None:
    a = rng(seed).integers(0, rows, 400)
    b = np.where(rng(seed + 1).random(400) < strength, a % columns, rng(seed + 2).integers(0, columns, 400))
    table = stats.contingency.crosstab(a, b).count
    if min(table.shape) < 2 or stats.contingency.expected_freq(table).min() < 5:
        return
    expected = stats.chi2_contingency(table, correction=False)
    one = found(a, b)
    assert (one.test, one.effect_name, one.n) == ("chi-squared", "Cramér's V", 400)
    assert one.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-300)
    # Bergsma (2013), equations for the corrected V.
    r, c = table.shape
    phi = max(expected.statistic / 400 - (r - 1) * (c - 1) / 399, 0)
    smaller = min(r - (r - 1) ** 2 / 399, c - (c - 1) ** 2 / 399)
    assert one.effect == pytest.approx(min(np.sqrt(phi / (smaller - 1)), 1.0))


def test_rare_levels_are_put_together_so_that_the_test_holds() -> None:
    target = np.arange(300) % 2
    column = np.where(np.arange(300) < 240, np.arange(300) % 3, np.arange(300))  # three levels, and 60 with one row
    one = found(column, target)
    together = np.where(column < 3, column, 3)
    assert one.p_value == pytest.approx(
        stats.chi2_contingency(stats.contingency.crosstab(together, target).count, correction=False).pvalue
    )


@pytest.mark.parametrize(
    ("column", "target"),
    [
        (np.arange(50.0), np.arange(50.0) ** 3),
        (np.arange(50.0), -np.arange(50.0)),
        (np.arange(50.0), (np.arange(50) > 30).astype(int)),
        (np.arange(60) % 3, np.arange(60) % 3),
        (np.arange(60) % 3, (np.arange(60) % 3).astype(float)),
    ],
)
def test_a_column_that_decides_the_target_has_an_effect_of_one(column: Numbers, target: Numbers) -> None:
    one = found(column, target)
    assert one.effect == pytest.approx(1.0)
    assert one.p_value < 1e-6


@pytest.mark.parametrize("kinds", ["number number", "number level", "level number", "level level", "number class"])
def test_of_columns_that_have_nothing_to_do_with_the_target_one_in_twenty_seems_to(kinds: str) -> None:
    p_values, effects = [], []
    for seed in range(300):
        draw = rng(seed)
        made = {
            "number": lambda draw=draw: draw.normal(size=60),
            "level": lambda draw=draw: draw.integers(0, 4, 60),
            "class": lambda draw=draw: draw.integers(0, 2, 60),
        }
        first, second = kinds.split()
        one = found(made[first](), made[second]())
        p_values.append(one.p_value)
        effects.append(one.effect)
    assert 0.02 < np.mean(np.array(p_values) < 0.05) < 0.09
    assert stats.kstest(p_values, "uniform").pvalue > 0.001
    assert np.mean(effects) < 0.25


def test_rows_where_one_of_the_two_is_missing_are_left_out() -> None:
    number, target = rng().normal(size=40), np.arange(40) % 2
    whole = found(number[:30], target[:30])
    holed, holed_target = number.copy(), target.copy()
    holed[30:35], holed_target[35:] = np.nan, -1
    assert found(holed, holed_target) == whole
    assert whole.n == 30


@pytest.mark.parametrize(
    ("column", "target"),
    [
        (np.arange(7.0), np.arange(7.0)),
        (np.full(40, 3.0), np.arange(40.0)),
        (np.arange(40.0), np.zeros(40, dtype=np.int64)),
        (np.full(40, np.nan), np.arange(40.0)),
        (np.arange(40), np.arange(40.0)),  # a level of its own for every row
        (np.arange(40), np.arange(40) % 2),
    ],
    ids=["few rows", "constant", "one class", "missing", "names and a number", "names and a class"],
)
def test_what_cannot_be_tested_is_not_tested(column: Numbers, target: Numbers) -> None:
    assert (
        associate(column, target, column_is_number=column.dtype.kind == "f", target_is_number=target.dtype.kind == "f")
        is None
    )


@given(seed=st.integers(0, 10**6))
def test_neither_the_order_of_rows_nor_the_numbers_of_levels_matter(seed: int) -> None:
    column, target = rng(seed).integers(0, 4, 60), rng(seed + 1).normal(size=60)
    order, numbers = rng(seed + 2).permutation(60), rng(seed + 3).permutation(9)[:4]
    one, other = found(column, target), found(numbers[column][order], target[order])
    assert (one.p_value, one.effect) == pytest.approx((other.p_value, other.effect))
    stretched = found(column, np.exp(target))  # ranks stay
    assert (one.p_value, one.effect) == pytest.approx((stretched.p_value, stretched.effect))
