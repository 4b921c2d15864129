"""What was learnt on other tables: how wrong forecasts were there, and within which range those tables lie.

`errors.json` beside this module holds it, with where it comes from. `benchmarks/feasibility` makes it anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

from mlwright.core import MlwrightError

FORMAT_VERSION = 1
#: The quantiles for metrics that have none of their own.
_ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTable:
    """How much larger the relative error is than after a long search.

    Attributes
    ----------
    fits
        How many cross-validated fits of one usual booster take as long as the search; rising.
    excess, excess_90
        The larger error as a share of the final one: in the middle, and for the worst in ten tables.
    """

    fits: tuple[float, ...]
    excess: tuple[float, ...]
    excess_90: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingTable:
    """How far the best possible error lies from what the power law says with many times the rows.

    Attributes
    ----------
    multiple
        So many times the rows.
    drop
        A share of the improvement up to there, as a term of the ceiling's sigma.
    ends
        5 % and 95 % of (logarithm of the best error - middle) / sigma, on tasks whose best score is known; by metric, `all`
        for the others.
    """

    multiple: float
    drop: float
    ends: Mapping[str, tuple[float, float]]

    def ends_of(self, metric: str) -> tuple[float, float]:
        """The ends for this metric."""
        return self.ends.get(metric, self.ends[_ALL])


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """Everything in `errors.json`.

    Attributes
    ----------
    provenance
        Where the numbers come from.
    multiple
        A tuned model does what the best quick learner would do with so many times the rows.
    drop, floor
        Terms of a forecast's sigma: a share of the forecast improvement, and what is always added.
    steepness, spread
        Of the prior of the power law's exponent: its median, and the standard deviation of its logarithm.
    levels, quantiles
        Quantiles of (logarithm of the true error - mu) / sigma at these probabilities; by metric, `all` for the others.
    corpus
        The usual range (5 % to 95 %) of each property of those tables.
    per_range, most
        Widths grow by this share for each range that a table is outside, up to `most` times.
    budgets
        For `classes` and `values` (regression).
    run
        Of the forecast of a run's seconds (`budgets.py`).
    updates
        Of the update after trials (`updating.py`).
    ceiling
        Of the ceiling (`ceiling.py`).
    """

    provenance: str
    multiple: float
    drop: float
    floor: float
    steepness: float
    spread: float
    levels: tuple[float, ...]
    quantiles: Mapping[str, tuple[float, ...]]
    corpus: Mapping[str, tuple[float, float]]
    per_range: float
    most: float
    budgets: Mapping[str, BudgetTable]
    run: Mapping[str, float]
    updates: Mapping[str, float]
    ceiling: CeilingTable

    def quantiles_of(self, metric: str) -> tuple[float, ...]:
        """The quantiles for this metric."""
        return self.quantiles.get(metric, self.quantiles[_ALL])

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Learnt:
        """From JSON.

        Raises
        ------
        ErrorsUnreadable
            If it is of another format, or its quantiles do not rise.
        """
        if state.get("format_version") != FORMAT_VERSION:
            raise ErrorsUnreadable(f"it is not of format {FORMAT_VERSION}")
        quantiles = {name: tuple(values) for name, values in state["quantiles"].items()}
        levels = tuple(state["levels"])
        for values in (levels, *quantiles.values()):
            if len(values) != len(levels) or not _rises(values):
                raise ErrorsUnreadable("its quantiles do not rise, or not all of them are there")
        return cls(
            provenance=state["provenance"],
            multiple=state["multiple"],
            drop=state["sigma"]["drop"],
            floor=state["sigma"]["floor"],
            steepness=state["prior"]["steepness"],
            spread=state["prior"]["spread"],
            levels=levels,
            quantiles=quantiles,
            corpus={name: (low, high) for name, (low, high) in state["corpus"].items()},
            per_range=state["widening"]["per_range"],
            most=state["widening"]["most"],
            budgets={
                name: BudgetTable(**{key: tuple(values) for key, values in table.items()})
                for name, table in state["budgets"].items()
            },
            run=state["run"],
            updates=state["updates"],
            ceiling=CeilingTable(
                multiple=state["ceiling"]["multiple"],
                drop=state["ceiling"]["drop"],
                ends={name: (low, high) for name, (low, high) in state["ceiling"]["ends"].items()},
            ),
        )


class ErrorsUnreadable(MlwrightError):
    """The table of past errors is damaged."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the table of past errors cannot be used: {why}",
            where="mlwright/feasibility/errors.json",
            fix="install mlwright again, or make the table anew with benchmarks/feasibility",
        )


@cache
def load_learnt() -> Learnt:
    """What was learnt on other tables; read once."""
    import json

    text = files("mlwright.feasibility").joinpath("errors.json").read_text(encoding="utf-8")
    return Learnt.of_state(json.loads(text))


def _rises(values: Sequence[float]) -> bool:
    return all(a < b for a, b in pairwise(values))
