"""The prediction log: answers are appended before they are acknowledged, sealed into Parquet, joined with late labels.

In come records as JSON bytes (`PredictionLog.open`, `append`); out go windows of time as Arrow batches (`read_window`).
Start at `log.py` (writing), `sealing.py` (segments become Parquet) and `windows.py` (reading). Names are loaded when they
are first used, so that a process which only appends does not load Arrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlwright.predictions.erasing import Erased, erase, expire
    from mlwright.predictions.increments import LogFiles
    from mlwright.predictions.inventory import Overview, overview
    from mlwright.predictions.labels import Labelled, add_labels
    from mlwright.predictions.log import LogCounts, LogFull, PredictionLog
    from mlwright.predictions.masking import Masks
    from mlwright.predictions.places import SegmentsNowhere, segments_folder
    from mlwright.predictions.sealing import Sealed, seal_segments
    from mlwright.predictions.store import LogNotFound, StoreFailed
    from mlwright.predictions.windows import read_window

_HOMES = {
    "Erased": "erasing",
    "Labelled": "labels",
    "LogCounts": "log",
    "LogFiles": "increments",
    "LogFull": "log",
    "LogNotFound": "store",
    "Masks": "masking",
    "Overview": "inventory",
    "PredictionLog": "log",
    "Sealed": "sealing",
    "SegmentsNowhere": "places",
    "StoreFailed": "store",
    "add_labels": "labels",
    "erase": "erasing",
    "expire": "erasing",
    "overview": "inventory",
    "read_window": "windows",
    "seal_segments": "sealing",
    "segments_folder": "places",
}

__all__ = [
    "Erased",
    "Labelled",
    "LogCounts",
    "LogFiles",
    "LogFull",
    "LogNotFound",
    "Masks",
    "Overview",
    "PredictionLog",
    "Sealed",
    "SegmentsNowhere",
    "StoreFailed",
    "add_labels",
    "erase",
    "expire",
    "overview",
    "read_window",
    "seal_segments",
    "segments_folder",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"mlwright.predictions.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mlwright.predictions' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
