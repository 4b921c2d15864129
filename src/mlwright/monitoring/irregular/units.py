"""Unit changes: thousands for ones, Fahrenheit for Celsius, a turned sign, another currency; in all rows or in some.

A change of unit moves values to where the training rows had none, and one conversion brings all of them back onto the
training distribution. Drift and seasons do not do both: they leave values where values were, or no conversion fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.monitoring.irregular.irregularity import BoolArray, Irregularity, shown_share
from mlwright.monitoring.irregular.look import LEAST_COUNT, Look
from mlwright.monitoring.irregular.reference import Numbers, distance
from mlwright.monitoring.irregular.repairs import Scale

#: A constant factor without a name is one only if it is at least this large, or its inverse is.
_LEAST_FACTOR = 2.0
_MALUS_UNNAMED = 0.06


class Conversion(NamedTuple):
    """What makes an observed value of a true one: `observed = factor * true + offset`."""

    words: str
    factor: float
    offset: float = 0.0
    #: Taken off how well it fits: of two that fit alike, the commoner one is meant.
    malus: float = 0.0

    @property
    def is_known(self) -> bool:
        """Whether its factor is exact, not estimated."""
        return self.malus < _MALUS_UNNAMED

    @property
    def is_strong(self) -> bool:
        """Whether no drift does the like: ten times and more, another sign, another zero."""
        return self.factor < 0 or self.offset != 0 or not 0.11 < self.factor < 9

    def repair(self, column: str) -> Scale | None:
        """The rule that undoes it; None of an estimated factor, which would be a little wrong in every row."""
        if not self.is_known:
            return None
        return Scale(column=column, factor=1 / self.factor, offset=-self.offset / self.factor)

    def back(self, observed: FloatArray) -> FloatArray:
        """The true values."""
        return (observed - self.offset) / self.factor

    def of(self, true: FloatArray) -> FloatArray:
        """The observed values."""
        return true * self.factor + self.offset


def _both(words: str, inverse: str, factor: float, malus: float) -> tuple[Conversion, Conversion]:
    return Conversion(words, factor, malus=malus), Conversion(inverse, 1 / factor, malus=malus)


#: The conversions that have a name.
CONVERSIONS: tuple[Conversion, ...] = (
    *_both("1,000 times too large", "1,000 times too small", 1000.0, 0.0),
    *_both("100 times too large", "100 times too small", 100.0, 0.0),
    Conversion("in Fahrenheit instead of Celsius", 1.8, 32.0),
    Conversion("of the opposite sign", -1.0),
    *_both("10 times too large", "10 times too small", 10.0, 0.01),
    *_both("1,000,000 times too large", "1,000,000 times too small", 1e6, 0.01),
    Conversion("in Celsius instead of Fahrenheit", 1 / 1.8, -32 / 1.8, 0.01),
    Conversion("in Kelvin instead of Celsius", 1.0, 273.15, 0.01),
    *_both("60 times too large", "60 times too small", 60.0, 0.03),
    *_both("3,600 times too large", "3,600 times too small", 3600.0, 0.03),
    *_both("24 times too large", "24 times too small", 24.0, 0.03),
    *_both("12 times too large", "12 times too small", 12.0, 0.03),
    *_both("in pounds instead of kilograms", "in kilograms instead of pounds", 2.204623, 0.03),
    *_both("in kilometres instead of miles", "in miles instead of kilometres", 1.609344, 0.03),
    *_both("in feet instead of metres", "in metres instead of feet", 3.28084, 0.03),
    *_both("in centimetres instead of inches", "in inches instead of centimetres", 2.54, 0.03),
    *_both("in millimetres instead of inches", "in inches instead of millimetres", 25.4, 0.03),
)
#: So much of a column must be where the training rows have hardly any value.
_RARE_SHARE, _RARE_SHARE_UNNAMED = 0.3, 0.6
#: Of the repaired values so many are values of training, where these were few.
_AT_HOME = 0.3


class _Fit(NamedTuple):
    conversion: Conversion
    rows: BoolArray
    whole: bool
    before: float
    after: float


def unit_change(look: Look) -> Iterator[Irregularity]:
    """Columns that one conversion brings back onto the reference."""
    for column in look.columns("number", "integer"):
        known = look.numbers(column.name)
        if known is None or known[1].n_distinct < 2:
            continue
        fit = _best(look, column.name, *known, whole_numbers=column.type == "integer")
        if fit is None:
            continue
        conversion, share = fit.conversion, float(fit.rows.mean())
        where = "" if fit.whole else f" in {shown_share(share)} of the rows"
        yield look.found(
            "unit_change",
            (column.name,),
            fit.rows,
            f"{column.name!r} is {conversion.words}{where}.",
            (
                "Ask the source for the unit that it sends. If it has changed, accept the rule."
                if conversion.is_known
                else "Ask the source for the exact factor: the one that is said here is an estimate, and no rule runs by it."
            )
            + ("" if fit.whole else " Look for what these rows have in common, such as one supplier."),
            confidence=1 - fit.after / fit.before,
            evidence={
                "factor": conversion.factor,
                "offset": conversion.offset,
                "distance": fit.before,
                "distance_after_repair": fit.after,
            },
            repair=conversion.repair(column.name),
        )


def _best(look: Look, name: str, values: FloatArray, reference: Numbers, *, whole_numbers: bool) -> _Fit | None:
    known = np.isfinite(values)
    present = values[known]
    if len(present) < 20 or present.min() == present.max():
        return None
    outside = reference.outside(present)
    before = reference.distance(present)
    if outside.sum() < max(LEAST_COUNT, 0.005 * look.n) and before < 0.25 + look.shift(name):
        return None
    nonzero = reference.without_zeros()
    by_values = _by_values(values, nonzero, whole_numbers)
    if by_values is not None:
        return by_values
    unnamed = _unnamed(present, nonzero)
    tried = [*CONVERSIONS, *unnamed]
    whole = [fit for one in tried if (fit := _whole(look, name, values, reference, nonzero, one, whole_numbers))]
    if whole:
        best = min(whole, key=lambda fit: fit.after + fit.conversion.malus)
        return _exact(look, name, best, unnamed, present, nonzero, whole_numbers)
    some = [fit for one in CONVERSIONS if (fit := _some(look, name, values, reference, nonzero, one, whole_numbers))]
    return min(some, key=lambda fit: fit.after + fit.conversion.malus, default=None)


def _by_values(values: FloatArray, reference: Numbers, whole_numbers: bool) -> _Fit | None:
    """A factor without a name, to the last digit: it makes known values of values of which none was known.

    The commonest value is the commonest one of training times the factor. Factors near 1 are left alone: a shop may
    raise all its prices.
    """
    concerned = np.isfinite(values) & (values != 0)
    present = values[concerned]
    found, counts = np.unique(present, return_counts=True)
    if not reference.exact or reference.n_distinct > 0.5 * reference.count or len(present) < 50 or len(found) < 5:
        return None
    if _near_known(present, reference, 0.0) > 0.3:
        return None
    # Money is rounded to two digits after it was converted, a whole number to none.
    rounded = 0.51 if whole_numbers else 0.0051
    common = reference.middles[np.argsort(-reference.weights)[:8]]
    factors = [a / b for a in found[np.argsort(-counts)[:8]] for b in common if a * b > 0]
    best, factor = max(((_known_by(f, present, reference, rounded), f) for f in factors), default=(0.0, 1.0))
    if (
        best < 0.7
        or 1 / _LEAST_FACTOR < factor < _LEAST_FACTOR
        or best < _known_by(factor * 1.013, present, reference, rounded) + 0.4
    ):
        return None
    for one in CONVERSIONS:
        if not one.offset and abs(factor / one.factor - 1) < 1e-3:
            return None  # it has a name
    one = Conversion(_times(factor), factor, malus=0.05)
    return _Fit(one, concerned, True, max(reference.distance(present), 0.01), reference.distance(one.back(present)))


def _known_by(factor: float, present: FloatArray, reference: Numbers, rounded: float) -> float:
    return _near_known(present / factor, reference, rounded / factor if factor > 1 else 0.0)


def _near_known(values: FloatArray, reference: Numbers, least: float) -> float:
    """The share of values that the training rows had, but for what rounding does."""
    middles = reference.middles
    at = np.searchsorted(middles, values)
    off = np.minimum(*(np.abs(values - middles[np.clip(at - k, 0, len(middles) - 1)]) for k in (0, 1)))
    return float((off <= np.maximum(1e-6 * np.abs(values), least)).mean())


def _times(factor: float) -> str:
    return f"{factor:.4g} times too large" if factor > 1 else f"{1 / factor:.4g} times too small"


def _exact(
    look: Look,
    name: str,
    best: _Fit,
    unnamed: list[Conversion],
    present: FloatArray,
    reference: Numbers,
    whole_numbers: bool,
) -> _Fit:
    """The fit, or one with an estimated factor near it: rupees for dollars (83) are not cents (100).

    A rule by a factor that is nearly right would be wrong in every row, so in doubt there is none.
    """
    one, present = best.conversion, present[present != 0]
    for estimate in unnamed:
        ratio = estimate.factor / abs(one.factor)
        if one.offset or not one.is_known or not 0.6 < ratio < 1.67 or abs(ratio - 1) < 0.01:
            continue
        home = _share_at_home(one.back(present), reference, one, whole_numbers)
        after = _distance_after(present, reference, estimate, whole_numbers)
        # Few currencies are a thousand times another: there a season is the likelier reason for an inexact fit.
        thousands = max(abs(one.factor), 1 / abs(one.factor)) >= 1000 or one.factor == -1
        if home is None and best.after > after + 0.02 + (0.5 * look.shift(name) if thousands else 0.0):
            return best._replace(conversion=estimate, after=after)
    return best


def _share_at_home(back: FloatArray, reference: Numbers, one: Conversion, whole_numbers: bool) -> float | None:
    """How many repaired values are values of the training rows, to the last digit; None where that tells nothing."""
    rounded = one.offset != 0 or (whole_numbers and abs(one.factor) < 1)
    if rounded or not reference.exact or reference.n_distinct > 0.5 * reference.count or len(back) == 0:
        return None
    return _near_known(back, reference, 0.0)


def _unnamed(present: FloatArray, reference: Numbers) -> list[Conversion]:
    """The constant factor that brings the middle of the values onto that of the reference."""
    sizes = np.abs(present[present != 0])
    order = np.argsort(np.abs(reference.middles))
    weights = reference.weights[order].cumsum()
    middle = float(np.abs(reference.middles[order])[min(int(np.searchsorted(weights, 0.5)), len(order) - 1)])
    if len(sizes) == 0 or middle == 0:
        return []
    factor = float(np.median(sizes)) / middle
    if 1 / _LEAST_FACTOR < factor < _LEAST_FACTOR or not np.isfinite(factor) or factor == 0:
        return []
    about = f"about {factor:.2g} times too large" if factor > 1 else f"about {1 / factor:.2g} times too small"
    return [Conversion(about, factor, malus=_MALUS_UNNAMED)]


def _whole(
    look: Look, name: str, values: FloatArray, all_of: Numbers, nonzero: Numbers, one: Conversion, whole_numbers: bool
) -> _Fit | None:
    """Whether the conversion explains every value of the column."""
    # A factor leaves 0 where it is: only the other values can tell.
    concerned = np.isfinite(values) & ((values != 0) | (one.offset != 0))
    reference, present = (all_of, values[concerned]) if one.offset else (nonzero, values[concerned])
    if len(present) < 20 or len(np.unique(present)) < min(3.0, reference.n_distinct):
        return None
    before = reference.distance(present)
    low, high = reference.common
    size = np.abs(present)
    rare = (present < low) | (present > high) | ((reference.least > 0) & (size < reference.least * 0.999))
    after = _distance_after(present, reference, one, whole_numbers)
    alike = after <= 0.05 + 1.0 / np.sqrt(len(present)) and not 1 / 3 < one.factor < 3
    needed = _RARE_SHARE if one.is_known or alike else _RARE_SHARE_UNNAMED
    if before < 0.3 + 0.5 * look.shift(name) or rare.mean() < needed:
        return None
    back = one.back(present)
    home = _share_at_home(back, reference, one, whole_numbers) if one.is_known else None
    if home is not None and home < _AT_HOME:
        return None  # another factor: this one makes values of which none was ever seen
    # No value was where values were, and the conversion puts all of them there: the shape need not fit as well.
    plain = one.is_strong or look.stretch(name) is not None
    sure = one.is_known and plain and rare.mean() > 0.9 and reference.inside_share(back) > 0.97
    if after > look.slack(name, len(present), sure=sure) or after > (0.97 if sure else 0.5) * before:
        return None
    return _Fit(one, np.isfinite(values) & ((values != 0) | (one.offset != 0)), True, before, after)


def _distance_after(present: FloatArray, reference: Numbers, one: Conversion, whole_numbers: bool) -> float:
    """How far the repaired values lie from the reference; what was rounded away is not held against them."""
    if not whole_numbers or abs(one.factor) >= 1:
        return reference.distance(one.back(present))
    points = np.unique(present) + 0.5
    at = np.searchsorted(reference.points, one.back(points), side="right")
    shares = np.r_[0.0, reference.shares][at]
    return distance(present, points, shares)


def _some(
    look: Look, name: str, values: FloatArray, all_of: Numbers, nonzero: Numbers, one: Conversion, whole_numbers: bool
) -> _Fit | None:
    """Whether the conversion explains the values that lie where no training row had any."""
    reference, known = (all_of if one.offset else nonzero), np.isfinite(values)
    outside = known & all_of.outside(np.where(known, values, 0.0))
    back = one.back(np.where(known, values, np.nan))
    low, high = reference.common
    slightly = 0.02 * (high - low)
    rows = outside & (back >= low - slightly) & (back <= high + slightly)
    count, share_explained = int(rows.sum()), float(rows.sum() / max(outside.sum(), 1))
    if count < max(LEAST_COUNT, 0.005 * look.n) or share_explained < 0.8:
        return None
    home = _share_at_home(back[rows], reference, one, whole_numbers)
    if home is not None and home < _AT_HOME:
        return None
    rest = values[known & ~outside]
    if len(rest) > 0.2 * look.n and reference.distance(rest[(rest != 0) | (one.offset != 0)]) > 0.35 + look.shift(name):
        return None  # the others are not as they should be either: it is not a fault of some rows
    after = min(
        _distance_visible(back[rows], all_of, one, reference.middles, reference.weights),
        _distance_visible(back[rows], all_of, one, np.sort(rest), np.full(len(rest), 1 / max(len(rest), 1))),
    )
    if after > 0.3 + 1.0 / np.sqrt(count):
        return None
    # Now that it is known, it is also what the few have whose true values are rare.
    span = 0.25 * (all_of.high - all_of.low)
    rows = outside & (back >= all_of.low - span) & (back <= all_of.high + span)
    return _Fit(one, rows, False, 1.0, after)


def _distance_visible(
    back: FloatArray, all_of: Numbers, one: Conversion, values: FloatArray, weights: FloatArray
) -> float:
    """How far repaired values lie from those of right rows that the conversion would have moved outside.

    The other right rows cannot be told in the batch after a conversion either.

    Parameters
    ----------
    values, weights : shape (n_values,)
        Of right rows, ascending: the training rows, or the other rows of the batch.
    """
    visible = all_of.outside(one.of(values))
    weight = float(weights[visible].sum())
    if weight < 0.1 or visible.sum() == 0:
        return 1.0
    points = values[visible]
    shares = np.cumsum(weights[visible]) / weight
    last = np.r_[points[1:] != points[:-1], True]
    return distance(back, points[last], shares[last])
