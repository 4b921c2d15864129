"""Randomness is an argument: every use draws from a generator named after its purpose.

Adding a new use somewhere changes no other draw, so a run stays repeatable while the program grows.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def named_seed(seed: int, *names: str | int) -> int:
    """A seed in [0, 2^31) for one purpose of a run, e.g. `named_seed(7, "search", "lightgbm", 3)`."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def named_rng(seed: int, *names: str | int) -> np.random.Generator:
    """A generator for one purpose of a run."""
    import numpy as np  # here, since the command line needs this package and not numpy

    return np.random.default_rng(named_seed(seed, *names))
