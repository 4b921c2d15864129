"""Limits by group beside fairlearn's, and how often the range of the widest gap holds it: python benchmarks/quality/fairness.py.

The first part needs the real tables (`MLWRIGHT_SHARED_DATA`) and fairlearn; both parts take about a minute on one core.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri
from sklearn.base import BaseEstimator, ClassifierMixin

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.support import shared_table, split_of

from mlwright.checks.quick import quick_out_of_fold
from mlwright.models import GroupedRows, choose_group_limits, group_limits, grouping_of, groups_of
from mlwright.statistics import FAIRNESS_RATES, RATES, GroupRates, fairness_gap

TABLES = {"adult_income": ("sex", 100), "german_credit": ("age <= 25", 50)}
IN_FAIRLEARN = {
    "demographic_parity": "demographic_parity",
    "equal_opportunity": "true_positive_rate_parity",
    "equalized_odds": "equalized_odds",
}
SPLITS, DRAWS, RESAMPLES = 10, 1000, 200


class Said(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that has said already what it is asked for."""

    def fit(self, X: Any, y: Any) -> Said:  # noqa: ARG002 - as scikit-learn calls it
        self.classes_ = np.array([0, 1])
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.column_stack([1 - X[:, 0], X[:, 0]])


def beside_fairlearn(name: str, attribute: str, least_rows: int) -> None:
    from fairlearn.postprocessing import ThresholdOptimizer

    group_limits.LEAST_ROWS = least_rows  # half of German credit has fewer than 100 of the young
    path, entry = shared_table(name)
    _, split = split_of(pl.read_parquet(path), entry["target"], data={"positive_class": entry["positive"]})
    rows = split.dataset
    group, names = groups_of(rows, grouping_of(rows, attribute))
    said = quick_out_of_fold(rows, seed=0).prediction
    whole = GroupedRows(names=tuple(names), group=group, target=rows.y, margin=said, limit=float(np.nextafter(0.5, 0)))
    found: dict[str, list[list[float]]] = {}
    for seed in range(SPLITS):
        first = np.random.default_rng(seed).permutation(len(rows)) < len(rows) // 2
        chosen_on, judged_on = (
            replace(whole, group=group[m], target=rows.y[m], margin=said[m]) for m in (first, ~first)
        )
        ways = {"one limit": judged_on.decide({})}
        for kind, theirs in IN_FAIRLEARN.items():
            for bound in (0.0, 0.05):
                limits = choose_group_limits(chosen_on, f"{kind}_difference", bound)
                ways[f"{kind} {bound:g}, own"] = judged_on.decide(limits)
            optimizer = ThresholdOptimizer(
                estimator=Said().fit(None, None),
                constraints=theirs,
                objective="accuracy_score",
                prefit=True,
                predict_method="predict_proba",
            ).fit(chosen_on.margin[:, None], chosen_on.target, sensitive_features=chosen_on.group)
            ways[f"{kind} 0, fairlearn"] = optimizer.predict(
                judged_on.margin[:, None], sensitive_features=judged_on.group, random_state=seed
            )
        for way, decision in ways.items():
            rates = judged_on.rates(decision)
            gaps = [fairness_gap(f"{kind}_difference", rates).value for kind in FAIRNESS_RATES]
            found.setdefault(way, []).append([judged_on.value(decision), *gaps])
    print(f"\n{name}, {attribute}: mean of {SPLITS} splits")
    print(f"{'way to decide':32} right   " + "  ".join(f"{kind:18}" for kind in FAIRNESS_RATES))
    for way, values in found.items():
        right, *gaps = np.mean(values, axis=0)
        print(f"{way:32} {right:.3f}   " + "  ".join(f"{gap:<18.3f}" for gap in gaps))


def coverage(rates: list[float], n: int, metric: str) -> None:
    """How often each 90 % end, and the 80 % range, holds the true gap: of pairs of groups, and of a bootstrap."""
    rng, truth = np.random.default_rng(0), np.array(rates)
    ratio = metric.endswith("ratio")
    true = truth.min() / truth.max() if ratio else truth.max() - truth.min()
    held = np.zeros((2, 3))
    for _ in range(DRAWS):
        p = rng.binomial(n, truth) / n
        size = np.full(len(p), float(n))
        groups = GroupRates(
            n=size.astype(int),
            positives=size.astype(int),
            rates=dict.fromkeys(RATES, p),
            sizes=dict.fromkeys(RATES, size),
        )
        gap = fairness_gap(metric, groups, confidence=0.8)
        assert gap.interval is not None
        again = rng.binomial(n, p, size=(RESAMPLES, len(p))) / n
        drawn = again.min(1) / np.maximum(again.max(1), 1e-9) if ratio else again.max(1) - again.min(1)
        shift = ndtri(np.clip((drawn < gap.value).mean() + (drawn == gap.value).mean() / 2, 0.02, 0.98))
        low, high = np.quantile(drawn, ndtr(2 * shift + np.array([-1, 1]) * ndtri(0.9)))
        for way, (a, b) in enumerate([(gap.interval.low, gap.interval.high), (low, high)]):
            held[way] += [a <= true, true <= b, a <= true <= b]
    own, bootstrap = held / DRAWS
    shown = f"{'ratio' if ratio else 'difference'} {rates}, {n} rows each"
    print(f"{shown:68} pairs {own.round(3)}   bootstrap {bootstrap.round(3)}")


def main() -> None:
    warnings.simplefilter("ignore")
    for name, (attribute, least_rows) in TABLES.items():
        beside_fairlearn(name, attribute, least_rows)
    print("\nheld by the lower 90 % end, by the upper one, by both")
    for metric in ("demographic_parity_difference", "demographic_parity_ratio"):
        for rates, n in (
            ([0.3, 0.3], 100),
            ([0.3, 0.3], 500),
            ([0.2, 0.3], 200),
            ([0.05, 0.1], 200),
            ([0.3] * 5, 200),
            ([0.2, 0.3, 0.3, 0.3, 0.3], 200),
            ([0.2, 0.3, 0.25, 0.4, 0.35], 200),
            ([0.1, 0.1, 0.1, 0.3, 0.3, 0.3], 300),
        ):
            coverage(rates, n, metric)


if __name__ == "__main__":
    main()
