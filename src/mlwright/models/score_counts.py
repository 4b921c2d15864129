"""How scores are spread, by what was predicted and by what turned out to be true: counts that are merged by addition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.data.dataset import FloatArray, IntArray
from mlwright.data.summaries.packing import pack, unpack

BINS = 256
#: Of a regression with labels: rows, sum of errors (prediction less truth), of their sizes, of their squares.
ERROR_SUMS = 4


def bins_of(values: FloatArray, low: float = 0.0, high: float = 1.0) -> IntArray:
    """The bin of each score, from 0 to 255, shape (n,); scores outside are in the outermost ones.

    Examples
    --------
    >>> bins_of(np.array([0.0, 0.5, 1.0, 7.0]))
    array([  0, 128, 255, 255])
    """
    with np.errstate(over="ignore"):
        places = (values - low) * (BINS / (high - low))
    return np.clip(places, 0, BINS - 1).astype(np.int64)


@dataclass(slots=True, kw_only=True)
class ScoreCounts:
    """Rows by score.

    The score is the probability of the positive class (two classes), of the predicted class (several), or the predicted
    value (regression).

    Attributes
    ----------
    low, high
        Where the bins begin and end: 0 and 1 for probabilities.
    scores : shape (n_classes, 256), or (1, 256) for a regression
        Rows by predicted class and bin.
    labelled : shape (n_classes, 256), or (4, 256) of floats for a regression
        Rows whose truth is known by true class and bin; of a regression, `ERROR_SUMS` by bin.
    hits : shape (n_classes, 256)
        Those of them whose prediction was right, by predicted class and bin; (0, 256) for a regression.
    confusion : shape (n_classes, n_classes)
        Those whose truth is known by true and predicted class; (0, 0) for a regression.
    """

    low: float
    high: float
    scores: IntArray
    labelled: NDArray[Any]
    hits: IntArray
    confusion: IntArray

    @classmethod
    def none_yet(cls, n_classes: int, *, low: float = 0.0, high: float = 1.0) -> ScoreCounts:
        """Before any row; a regression has no classes."""
        by_class = (max(n_classes, 1), BINS)
        return cls(
            low=low,
            high=high,
            scores=np.zeros(by_class, np.int64),
            labelled=np.zeros(by_class, np.int64) if n_classes else np.zeros((ERROR_SUMS, BINS)),
            hits=np.zeros((n_classes, BINS), np.int64),
            confusion=np.zeros((n_classes, n_classes), np.int64),
        )

    @property
    def n_classes(self) -> int:
        return len(self.hits)

    @property
    def edges(self) -> FloatArray:
        """Of the bins, shape (257,)."""
        return np.linspace(self.low, self.high, BINS + 1)

    def add(self, predicted: IntArray, score: FloatArray) -> None:
        """Count answers: the number of the predicted class (0 for a regression) and the score, shape (n,) each."""
        _count(self.scores, predicted, bins_of(score, self.low, self.high), 1)

    def add_truth(self, truth: NDArray[Any], predicted: IntArray, score: FloatArray, *, sign: int = 1) -> None:
        """Count answers whose truth is known: the number of the true class, or the true value, shape (n,).

        Parameters
        ----------
        sign
            -1 takes a truth back that was counted before and has changed.
        """
        bins = bins_of(score, self.low, self.high)
        if self.n_classes == 0:
            error = score - truth
            for row, amount in enumerate((np.ones_like(error), error, np.abs(error), np.square(error))):
                self.labelled[row] += sign * np.bincount(bins, weights=amount, minlength=BINS)
            return
        right = truth == predicted
        _count(self.labelled, truth, bins, sign)
        _count(self.hits, predicted[right], bins[right], sign)
        _count(self.confusion, truth, predicted, sign)

    def merge(self, other: ScoreCounts) -> None:
        """Add the rows of other counts."""
        self.scores += other.scores
        self.labelled += other.labelled
        self.hits += other.hits
        self.confusion += other.confusion

    @property
    def rows(self) -> int:
        return int(self.scores.sum())

    @property
    def known(self) -> int:
        """Rows whose truth is known."""
        return int(self.labelled.sum()) if self.n_classes else int(self.labelled[0].sum())

    def state(self) -> dict[str, Any]:
        """As JSON."""
        whole = {name: pack(getattr(self, name).ravel()) for name in ("scores", "hits", "confusion")}
        labelled = pack(self.labelled.ravel()) if self.n_classes else self.labelled.ravel().tolist()
        return {"classes": self.n_classes, "low": self.low, "high": self.high, "labelled": labelled, **whole}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> ScoreCounts:
        counts = cls.none_yet(state["classes"], low=state["low"], high=state["high"])
        for name in ("scores", "hits", "confusion"):
            getattr(counts, name).flat[:] = unpack(state[name])
        counts.labelled.flat[:] = unpack(state["labelled"]) if counts.n_classes else np.array(state["labelled"])
        return counts


def _count(into: IntArray, rows: IntArray, columns: IntArray, sign: int) -> None:
    height, width = into.shape
    flat = np.bincount(rows * width + columns, minlength=height * width)
    into += sign * flat.reshape(height, width)
