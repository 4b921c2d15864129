"""What Hypothesis draws for the tests of data: columns, and the ways in which rows can be cut up and merged again."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
T = TypeVar("T")

#: Where float arithmetic is at its edges.
ODD = (0.0, -0.0, 5e-324, -5e-324, 2.2250738585072014e-308, 1e-300, 1.0, -1.0, 1e16, 2.0**53, 1.7e308, -1.7e308)


@st.composite
def numbers(draw: st.DrawFn, *, least: int = 0, largest: float = np.finfo(np.float64).max) -> FloatArray:
    """A column of finite floats: drawn one by one, of a few values, or thousands from one of several distributions."""
    shape = draw(st.sampled_from(["any", "few", "normal", "decades", "bits", "whole"]))
    if shape == "any":
        one = st.floats(-largest, largest) | st.sampled_from([v for v in ODD if abs(v) <= largest])
        return np.array(draw(st.lists(one, min_size=least, max_size=60)), dtype=np.float64)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(max(least, 1), 6000))
    match shape:
        case "few":
            values = rng.choice([v for v in ODD if abs(v) <= largest], n)
        case "normal":
            values = rng.normal(2015, 3, n)
        case "decades":
            values = np.exp(rng.normal(0, 12, n)) * rng.choice([-1, 1], n)
        case "bits":
            bits = rng.integers(-(2**63), 2**63 - 1, n, dtype=np.int64).view(np.float64)
            values = np.where(np.isfinite(bits), bits, 0.0)
        case _:
            values = rng.integers(-2000, 4000, n).astype(np.float64)
    return np.asarray(np.clip(values, -largest, largest), dtype=np.float64)


@st.composite
def texts(draw: st.DrawFn) -> list[str]:
    """A column of texts: any text drawn one by one, or thousands of made ones, with long ones among them."""
    if draw(st.booleans()):
        word = st.text(max_size=12) | st.sampled_from(["", " ", "a", "é", "日本", "x" * 600, "\0", "2021-03-01"])
        return draw(st.lists(word, max_size=60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 5000))
    spread = draw(st.sampled_from([5, 900, 3000, 10**9]))
    return [f"v{i}" if i % 7 else f"{'ü' * (i % 50)} {i}" for i in rng.integers(0, spread, n).tolist()]


def pieces(rows: Sequence[T] | NDArray[Any] | pa.Array, rng: Random) -> list[Any]:
    """The rows cut somewhere, some pieces empty."""
    ends = sorted(rng.randrange(len(rows) + 1) for _ in range(rng.randrange(6)))
    return [rows[a:b] for a, b in zip([0, *ends], [*ends, len(rows)], strict=True)]


def merged(parts: list[Any], rng: Random) -> Any:
    """Summaries merged two by two, in any order."""
    while len(parts) > 1:
        one = parts.pop(rng.randrange(len(parts)))
        parts[rng.randrange(len(parts))].merge(one)
    return parts[0]
