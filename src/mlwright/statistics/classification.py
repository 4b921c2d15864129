"""Metrics of classes and probabilities; definitions as in scikit-learn's `sklearn.metrics`."""

from __future__ import annotations

import numpy as np

from mlwright.statistics.scored import FloatArray, IntArray, Scored

#: Probabilities are kept this far from 0 and 1 in a logarithm, so that one sure mistake is not infinite.
CLIP = 1e-15
CALIBRATION_BINS = 15
#: A share that is exactly the level asked for must not fail by the last digit.
_ROUNDING = 1e-12


def class_probabilities(scored: Scored) -> FloatArray:
    """The probability of each class, shape (n_rows, n_classes)."""
    if scored.prediction.ndim == 2:
        return scored.prediction
    return np.column_stack([1 - scored.prediction, scored.prediction])


def _given_class(scored: Scored) -> FloatArray:
    """The probability that was given to the true class, shape (n_rows,)."""
    if scored.prediction.ndim == 1:
        return np.where(scored.target == 1, scored.prediction, 1 - scored.prediction)
    rows = np.arange(len(scored))
    return scored.prediction[rows, scored.target.astype(np.int64)]


def log_loss_per_row(scored: Scored) -> FloatArray:
    """Minus the logarithm of the probability of the true class, shape (n_rows,), in nats."""
    loss: FloatArray = -np.log(np.clip(_given_class(scored), CLIP, 1.0))
    return loss


def brier_per_row(scored: Scored) -> FloatArray:
    """Squared distance from the truth, shape (n_rows,): in [0, 1] for two classes, summed over classes for more."""
    if scored.prediction.ndim == 1:
        return (scored.prediction - scored.target) ** 2
    total = (scored.prediction**2).sum(axis=1)
    per_row: FloatArray = total - 2 * _given_class(scored) + 1
    return per_row


def roc_auc(scored: Scored) -> float:
    """Probability that a row of the positive class ranks above another one.

    For more than two classes: the mean over classes of one class against the rest, weighted by the class's share, so
    that an absent class counts nothing. NaN if all rows are of one class.
    """
    if scored.prediction.ndim == 1:
        return _auc(scored.target == 1, scored.prediction, scored.weight)
    areas, shares = [], []
    for k in range(scored.prediction.shape[1]):
        positive = scored.target == k
        share = scored.mean(positive.astype(np.float64))
        if share > 0:
            areas.append(_auc(positive, scored.prediction[:, k], scored.weight))
            shares.append(share)
    return float(np.average(areas, weights=shares))


def _auc(positive: np.ndarray, score: FloatArray, weight: FloatArray | None) -> float:
    order = np.argsort(score, kind="stable")
    score, positive = score[order], positive[order]
    w = np.ones(len(score)) if weight is None else weight[order]
    up, down = np.where(positive, w, 0.0), np.where(positive, 0.0, w)
    if up.sum() == 0 or down.sum() == 0:
        return float("nan")
    starts = np.flatnonzero(np.r_[True, score[1:] != score[:-1]])
    up, down = np.add.reduceat(up, starts), np.add.reduceat(down, starts)
    below = np.cumsum(down) - down
    return float((up * (below + down / 2)).sum() / (up.sum() * down.sum()))


