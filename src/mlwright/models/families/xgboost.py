"""Gradient-boosted trees by XGBoost, an extra: a third opinion beside LightGBM and CatBoost."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mlwright._kernels.trees import compile_forest
from mlwright.core import read_json, write_json
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
from mlwright.models.families.odds import probabilities
from mlwright.models.families.rounds import Patience, Rounds, mean_rounds
from mlwright.models.families.xgboost_trees import read_trees
from mlwright.spec import Task

MAX_ROUNDS = 6000
_PATIENCE = 60
#: XGBoost sums in single precision.
_TOLERANCE = 1e-6
_OBJECTIVES = {"binary": "binary:logistic", "multiclass": "multi:softprob", "regression": "reg:squarederror"}
_METRICS = {"binary": "logloss", "multiclass": "mlogloss", "regression": "rmse"}
#: XGBoost computes with 32 bits and refuses what is infinite in them.
_LARGEST = float(np.finfo(np.float32).max)


def _xgboost() -> Any:
    # Threads that spin while they wait make a fit on a busy machine many times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import xgboost

    return xgboost


@dataclass(slots=True)
class FittedXgboost:
    """An XGBoost booster."""

    booster: Any
    task: Task
    settled: Settled = field(default_factory=dict)
    cut: bool = False

    def predict(self, values: FloatArray, *, settled: Settled | None = None) -> FloatArray:
        rounds = min(int((settled or self.settled).get("rounds", 0)), self.booster.num_boosted_rounds())
        raw = self.booster.inplace_predict(
            values, iteration_range=(0, rounds), predict_type="margin", validate_features=False
        )
        return probabilities(raw.astype(np.float64), self.task)

    def importances(self) -> FloatArray:
        """How much the splits on each feature gained in all."""
        gain = np.zeros(self.booster.num_features())
        for name, value in self.booster.get_score(importance_type="total_gain").items():
            gain[int(name[1:])] = value
        return as_shares(gain)

    def compiled(self) -> Compiled | None:
        trees = read_trees(self._settled_booster().save_raw("json"))
        return None if trees is None else compile_forest(trees, tolerance=_TOLERANCE)

    def _settled_booster(self) -> Any:
        rounds = int(self.settled.get("rounds", 0))
        return self.booster[:rounds] if 0 < rounds < self.booster.num_boosted_rounds() else self.booster

    def write(self, folder: Path) -> None:
        self._settled_booster().save_model(folder / "xgboost.ubj")
        write_json(folder / "xgboost.json", {"task": self.task, "settled": dict(self.settled)})


class XgboostFamily:
    """Boosted trees that grow level by level."""

    name = "xgboost"
    title = "XGBoost"
    view: View = "codes"
    abilities = Abilities(missing=True, categories=True, monotonic=True, importances=True)
    sentence = (
        "Many small trees, grown level by level: close to LightGBM in what it can, so that the two together err less than "
        "either; computes with 32 bits, and does not extrapolate."
    )

    refits = 2

    @property
    def installed(self) -> bool:
        """Whether the extra `xgboost` is there."""
        return find_spec("xgboost") is not None

    def candidates(self, outline: Outline) -> Sequence[Parameters]:
        # Drawing columns per node would leave a node of a narrow table with one column.
        share = 1.0 if outline.n_features < 8 else 0.7
        common = {"subsample": 0.8, "colsample_bynode": share, "max_cat_to_onehot": 10}
        plain = {"name": "xgboost", **common, "learning_rate": 0.05, "max_depth": 6, "min_child_weight": 2.0}
        deep = {"name": "xgboost deep", **common, "learning_rate": 0.04, "max_depth": 9, "min_child_weight": 4.0}
        return [plain, deep] if outline.n_rows >= 2000 else [plain]

    def space(self, outline: Outline) -> Space:
        return {
            "learning_rate": Span(low=0.02, high=0.12, log=True),
            "max_depth": Span(low=3, high=10, whole=True),
            "min_child_weight": Span(low=0.5, high=max(min(outline.n_rows / 50, 50.0), 2.0), log=True),
            "colsample_bynode": Span(low=0.3, high=1.0),
            "subsample": Span(low=0.6, high=1.0),
            "reg_lambda": Span(low=0.01, high=20.0, log=True),
        }

    def fit(self, job: FitJob) -> FittedXgboost:
        """Boost until the validation rows no longer gain, or for the settled number of rounds."""
        xgb = _xgboost()
        train = _matrix(xgb, job.rows, job)
        if job.validation is None or job.settled is not None:
            booster = xgb.Booster(_parameters(job), [train])
            done, cut, rounds = 0, False, Rounds(job.deadline)
            wanted = max(int((job.settled or {}).get("rounds", 200)), 1)
            for done in range(1, wanted + 1):
                booster.update(train, done - 1)
                cut = done < wanted and rounds.over()
                if cut:
                    break
            return FittedXgboost(booster, job.task, {"rounds": done}, cut)
        validation = _matrix(xgb, job.validation, job, reference=train)
        booster = xgb.Booster(_parameters(job), [train, validation])
        patience, cut, rounds = Patience(_PATIENCE), False, Rounds(job.deadline)
        for done in range(1, MAX_ROUNDS + 1):
            booster.update(train, done - 1)
            loss = float(booster.eval_set([(validation, "validation")], done - 1).rsplit(":", 1)[1])
            if patience.lost(done, loss):
                break
            cut = rounds.over()
            if cut:
                break
        return FittedXgboost(booster, job.task, {"rounds": max(patience.best_round, 1)}, cut)

    def combine(self, settled: Sequence[Settled], *, growth: float) -> Settled:
        return mean_rounds(settled, growth)

    def read(self, folder: Path) -> FittedXgboost:
        state = read_json(folder / "xgboost.json")
        booster = _xgboost().Booster({"nthread": 1}, model_file=folder / "xgboost.ubj")
        return FittedXgboost(booster, state["task"], state["settled"])


def _parameters(job: FitJob) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "objective": _OBJECTIVES[job.task],
        "eval_metric": _METRICS[job.task],
        "tree_method": "hist",
        "max_bin": 256,
        "nthread": job.threads,
        "seed": job.seed,
        "verbosity": 0,
        **{key: value for key, value in job.parameters.items() if key != "name"},
    }
    if job.task == "multiclass":
        parameters["num_class"] = job.n_classes
    if job.leaf_quantile is not None:
        quantile = {"objective": "reg:quantileerror", "eval_metric": "quantile", "quantile_alpha": job.leaf_quantile}
        parameters |= quantile
    if any(job.monotonic):
        parameters["monotone_constraints"] = tuple(job.monotonic)
    return parameters


def _matrix(xgb: Any, rows: Rows, job: FitJob, reference: Any = None) -> Any:
    levels = set(rows.matrix.categorical)
    return xgb.QuantileDMatrix(
        np.clip(rows.matrix.values, -_LARGEST, _LARGEST),
        rows.y,
        weight=rows.weight,
        feature_types=["c" if j in levels else "float" for j in range(rows.matrix.values.shape[1])],
        enable_categorical=True,
        nthread=job.threads,
        max_bin=int(job.parameters.get("max_bin", 256)),
        ref=reference,
    )
