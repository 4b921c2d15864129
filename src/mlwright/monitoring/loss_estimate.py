"""What a window is expected to lose, and whether that is too much; or that nobody can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

from mlwright.core import Interval
from mlwright.monitoring.asking import LabelRequest
from mlwright.monitoring.attribution import LossShare
from mlwright.monitoring.expected_loss import Expected
from mlwright.monitoring.findings import OVERALL, Finding
from mlwright.statistics import METRICS

Method: TypeAlias = Literal["scores", "weighted rows", "loss by row", "labels"]
Verdict: TypeAlias = Literal["no loss", "loss", "cannot tell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEstimate:
    """What a window is expected to lose.

    Attributes
    ----------
    metrics
        By name.
    effective_share
        Of the reference rows, after they were made like those of the window; None where only scores were looked at.
    outside
        The share of rows beyond what the reference has, in the column where it is largest.
    unknown
        Why nobody can tell; empty where one can.
    columns
        Where the loss comes from, in units of `lost_in`; empty where it was not asked for.
    """

    metrics: Mapping[str, Expected]
    method: Method
    effective_share: float | None = None
    outside: float = 0.0
    unknown: str = ""
    columns: tuple[LossShare, ...] = ()
    lost_in: str = ""

    def verdict(self, metric: str, tolerance: float) -> Verdict:
        """Whether more is lost than is tolerated, in the unit of the metric."""
        if self.unknown:
            return "cannot tell"
        between = self.metrics[metric].worse_between
        if between.high <= tolerance:
            return "no loss"
        return "loss" if between.low > 0 and self.metrics[metric].worse > tolerance else "cannot tell"

    def with_metric(self, expected: Expected) -> LossEstimate:
        """The same with one more metric: the money of rows whose worth differs (`expected_value`)."""
        return replace(self, metrics={**self.metrics, expected.metric: expected})

    def as_finding(
        self,
        metric: str,
        tolerance: float,
        *,
        request: LabelRequest | None = None,
        since: datetime | None = None,
        unit: str = "",
        per_rows: float = 1.0,
        slice_name: str = OVERALL,
    ) -> Finding:
        """What to tell people.

        Parameters
        ----------
        tolerance
            In the unit of the metric.
        request
            Which labels would tell.
        unit, per_rows
            Of the cost: money a day is `EUR a day` with the rows of a day, for a metric that is money a row.
        """
        expected, verdict = self.metrics[metric], self.verdict(metric, tolerance)
        between = expected.worse_between
        title = METRICS[metric].title if metric in METRICS else "what a row earns"
        opening = title[0].upper() + title[1:]
        cost = Interval(low=between.low * per_rows, high=between.high * per_rows, confidence=between.confidence)
        moved = f"from {expected.reference:.3g} to {expected.value:.3g}"
        spread = f"between {expected.interval.low:.3g} and {expected.interval.high:.3g}"
        main = [share for share in self.columns if share.interval.low > 0][:3]
        because = f" Most of it comes from {', '.join(f'`{share.name}`' for share in main)}." if main else ""
        known = self.method == "labels"
        goes, by = ("went", ", by the labels that have come") if known else ("is expected to go", "")
        what = {
            "loss": f"{opening} {goes} {moved} ({spread}){by}.{because}",
            "no loss": f"No more is lost than is tolerated: {title} {goes} {moved} ({spread}){by}.",
            "cannot tell": f"Nobody can tell yet what the rows cost: {self.unknown or f'{title} may go {moved} ({spread})'}.",
        }[verdict]
        return Finding(
            kind="expected_loss",
            level="warn" if verdict == "loss" else "info",
            what=what,
            columns=tuple(share.name for share in main) if verdict == "loss" else (),
            since=since,
            evidence={
                "verdict": verdict,
                "metric": metric,
                "reference": expected.reference,
                "expected": expected.value,
                "tolerance": tolerance,
                "method": self.method,
                "effective_share": self.effective_share,
                "share_outside": self.outside,
                "labels_that_would_tell": None if request is None else request.labels,
                **{f"lost_by_{share.name}": share.lost for share in main},
            },
            advice=_advice(verdict, request, known=known),
            cost=None if self.unknown else cost,
            cost_unit=unit or title,
            slice=slice_name,
            key=f"expected_loss/{slice_name}/{metric}",
        )


def _advice(verdict: Verdict, request: LabelRequest | None, *, known: bool) -> str:
    if verdict == "no loss":
        return "Nothing to do."
    if known:
        return "Train a challenger on rows from after the change."
    if request is None:
        return (
            "Label some rows of this window."
            if verdict == "cannot tell"
            else "Label some rows, and train a challenger."
        )
    labels = f"Label {request.labels:,} rows of this window, spread over the scores"
    if verdict == "cannot tell":
        return f"{labels}: that would tell."
    return f"Train a challenger. {labels}, to be sure before it is promoted."
