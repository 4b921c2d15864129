"""What rows lost once their labels are known: late, in part, twice, or for rows that nobody asked about."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mlwright.core import Interval
from mlwright.data.dataset import FloatArray, IntArray

#: A labelled row stands for at most so many rows of its window.
MOST_WEIGHT = 5.0
#: Strata of the score by which labelled rows are compared with all rows.
STRATA = 8
#: Labels are called uneven where chance alone would make them so in 1 of 1,000 windows.
_UNEVEN_ERROR = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLabels:
    """Which of some labels count now.

    Attributes
    ----------
    rows : shape (n_new,)
        Numbers of the labels of answers that had none so far; of several of one id the last one.
    repeated, changed
        Known already: the same, or another one. A bet that was made cannot be taken back, so a changed label counts as
        it was first known, and is counted here for people.
    unknown
        Without an answer (yet).
    """

    rows: IntArray
    repeated: int
    changed: int
    unknown: int


def new_labels(
    ids: Sequence[str], labels: Sequence[str], *, counted: Mapping[str, str], answered: Container[str]
) -> NewLabels:
    """Sort labels by what is known already.

    Parameters
    ----------
    counted
        The label of each id that was counted before.
    answered
        The ids that the log has an answer of.
    """
    last = {name: number for number, name in enumerate(ids)}
    fresh: list[int] = []
    repeated = changed = unknown = 0
    for number, (name, label) in enumerate(zip(ids, labels, strict=True)):
        if name in counted:
            repeated, changed = repeated + (counted[name] == label), changed + (counted[name] != label)
        elif name not in answered:
            unknown += 1
        elif last[name] != number:
            repeated, changed = repeated + (labels[last[name]] == label), changed + (labels[last[name]] != label)
        else:
            fresh.append(number)
    return NewLabels(rows=np.array(fresh, dtype=np.int64), repeated=repeated, changed=changed, unknown=unknown)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledLoss:
    """The mean loss of a window, from those of its rows whose labels are known.

    Attributes
    ----------
    value, interval
        Each labelled row stands for the rows with nearly its score: what is assumed is that of two rows with nearly the same
        score the one that has a label loses no more than the other.
    plain
        The mean over labelled rows as they are.
    weight : shape (n_labelled,)
        How many rows each stands for, on average 1.
    rows, labelled
        Of the window, and those of them with a label.
    uneven
        Whether labels are more common for some scores than for others, beyond chance.
    limited
        Whether some row would stand for more than `MOST_WEIGHT` others: some scores have hardly any label.
    """

    value: float
    interval: Interval
    plain: float
    weight: FloatArray
    rows: int
    labelled: int
    uneven: bool
    limited: bool

    @property
    def share(self) -> float:
        """Of the rows that have a label."""
        return self.labelled / max(self.rows, 1)


def labelled_loss(loss: FloatArray, bins: IntArray, all_rows: FloatArray, *, confidence: float = 0.9) -> LabelledLoss:
    """The mean loss of all rows of a window from that of the labelled ones.

    Parameters
    ----------
    loss, bins : shape (n_labelled,)
        What each labelled row lost, and the bin of its score.
    all_rows : shape (n_bins,)
        How many rows of the window each bin has, labelled or not.

    References
    ----------
    Holt and Smith (1979), Post stratification, JRSS A; Rubin (1976), Inference and missing data, Biometrika.
    """
    total, n = float(all_rows.sum()), len(loss)
    if n < 2 or not total:
        nothing = Interval(low=float("-inf"), high=float("inf"), confidence=confidence)
        value = float(loss.mean()) if n else float("nan")
        return LabelledLoss(
            value=value,
            interval=nothing,
            plain=value,
            weight=np.ones(n),
            rows=round(total),
            labelled=n,
            uneven=False,
            limited=False,
        )
    stratum_of_bin = np.minimum((np.cumsum(all_rows) - all_rows / 2) / total * STRATA, STRATA - 1).astype(np.int64)
    stratum = stratum_of_bin[bins]
    of_all = np.bincount(stratum_of_bin, weights=all_rows, minlength=STRATA).astype(np.float64)
    of_labelled = np.bincount(stratum, minlength=STRATA).astype(np.float64)
    share = of_all / total
    stands_for = np.divide(share * n, of_labelled, out=np.zeros(STRATA), where=of_labelled > 0)
    weight = np.minimum(stands_for, MOST_WEIGHT)[stratum]
    weight /= weight.mean()
    value = float(weight @ loss) / n
    within = np.bincount(stratum, weights=weight * loss, minlength=STRATA)
    within = np.divide(
        within, np.bincount(stratum, weights=weight, minlength=STRATA), out=np.zeros(STRATA), where=of_labelled > 0
    )
    # Strata are fixed, so only what rows of one stratum differ by is chance.
    error = float(np.sqrt(np.square(weight * (loss - within[stratum])).sum() * n / max(n - STRATA, 1)) / n)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    return LabelledLoss(
        value=value,
        interval=Interval(low=value - z * error, high=value + z * error, confidence=confidence),
        plain=float(loss.mean()),
        weight=weight,
        rows=round(total),
        labelled=n,
        uneven=_uneven(of_all, of_labelled),
        limited=bool((stands_for > MOST_WEIGHT).any() or ((of_labelled == 0) & (share > 1 / (2 * STRATA))).any()),
    )


def _uneven(of_all: FloatArray, of_labelled: FloatArray) -> bool:
    """A chi-square test of "each row is as likely to have a label"; Wilson and Hilferty (1931) for its quantile."""
    share = float(of_labelled.sum() / of_all.sum())
    used = of_all * share * (1 - share) > 1
    if used.sum() < 2:
        return False
    expected = of_all[used] * share
    statistic = float(((of_labelled[used] - expected) ** 2 / (expected * (1 - share))).sum())
    k = int(used.sum()) - 1
    z = -NormalDist().inv_cdf(_UNEVEN_ERROR)
    quantile = k * (1 - 2 / (9 * k) + z * (2 / (9 * k)) ** 0.5) ** 3
    return bool(statistic > quantile)