def best_first(scored: Scored) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Weight of positives and of all rows from the highest score down, at the end of each run of equal scores."""
    order = np.argsort(-scored.prediction, kind="stable")
    score, positive = scored.prediction[order], scored.target[order] == 1
    weight = np.ones(len(score)) if scored.weight is None else scored.weight[order]
    ends = np.flatnonzero(np.r_[score[1:] != score[:-1], True])
    return np.cumsum(np.where(positive, weight, 0.0))[ends], np.cumsum(weight)[ends], score[ends]


def average_precision(scored: Scored) -> float:
    """Area under the precision-recall curve as a sum over steps of recall; NaN without a positive row."""
    hits, seen, _ = best_first(scored)
    if hits[-1] == 0:
        return float("nan")
    precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
    return float((np.diff(np.r_[0.0, hits]) * precision).sum() / hits[-1])


def precision_at_recall(scored: Scored, recall: float) -> float:
    """The highest precision of a threshold that finds at least this share of the positives; NaN without a positive row."""
    hits, seen, _ = best_first(scored)
    if hits[-1] == 0:
        return float("nan")
    enough = (hits >= (recall - _ROUNDING) * hits[-1]) & (hits > 0)
    return float((hits[enough] / seen[enough]).max())


def recall_at_precision(scored: Scored, precision: float) -> float:
    """The highest recall of a threshold that is right at least this often; 0 if none is, NaN without a positive row."""
    hits, seen, _ = best_first(scored)
    if hits[-1] == 0:
        return float("nan")
    enough = (hits >= (precision - _ROUNDING) * seen) & (seen > 0)
    return float(hits[enough].max() / hits[-1]) if enough.any() else 0.0


def recall_at_top(scored: Scored, share: float) -> float:
    """The share of the positives among this share of the rows, the highest scores first; NaN without a positive row.

    Of rows with the same score at the edge, as many are taken as fit, each as likely as the others.
    """
    hits, seen, _ = best_first(scored)
    if hits[-1] == 0:
        return float("nan")
    return float(np.interp(share * seen[-1], np.r_[0.0, seen], np.r_[0.0, hits]) / hits[-1])


def precision_at_top(scored: Scored, share: float) -> float:
    """The share of positives among this share of the rows, the highest scores first."""
    hits, seen, _ = best_first(scored)
    return float(np.interp(share * seen[-1], np.r_[0.0, seen], np.r_[0.0, hits]) / (share * seen[-1]))


def lift_at_top(scored: Scored, share: float) -> float:
    """How many times as many positives this share of the rows has, the highest scores first, as rows picked blindly."""
    return recall_at_top(scored, share) / share


def calibration_error(scored: Scored) -> float:
    """Expected calibration error: mean distance of the probability from the observed share, over bins of equal count.

    Rows with the same probability share a bin, so the order of rows does not matter. For two classes over the
    probability of class 1, for more over the probability of the likeliest class.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning, AAAI;
    bins of equal count as in Nguyen and O'Connor (2015), EMNLP.
    """
    if scored.prediction.ndim == 1:
        probability, hit = scored.prediction, scored.target == 1
    else:
        likeliest = scored.prediction.argmax(axis=1)
        probability, hit = scored.prediction.max(axis=1), likeliest == scored.target
    w = np.ones(len(probability)) if scored.weight is None else scored.weight
    order, bins = equal_bins(probability, w, CALIBRATION_BINS)
    gap = np.bincount(bins, weights=(w * (probability - hit))[order], minlength=CALIBRATION_BINS)
    return float(np.abs(gap).sum() / w.sum())


def equal_bins(values: FloatArray, weight: FloatArray, bins: int) -> tuple[IntArray, IntArray]:
    """The order of rising values, and in it the bin of each row; bins of equal weight that part no equal values."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    runs = np.add.reduceat(weight[order], starts)
    cumulative = np.cumsum(runs)
    of_run = np.minimum((cumulative - runs / 2) / cumulative[-1] * bins, bins - 1).astype(np.int64)
    return order, np.repeat(of_run, np.diff(np.r_[starts, len(values)]))


def correct(scored: Scored) -> tuple[FloatArray, FloatArray]:
    """Of all rows, those with the right decision; as two arrays of 0 and 1, shape (n_rows,) each."""
    return np.ones(len(scored)), (scored.decided() == scored.target).astype(np.float64)


def precise(scored: Scored) -> tuple[FloatArray, FloatArray]:
    """Of the rows decided to be positive, those that are."""
    return (scored.decided() == 1).astype(np.float64), (scored.target == 1).astype(np.float64)


def recalled(scored: Scored) -> tuple[FloatArray, FloatArray]:
    """Of the positive rows, those found."""
    return (scored.target == 1).astype(np.float64), (scored.decided() == 1).astype(np.float64)


def specific(scored: Scored) -> tuple[FloatArray, FloatArray]:
    """Of the other rows, those left alone."""
    return (scored.target == 0).astype(np.float64), (scored.decided() == 0).astype(np.float64)


def confusion_matrix(scored: Scored, n_classes: int) -> FloatArray:
    """Weight of rows by true class (rows) and decided class (columns), shape (n_classes, n_classes)."""
    cell = scored.target.astype(np.int64) * n_classes + scored.decided()
    counts: FloatArray = np.bincount(cell, weights=scored.weight, minlength=n_classes * n_classes).astype(np.float64)
    return counts.reshape(n_classes, n_classes)


def _confusion(scored: Scored) -> FloatArray:
    n_classes = scored.prediction.shape[1] if scored.prediction.ndim == 2 else 2
    return confusion_matrix(scored, n_classes)


def balanced_accuracy(scored: Scored) -> float:
    """Mean recall over the classes that occur."""
    matrix = _confusion(scored)
    rows = matrix.sum(axis=1)
    return float((np.diag(matrix)[rows > 0] / rows[rows > 0]).mean())


def f1(scored: Scored) -> float:
    """Harmonic mean of precision and recall; for more than two classes the mean over classes (macro)."""
    matrix = _confusion(scored)
    both = matrix.sum(axis=0) + matrix.sum(axis=1)
    per_class = np.divide(2 * np.diag(matrix), both, out=np.zeros(len(matrix)), where=both > 0)
    return float(per_class[1] if len(matrix) == 2 and scored.prediction.ndim == 1 else per_class[both > 0].mean())


def matthews(scored: Scored) -> float:
    """Correlation of truth and decision; 0 where one of them is constant.

    References
    ----------
    Gorodkin (2004), Comparing two K-category assignments by a K-category correlation coefficient.
    """
    matrix = _confusion(scored)
    true, decided, total = matrix.sum(axis=1), matrix.sum(axis=0), matrix.sum()
    covariance = np.trace(matrix) * total - true @ decided
    if min((true > 0).sum(), (decided > 0).sum()) < 2:  # with weights, rounding would hide that it is constant
        return 0.0
    spread = np.sqrt((total**2 - decided @ decided) * (total**2 - true @ true))
    return float(covariance / spread)
