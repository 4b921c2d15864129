"""Reading a sample of rows that two people labelled: how often a label is wrong, and what that says of a model's mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlwright.core import Interval, MlwrightError
from mlwright.feasibility.noise import NoiseOutcome
from mlwright.statistics import error_of_disagreement, wilson_interval

#: Wrong labels are the answer if they are at least this share of all mistakes, and not if at most that.
_MOST_OF, _LITTLE_OF = 1 / 2, 1 / 4


class LabellingsUnfit(MlwrightError):
    """Two labellings that cannot be compared."""

    def __init__(self, what: str) -> None:
        super().__init__(
            what, where="the two labellings", fix="give one label per row and labelling, in the same order"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelling:
    """What two labellings of the same rows say.

    Attributes
    ----------
    n
        Rows that have both labels.
    disagreement
        The share of them whose labels differ.
    wrong, interval
        The share of wrong labels that explains it, at the stated confidence.
    """

    n: int
    disagreement: float
    wrong: float
    interval: Interval
    outcome: NoiseOutcome
    sentence: str


def read_relabelled(
    first: Sequence[object], second: Sequence[object], *, n_classes: int, error: float, confidence: float = 0.9
) -> Relabelling:
    """How often labels are wrong, from two labellings of the same rows, chosen at random (`NoiseFinding.relabel`).

    Both are taken to be wrong equally often and independently, and equally often for every other class: whoever labels
    must not see the other's labels. One of them may be the labels that the table has.

    Parameters
    ----------
    first, second
        Classes; None where a row was not labelled.
    error
        The share of mistakes that is to be explained (`NoiseFinding.error`).

    Raises
    ------
    LabellingsUnfit
        If they differ in length, or no row has both labels.

    Examples
    --------
    >>> read_relabelled([1] * 100, [1] * 82 + [0] * 18, n_classes=2, error=0.2).outcome
    'cannot tell'
    """
    if len(first) != len(second):
        raise LabellingsUnfit(f"one labelling has {len(first):,} rows, the other {len(second):,}")
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not pairs:
        raise LabellingsUnfit("no row has both labels")
    n, differ = len(pairs), float(np.sum([a != b for a, b in pairs]))
    of_pairs = wilson_interval(differ, n, confidence=confidence)
    interval = Interval(
        low=error_of_disagreement(of_pairs.low, n_classes),
        high=error_of_disagreement(of_pairs.high, n_classes),
        confidence=confidence,
    )
    outcome: NoiseOutcome = (
        "labels"
        if interval.low >= _MOST_OF * error
        else "features"
        if interval.high <= _LITTLE_OF * error
        else "cannot tell"
    )
    wrong = error_of_disagreement(differ / n, n_classes)
    ending = {
        "labels": f"that explains most of the {error:.0%} of rows that the model gets wrong. Mend the labels first",
        "features": f"that explains little of the {error:.0%} of rows that the model gets wrong. Bring columns that say more",
        "cannot tell": f"that may explain a part of the {error:.0%} of rows that the model gets wrong. Label more rows again",
    }[outcome]
    return Relabelling(
        n=n,
        disagreement=differ / n,
        wrong=wrong,
        interval=interval,
        outcome=outcome,
        sentence=f"About {wrong:.0%} of the labels are wrong (between {interval.low:.0%} and {interval.high:.0%}): {ending}.",
    )
