"""How many more rows it would take: a bucket, since a number could not be trusted.

Where a demand was later reached, the power law's multiple of the rows was off by a factor of 1.4 to 2.2 in the middle, and
its own 80 % intervals held it in a third to a half of the cases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

#: How many times the training rows it would take.
MoreRowsBucket = Literal["< 2x", "2-5x", "5-20x", "more rows will not do"]

_BUCKETS: tuple[tuple[MoreRowsBucket, float, float], ...] = (
    ("< 2x", 1.0, 2.0),
    ("2-5x", 2.0, 5.0),
    ("5-20x", 5.0, 20.0),
)
#: A bucket is named if its upper end makes it as likely as not that the demand is met; where it is that already, if it makes
#: it very likely.
LIKELY, VERY_LIKELY = 0.5, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreRows:
    """How many further training rows a requirement would take, as a range.

    Attributes
    ----------
    fewest, most
        Further rows; None where more rows will not do.
    least_price, most_price
        Of these rows, in `currency`, if the spec says what a labelled row costs.
    """

    bucket: MoreRowsBucket
    fewest: int | None = None
    most: int | None = None
    least_price: float | None = None
    most_price: float | None = None
    currency: str = "units"


def more_rows(
    probability: Callable[[float], float | None], now: float, *, rows: int, price: float | None, currency: str
) -> MoreRows | None:
    """The first bucket at whose end the demand is likely met; None if nothing can be said.

    Parameters
    ----------
    probability
        That a tuned model meets the demand with a multiple of the rows at hand.
    now
        The same with the rows at hand.
    rows
        Training rows at hand.
    price
        Of one labelled row.
    """
    wanted = LIKELY if now < LIKELY else VERY_LIKELY
    for bucket, low, high in _BUCKETS:
        likely = probability(high)
        if likely is None:
            return None
        if likely >= wanted:
            fewest, most = round((low - 1) * rows), round((high - 1) * rows)
            return MoreRows(
                bucket=bucket,
                fewest=fewest,
                most=most,
                least_price=None if price is None else price * fewest,
                most_price=None if price is None else price * most,
                currency=currency,
            )
    if now >= LIKELY:
        return None  # it may well be met with the rows at hand, and no number of them makes that sure
    return MoreRows(bucket="more rows will not do", currency=currency)
