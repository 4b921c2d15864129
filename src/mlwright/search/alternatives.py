"""Other ways to decide on the same rows, which every decision of a model is valued beside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mlwright.core import Evidence, Interval, bounded, finite
from mlwright.data import Dataset
from mlwright.data.dataset import FloatArray
from mlwright.spec import Spec
from mlwright.statistics import Scored, Worth

#: By the names that their evidence has.
TITLES = {
    "act_on_all": "act on all rows",
    "act_on_none": "act on none",
    "blind": "act on as many rows as possible, picked blindly",
    "half": "act from a probability of a half",
    "current_process": "the current process",
}
_USES_MODEL = "half"

#: The mean of an amount per row, its interval, and the method in words.
Averaged = tuple[float, Interval | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another way to decide on the same rows, and how much more the model's decisions were worth per row.

    Attributes
    ----------
    possible
        Whether it keeps to the capacity.
    """

    name: str
    per_row: float | None
    gain: float | None
    gain_interval: Interval | None
    possible: bool = True

    @property
    def title(self) -> str:
        """In words."""
        return TITLES[self.name] + ("" if self.possible else " (more than the capacity allows)")

    @property
    def uses_model(self) -> bool:
        return self.name == _USES_MODEL

    def evidence(self, prefix: str, *, rows: str, n: int, unit: str, method: str) -> Iterator[Evidence]:
        """What it is worth, and what the model gains over it."""
        base = f"{prefix}.{self.name}"
        yield Evidence(id=f"{base}.per_row", value=self.per_row, method=self.title, rows=rows, n=n, unit=unit)
        yield Evidence(
            id=f"{base}.gain",
            value=self.gain,
            interval=self.gain_interval,
            method=f"how much more the model's decisions are worth per row, paired; {method}",
            rows=rows,
            n=n,
            unit=unit,
        )


class _Way(NamedTuple):
    """How often each row is acted on: 0, 1, or a chance."""

    acts: FloatArray
    possible: bool


def alternatives(
    earned: FloatArray,
    scored: Scored,
    rows: Dataset,
    spec: Spec,
    *,
    worth: Worth,
    share: float | None,
    mean: Callable[[FloatArray, str], Averaged],
) -> tuple[Alternative, ...]:
    """What other ways to decide on rows are worth.

    Parameters
    ----------
    earned : shape (n_rows,)
        By the model's decisions.
    scored
        The rows with the calibrated probability of class 1.
    worth
        Of the outcomes in these rows.
    share
        Of the rows that the capacity allows to act on; None without one.
    mean
        Of amounts per row, for a purpose (the name of the way).
    """
    if_acted, if_not = (worth.earned(scored.target, np.full(len(rows), act)) for act in (1, 0))
    found = []
    for name, way in _ways(scored, rows, spec, share).items():
        other = way.acts * if_acted + (1 - way.acts) * if_not
        gain, interval, _ = mean(earned - other, name)
        found.append(
            Alternative(
                name=name,
                per_row=finite(scored.mean(other)),
                gain=finite(gain),
                gain_interval=bounded(interval),
                possible=way.possible,
            )
        )
    return tuple(found)


def _ways(scored: Scored, rows: Dataset, spec: Spec, share: float | None) -> dict[str, _Way]:
    n = len(scored)

    def way(acts: FloatArray) -> _Way:
        return _Way(acts, share is None or scored.mean(acts) <= share + 1e-9)

    listed = {"act_on_all": way(np.ones(n)), "act_on_none": way(np.zeros(n))}
    if share is not None and share < 1:
        listed["blind"] = way(np.full(n, share))
    listed["half"] = way((scored.prediction >= 0.5).astype(np.float64))
    process = spec.decision.current_process
    if process is not None:
        done = process.evaluate(rows.expression_columns(process.columns), rows=n)
        # What is done today is possible, whatever the spec says.
        listed["current_process"] = _Way(done.astype(bool).astype(np.float64), True)
    return listed
