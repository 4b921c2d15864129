"""Clean tables, and what the checks say about a frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from tests.support import breast_cancer_frame, dataset_of, diabetes_frame, mixed_frame, spec_for, wine_frame

from mlwright.checks import CheckReport, run_checks


def digits_frame(rows: int = 700) -> pl.DataFrame:
    """The first pictures of 8 x 8 points, target `digit`."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    columns = {str(name): bunch.data[:rows, i] for i, name in enumerate(bunch.feature_names)}
    return pl.DataFrame(columns).with_columns(digit=pl.Series([f"digit {k}" for k in bunch.target[:rows]]))


#: Frames without a fault, with their targets.
CLEAN: dict[str, tuple[Callable[[], pl.DataFrame], str]] = {
    "breast cancer": (breast_cancer_frame, "diagnosis"),
    "wine": (wine_frame, "cultivar"),
    "digits": (digits_frame, "digit"),
    "diabetes": (diabetes_frame, "progression"),
    "mixed": (mixed_frame, "bought"),
}


def checked(frame: pl.DataFrame, target: str, *only: str, **sections: Any) -> CheckReport:
    """What some checks (all, if none is named) say about a frame."""
    spec = spec_for(target, **sections)
    return run_checks(dataset_of(frame, target, **sections), spec, only=only or None)


def noticed(report: CheckReport, check: str) -> list[str | None]:
    """The columns that a check warns of or fails, None for the table."""
    return [result.column for result in report.of(check) if result.status != "pass"]


def recoded(values: pl.Series, *, wrong: float, seed: int = 0) -> pl.Series:
    """The values under other names, a share of them at random."""
    rng = np.random.default_rng(seed)
    texts = values.cast(pl.String).to_numpy().copy()
    moved = rng.random(len(texts)) < wrong
    texts[moved] = rng.permutation(texts)[moved]
    codes = {text: f"code {i}" for i, text in enumerate(sorted(set(texts)))}
    return pl.Series([codes[text] for text in texts])
