"""Labelled reference rows made like those of a window: how likely each would be there, learnt by small boosted trees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.monitoring.boosters import FoldedBooster, fit_folded
from mlwright.monitoring.rows import AnsweredRows, RowShape
from mlwright.monitoring.score_cells import ScoreCells

#: Under this share of effective rows the reference has hardly any row like those of the window: nobody can tell.
LEAST_EFFECTIVE_SHARE = 0.05
#: No row is made more than so many times as likely, or less.
_MOST_RATIO = 200.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reweighting:
    """How much each reference row counts so that the reference is like the window.

    Attributes
    ----------
    weight : shape (n_rows,)
        Of the reference rows; their mean is 1.
    effective_share
        As many equal rows would say as much, as a share of the rows: 1 without drift (Kish, 1965).
    told_apart
        Whether rows of the window can be told from rows of the reference at all.
    """

    weight: FloatArray
    effective_share: float
    told_apart: bool
    shape: RowShape
    booster: FoldedBooster

    @property
    def enough(self) -> bool:
        """Whether the reference has enough rows like those of the window."""
        return self.effective_share >= LEAST_EFFECTIVE_SHARE

    @property
    def strength(self) -> float:
        """How far the window lies from the reference: by so many standard deviations, if it were one normal column."""
        return float(np.sqrt(max(-np.log(max(self.effective_share, 1e-9)), 0.0)))

    def cells(self, reference: AnsweredRows) -> ScoreCells:
        """The labelled rows by score, weighted; together they weigh as much as there are effective rows."""
        assert reference.target is not None
        scaled = self.weight * self.effective_share
        return ScoreCells.of_rows(reference.prediction, reference.target, reference.decision, weight=scaled)


def reweight(
    reference: AnsweredRows, window: AnsweredRows, *, with_answer: bool = True, rng: np.random.Generator
) -> Reweighting:
    """Learn the ratio of densities from what tells the window's rows from the reference's.

    Each row is judged by trees that were fitted without it, and there are as many trees as help on such rows; so without
    drift all weights are 1.

    Parameters
    ----------
    with_answer
        Whether the trees look at what was answered too: it finds the drift that matters for the loss sooner.

    References
    ----------
    Białek, Kuberski, Perrakis and Bifet (2024), Estimating model performance under covariate shift without labels;
    Sugiyama, Suzuki and Kanamori (2012), Density ratio estimation in machine learning.
    """
    tables = [rows.described if with_answer else rows.table for rows in (reference, window)]
    shape = RowShape.of(tables)
    values = np.vstack([shape.matrix(table) for table in tables])
    n = len(reference)
    of_window = np.arange(len(values)) >= n
    # As much weight on either side, so that log odds are log ratios.
    weight = np.concatenate([reference.weights / reference.weights.sum(), window.weights / window.weights.sum()])
    weight *= len(values) / 2
    booster = fit_folded(
        values, of_window.astype(np.float64), objective="binary", categorical=shape.categorical, weight=weight, rng=rng
    )
    ratio = np.exp(np.clip(booster.outside[:n], -np.log(_MOST_RATIO), np.log(_MOST_RATIO))) * reference.weights
    ratio /= ratio.mean()
    return Reweighting(
        weight=ratio,
        effective_share=float(1 / np.mean(ratio**2)),
        told_apart=booster.trees > 0,
        shape=shape,
        booster=booster,
    )
