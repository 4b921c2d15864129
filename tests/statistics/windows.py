"""Score means of made windows for the tests of the drift detector."""

from __future__ import annotations

import numpy as np

from mlwright.statistics import DriftDetector, DriftReference, ScoreSet, learn_reference

ROW_VARIANCE = 1 / 3  # of a score that is uniform between -1 and 1


def score_set(n_scores: int, *, columns: int | None = None, share: bool = False) -> ScoreSet:
    """Scores of one family; as many columns as scores, if not said otherwise."""
    return ScoreSet(
        column=np.arange(n_scores) * (columns or n_scores) // n_scores,
        family=np.zeros(n_scores, dtype=np.int64),
        low=np.full(n_scores, 0.0 if share else -1.0),
        high=np.ones(n_scores),
    )


def quiet(
    rng: np.random.Generator,
    windows: int,
    n_scores: int,
    *,
    rows: int | np.ndarray = 5000,
    wander: float | np.ndarray = 0.0,
) -> np.ndarray:
    """Means of windows in which nothing drifts; `wander` is the standard deviation between windows, in those of a row."""
    size = (windows, n_scores)
    by_rows = rng.standard_normal(size) / np.sqrt(np.broadcast_to(np.reshape(rows, (-1, 1)), size))
    return np.asarray(np.sqrt(ROW_VARIANCE) * (by_rows + rng.standard_normal(size) * wander))


def reference_of(means: np.ndarray, *, rows: object = 5000, **more: object) -> DriftReference:
    counts = np.broadcast_to(np.asarray(rows), (len(means),))
    variance = np.full(means.shape[1], ROW_VARIANCE)
    return learn_reference(means, counts, variance, scores=score_set(means.shape[1]), **more)  # type: ignore[arg-type]


def watched(detector: DriftDetector, means: np.ndarray, *, rows: int = 5000) -> tuple[DriftDetector, int | None]:
    """The detector after the windows, and after how many of them it first named a column."""
    first = None
    for number, window in enumerate(means, 1):
        detector = detector.update(window, rows)
        if first is None and detector.drifted.any():
            first = number
    return detector, first
