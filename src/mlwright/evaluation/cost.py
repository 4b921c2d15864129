"""What the errors on the test rows cost, beside other ways to answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlwright.core import Evidence, Interval, bounded, finite, named_rng
from mlwright.data import Split
from mlwright.data.dataset import FloatArray
from mlwright.models import error_cost
from mlwright.spec import Spec
from mlwright.statistics import Scored, mean_value

CONFIDENCE = 0.95
#: Other ways to answer, by the names that baselines have.
TITLES = {
    "constant": "the same answer for every row",
    "linear": "a linear model",
    "mean": "boosted trees that predict the mean",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherAnswer:
    """Another way to answer the same rows, and how much less the model's errors cost per row."""

    name: str
    per_row: float | None
    gain: float | None
    gain_interval: Interval | None

    @property
    def title(self) -> str:
        return TITLES.get(self.name, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostOfErrors:
    """What the model's errors on the test rows cost.

    Attributes
    ----------
    told
        What the cost makes the model predict, for people.
    per_row, total
        In units of `currency`; the total of all test rows, by weight where rows have one.
    others
        The baselines. Each answers with what costs least of what it knows, but for the one that predicts the mean.
    per_period, period
        What errors on `decision.volume` of the spec would cost at that rate.
    """

    told: str
    currency: str
    n: int
    per_row: float | None
    interval: Interval | None
    total: float | None
    others: tuple[OtherAnswer, ...]
    method: str
    per_period: float | None = None
    period: str | None = None

    @property
    def without_model(self) -> OtherAnswer | None:
        """The best single answer for all rows."""
        return next((one for one in self.others if one.name == "constant"), None)

    def evidence(self) -> Iterator[Evidence]:
        """The cost, and for each other way to answer its cost and what the model saves over it."""
        rows, unit = "test rows", self.currency
        yield Evidence(
            id="value.cost_per_row",
            value=self.per_row,
            interval=self.interval,
            method=f"cost of errors by decision.error_cost; {self.method}",
            rows=rows,
            n=self.n,
            unit=unit,
        )
        yield Evidence(id="value.cost_total", value=self.total, method="sum over rows", rows=rows, n=self.n, unit=unit)
        if self.per_period is not None:
            yield Evidence(
                id="value.cost_per_period",
                value=self.per_period,
                method=f"cost per row times decision.volume, per {self.period}",
                rows=rows,
                n=self.n,
                unit=unit,
            )
        for one in self.others:
            base = f"value.{one.name}"
            yield Evidence(
                id=f"{base}.cost_per_row", value=one.per_row, method=one.title, rows=rows, n=self.n, unit=unit
            )
            yield Evidence(
                id=f"{base}.saved",
                value=one.gain,
                interval=one.gain_interval,
                method=f"how much less the model's errors cost per row, paired; {self.method}",
                rows=rows,
                n=self.n,
                unit=unit,
            )

    @classmethod
    def of_state(cls, state: dict[str, Any]) -> CostOfErrors:
        """The costs that had this state."""

        def with_interval(entry: dict[str, Any], name: str) -> dict[str, Any]:
            return {**entry, name: None if entry[name] is None else Interval(**entry[name])}

        others = tuple(OtherAnswer(**with_interval(one, "gain_interval")) for one in state["others"])
        return cls(**{**with_interval(state, "interval"), "others": others})


def cost_of_errors(
    scored: Scored, beside: Mapping[str, Scored], split: Split, spec: Spec, *, seed: int
) -> CostOfErrors | None:
    """Price the errors on the test rows; None if the spec does not say what an error costs.

    Parameters
    ----------
    scored, beside
        The test rows with what the model and each baseline answer, and with what errors cost in them.
    """
    cost = error_cost(spec, split.train)
    if cost is None or scored.cost is None:
        return None
    paid = scored.cost.of(scored.prediction, scored.target)

    def mean(amounts: FloatArray, *purpose: str) -> tuple[float, Interval | None, str]:
        rng = named_rng(seed, "cost", *purpose)
        return mean_value(amounts, weight=scored.weight, group=scored.group, rng=rng, confidence=CONFIDENCE)

    per_row, interval, method = mean(paid)
    others = []
    for name, other in beside.items():
        theirs = scored.cost.of(other.prediction, scored.target)
        gain, gain_interval, _ = mean(theirs - paid, name)
        others.append(
            OtherAnswer(
                name=name,
                per_row=finite(scored.mean(theirs)),
                gain=finite(gain),
                gain_interval=bounded(gain_interval),
            )
        )
    volume, currency = spec.decision.volume, spec.decision.currency
    return CostOfErrors(
        told=cost.told(currency),
        currency=currency,
        n=len(scored),
        per_row=finite(per_row),
        interval=bounded(interval),
        total=finite(per_row * (len(scored) if scored.weight is None else float(scored.weight.sum()))),
        others=tuple(others),
        method=method,
        per_period=None if volume is None else finite(per_row * volume.count),
        period=None if volume is None else volume.per,
    )
