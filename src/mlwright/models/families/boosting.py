"""Gradient-boosted trees by LightGBM, with level numbers as categories and missing values as they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlwright._kernels.trees import compile_forest
from mlwright.core import Deadline, read_json, write_json, write_text
from mlwright.data.dataset import FloatArray
from mlwright.features import View
from mlwright.models.families.base import (
    Abilities,
    Compiled,
    FitJob,
    Outline,
    Parameters,
    Rows,
    Settled,
    Space,
    Span,
    as_shares,
)
from mlwright.models.families.boosting_trees import read_trees
from mlwright.models.families.rounds import Patience, Rounds, mean_rounds

MAX_ROUNDS = 6000
_PATIENCE = 60
#: Sums are the same to the bit; the exponential of another C library may differ in the last one.
_TOLERANCE = 2e-15
_OBJECTIVES = {"binary": "binary", "multiclass": "multiclass", "regression": "regression"}
_METRICS = {"binary": "binary_logloss", "multiclass": "multi_logloss", "regression": "l2"}


def _lightgbm() -> Any:
    # Threads that spin while they wait make a fit on a busy machine many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import lightgbm

    return lightgbm


@dataclass(slots=True)
class FittedBoosting:
    """A LightGBM booster."""

    booster: Any
    settled: Settled = field(default_factory=dict)
    cut: bool = False
    threads: int = 1

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:
        return self._predicted(values, settled or self.settled)

    def raw(self, values: FloatArray) -> FloatArray:
        """The sums over trees that the predictions come from, shape (n_rows,) or (n_rows, n_classes)."""
        return self._predicted(values, self.settled, raw_score=True)

    def _predicted(self, values: FloatArray, settled: Settled, *, raw_score: bool = False) -> FloatArray:
        rounds = int(settled.get("rounds", 0)) or None
        predicted: FloatArray = self.booster.predict(
            values, num_iteration=rounds, raw_score=raw_score, num_threads=self.threads, validate_features=False
        )
        return predicted

    def importances(self) -> FloatArray:
        """How much the splits on each feature gained."""
        gain: FloatArray = self.booster.feature_importance("gain").astype(np.float64)
        return as_shares(gain)

    def compiled(self) -> Compiled | None:
        trees = read_trees(self.booster.model_to_string(num_iteration=int(self.settled.get("rounds", 0)) or None))
        return None if trees is None else compile_forest(trees, tolerance=_TOLERANCE)

    def write(self, folder: Path) -> None:
        rounds = int(self.settled.get("rounds", 0)) or None
        write_text(folder / "lightgbm.txt", self.booster.model_to_string(num_iteration=rounds))
        write_json(folder / "boosting.json", {"settled": dict(self.settled)})


_PLAIN = (
    "Many small trees, each correcting the ones before: strong on mixed columns, thresholds and interactions, "
    "takes missing values and categories as they are; does not extrapolate beyond what it has seen."
)
_CROSSED = (
    "Boosted trees that are also told how the target was in other rows of a level and of pairs of columns: strong where "
    "categories have many levels or work together; of little use where they are few, and then left out."
)


class LightGbmFamily:
    """Boosted trees; the workhorse for tables.

    Parameters
    ----------
    view
        `codes`, or `crossed` for trees that are told mean targets of levels and of crosses as well.
    """

    abilities = Abilities(missing=True, categories=True, monotonic=True, importances=True)
    refits = 2
    installed = True

    def __init__(self, view: View = "codes") -> None:
        self.view: View = view
        if view == "crossed":
            self.name, self.title = "lightgbm_crossed", "LightGBM with crossed categories"
            self.sentence = _CROSSED
            # A constraint on a number does not hold for what a cross says of its bins.
            self.abilities = replace(LightGbmFamily.abilities, monotonic=False)
        else:
            self.name, self.title = "lightgbm", "LightGBM"
            self.sentence = _PLAIN

    def candidates(self, outline: Outline) -> Sequence[Parameters]:
        n_rows, n_features = outline.n_rows, outline.n_features
        # Drawing columns per tree would leave a tree of a narrow table with one column and no interaction.
        share = 1.0 if n_features < 8 else 0.7
        leaf = int(np.clip(n_rows // 100, 3, 20))
        plain = {"learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": leaf, "feature_fraction_bynode": share}
        common = {"bagging_fraction": 0.8, "bagging_freq": 1}
        few = {"learning_rate": 0.1, "num_leaves": 6, "min_data_in_leaf": leaf, "lambda_l2": 3.0}
        extra = {"extra_trees": True, "learning_rate": 0.04, "num_leaves": 39, "lambda_l1": 0.2, "lambda_l2": 0.4}
        large = {"learning_rate": 0.03, "num_leaves": 84, "min_data_in_leaf": max(leaf // 2, 3)}
        listed = [
            {"name": "lightgbm", **plain, **common},
            {"name": "lightgbm small", **few, **common, "feature_fraction_bynode": 0.5 if n_features >= 8 else 1.0},
            {
                "name": "lightgbm extra trees",
                **extra,
                **common,
                "min_data_in_leaf": leaf,
                "feature_fraction_bynode": share,
            },
            {"name": "lightgbm large", **large, **common, "feature_fraction_bynode": share},
        ]
        if self.view == "crossed":
            return _renamed(listed[::2]) if outline.n_categories or outline.grouped else []
        return listed if n_rows >= 500 else listed[:3]

    def space(self, outline: Outline) -> Space:
        return {
            "learning_rate": Span(low=0.02, high=0.12, log=True),
            "num_leaves": Span(low=4, high=160, log=True, whole=True),
            "min_data_in_leaf": Span(low=2, high=max(min(outline.n_rows // 20, 100), 4), log=True, whole=True),
            "feature_fraction_bynode": Span(low=0.3, high=1.0),
            "bagging_fraction": Span(low=0.6, high=1.0),
            "lambda_l2": Span(low=0.001, high=20.0, log=True),
            "extra_trees": (False, True),
        }

    def fit(self, job: FitJob) -> FittedBoosting:
        """Boost until the validation rows no longer gain, or for the settled number of rounds."""
        lgb = _lightgbm()
        parameters = _parameters(job)
        train = _dataset(lgb, job.rows, parameters)
        if job.validation is None or job.settled is not None:
            rounds = int((job.settled or {}).get("rounds", 200))
            watch = _Watch(job.deadline)
            booster = lgb.train(parameters, train, rounds, callbacks=[watch])
            return FittedBoosting(booster, {"rounds": booster.current_iteration()}, watch.cut, job.threads)
        validation = _dataset(lgb, job.validation, parameters, reference=train)
        watch = _Watch(job.deadline, patience=_PATIENCE)
        booster = lgb.train(
            parameters, train, MAX_ROUNDS, valid_sets=[validation], valid_names=["validation"], callbacks=[watch]
        )
        return FittedBoosting(booster, {"rounds": max(watch.best_round, 1)}, watch.cut, job.threads)

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:
        return mean_rounds(settled, growth)

    def read(self, folder: Path) -> FittedBoosting:
        lgb = _lightgbm()
        booster = lgb.Booster(model_str=(folder / "lightgbm.txt").read_text(encoding="utf-8"))
        return FittedBoosting(booster, read_json(folder / "boosting.json")["settled"])


def _renamed(candidates: Sequence[Parameters]) -> list[Parameters]:
    return [{**one, "name": str(one["name"]).replace("lightgbm", "lightgbm crossed", 1)} for one in candidates]


def _parameters(job: FitJob) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "objective": _OBJECTIVES[job.task],
        "metric": _METRICS[job.task],
        "verbosity": -1,
        "num_threads": job.threads,
        "seed": job.seed,
        "deterministic": True,
        "force_row_wise": True,
        "max_bin": 255,
        "cat_smooth": 10.0,
        "feature_pre_filter": False,
        **{key: value for key, value in job.parameters.items() if key != "name"},
    }
    if job.task == "multiclass":
        parameters["num_class"] = job.n_classes
    if job.leaf_quantile is not None:
        parameters |= {"objective": "quantile", "metric": "quantile", "alpha": job.leaf_quantile}
    if any(job.monotonic):
        parameters |= {"monotone_constraints": list(job.monotonic), "monotone_constraints_method": "intermediate"}
    # Small tables would otherwise never form a group of a category that is large enough to split on.
    parameters["min_data_per_group"] = int(np.clip(len(job.rows.y) // 50, 5, 100))
    return parameters


def _dataset(lgb: Any, rows: Rows, parameters: dict[str, Any], reference: Any = None) -> Any:
    kept = {key: parameters[key] for key in ("verbosity", "max_bin", "feature_pre_filter", "num_threads")}
    return lgb.Dataset(
        rows.matrix.values,
        rows.y,
        weight=rows.weight,
        categorical_feature=list(rows.matrix.categorical),
        params={**kept, "min_data_in_leaf": 1},
        reference=reference,
        free_raw_data=True,
    )


class _Watch:
    """After each round: stop when time is up, or when the validation rows have not gained for long."""

    before_iteration = False
    order = 10

    def __init__(self, deadline: Deadline, patience: int | None = None) -> None:
        self.rounds = Rounds(deadline)
        self.patience = None if patience is None else Patience(patience)
        self.cut = False

    @property
    def best_round(self) -> int:
        return 0 if self.patience is None else self.patience.best_round

    def __call__(self, environment: Any) -> None:
        done = environment.iteration + 1
        if self.patience is not None and self.patience.lost(done, environment.evaluation_result_list[0][2]):
            _stop(self.best_round)
        if done < environment.end_iteration and self.rounds.over():
            self.cut = True
            _stop(self.best_round or done)


def _stop(best_round: int) -> None:
    raise _lightgbm().callback.EarlyStopException(best_round - 1, [])
