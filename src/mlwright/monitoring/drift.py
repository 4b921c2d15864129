"""Has a column, or what the model answers, moved away from the training rows? Alarms with a stated error, by name and date.

Each window gives the mean of every score (`reference.py`); the detector of `statistics/e_detector.py` plays against them. How
much quiet windows differ is learnt from stretches of the training rows where these have times, and from the first windows
where they have none. Windows of a few rows wait for the next one.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlwright.data.dataset import FloatArray
from mlwright.monitoring.kept import micros, moment
from mlwright.monitoring.reference import Reference, Score
from mlwright.monitoring.shapes import ReferenceOfOtherVersion
from mlwright.monitoring.windows import WindowSummary
from mlwright.spec import Operation
from mlwright.statistics.array_state import array_of_state, array_state
from mlwright.statistics.drift_reference import DriftReference, ScoreSet, learn_reference
from mlwright.statistics.e_detector import DriftDetector
from mlwright.statistics.e_values import Horizon

_FORMAT_VERSION = 1
#: A window with fewer rows waits for the next one.
FEWEST_ROWS = 50
#: Quiet windows from which differences are learnt where the package has none.
QUIET_WINDOWS = 10
#: Stretches that must know a score, so that its differences are learnt from them.
_FEWEST_STRETCHES = 4
#: How sure one may be of a difference between windows that was borrowed from other scores, in degrees of freedom.
_BORROWED_DEGREES = 6.0
#: Windows whose start is remembered, to say when a change began.
_REMEMBERED = 4096
_YEAR = timedelta(days=365.25)

#: From what the differences between quiet windows are known.
LearntFrom: TypeAlias = Literal["training", "windows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarantee:
    """How often a false alarm may come: `error` is the chance of ever one, or one per that many windows on average."""

    error: float
    horizon: Horizon

    @classmethod
    def of(cls, operation: Operation) -> Guarantee:
        """What the spec allows: `operation.false_alarms_per_year`, with windows of `operation.window`.

        Examples
        --------
        >>> Guarantee.of(Operation(false_alarms_per_year=2.0)).error
        0.00547...
        """
        windows = _YEAR / operation.window
        return cls(error=min(operation.false_alarms_per_year / windows, 0.2), horizon="run_length")

    @classmethod
    def ever(cls, chance: float = 0.01) -> Guarantee:
        """At most this chance of any false alarm, however long one watches."""
        return cls(error=chance, horizon="ever")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drifted:
    """A column that has moved.

    Attributes
    ----------
    score
        What of it moved most.
    began, earliest, latest
        When the change began, and between when with 90 % probability: starts of windows.
    before, after
        The mean of the score before and after.
    log_e
        Natural log of the evidence: by chance, e times as much is seen in one of e cases at most.
    """

    column: str
    score: Score
    began: datetime
    earliest: datetime
    latest: datetime
    before: float
    after: float
    log_e: float

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DriftWatch:
    """What has been seen of one slice of a version so far; immutable.

    Attributes
    ----------
    reference
        What is normal.
    guarantee, tolerance
        The error that alarms keep, and what the owner does not mind in units of each score.
    learnt_from
        Whence the differences between quiet windows are known.
    detector
        None until these are known.
    quiet, quiet_rows
        Means and rows of the first windows while they are not; shape (n_windows, n_scores).
    starts
        The start of each window that the detector has seen, in microseconds since 1970, the latest 4,096 of them.
    """

    reference: Reference
    guarantee: Guarantee
    tolerance: FloatArray
    learnt_from: LearntFrom
    detector: DriftDetector | None
    quiet: FloatArray
    quiet_rows: FloatArray
    starts: tuple[int, ...] = ()

    @classmethod
    def start(
        cls, reference: Reference, guarantee: Guarantee, *, tolerance: float | Mapping[str, float] = 0.0
    ) -> DriftWatch:
        """Before the first window."""
        known = np.isfinite(reference.stretches).sum(axis=0) >= _FEWEST_STRETCHES
        enough = len(known) > 0 and bool(known.any())
        nothing = np.zeros((0, len(reference.scores)))
        return cls(
            reference=reference,
            guarantee=guarantee,
            tolerance=reference.tolerances(tolerance),
            learnt_from="training" if enough else "windows",
            detector=None,
            quiet=nothing,
            quiet_rows=nothing,
        )

    def update(self, window: WindowSummary, start: datetime) -> DriftWatch:
        """After one more window, which began at `start`.

        Raises
        ------
        ReferenceOfOtherVersion
            If the window was counted for another version.
        """
        means, rows = self.reference.measured(window)
        detector = self.detector
        if detector is None and self.learnt_from == "training":
            detector = self._detector(self.reference.stretches, self.reference.stretch_rows, rows)
        if detector is None:
            quiet, quiet_rows = np.vstack([self.quiet, means]), np.vstack([self.quiet_rows, rows])
            if len(quiet) < QUIET_WINDOWS:
                return replace(self, quiet=quiet, quiet_rows=quiet_rows)
            return replace(self, detector=self._detector(quiet, quiet_rows, rows), quiet=quiet, quiet_rows=quiet_rows)
        starts = (*self.starts, micros(start))[-_REMEMBERED:]
        # A score that is not there opens no bets, else a column that never comes would look suspicious after some years.
        seen = np.isfinite(means) & (rows > 0)
        after = detector.update(means, rows)
        after = replace(after, capital=np.where(seen[:, None], after.capital, detector.capital))
        return replace(self, detector=after, starts=starts)

    def _detector(self, means: FloatArray, rows: FloatArray, usual: FloatArray) -> DriftDetector:
        normal = normal_differences(self.reference, means, rows, usual)
        return DriftDetector.start(
            normal, error=self.guarantee.error, horizon=self.guarantee.horizon, tolerance=self.tolerance
        )

    @property
    def learning(self) -> bool:
        """Whether it still learns how much quiet windows differ, and so cannot alarm."""
        return self.detector is None

    def drifted(self) -> list[Drifted]:
        """The columns that have moved, by the evidence for it; most of all first."""
        if self.detector is None:
            return []
        found = [self._drifted(int(number)) for number in np.flatnonzero(self.detector.drifted)]
        return sorted((one for one in found if one is not None), key=lambda one: -one.log_e)

    def _drifted(self, number: int) -> Drifted | None:
        assert self.detector is not None
        dated = self.detector.change_point(number)
        if dated is None:
            return None
        place, change = dated
        score, mean = self.reference.scores[place], float(self.detector.reference.mean[0, place])
        return Drifted(
            column=self.reference.columns[number],
            score=score,
            began=self._start_of(change.began),
            earliest=self._start_of(change.earliest),
            latest=self._start_of(change.latest),
            before=mean + change.before,
            after=mean + change.after,
            log_e=float(self.detector.log_e[number]),
        )

    def _start_of(self, window: int) -> datetime:
        """The start of a window by its number, counted from 1."""
        assert self.detector is not None
        forgotten = self.detector.windows - len(self.starts)
        return moment(self.starts[max(window - 1 - forgotten, 0)])

    def state(self) -> bytes:
        """As bytes, with what is normal but without the package."""
        tree = {
            "format_version": _FORMAT_VERSION,
            "shape": self.reference.shape.digest,
            "version": self.reference.shape.version,
            "error": self.guarantee.error,
            "horizon": self.guarantee.horizon,
            "learnt_from": self.learnt_from,
            "tolerance": array_state(self.tolerance),
            "quiet": array_state(self.quiet),
            "quiet_rows": array_state(self.quiet_rows),
            "starts": array_state(np.array(self.starts, dtype=np.int64)),
            "normal": None if self.detector is None else self.detector.reference.state(),
            "detector": None if self.detector is None else self.detector.state(),
        }
        return zlib.compress(json.dumps(tree).encode(), 6)

    @classmethod
    def of_state(cls, content: bytes, reference: Reference) -> DriftWatch:
        """What `state` was taken of.

        Raises
        ------
        ReferenceOfOtherVersion
            If it watched another version.
        """
        tree: dict[str, Any] = json.loads(zlib.decompress(content))
        if tree["shape"] != reference.shape.digest:
            raise ReferenceOfOtherVersion(reference.shape.version, str(tree["version"]))
        detector = None
        if tree["detector"] is not None:
            detector = DriftDetector.of_state(tree["detector"], DriftReference.of_state(tree["normal"]))
        return cls(
            reference=reference,
            guarantee=Guarantee(error=tree["error"], horizon=tree["horizon"]),
            tolerance=array_of_state(tree["tolerance"]),
            learnt_from=tree["learnt_from"],
            detector=detector,
            quiet=array_of_state(tree["quiet"]),
            quiet_rows=array_of_state(tree["quiet_rows"]),
            starts=tuple(array_of_state(tree["starts"]).tolist()),
        )


def normal_differences(reference: Reference, means: FloatArray, rows: FloatArray, usual: FloatArray) -> DriftReference:
    """What is normal: the means of the package, and the differences between some stretches or quiet windows.

    Parameters
    ----------
    means, rows : shape (n_windows, n_scores)
        Of the stretches.
    usual : shape (n_scores,)
        Rows of a window as it is watched; 0 where a score is not there.

    Notes
    -----
    A score that too few stretches know borrows the median surplus of its family. Means that the package does not know are
    those of the stretches.
    """
    scores, n = reference.score_set, len(reference.scores)
    known = (np.isfinite(means) & (rows > 0)).sum(axis=0) >= _FEWEST_STRETCHES
    variance = np.where(np.isfinite(reference.variances), reference.variances, 0.25)
    learnt = learn_reference(means[:, known], rows[:, known], variance[known], scores=_subset(scores, known))
    surplus, degrees, persistence = (np.ones(n) for _ in range(3))
    surplus[known], degrees[known], persistence[known] = learnt.surplus, learnt.degrees, learnt.persistence
    for number in np.flatnonzero(~known):
        like = known & (scores.family == scores.family[number])
        like = like if like.any() else known
        surplus[number] = np.median(surplus[like])
        persistence[number] = np.median(persistence[like])
        degrees[number] = _BORROWED_DEGREES
    floors = 3 * np.square(scores.high - scores.low) / np.maximum([score.rows for score in reference.scores], 1)
    row_variance = np.maximum(variance, np.minimum(floors, np.square(scores.high - scores.low) / 4))
    row_variance[known] = np.maximum(row_variance[known], learnt.row_variance)
    stretch_rows, mean = np.where(usual > 0, usual, 1.0), reference.means
    stretch_rows[known] = np.where(usual[known] > 0, np.minimum(learnt.rows, usual[known]), learnt.rows)
    total = np.array([score.rows for score in reference.scores], dtype=np.float64)
    unknown = ~np.isfinite(mean)
    seen = np.where(np.isfinite(means), rows, 0.0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        own = np.nansum(np.where(np.isfinite(means), means, 0.0) * rows, axis=0) / np.maximum(seen, 1)
    mean = np.where(unknown, own, mean)
    total = np.where(unknown, seen, total)
    return DriftReference(
        scores=scores,
        mean=mean[None, :],
        mean_variance=(surplus * persistence * row_variance / np.maximum(total, 1))[None, :],
        row_variance=row_variance,
        rows=stretch_rows,
        surplus=surplus,
        degrees=degrees,
        persistence=persistence,
    )


def _subset(scores: ScoreSet, known: NDArray[np.bool_]) -> ScoreSet:
    return ScoreSet(
        column=scores.column[known], family=scores.family[known], low=scores.low[known], high=scores.high[known]
    )
