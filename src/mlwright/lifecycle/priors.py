"""Have only the shares of the classes moved? Then each probability is moved to the new shares, and nothing is trained.

If rows of a class are still scored as before, the scores of a window are a mixture of those of the classes in new shares.
The shares are those under which the window's scores are most likely, and whether the mixture fits is checked: where it does
not, something else has moved too. Where it does, other rows of the same law may still look alike; only labels tell that, and
so the moved version is a challenger that has to prove itself like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlwright.core import Interval
from mlwright.data import ClassValue, written_class
from mlwright.data.dataset import FloatArray, IntArray
from mlwright.models import Calibration, Model, ScoreCounts
from mlwright.models.score_counts import BINS

#: A window of fewer rows, or a class with fewer labelled reference rows, tells too little.
LEAST_ROWS, LEAST_OF_CLASS = 200, 30
#: Bins of the score that are compared, of about equal shares of the reference.
_GROUPS = 24
_STEPS, _DRAWS = 200, 100
#: A mixture is refuted at this error, and only where it misses by more than this share of the rows: the reference was scored
#: by models of the folds, and the model of all rows differs from them by up to 0.045, also where nothing has moved.
_REFUTED, _MISSED = 0.01, 0.05
#: Shares that moved by less are not worth a new version.
_LEAST_MOVE = 0.02
#: A share that is less than this part of what it was has vanished.
_VANISHED = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorShift:
    """The shares of the classes in a window, by its scores alone.

    Attributes
    ----------
    classes
        Their names.
    before, now : length n_classes
        The shares in the reference and in the window.
    between
        An interval for each share now, at 95 %.
    fits
        Whether new shares explain the scores of the window.
    p_value
        Of the test that they do; small where they do not.
    missed
        The share of rows that would have to have another score for the mixture to fit, beyond what chance explains.
    rows
        Of the window.
    saves
        How much lower the Brier score is expected to be, a row, if the probabilities are moved; None with several classes.
    """

    classes: tuple[str, ...]
    before: tuple[float, ...]
    now: tuple[float, ...]
    between: tuple[Interval, ...]
    fits: bool
    p_value: float
    missed: float
    rows: int
    saves: float | None

    @property
    def moved(self) -> bool:
        """Whether any share has moved, beyond chance and by enough to matter."""
        return any(
            before not in between and abs(now - before) >= _LEAST_MOVE
            for before, now, between in zip(self.before, self.now, self.between, strict=True)
        )

    def evidence(self) -> dict[str, float]:
        """The shares by name, for a decision; `of_evidence` reads them back."""
        shares = zip(self.classes, self.before, self.now, strict=True)
        named = {f"{when} {name}": share for name, b, n in shares for when, share in (("before", b), ("now", n))}
        return {**named, "p_value": self.p_value, "missed": self.missed, "rows": self.rows}

    @classmethod
    def of_evidence(cls, evidence: Mapping[str, Any], classes: Sequence[ClassValue]) -> PriorShift | None:
        """The shift that a decision rests on; None if it rests on none."""
        names = tuple(written_class(value) for value in classes)
        if not names or not {f"now {name}" for name in names} <= evidence.keys():
            return None
        return cls(
            classes=names,
            before=tuple(float(evidence[f"before {name}"]) for name in names),
            now=tuple(float(evidence[f"now {name}"]) for name in names),
            between=(),
            fits=True,
            p_value=float(evidence["p_value"]),
            missed=float(evidence["missed"]),
            rows=int(evidence["rows"]),
            saves=None,
        )

    @property
    def explains(self) -> bool:
        """Whether new shares are all that has changed, as far as scores can tell.

        A class that has nearly vanished is no new share: its rows have come to be scored like those of another.
        """
        vanished = any(now < before * _VANISHED for before, now in zip(self.before, self.now, strict=True))
        return self.moved and self.fits and not vanished


def prior_shift(
    window: ScoreCounts, reference: ScoreCounts, *, classes: Sequence[ClassValue], rng: np.random.Generator
) -> PriorShift | None:
    """Estimate the shares of the classes in a window; None for a regression, or if there are too few rows.

    Parameters
    ----------
    window
        The scores of its answers; their truth is not needed.
    reference
        Scores with their truth: of training rows that the model had not seen (`TrainingHistory.scores`).

    References
    ----------
    Saerens, Latinne and Decaestecker (2002), Adjusting the outputs of a classifier to new a priori probabilities, by
    expectation-maximisation; Lipton, Wang and Smola (2018), Detecting and correcting for label shift with black box
    predictors: with several classes the predicted class is all that is looked at, and the likeliest shares take the place
    of the inverse of the confusion matrix, so that none is negative.
    """
    of_class = reference.labelled.sum(axis=1) if reference.n_classes else np.zeros(0)
    if reference.n_classes < 2 or window.rows < LEAST_ROWS or of_class.min() < LEAST_OF_CLASS:
        return None
    groups = _groups(reference)
    of_bins = np.stack([_pooled(row, groups) for row in reference.labelled])
    seen_bins = _pooled(window.scores.sum(axis=0), groups)
    two = reference.n_classes == 2
    known: FloatArray = of_bins if two else reference.confusion.astype(np.float64)
    seen: FloatArray = seen_bins if two else window.scores.sum(axis=1).astype(np.float64)
    before = of_class / of_class.sum()
    now = likeliest_shares(known, seen, start=before)
    drawn_known = rng.poisson(known, (_DRAWS, *known.shape)).astype(np.float64)
    drawn_seen = rng.poisson(seen, (_DRAWS, *seen.shape)).astype(np.float64)
    drawn = np.array([likeliest_shares(k, s, start=now) for k, s in zip(drawn_known, drawn_seen, strict=True)])
    ends = np.quantile(drawn, [0.025, 0.975], axis=0)
    p_value, missed = _fit(of_bins, seen_bins, now, free=len(now) - 1 if two else 0)
    return PriorShift(
        classes=tuple(written_class(value) for value in classes),
        before=tuple(before.tolist()),
        now=tuple(now.tolist()),
        between=tuple(Interval(low=float(a), high=float(b), confidence=0.95) for a, b in ends.T),
        fits=p_value >= _REFUTED or missed <= _MISSED,
        p_value=p_value,
        missed=missed,
        rows=window.rows,
        saves=_saves(window, now, before) if two else None,
    )


def likeliest_shares(known: FloatArray, seen: FloatArray, *, start: FloatArray) -> FloatArray:
    """The shares of the classes under which the counts of a window are most likely, shape (n_classes,).

    Parameters
    ----------
    known : shape (n_classes, n_cells)
        Reference rows of each class by cell.
    seen : shape (n_cells,)
        Rows of the window by cell.
    start : shape (n_classes,)

    Examples
    --------
    >>> known = np.array([[80.0, 20.0], [10.0, 90.0]])
    >>> likeliest_shares(known, np.array([450.0, 550.0]), start=np.array([0.5, 0.5])).round(2)
    array([0.5, 0.5])
    """
    density = (known + 0.5) / (known + 0.5).sum(axis=1, keepdims=True)
    shares = start.copy()
    for _ in range(_STEPS):
        joint = shares[:, None] * density
        moved: FloatArray = (joint / joint.sum(axis=0)) @ seen / seen.sum()
        if np.abs(moved - shares).max() < 1e-7:
            break
        shares = moved
    return shares


def reweighted(model: Model, shift: PriorShift) -> Model:
    """The model with probabilities for the new shares; nothing else is changed.

    References
    ----------
    Elkan (2001), The foundations of cost-sensitive learning, IJCAI: the odds are multiplied by those of the shares.
    """
    ratio = np.log(np.array(shift.now) / np.array(shift.before))
    reason = f"moved to new shares of the classes, as {shift.rows:,} answered rows have them"
    calibration = model.calibration
    if len(shift.now) > 2:
        scale = calibration.values[0] if calibration.method == "temperature" else 1.0
        earlier = np.array(calibration.values[1:]) if len(calibration.values) > 1 else np.zeros(len(ratio))
        moved = Calibration(method="temperature", values=(scale, *(earlier + ratio).tolist()), reason=reason)
        history = None if model.history is None else replace(model.history, scores=None)
        return replace(model, calibration=moved, history=history)
    step = float(ratio[1] - ratio[0])
    moved = replace(_with_step(calibration, step), reason=reason)
    scores = None if model.history is None or model.history.scores is None else model.history.scores
    history = model.history
    if history is not None and scores is not None:
        history = replace(history, scores=_moved_counts(scores, step, np.exp(ratio), model.threshold))
    return replace(model, calibration=moved, history=history)


def moved_probability(probability: FloatArray, step: float) -> FloatArray:
    """Probabilities with their log odds moved by a step."""
    inside = np.clip(probability, 1e-6, 1 - 1e-6)
    moved: FloatArray = 1 / (1 + (1 - inside) / inside * np.exp(-step))
    return moved


def _with_step(calibration: Calibration, step: float) -> Calibration:
    """The same map followed by a step of the log odds."""
    values = calibration.values
    if calibration.method == "none":
        return Calibration(method="platt", values=(1.0, step))
    if calibration.method == "temperature":
        return Calibration(method="platt", values=(values[0], step))
    return replace(calibration, values=(*values[:-1], values[-1] + step))


def _groups(reference: ScoreCounts) -> IntArray:
    """The group of each of the 256 bins, shape (256,): neighbouring bins with about as many reference rows."""
    below = np.cumsum(reference.labelled.sum(axis=0)) - reference.labelled.sum(axis=0) / 2
    share = below / max(float(reference.labelled.sum()), 1.0)
    groups = np.minimum((share * _GROUPS).astype(np.int64), _GROUPS - 1)
    found: IntArray = np.unique(groups, return_inverse=True)[1].astype(np.int64)
    return found


def _pooled(counts: NDArray[Any], groups: IntArray) -> FloatArray:
    """Counts of the 256 bins by group."""
    return np.bincount(groups, weights=counts, minlength=int(groups.max()) + 1).astype(np.float64)


def _fit(known: FloatArray, seen: FloatArray, shares: FloatArray, *, free: int) -> tuple[float, float]:
    """The p-value of the mixture, and the share of rows that it misses beyond chance."""
    from scipy.stats import chi2

    n, of_class = float(seen.sum()), known.sum(axis=1, keepdims=True)
    density = (known + 0.5) / (known + 0.5).sum(axis=1, keepdims=True)
    expected = n * shares @ density
    # The reference is a sample too.
    variance = expected + n * n * (shares**2) @ (density * (1 - density) / of_class)
    statistic = float(((seen - expected) ** 2 / variance).sum())
    p_value = float(chi2.sf(statistic, max(len(seen) - 1 - free, 1)))
    by_chance = float(np.sqrt(2 / np.pi) * np.sqrt(variance).sum() / n / 2)
    return p_value, max(float(np.abs(seen - expected).sum() / n / 2) - by_chance, 0.0)


def _saves(window: ScoreCounts, now: FloatArray, before: FloatArray) -> float:
    """Brier score a row less with moved probabilities, if these are right."""
    step = float(np.log(now[1] / before[1]) - np.log(now[0] / before[0]))
    p = (np.arange(BINS) + 0.5) / BINS
    weight = window.scores.sum(axis=0) / window.rows
    return float(weight @ np.square(moved_probability(p, step) - p))


def _moved_counts(counts: ScoreCounts, step: float, ratio: FloatArray, threshold: float) -> ScoreCounts:
    """What the reference's scores would have been with moved probabilities and new shares of the classes."""
    p = moved_probability((np.arange(BINS) + 0.5) / BINS, step)
    target = np.clip((p * BINS).astype(np.int64), 0, BINS - 1)
    found = ScoreCounts.none_yet(2)
    weights = np.rint(counts.labelled * ratio[:, None]).astype(np.int64)
    decided = (p > threshold).astype(np.int64)
    for k in range(2):
        np.add.at(found.labelled[k], target, weights[k])
        np.add.at(found.scores, (decided, target), weights[k])
        right = decided == k
        np.add.at(found.hits, (decided[right], target[right]), weights[k][right])
        np.add.at(found.confusion, (np.full(BINS, k), decided), weights[k])
    return found
