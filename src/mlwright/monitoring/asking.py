"""How many labels would tell, and of which rows: those that say most, spread over the scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mlwright.data.dataset import FloatArray, IntArray

#: Scores are cut into so many strata of about equal share.
STRATA = 5
#: Of each stratum a few labels at least: its spread is only guessed beforehand.
LEAST_OF_STRATUM = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRequest:
    """Which rows to label so that a mean loss is known to a stated error.

    Attributes
    ----------
    labels
        How many are needed.
    by_stratum
        How many of each stratum; they sum to `labels`.
    edges : length n_strata - 1
        Between the scores of the strata.
    rows : shape (n_chosen,)
        Numbers of the rows that were chosen from the sample, those that say most first; fewer than `labels` if the
        sample has no more.
    ids
        Of these rows, where they have any.
    half_width
        Of the interval for the mean loss once they are labelled, in units of the loss.
    """

    labels: int
    by_stratum: tuple[int, ...]
    edges: tuple[float, ...]
    rows: IntArray
    ids: tuple[str, ...]
    half_width: float

    @property
    def missing(self) -> int:
        """Labels that rows outside the sample must give."""
        return max(self.labels - len(self.rows), 0)


def labels_needed(deviation: float, half_width: float, *, confidence: float = 0.9) -> int:
    """How many labels make an interval for a mean loss this narrow, if rows are drawn blindly: z² s² / e².

    Examples
    --------
    >>> labels_needed(0.5, 0.02, confidence=0.95)
    2401
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    return math.ceil((z * deviation / half_width) ** 2)


def ask_for_labels(
    score: FloatArray,
    variance: FloatArray,
    *,
    half_width: float,
    ids: tuple[str, ...] = (),
    weight: FloatArray | None = None,
    rng: np.random.Generator,
    confidence: float = 0.9,
) -> LabelRequest:
    """Which rows of a sample of a window to label.

    Strata where the loss varies more get more labels than their share. Labelling may stop earlier, whenever the
    sequential test on the labels (`label_loss`) has an answer.

    Parameters
    ----------
    score : shape (n_rows,)
        By which rows are cut into strata.
    variance : shape (n_rows,)
        Of the loss of each row, as it is expected: p (1 - p) for right and wrong.
    half_width
        What the loss is to be known to: about the distance from the estimate to the tolerance.

    References
    ----------
    Neyman (1934), On the two different aspects of the representative method, JRSS.
    """
    w = np.ones(len(score)) if weight is None else weight
    order = np.argsort(score, kind="stable")
    place = np.cumsum(w[order]) / w.sum()
    cuts = np.searchsorted(place, np.arange(1, STRATA) / STRATA)
    edges = np.unique(score[order][np.minimum(cuts, len(score) - 1)])
    stratum = np.searchsorted(edges, score, side="right")
    share = np.bincount(stratum, weights=w, minlength=len(edges) + 1) / w.sum()
    spread = np.sqrt(
        np.bincount(stratum, weights=w * variance, minlength=len(share)) / np.maximum(share * w.sum(), 1e-300)
    )
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    part = share * np.maximum(spread, 1e-12)
    total = math.ceil((z * float(part.sum()) / half_width) ** 2)
    by_stratum = np.where(share > 0, np.maximum(np.ceil(total * part / part.sum()), LEAST_OF_STRATUM), 0).astype(
        np.int64
    )
    chosen = _chosen(stratum, by_stratum, w, rng)
    return LabelRequest(
        labels=int(by_stratum.sum()),
        by_stratum=tuple(by_stratum.tolist()),
        edges=tuple(float(edge) for edge in edges),
        rows=chosen,
        ids=tuple(ids[row] for row in chosen) if ids else (),
        half_width=half_width,
    )


def _chosen(stratum: IntArray, wanted: IntArray, weight: FloatArray, rng: np.random.Generator) -> IntArray:
    """Rows in an order in which every beginning of it is spread over the strata as the whole is."""
    with np.errstate(divide="ignore"):
        key = np.log(rng.random(len(stratum))) / weight  # Efraimidis and Spirakis (2006): drawn in proportion to weight
    rows, turn = [], []
    for number, count in enumerate(wanted.tolist()):
        mine = np.flatnonzero(stratum == number)
        mine = mine[np.argsort(-key[mine], kind="stable")][:count]
        rows.append(mine)
        turn.append((np.arange(len(mine)) + 0.5) / max(count, 1))
    found: IntArray = np.concatenate(rows)[np.argsort(np.concatenate(turn), kind="stable")]
    return found
