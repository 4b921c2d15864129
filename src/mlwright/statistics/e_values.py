"""Evidence that may be looked at every day: what e-values have in common.

An e-value is a capital that a fair game is expected not to enlarge as long as nothing has changed. Who starts with 1 and
holds 100 has seen what happens in at most 1 of 100 games, whenever one looks and however often (Ville's inequality).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlwright.statistics.scored import FloatArray

Horizon = Literal["ever", "run_length"]
"""`ever`: the error is the chance of any false alarm, however long one watches. `run_length`: it is one over the number
of windows until the first false alarm, on average; quicker after a long quiet time, and wrong again and again."""

DECAY = 1.2
ZETA = 5.591582441177751  # the sum of 1 / t^1.2 over t = 1, 2, ...: the weights of all starts sum to 1


def log_start_weight(window: int, horizon: Horizon) -> float:
    """Log of the capital that is put on "the change begins with this window", counted from 1.

    Over all windows it sums to 1 for `ever`, so that the capital stays fair over an unbounded time; the slow decay costs
    1.2 log(window), where the usual 1 / (t (t + 1)) costs 2 log(window). For `run_length` each window gets 1.

    References
    ----------
    Shin, Ramdas and Rinaldo (2023), E-detectors: a nonparametric framework for sequential change detection, NEJSDS.

    Examples
    --------
    >>> round(sum(math.exp(log_start_weight(t, "ever")) for t in range(1, 10**5)), 2)
    0.91
    """
    return 0.0 if horizon == "run_length" else -DECAY * math.log(window) - math.log(ZETA)


def e_benjamini_hochberg(log_e: FloatArray, error: float) -> NDArray[np.bool_]:
    """Which of many e-values are findings, if at most the share `error` of the findings may be false.

    The e-values may depend on each other in any way, and may be looked at whenever one likes. If nothing at all has
    changed, then there is any finding only where their mean has reached 1 / `error`.

    Parameters
    ----------
    log_e : shape (n_tests,)
        Natural logs, so that none overflows.

    References
    ----------
    Wang and Ramdas (2022), False discovery rate control with e-values, JRSS B.

    Examples
    --------
    >>> e_benjamini_hochberg(np.log([250.0, 1.0, 140.0]), 0.01)
    array([False, False, False])
    >>> e_benjamini_hochberg(np.log([250.0, 1.0, 140.0]), 0.02)
    array([ True, False,  True])
    """
    found = np.zeros(len(log_e), dtype=bool)
    order = np.argsort(-log_e, kind="stable")
    ranks = np.arange(1, len(log_e) + 1)
    high = np.flatnonzero(log_e[order] >= np.log(len(log_e) / (error * ranks)))
    if len(high):
        found[order[: high[-1] + 1]] = True
    return found
