"""The power law: how the relative error falls with the rows, as a posterior over curves rather than one fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlwright.data.dataset import FloatArray
from mlwright.feasibility.learnt import Learnt, load_learnt

#: Exponents, and asymptotes as shares of the error with all rows, that are weighed against each other.
_EXPONENTS = np.array([0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.75, 0.9, 1.1, 1.3])
_ASYMPTOTES = np.linspace(0.0, 0.99, 34)
#: Anchors share their validation rows, so the distance of one to the other is known better than either; and something is
#: left over that no power law explains.
_SHARED, _LEAST_MISFIT = 0.35, 0.004
_LEAST_ERROR = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerLaw:
    """Curves e(m) = a + b (m / last)^-c with their probabilities.

    Attributes
    ----------
    last
        Training rows of the last anchor.
    probability, asymptote, scale, exponent : shape (n_curves,)
        Of each curve: its probability, a, b and c.
    """

    last: float
    probability: FloatArray = field(repr=False)
    asymptote: FloatArray = field(repr=False)
    scale: FloatArray = field(repr=False)
    exponent: FloatArray = field(repr=False)

    def log_errors(self, rows: float) -> FloatArray:
        """The logarithm of the error with so many rows, by each curve, shape (n_curves,)."""
        errors: FloatArray = self.asymptote + self.scale * (rows / self.last) ** -self.exponent
        return np.log(np.maximum(errors, _LEAST_ERROR))

    def mean(self, rows: float) -> float:
        """The expected logarithm of the error with so many rows."""
        return float(self.probability @ self.log_errors(rows))

    def variance(self, rows: float) -> float:
        """How unsure that is, as a variance."""
        logs = self.log_errors(rows)
        return float(self.probability @ (logs - self.probability @ logs) ** 2)

    def slope(self, rows: float) -> float:
        """How the expected logarithm falls with the logarithm of the rows; not positive."""
        return min((self.mean(rows * 1.1) - self.mean(rows)) / float(np.log(1.1)), 0.0)

    def asymptote_at(self, q: float) -> float:
        """Quantile of the error with endlessly many rows."""
        order = np.argsort(self.asymptote, kind="stable")
        place = int(np.searchsorted(np.cumsum(self.probability[order]), q))
        return float(self.asymptote[order][min(place, len(order) - 1)])


def fit_power_law(
    rows: Sequence[float], errors: Sequence[float], standard_errors: Sequence[float], *, known: Learnt | None = None
) -> PowerLaw:
    """The posterior of the power law on a grid.

    The exponent has a log-normal prior, the asymptote a flat one up to the last error; the scale is fitted by weighted
    least squares for each pair of the two.

    Parameters
    ----------
    rows
        Training rows of each anchor, rising.
    errors, standard_errors
        Relative errors there, positive.

    References
    ----------
    Viering and Loog (2023), The shape of learning curves: a review, TPAMI: power laws with an offset fit most tables.
    """
    known = known or load_learnt()
    m, e, se = (np.asarray(values, dtype=np.float64) for values in (rows, errors, standard_errors))
    weight = 1 / np.maximum(_SHARED * se, _LEAST_MISFIT * e) ** 2
    exponent, share = (grid.ravel() for grid in np.meshgrid(_EXPONENTS, _ASYMPTOTES, indexing="ij"))
    asymptote = share * e[-1]
    fall = (m[None, :] / m[-1]) ** -exponent[:, None]
    above = e[None, :] - asymptote[:, None]
    scale = np.maximum((weight * fall * above).sum(axis=1) / (weight * fall**2).sum(axis=1), 0.0)
    misfit = (weight * (above - scale[:, None] * fall) ** 2).sum(axis=1)
    # The grid is denser where exponents are small, so each has the prior mass of its cell.
    cell = np.gradient(np.log(_EXPONENTS))[np.searchsorted(_EXPONENTS, exponent)]
    prior = -0.5 * (np.log(exponent / known.steepness) / known.spread) ** 2 + np.log(cell)
    log_posterior = prior - 0.5 * misfit
    probability = np.exp(log_posterior - log_posterior.max())
    return PowerLaw(
        last=float(m[-1]),
        probability=probability / probability.sum(),
        asymptote=asymptote,
        scale=scale,
        exponent=exponent,
    )
