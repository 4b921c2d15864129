"""Watch a model that answers: rows are folded into windows, windows are compared with the package, findings come out.

In comes the prediction log (or any table with times); out go `Finding`s. Start at `windows.py` (what is kept of rows),
`folding.py` (how they are read exactly once), `store.py` (where it is kept), `drift.py` (what has moved), `estimating.py` (what
that costs, without labels), `loss_watch.py` (with them) and `irregular/` (input that went wrong). Names are loaded when they are
first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.monitoring.anomalies import AnomalyReference
    from mlwright.monitoring.drift import Drifted, DriftWatch, Guarantee
    from mlwright.monitoring.drift_findings import Judged, drift_finding, judge_drift
    from mlwright.monitoring.estimating import estimate_by_rows, estimate_by_scores, labels_that_would_tell
    from mlwright.monitoring.findings import OVERALL, BeforeAfter, Finding, Level
    from mlwright.monitoring.folding import Folded, fold_log
    from mlwright.monitoring.folding_tables import TimesUnreadable, fold_table
    from mlwright.monitoring.kept import KeptWindow, kept_windows, merged, roll_up, saved_findings
    from mlwright.monitoring.labelled_loss import labelled_loss
    from mlwright.monitoring.loss_estimate import LossEstimate
    from mlwright.monitoring.loss_reference import LossReference
    from mlwright.monitoring.loss_watch import LossWatch
    from mlwright.monitoring.pictures import before_after
    from mlwright.monitoring.reference import Reference, reference_of
    from mlwright.monitoring.sampled_rows import rows_of_window
    from mlwright.monitoring.shapes import ColumnShape, ReferenceMissing, ReferenceOfOtherVersion, WindowShape
    from mlwright.monitoring.skill import forecast_skill
    from mlwright.monitoring.store import DatabaseGone, DatabaseTooNew, DatabaseUnclear, MonitorStore, ProjectBusy
    from mlwright.monitoring.windows import WindowSummary, WindowUnreadable

_HOMES = {
    "AnomalyReference": "anomalies",
    "LossEstimate": "loss_estimate",
    "LossReference": "loss_reference",
    "LossWatch": "loss_watch",
    "estimate_by_rows": "estimating",
    "estimate_by_scores": "estimating",
    "forecast_skill": "skill",
    "labelled_loss": "labelled_loss",
    "labels_that_would_tell": "estimating",
    "rows_of_window": "sampled_rows",
    "BeforeAfter": "findings",
    "ColumnShape": "shapes",
    "DatabaseGone": "store",
    "DatabaseTooNew": "store",
    "DatabaseUnclear": "store",
    "DriftWatch": "drift",
    "Drifted": "drift",
    "Finding": "findings",
    "Folded": "folding",
    "Guarantee": "drift",
    "Judged": "drift_findings",
    "KeptWindow": "kept",
    "Level": "findings",
    "MonitorStore": "store",
    "OVERALL": "findings",
    "ProjectBusy": "store",
    "Reference": "reference",
    "ReferenceMissing": "shapes",
    "ReferenceOfOtherVersion": "shapes",
    "TimesUnreadable": "folding_tables",
    "WindowShape": "shapes",
    "WindowSummary": "windows",
    "WindowUnreadable": "windows",
    "before_after": "pictures",
    "drift_finding": "drift_findings",
    "fold_log": "folding",
    "fold_table": "folding_tables",
    "judge_drift": "drift_findings",
    "kept_windows": "kept",
    "merged": "kept",
    "reference_of": "reference",
    "roll_up": "kept",
    "saved_findings": "kept",
}

__all__ = [
    "OVERALL",
    "AnomalyReference",
    "BeforeAfter",
    "ColumnShape",
    "DatabaseGone",
    "DatabaseTooNew",
    "DatabaseUnclear",
    "DriftWatch",
    "Drifted",
    "Finding",
    "Folded",
    "Guarantee",
    "Judged",
    "KeptWindow",
    "Level",
    "LossEstimate",
    "LossReference",
    "LossWatch",
    "MonitorStore",
    "ProjectBusy",
    "Reference",
    "ReferenceMissing",
    "ReferenceOfOtherVersion",
    "TimesUnreadable",
    "WindowShape",
    "WindowSummary",
    "WindowUnreadable",
    "before_after",
    "drift_finding",
    "estimate_by_rows",
    "estimate_by_scores",
    "fold_log",
    "fold_table",
    "forecast_skill",
    "judge_drift",
    "kept_windows",
    "labelled_loss",
    "labels_that_would_tell",
    "merged",
    "reference_of",
    "roll_up",
    "rows_of_window",
    "saved_findings",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.monitoring.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.monitoring' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
