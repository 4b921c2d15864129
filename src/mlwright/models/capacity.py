"""How many rows can be acted on, and the limit that keeps to it: act on the best, and on no more than there are hands for.

The share comes from the spec (`500 per week` of `decision.volume`, or a share), the limit from out-of-fold predictions: the
best rows by their margin up to that share, and none where acting does not pay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mlwright.core import MlwrightError
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.models.decision import DecisionRule, OutcomeWorth
from mlwright.spec import Columns

if TYPE_CHECKING:
    from mlwright.spec import Spec

#: Days; months, quarters and years are those of the Gregorian calendar on average.
_DAYS = {"hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 365.2425 / 12, "quarter": 365.2425 / 4, "year": 365.2425}
#: Training rows must span so many periods before their number per period is taken for the volume.
_LEAST_PERIODS = 2.0
#: What adding up shares may lose.
_ROUNDING = 1e-9


class CapacityUnclear(MlwrightError):
    """What share of the rows a capacity is cannot be said."""

    def __init__(self, what: str, fix: str, *, where: str) -> None:
        super().__init__(what, where=where, fix=fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityShare:
    """The share of the rows that can be acted on, and where it comes from.

    Attributes
    ----------
    share
        In (0, 1]; 1 where there is room for more rows than there are.
    wanted
        The same before it was cut at 1.
    count, per
        So many actions per period; None if the spec says a share.
    rows
        So many rows per period of `per`, from `decision.volume` or from the training rows (`estimated`).
    """

    share: float
    wanted: float
    count: float | None = None
    per: str | None = None
    rows: float | None = None
    estimated: bool = False

    def sentence(self) -> str:
        """For people, without a full stop."""
        if self.count is None or self.rows is None:
            return f"{_percent(self.share)} of the rows can be acted on"
        source = ", counted in the training rows" if self.estimated else ""
        if self.wanted > 1:
            return (
                f"{_count(self.count)} actions per {self.per} are possible, more than the {_count(self.rows)} rows per "
                f"{self.per} that there are{source}: the capacity sets no limit"
            )
        return (
            f"{_count(self.count)} of {_count(self.rows)} rows per {self.per} can be acted on, {_percent(self.share)} of "
            f"them{source}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """What a capacity did to a decision rule.

    Attributes
    ----------
    of
        What is possible.
    paying
        The share of the training rows (out of fold) in which acting pays; None where no worth is known.
    acted
        The share of them that the rule acts on: at most `of.share`.
    binding
        Whether there are more rows to act on than can be; where no worth is known there always are.
    limit
        Of the margin: of the expected gain of acting, or of the probability.
    worth_of_one_more
        What one more action would be worth, in the spec's currency; 0 where the capacity does not bind, None where no
        worth is known.
    """

    of: CapacityShare
    paying: float | None
    acted: float
    binding: bool
    limit: float
    worth_of_one_more: float | None = None

    def sentence(self) -> str:
        """For people."""
        if self.binding:
            return f"{self.of.sentence()}: it acts on the best {_percent(self.acted)}."
        pays = "" if self.paying is None else f", as acting pays in {_percent(self.paying)} of the rows only"
        if self.of.wanted > 1:
            return f"{self.of.sentence()}."
        return f"{self.of.sentence()}, which is enough{pays}."

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Capacity:
        """The capacity that had this state."""
        return cls(**{**state, "of": CapacityShare(**state["of"])})


def capacity_share(spec: Spec, train: Dataset) -> CapacityShare | None:
    """The share of the rows that the capacity of the spec allows to act on; None if the spec limits nothing.

    A count per period is divided by the rows per period: by `decision.volume`, in whatever period that is given, or else by
    the training rows per period where they have a time and span at least two periods.

    Raises
    ------
    CapacityUnclear
        If there are no two classes, or the number of rows per period is not known.
    """
    capacity = spec.decision.capacity
    if capacity is None:
        return None
    where = spec.where("decision", "capacity")
    if train.task != "binary":
        raise CapacityUnclear(
            f"a capacity needs a decision between two classes, and the task is {train.task}",
            "remove `decision.capacity`, or make the target one of two classes",
            where=where,
        )
    if capacity.share is not None:
        return CapacityShare(share=capacity.share, wanted=capacity.share)
    assert capacity.count is not None
    assert capacity.per is not None
    volume = spec.decision.volume
    if volume is not None:
        rows, estimated = volume.count * _DAYS[capacity.per] / _DAYS[volume.per], False
    else:
        rows, estimated = _rows_per_period(spec, train, capacity.per, where), True
    wanted = capacity.count / rows
    return CapacityShare(
        share=min(wanted, 1.0), wanted=wanted, count=capacity.count, per=capacity.per, rows=rows, estimated=estimated
    )


def _rows_per_period(spec: Spec, train: Dataset, per: str, where: str) -> float:
    """Of the training rows, and where they are a part of all rows by chance, of the rows that they are a part of."""
    fix = "give `decision.volume` (how many rows there are, e.g. `volume: {count: 2000, per: week}`) or a share such as `5%`"
    what = f"how many rows there are per {per} is not known, so the capacity is no share of them"
    name = spec.data.time
    if name is None or train.schema[name].type != "datetime":
        raise CapacityUnclear(what, fix, where=where)
    seconds = train.expression_columns([name])[name].astype(np.float64)
    seconds = seconds[np.isfinite(seconds)]
    periods = float(np.ptp(seconds)) / 86_400 / _DAYS[per] if len(seconds) else 0.0
    if periods < _LEAST_PERIODS:
        raise CapacityUnclear(f"{what}: the training rows span less than two {per}s", fix, where=where)
    from mlwright.data import plan_split  # reads the spec with pydantic, which a process that answers does without

    plan = plan_split(train, spec)
    return len(train) / periods / (1.0 if plan.kind == "temporal" else 1.0 - plan.test_share)


def within_capacity(
    rule: DecisionRule,
    share: CapacityShare,
    probability: FloatArray,
    columns: Columns,
    *,
    weight: FloatArray | None = None,
    outcomes: OutcomeWorth | None = None,
) -> tuple[DecisionRule, Capacity]:
    """The rule with the limit that keeps to a capacity, and what that does.

    Parameters
    ----------
    probability : shape (n_rows,)
        Calibrated, out of fold.
    columns
        Those of the rule, of the same rows.
    weight : shape (n_rows,), optional
        How much each row counts.
    outcomes
        What outcomes are worth. Where they are known it acts on no row in which that does not pay; if not, on as many rows
        as possible.
    """
    margin = rule.margin(probability, columns).of_rows
    w = np.ones(len(margin)) if weight is None else weight
    paying = None if outcomes is None else _share_above(margin, rule.break_even, w)
    binding = share.share < 1 and (paying is None or paying > share.share + _ROUNDING)
    limited = replace(rule, limit=_limit_of_best(margin, w, share.share)) if binding else rule
    one_more = None
    if outcomes is not None:
        at = limited.usual_limit
        one_more = 0.0 if not binding else at if rule.outcomes is not None else outcomes.gain_at(at)
    return limited, Capacity(
        of=share,
        paying=paying,
        acted=_share_above(margin, limited.usual_limit, w),
        binding=binding,
        limit=limited.usual_limit,
        worth_of_one_more=one_more,
    )


def _share_above(margin: FloatArray, limit: float, weight: FloatArray) -> float:
    return float(weight[margin > limit].sum() / weight.sum())


def _limit_of_best(margin: FloatArray, weight: FloatArray, share: float) -> float:
    """Above which at most this share of the rows lies; rows with the same margin are all above it or none is.

    It is halfway between the last margin above and the first below: those of single records differ from those of batches in
    the last digits.
    """
    order = np.argsort(-margin, kind="stable")
    ordered = margin[order]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    levels, seen = ordered[ends], np.cumsum(weight[order])[ends]
    taken = int((seen <= (share + _ROUNDING) * seen[-1]).sum())
    if taken == 0:
        return float(levels[0] + _ROUNDING * max(abs(levels[0]), 1.0))
    last, first_left = levels[taken - 1], levels[min(taken, len(levels) - 1)]
    return float(first_left + (last - first_left) / 2)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _count(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.3g}"
