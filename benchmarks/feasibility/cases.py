"""Forecast and truth side by side: one case for each task, share of the rows and metric.

Two truths are looked at. Against unseen test rows is what a project meets, with the chance in which rows the test has.
Against cross-validation is what the method can be blamed for: the tuned ensemble's score out of fold on all training rows,
of which the forecast has seen a share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from benchmarks.feasibility.curves import Seen, known_curves
from benchmarks.feasibility.truth import known_truth

from mlwright.feasibility import (
    Learnt,
    PowerLaw,
    QuickCurve,
    RawForecast,
    compare_with_corpus,
    fit_laws,
    load_learnt,
    properties_of,
    raw_forecasts,
)
from mlwright.feasibility.forecast import error_of, score_of

Against = Literal["test", "out_of_fold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One forecast and what came true.

    Attributes
    ----------
    share, rows, columns
        Of the training rows that were seen; how many these were; columns.
    train_rows, test_rows
        All training rows, and the rows that the truth was measured on.
    log_truth, score
        Of the tuned model: the logarithm of its relative error, and its score.
    score_error
        Standard error of that score.
    spread_of_target
        What errors are shown in units of: the standard deviation of the target for RMSE, else 1.
    """

    task: str
    origin: str
    family: str
    kind: str
    metric: str
    share: float
    rows: int
    columns: int
    train_rows: int
    test_rows: int
    raw: RawForecast
    log_truth: float
    score: float
    score_error: float
    spread_of_target: float

    @property
    def z(self) -> float:
        """How far the truth was from the forecast, in units of its sigma."""
        return (self.log_truth - self.raw.mu) / self.raw.sigma

    def score_at(self, z: float) -> float:
        """The score that is z sigmas of error above the forecast."""
        return score_of(self.raw.metric, float(np.exp(self.raw.mu + z * self.raw.sigma)), self.raw.unit)


def cases_of(
    seen: Iterable[Seen],
    truth: Mapping[str, Mapping[str, Any]],
    *,
    known: Learnt | None = None,
    against: Against = "test",
) -> list[Case]:
    """Every case that has both a curve and a truth."""
    known = known or load_learnt()
    made = []
    for one in seen:
        true = truth.get(one.task)
        if true is None:
            continue
        laws = fit_laws(one.curve, known=known)
        apart = compare_with_corpus(properties_of(one.curve, rows=one.rows, columns=one.columns), known=known)
        raws = raw_forecasts(one.curve, true["rows"], true["test_rows"], laws=laws, widened=apart.factor, known=known)
        for metric, raw in raws.items():
            if against == "out_of_fold":
                raw = _cross_validated(raw, laws[metric], one.curve, one.share, true, known, apart.factor)
            score = true[against][metric]["score"]
            rows = true["test_rows"] if against == "test" else true["rows"]
            made.append(
                Case(
                    task=one.task,
                    origin=true["origin"],
                    family=true["family"],
                    kind=true["kind"],
                    metric=metric,
                    share=one.share,
                    rows=one.rows,
                    columns=one.columns,
                    train_rows=true["rows"],
                    test_rows=rows,
                    raw=raw,
                    # Half a mistake more would not have been surprising.
                    log_truth=float(np.log(max(error_of(metric, score, raw.unit), 0.5 / rows))),
                    score=score,
                    score_error=true[against][metric]["error"],
                    spread_of_target=raw.unit if metric == "rmse" else 1.0,
                )
            )
    return made


def _cross_validated(
    raw: RawForecast,
    law: PowerLaw,
    curve: QuickCurve,
    share: float,
    true: Mapping[str, Any],
    known: Learnt,
    widened: float,
) -> RawForecast:
    """The forecast for the score out of fold on all training rows, a share of which is what the forecast has seen."""
    now = curve.last.errors[raw.metric]
    read_at = true["rows"] * (1 - 1 / max(true["folds"], 2)) * known.multiple
    mu = law.mean(read_at)
    # Of n rows among N that the truth is measured on, the error differs from the truth's by chance with this variance.
    chance = (now.standard_error / now.error) ** 2 * (1 - share)
    own = chance + law.variance(read_at) + (known.drop * (np.log(now.error) - mu)) ** 2 + known.floor**2
    sigma = widened * float(np.sqrt(own + curve.drift.get(raw.metric, 0.0) ** 2))
    return replace(raw, mu=mu, sigma=sigma, sigma_truth=sigma, test_error=0.0)


def known_cases(cache: Path, *, known: Learnt | None = None, against: Against = "test") -> list[Case]:
    """All cases of the caches."""
    lines = known_truth()
    return cases_of(known_curves(cache, sorted(lines)), lines, known=known, against=against)
