"""Has the loss risen? A test on labels as they come, that may be read after any of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from mlwright.core import Interval
from mlwright.data.dataset import FloatArray
from mlwright.monitoring.findings import OVERALL, Finding
from mlwright.monitoring.labelled_loss import MOST_WEIGHT, LabelledLoss
from mlwright.statistics.harmful_shift import RiskDetector


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LossWatch:
    """Has the loss risen by more than is tolerated? Fed with labels as they come, read whenever one likes.

    Labels are met in the order of their arrival, so a late one only delays the answer.

    Attributes
    ----------
    metric
        The name of the loss, for people.
    tolerance
        In units of the loss.
    low, high
        A loss outside is taken as the nearer of the two, in the reference as well.
    weighted
        Whether labelled rows are weighted by how many rows of their window they stand for.
    clipped
        How many losses were outside.
    """

    detector: RiskDetector
    metric: str
    tolerance: float
    low: float
    high: float
    weighted: bool
    clipped: int = 0

    @classmethod
    def start(
        cls,
        reference_loss: FloatArray,
        *,
        metric: str,
        tolerance: float,
        low: float = 0.0,
        high: float = 1.0,
        weighted: bool = True,
        error: float = 0.01,
    ) -> LossWatch:
        """A watch before the first label.

        Parameters
        ----------
        reference_loss : shape (n_rows,)
            Of labelled rows that the model was not fitted on.
        error
            The chance of ever saying that the loss has risen while it has not.
        """
        inside = np.clip(reference_loss, low, high)
        detector = RiskDetector.start(
            mean=float(inside.mean()),
            rows=len(inside),
            variance=float(inside.var()),
            tolerance=tolerance,
            low=min(low, low * MOST_WEIGHT) if weighted else low,
            high=max(high, high * MOST_WEIGHT) if weighted else high,
            error=error,
        )
        return cls(detector=detector, metric=metric, tolerance=tolerance, low=low, high=high, weighted=weighted)

    def update(self, loss: FloatArray, weight: FloatArray | None = None) -> LossWatch:
        """The watch after more labels, shape (n_new,) each; `weight` as `labelled_loss` gives it."""
        inside = np.clip(loss, self.low, self.high)
        if self.weighted and weight is not None:
            fed = np.clip(inside * np.minimum(weight, MOST_WEIGHT), self.detector.low, self.detector.high)
        else:
            fed = inside
        outside = int(((loss < self.low) | (loss > self.high)).sum())
        return replace(self, detector=self.detector.update(fed), clipped=self.clipped + outside)

    @property
    def risen(self) -> bool:
        """Whether the loss is, or was, above what is tolerated, at the stated error."""
        return self.detector.risen

    def as_finding(
        self,
        recent: LabelledLoss,
        *,
        since: datetime | None = None,
        unit: str = "",
        slice_name: str = OVERALL,
    ) -> Finding | None:
        """What to tell people; None as long as nothing has risen.

        Parameters
        ----------
        recent
            The loss of the labelled rows since the change, or of the last window.
        since
            The start of the window that `detector.change_point` names, which counts updates.
        """
        if not self.risen:
            return None
        before = self.detector.reference
        cost = Interval(
            low=recent.interval.low - before, high=recent.interval.high - before, confidence=recent.interval.confidence
        )
        return Finding(
            kind="loss",
            level="page",
            what=f"The {self.metric} has risen from {before:.4g} to {recent.value:.4g}, seen on {recent.labelled:,} labels.",
            since=since,
            evidence={
                "reference": before,
                "now": recent.value,
                "labels": recent.labelled,
                "labelled_share": recent.share,
                "log_e": self.detector.highest,
                "error": self.detector.error,
                "tolerance": self.tolerance,
                "labels_are_uneven": int(recent.uneven),
                "losses_cut_off": self.clipped,
            },
            advice=_advice(recent),
            cost=cost,
            cost_unit=unit or self.metric,
            slice=slice_name,
        )

    def state(self) -> dict[str, Any]:
        """A tree of JSON values; `of_state` reads it back."""
        own = {name: getattr(self, name) for name in ("metric", "tolerance", "low", "high", "weighted", "clipped")}
        return {**own, "detector": self.detector.state()}

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> LossWatch:
        """What `state` was taken of."""
        return cls(**{**state, "detector": RiskDetector.of_state(state["detector"])})


def _advice(recent: LabelledLoss) -> str:
    advice = "Train a challenger on rows since the change, and look at what changed."
    if recent.limited:
        return f"{advice} Some scores have hardly any label: label some of those rows before you rely on the amount."
    if recent.uneven:
        return f"{advice} Labels are more common for some scores than for others; rows were weighted for that."
    return advice
