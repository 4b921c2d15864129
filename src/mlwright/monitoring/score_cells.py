"""What labelled rows say of each score: how often a row with this probability is of the positive class, or right.

A cell is a predicted class and one of 256 equal bins of the probability: of the positive class, or of the predicted one if
there are more than two. Cells of other rows are all that is needed to expect their loss; they add up over windows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models import ScoreCounts
from mlwright.models.score_counts import BINS, bins_of
from mlwright.statistics.array_state import array_of_state, array_state

#: Probabilities nearer to 0 and 1 are taken as this far from them in a logarithm.
CLIP = 1e-6
#: How strongly the map from score to frequency is held at "as stated", in rows: a handful of labels change nothing.
PRIOR_ROWS = 20.0
#: The same for rows weighted to be like others, held at the rates of all: they are few, but what they differ by counts.
_PRIOR_OF_WEIGHTED = 5.0
_STEPS = 12


def count_cells(
    probability: FloatArray, decision: IntArray, *, classes: int, weight: FloatArray | None = None
) -> FloatArray:
    """Rows by predicted class and bin, shape (n_classes, 256).

    Parameters
    ----------
    probability : shape (n_rows,)
        Of the positive class; of the predicted class if there are more than two.
    decision : shape (n_rows,)
        The class number predicted or decided for.
    """
    cell = decision.astype(np.int64) * BINS + bins_of(probability)
    counted: FloatArray = np.bincount(cell, weights=weight, minlength=classes * BINS).astype(np.float64)
    return counted.reshape(classes, BINS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoreCells:
    """Labelled rows by cell.

    Attributes
    ----------
    hits, misses : shape (n_classes, 256)
        Of two classes: rows of the positive and of the other class. Of more: rows whose predicted class was right, wrong.
    hit_squares, miss_squares : shape (n_classes, 256)
        Sums of squared weights of these rows; the same numbers where rows have no weights.
    probability, log_p, log_q : shape (256,)
        Mean probability, and means of the logarithms of it and of one minus it, of the rows of a bin; of its middle where
        there is no row.
    beyond : shape (2,)
        Of more than two classes: how much more a right and a wrong row lose than if the rest of the probability were
        spread evenly over the other classes, in nats.
    """

    hits: FloatArray
    misses: FloatArray
    hit_squares: FloatArray
    miss_squares: FloatArray
    probability: FloatArray
    log_p: FloatArray
    log_q: FloatArray
    beyond: FloatArray

    @classmethod
    def of_rows(
        cls,
        prediction: FloatArray,
        target: FloatArray,
        decision: IntArray | None = None,
        *,
        weight: FloatArray | None = None,
    ) -> ScoreCells:
        """Labelled rows that the model was not fitted on.

        Parameters
        ----------
        prediction : shape (n_rows,) or (n_rows, n_classes)
        target : shape (n_rows,)
            Class numbers.
        decision : shape (n_rows,)
            The class numbers decided for; the likelier class if not given.
        """
        w = np.ones(len(target)) if weight is None else weight
        classes = prediction.shape[1] if prediction.ndim == 2 else 2
        if prediction.ndim == 2:
            decided = prediction.argmax(axis=1) if decision is None else decision
            p = prediction[np.arange(len(target)), decided]
            hit = target == decided
            given = np.clip(prediction[np.arange(len(target)), target.astype(np.int64)], CLIP, 1)
            excess = -np.log(given) - np.where(hit, -np.log(np.clip(p, CLIP, 1)), _even(p, classes))
            wrong = w * ~hit
            beyond = np.array([0.0, float(wrong @ excess / max(float(wrong.sum()) + PRIOR_ROWS, 1e-300))])
        else:
            p, beyond = prediction, np.zeros(2)
            decided = (p >= 0.5).astype(np.int64) if decision is None else decision
            hit = target == 1
        count = {
            name: count_cells(p, decided, classes=classes, weight=part)
            for name, part in (
                ("hits", w * hit),
                ("misses", w * ~hit),
                ("hit_squares", w * w * hit),
                ("miss_squares", w * w * ~hit),
            )
        }
        return cls(**count, **_means(p, w), beyond=beyond)

    @classmethod
    def of_counts(cls, counts: ScoreCounts) -> ScoreCells:
        """Labelled rows that were counted by score, every one of them with its truth: those of a package's history."""
        if counts.n_classes == 2:
            negatives, positives = counts.labelled
            hits = np.stack([positives - counts.hits[1], counts.hits[1]]).astype(np.float64)
            misses = np.stack([counts.hits[0], negatives - counts.hits[0]]).astype(np.float64)
        else:
            hits = counts.hits.astype(np.float64)
            misses = counts.scores - hits
        none = np.zeros(0)
        means = _means(none, none)
        return cls(hits=hits, misses=misses, hit_squares=hits, miss_squares=misses, **means, beyond=np.zeros(2))

    @classmethod
    def as_stated(cls, classes: int = 2) -> ScoreCells:
        """No labelled rows at all: the model is taken at its word."""
        none = np.zeros((classes, BINS))
        return cls(
            hits=none,
            misses=none,
            hit_squares=none,
            miss_squares=none,
            **_means(np.zeros(0), np.zeros(0)),
            beyond=np.zeros(2),
        )

    @property
    def classes(self) -> int:
        return len(self.hits)

    @property
    def rows(self) -> FloatArray:
        """Weight of the labelled rows by cell, shape (n_classes, 256)."""
        return self.hits + self.misses

    def drawn(self, draws: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Hits and misses of so many bootstrap samples of the labelled rows, shape (n_draws, n_classes, 256) each."""
        return _drawn(self.hits, self.hit_squares, draws, rng), _drawn(self.misses, self.miss_squares, draws, rng)

    def rates(
        self, hits: FloatArray | None = None, misses: FloatArray | None = None, *, start: FloatArray | None = None
    ) -> FloatArray:
        """How often rows of a cell are hits, by the labelled rows; smooth in the score, shape (..., n_classes, 256).

        The log odds of a hit are a line in the logarithms of the stated probability and of its complement (and a number
        per class if there are more than two), held at what is stated, or at the rates `start`.

        References
        ----------
        Kull, Silva Filho and Flach (2017), Beta calibration, AISTATS.
        """
        hits = self.hits if hits is None else hits
        misses = self.misses if misses is None else misses
        design, offset = self._design(start)
        prior = PRIOR_ROWS if start is None else _PRIOR_OF_WEIGHTED
        if self.classes == 2:  # what was decided says nothing more of the class than the score does
            rates = _logistic(design[0], offset[..., 0, :], hits.sum(axis=-2), misses.sum(axis=-2), prior)
            return np.repeat(rates[..., None, :], 2, axis=-2)
        flat = (-1, self.classes * BINS) if hits.ndim > 2 else (self.classes * BINS,)
        levels = offset.reshape((-1, self.classes * BINS) if offset.ndim > 2 else (self.classes * BINS,))
        rates = _logistic(design.reshape(-1, design.shape[-1]), levels, hits.reshape(flat), misses.reshape(flat), prior)
        return rates.reshape(hits.shape)

    def _design(self, start: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Columns of the line, shape (n_classes, 256, n), and what it is added to, shape (..., n_classes, 256)."""
        stated = np.tile(self.log_p - self.log_q, (self.classes, 1))
        offset = stated if start is None else _log_odds(start)
        columns = [
            np.ones_like(stated),
            np.tile(self.log_p, (self.classes, 1)),
            np.tile(-self.log_q, (self.classes, 1)),
        ]
        if self.classes > 2:
            columns += [np.tile(row[:, None], BINS) for row in np.eye(self.classes)]
        return np.stack(columns, axis=-1), offset

    def wrong_log_loss(self) -> FloatArray:
        """Of more than two classes: what a wrong row of a bin loses, in nats, shape (256,)."""
        loss: FloatArray = _even(self.probability, self.classes) + self.beyond[1]
        return loss

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        return {one.name: array_state(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> ScoreCells:
        """What `state` was taken of."""
        return cls(**{one.name: array_of_state(state[one.name]) for one in fields(cls)})


def _even(p: FloatArray, classes: int) -> FloatArray:
    """Minus the logarithm of what each other class has if they share the rest evenly."""
    loss: FloatArray = -np.log(np.clip((1 - p) / max(classes - 1, 1), CLIP, 1))
    return loss


def _log_odds(p: FloatArray) -> FloatArray:
    inside = np.clip(p, CLIP, 1 - CLIP)
    odds: FloatArray = np.log(inside) - np.log1p(-inside)
    return odds


def _means(p: FloatArray, weight: FloatArray) -> dict[str, FloatArray]:
    """Of the rows of each bin; one row's weight in its middle stands in for bins without rows."""
    middle, least = (np.arange(BINS) + 0.5) / BINS, 1e-9
    bins, inside = bins_of(p), np.clip(p, CLIP, 1 - CLIP)
    total = np.bincount(bins, weights=weight, minlength=BINS) + least
    return {
        name: (np.bincount(bins, weights=weight * values, minlength=BINS) + least * at_middle) / total
        for name, values, at_middle in (
            ("probability", p, middle),
            ("log_p", np.log(inside), np.log(middle)),
            ("log_q", np.log1p(-inside), np.log1p(-middle)),
        )
    }


def _drawn(weights: FloatArray, squares: FloatArray, draws: int, rng: np.random.Generator) -> FloatArray:
    """Poisson numbers of rows with the mean and the variance that the sum of the weights has."""
    each = np.divide(squares, weights, out=np.ones_like(weights), where=weights > 0)
    found: FloatArray = each * rng.poisson(weights / each, (draws, *weights.shape))
    return found


def _logistic(
    design: FloatArray, offset: FloatArray, hits: FloatArray, misses: FloatArray, prior_rows: float
) -> FloatArray:
    """Rates of hits of a penalised logistic regression on top of an offset, by Newton's method.

    `design` has the shape (n_cells, n), `hits` and `misses` the shape (..., n_cells).
    """
    total = hits + misses
    beta = np.zeros((*hits.shape[:-1], design.shape[1]))
    # A row says at most a quarter about the log odds.
    prior = np.eye(design.shape[1]) * prior_rows * 0.25
    for _ in range(_STEPS):
        rate = _sigmoid(offset + beta @ design.T)
        slope = (hits - total * rate) @ design - beta @ prior
        curve = np.einsum("...c,ci,cj->...ij", total * rate * (1 - rate), design, design, optimize=True) + prior
        step = np.linalg.solve(curve, slope[..., None])[..., 0]
        beta = beta + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-6:
            break
    return _sigmoid(offset + beta @ design.T)


def _sigmoid(x: FloatArray) -> FloatArray:
    value: FloatArray = 0.5 * (1 + np.tanh(x / 2))
    return value
