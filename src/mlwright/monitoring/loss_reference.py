"""What losses are compared with: labelled rows by score, and some of these rows themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.models import ScoreCounts
from mlwright.models.score_counts import bins_of
from mlwright.monitoring.rows import AnsweredRows
from mlwright.monitoring.score_cells import ScoreCells
from mlwright.statistics import METRICS, Scored


@dataclass(frozen=True, slots=True, kw_only=True)
class LossReference:
    """What losses are compared with: labelled rows by score, and some of these rows themselves.

    Attributes
    ----------
    cells
        All labelled rows; None for a regression.
    rows
        Labelled rows that the model was not fitted on; without them only scores count.
    worth
        What the four outcomes of a decision are worth, where that is the same in all rows.
    counts
        Of a regression: all labelled rows by predicted value.
    metrics
        Of a regression: what is estimated.
    """

    cells: ScoreCells | None = None
    rows: AnsweredRows | None = None
    worth: Mapping[str, float] | None = None
    counts: ScoreCounts | None = None
    metrics: tuple[str, ...] = ("mae", "rmse")

    @classmethod
    def of_rows(cls, rows: AnsweredRows, *, worth: Mapping[str, float] | None = None) -> LossReference:
        """The reference that labelled rows give."""
        assert rows.target is not None
        if rows.decision is None:
            return cls(rows=rows)
        cells = ScoreCells.of_rows(rows.prediction, rows.target, rows.decision, weight=rows.weight)
        return cls(cells=cells, rows=rows, worth=worth)

    @classmethod
    def of_history(
        cls, counts: ScoreCounts, *, rows: AnsweredRows | None = None, worth: Mapping[str, float] | None = None
    ) -> LossReference:
        """The reference that a package gives (`TrainingHistory.scores`), and rows where there are some."""
        if counts.n_classes == 0:
            return cls(counts=counts, rows=rows)
        return cls(cells=ScoreCells.of_counts(counts), rows=rows, worth=worth)

    def row_loss(self, metric: str) -> FloatArray:
        """What each reference row lost, shape (n_rows,); for money, what it did not earn."""
        assert self.rows is not None
        assert self.rows.target is not None
        if metric == "value":
            assert self.worth is not None
            hit, acted = self.rows.target == 1, self.rows.decision == 1
            worth = {name: float(amount) for name, amount in self.worth.items()}
            if_hit = np.where(acted, worth["true_positive"], worth["false_negative"])
            if_miss = np.where(acted, worth["false_positive"], worth["true_negative"])
            lost: FloatArray = -1.0 * np.where(hit, if_hit, if_miss)
            return lost
        scored = Scored(target=self.rows.target, prediction=self.rows.prediction, decision=self.rows.decision)
        if metric == "accuracy":
            return np.not_equal(scored.decided(), scored.target).astype(np.float64)
        per_row = METRICS[metric].per_row
        if per_row is None:
            raise ValueError(f"{metric} is no mean over rows")
        found: FloatArray = per_row(scored)
        return found


def expected_row_loss(rows: AnsweredRows, reference: LossReference) -> FloatArray:
    """What each row without a label is expected to lose by its score: the chance of being wrong, shape (n_rows,)."""
    cells = reference.cells
    assert cells is not None
    assert rows.decision is not None
    rate = cells.rates()[rows.decision, bins_of(rows.score)]
    if cells.classes > 2:
        wrong: FloatArray = 1 - rate
        return wrong
    return np.where(rows.decision == 1, 1 - rate, rate)
