"""Which columns, and which slices, does an expected loss come from?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mlwright.core import Interval
from mlwright.data.dataset import FloatArray
from mlwright.monitoring.reweighting import Reweighting
from mlwright.monitoring.rows import AnsweredRows

#: Gauss and Legendre's rule on [-1, 1].
_NODES, _OF_NODES = np.polynomial.legendre.leggauss(8)
#: The mean loss of a cell is held at that of all rows as strongly as so many rows.
_PRIOR_ROWS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LossShare:
    """How much more is lost per row because of one column, or in one slice.

    Attributes
    ----------
    name
        Of the column or the slice.
    lost
        Per row of the whole window, in units of the loss; negative where it is less.
    """

    name: str
    lost: float
    interval: Interval


def columns_by_rows(
    reference: AnsweredRows, loss: FloatArray, reweighting: Reweighting, *, confidence: float = 0.9
) -> list[LossShare]:
    """How much of the expected change of the mean loss each column accounts for; the largest first, all add up to it.

    The reference is moved to the window in small steps. In each the loss changes by its covariance with the logarithm of
    the weights, and that logarithm is a sum over columns: what the trees that tell the two apart owe to each.

    Parameters
    ----------
    loss : shape (n_rows,)
        Of the labelled reference rows.
    reweighting
        Made without the answer as a column (`with_answer=False`), so that all is said in columns.

    References
    ----------
    Aumann and Shapley (1974), Values of non-atomic games, for the path; Lundberg et al. (2020), Nature Machine
    Intelligence, for the trees.
    """
    shape, table = reweighting.shape, reference.table
    parts = reweighting.booster.contributions(shape.matrix(table))
    total = parts.sum(axis=1)
    influence = np.zeros_like(parts)
    centred = np.zeros(len(loss))
    for point, weight in zip((_NODES + 1) / 2, _OF_NODES / 2, strict=True):
        w = reference.weights * np.exp(point * (total - total.max()))
        w /= w.sum()
        influence += weight * w[:, None] * (parts - w @ parts)
        centred += weight * (loss - w @ loss)
    lost = influence.T @ loss
    error = np.sqrt(np.square(influence * centred[:, None]).sum(axis=0))
    return _largest_first(shape.names, lost, error, confidence)


def columns_by_cells(
    reference: Mapping[str, FloatArray],
    window: Mapping[str, FloatArray],
    loss: Mapping[str, FloatArray],
    *,
    confidence: float = 0.9,
) -> list[LossShare]:
    """The same from counts alone, to first order: each column by itself, as if a value kept the loss that it had.

    Columns that move together each get all of what they have in common, so these shares do not add up.

    Parameters
    ----------
    reference, window : shape (n_cells,) each
        Rows by cell, by the name of the column; cells of the window that the reference does not have lose what all lose.
    loss : shape (n_cells,) each
        Sum of the loss of the reference rows by cell.
    """
    names, lost, error = [], [], []
    for name, sums in loss.items():
        before, now = reference[name], window[name]
        n, m = float(before.sum()), float(now.sum())
        if not n or not m:
            continue
        overall = float(sums.sum()) / n
        mean = (sums + _PRIOR_ROWS * overall) / (before + _PRIOR_ROWS)
        moved = now / m - before / n
        value = float(moved @ mean)
        q, p = now / m, before / n
        sampling = float((q @ mean**2 - (q @ mean) ** 2) / m + (p @ mean**2 - (p @ mean) ** 2) / n)
        # The mean loss of a cell is itself unsure; with losses about as spread as they are large.
        unsure = float((moved**2 * overall**2 / (before + _PRIOR_ROWS)).sum())
        names.append(name)
        lost.append(value)
        error.append(float(np.sqrt(max(sampling, 0.0) + unsure)))
    return _largest_first(names, np.array(lost), np.array(error), confidence)


def slices_by_rows(
    slices: Mapping[str, tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    reference_loss: FloatArray,
    window_loss: FloatArray,
    *,
    reference_weight: FloatArray | None = None,
    window_weight: FloatArray | None = None,
    confidence: float = 0.9,
) -> list[LossShare]:
    """How much more each slice loses than it did, per row of the whole window; the largest first.

    Parameters
    ----------
    slices
        By name: which rows of the reference, and which of the window, are in it.
    reference_loss, window_loss : shape (n_rows,)
        Of the rows of each: what they lost, or are expected to lose.
    """
    w = _shares(reference_loss, reference_weight)
    v = _shares(window_loss, window_weight)
    names, lost, error = [], [], []
    for name, (before, now) in slices.items():
        of_before, of_now = np.where(before, reference_loss, 0.0), np.where(now, window_loss, 0.0)
        value = float(v @ of_now - w @ of_before)
        variance = w**2 @ (of_before - w @ of_before) ** 2 + v**2 @ (of_now - v @ of_now) ** 2
        names.append(name)
        lost.append(value)
        error.append(float(np.sqrt(variance)))
    return _largest_first(names, np.array(lost), np.array(error), confidence)


def _shares(values: FloatArray, weight: FloatArray | None) -> FloatArray:
    w = np.ones(len(values)) if weight is None else weight
    shares: FloatArray = w / max(float(w.sum()), 1e-300)
    return shares


def _largest_first(names: Sequence[str], lost: FloatArray, error: FloatArray, confidence: float) -> list[LossShare]:
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    return [
        LossShare(
            name=names[i],
            lost=float(lost[i]),
            interval=Interval(
                low=float(lost[i] - z * error[i]), high=float(lost[i] + z * error[i]), confidence=confidence
            ),
        )
        for i in np.argsort(-lost, kind="stable").tolist()
    ]
